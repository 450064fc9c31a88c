"""Messengers: mail, Apprise and webhooks tell what changed.

settings.py declares a channel, digest.py says when a message is due, wording.py writes it, channel.py and spool.py carry it out in order; mail.py,
apprise.py and webhook.py hand it over.
"""
