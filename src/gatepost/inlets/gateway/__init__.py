"""The gateway: stands in front of a mail server on SMTP, IMAP and POP3, and asks the guard before the server sees a byte.

settings.py (what an administrator writes), listener.py (who gets in), session.py (one client and the server behind), ear.py (what a session tells the
guard), certificates.py (TLS). What passes is understood in wire/smtp.py, wire/imap.py and wire/pop3.py.
"""
