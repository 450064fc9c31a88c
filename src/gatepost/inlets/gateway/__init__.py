"""The gateway: stands in front of a mail server on SMTP, IMAP, POP3 and ManageSieve, and asks the guard before the server sees a byte.

settings.py (what an administrator writes), listener.py (who gets in), session.py (one client and the server behind), backend.py (the way to the
server), ear.py (what a session tells the guard), certificates.py (TLS). What passes is understood in wire/: smtp.py, imap.py, pop3.py and sieve.py.
"""
