# The boxes of an allow entry: detection (the default), logins, relay; and the protocols that it names.
preset standard
allow 198.51.100.1
allow 198.51.100.2 logins
allow 198.51.100.3 relay
allow 198.51.100.4 relay no-detection
allow 198.51.100.5 on=imap,pop3
deny 198.51.100.5 on=smtp
allow 198.51.100.6 on=imap

# detection: no rule counts it or holds it. It may not relay.
00:00:00  >> connected smtp 198.51.100.1         60 times, every 1s
00:01:00  >> auth_failed imap 198.51.100.1       60 times, every 1s
00:02:00  ?? connect smtp 198.51.100.1
          << allow   (allow 198.51.100.1)
00:02:00  ?? relay smtp 198.51.100.1
          << allow

# logins: only the rules about failed log-ins leave it alone.
00:03:00  >> auth_failed imap 198.51.100.2       60 times, every 1s
00:04:00  >> connected imap 198.51.100.2         49 times, every 1s
00:04:49  >> connected imap 198.51.100.2
          << impose block client 198.51.100.2 on imap until 00:09:49   (dos: 50 in 5m)
00:04:50  ?? connect imap 198.51.100.2
          << refuse dos

# relay: it may relay without a log-in. detection is on as well.
00:05:00  ?? relay smtp 198.51.100.3
          << allow   (allow 198.51.100.3 relay)
00:05:00  >> connected smtp 198.51.100.3         60 times, every 1s

# relay alone: it is counted and held like anybody, yet what it may relay it may.
00:06:00  >> connected smtp 198.51.100.4         49 times, every 1s
00:06:49  >> connected smtp 198.51.100.4
          << impose block client 198.51.100.4 on smtp until 00:11:49   (dos: 50 in 5m)
00:06:50  ?? connect smtp 198.51.100.4
          << refuse dos
00:06:50  ?? relay smtp 198.51.100.4
          << allow   (allow 198.51.100.4 relay no-detection)

# protocols: one address may be allowed on some and denied on others.
00:07:00  ?? connect imap 198.51.100.5
          << allow   (allow 198.51.100.5 on imap,pop3)
00:07:00  ?? connect smtp 198.51.100.5
          << refuse denied   (deny 198.51.100.5 on smtp)
00:07:00  ?? connect sieve 198.51.100.5
          << allow

# On the protocols that an entry does not name, it says nothing.
00:08:00  >> connected imap 198.51.100.6         60 times, every 1s
00:09:00  >> connected smtp 198.51.100.6         49 times, every 1s
00:09:49  >> connected smtp 198.51.100.6
          << impose block client 198.51.100.6 on smtp until 00:14:49   (dos: 50 in 5m)
