# Connections at one time: the fact says how many are open, and the one that is too many is turned away itself.
rule many-at-once counts=open_connections threshold=3 for=5m

00:00:00  >> connected imap 192.0.2.7 open=1
00:00:01  >> connected imap 192.0.2.7 open=2
00:00:02  >> connected imap 192.0.2.7 open=3
          << impose block client 192.0.2.7 on imap until 00:05:02   (many-at-once: 3 at one time)
00:00:03  ?? connect imap 192.0.2.7
          << refuse many-at-once
00:00:03  ?? connect smtp 192.0.2.7
          << allow

# Connections that come and go are never too many; a log does not know how many are open.
00:01:00  >> connected smtp 192.0.2.8 open=2     50 times, every 1s
00:02:00  >> connected smtp 192.0.2.8            50 times, every 1s

# IPv6 by single address: others of the /64 are not held.
00:03:00  >> connected smtp 2001:db8::1 open=4
          << impose block client 2001:db8::1 on smtp until 00:08:00   (many-at-once: 3 at one time)
00:03:01  ?? connect smtp 2001:db8::2
          << allow

# After its time it fires again where as many are still open.
00:05:02  >> connected imap 192.0.2.7 open=9
          << impose block client 192.0.2.7 on imap until 00:10:02   (many-at-once: 3 at one time)
