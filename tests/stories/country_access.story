# Log-ins are let in by country; mail, connections and relaying never ask where a client is.
preset standard
country allow DE,AT
deny 203.0.113.9
allow 203.0.113.8 logins
allow 203.0.113.6 relay no-detection
00:00:00  ?? login imap 192.0.2.7 account=bob@example.org country=DE
          << allow
00:00:00  ?? login imap 203.0.113.7 account=bob@example.org country=NL
          << refuse country   (NL)
00:00:00  ?? login smtp 203.0.113.7 account=bob@example.org country=NL
          << refuse country   (NL)
00:00:00  ?? connect imap 203.0.113.7 country=NL
          << allow
00:00:00  ?? connect smtp 203.0.113.7 country=NL
          << allow
00:00:00  ?? message smtp 203.0.113.7 country=NL
          << allow
00:00:00  ?? relay smtp 203.0.113.7 country=NL
          << allow
# Entries of the lists go first; the relay box says nothing about log-ins.
00:00:00  ?? login imap 203.0.113.8 country=NL
          << allow   (allow 203.0.113.8 logins)
00:00:00  ?? login imap 203.0.113.6 country=NL
          << refuse country   (NL)
00:00:00  ?? login imap 203.0.113.9 country=DE
          << refuse denied   (deny 203.0.113.9)
# Where nobody knows the country, or nobody looked, one may log in.
00:00:00  ?? login imap 203.0.113.7 country=unknown
          << allow
00:00:00  ?? login imap 203.0.113.7
          << allow
# A policy for some protocols that lets nobody in whose country is unknown.
00:01:00  adopt country refuse NL,BE unknown=refuse on=imap,pop3
00:01:00  ?? login imap 203.0.113.7 country=NL
          << refuse country   (NL)
00:01:00  ?? login smtp 203.0.113.7 country=NL
          << allow
00:01:00  ?? login imap 203.0.113.7 country=FR
          << allow
00:01:00  ?? login pop3 203.0.113.7 country=unknown
          << refuse country   (unknown)
# A trial.
00:02:00  adopt country refuse NL mode=observe
00:02:00  ?? login imap 203.0.113.7 country=NL
          << allow   (would refuse country NL)
00:03:00  adopt country off
00:03:00  ?? login imap 203.0.113.7 country=NL
          << allow
