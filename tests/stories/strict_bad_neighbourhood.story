# bad-neighbourhood: five different addresses of one network (/24, /48) that are held within a day block the whole network for a day.
preset strict

00:00:00  >> connected imap 192.0.2.1     49 times, every 1s
00:00:49  >> connected imap 192.0.2.1
          << impose block client 192.0.2.1 on imap until 00:05:49   (dos: 50 in 5m)
00:10:00  >> connected imap 192.0.2.2     49 times, every 1s
00:10:49  >> connected imap 192.0.2.2
          << impose block client 192.0.2.2 on imap until 00:15:49   (dos: 50 in 5m)
00:20:00  >> connected imap 192.0.2.3     49 times, every 1s
00:20:49  >> connected imap 192.0.2.3
          << impose block client 192.0.2.3 on imap until 00:25:49   (dos: 50 in 5m)
00:30:00  >> connected imap 192.0.2.4     49 times, every 1s
00:30:49  >> connected imap 192.0.2.4
          << impose block client 192.0.2.4 on imap until 00:35:49   (dos: 50 in 5m)
# The same address again is no fifth, though it counts at its latest time.
01:00:00  >> connected imap 192.0.2.4     49 times, every 1s
01:00:49  >> connected imap 192.0.2.4
          << impose block client 192.0.2.4 on imap until 01:05:49   (dos: 50 in 5m)
01:01:00  ?? connect imap 192.0.2.200
          << allow
# A neighbour of another network is none.
02:00:00  >> connected imap 192.0.3.5     49 times, every 1s
02:00:49  >> connected imap 192.0.3.5
          << impose block client 192.0.3.5 on imap until 02:05:49   (dos: 50 in 5m)
# The fifth, within a day of the first.
23:59:00  >> connected imap 192.0.2.5     49 times, every 1s
24:00:48.999999  >> connected imap 192.0.2.5
          << impose block client 192.0.2.5 on imap until 24:05:48.999999   (dos: 50 in 5m)
          << impose block network 192.0.2.0/24 on everything until 48:00:48.999999   (bad-neighbourhood: 5 in 1d)
24:01:00  ?? connect smtp 192.0.2.200
          << refuse bad-neighbourhood
24:01:00  ?? connect smtp 192.0.3.200
          << allow
48:00:48.999998  ?? connect smtp 192.0.2.200
          << refuse bad-neighbourhood
48:00:48.999999  ?? connect smtp 192.0.2.200
          << allow

# A network from which somebody logged in well within 30 days is not blocked for its neighbours.
100:00:00  >> auth_succeeded imap 198.51.100.9 account=bob@example.org
100:01:00  >> connected imap 198.51.100.1     49 times, every 1s
100:01:49  >> connected imap 198.51.100.1
          << impose block client 198.51.100.1 on imap until 100:06:49   (dos: 50 in 5m)
100:11:00  >> connected imap 198.51.100.2     49 times, every 1s
100:11:49  >> connected imap 198.51.100.2
          << impose block client 198.51.100.2 on imap until 100:16:49   (dos: 50 in 5m)
100:21:00  >> connected imap 198.51.100.3     49 times, every 1s
100:21:49  >> connected imap 198.51.100.3
          << impose block client 198.51.100.3 on imap until 100:26:49   (dos: 50 in 5m)
100:31:00  >> connected imap 198.51.100.4     49 times, every 1s
100:31:49  >> connected imap 198.51.100.4
          << impose block client 198.51.100.4 on imap until 100:36:49   (dos: 50 in 5m)
100:41:00  >> connected imap 198.51.100.5     49 times, every 1s
100:41:49  >> connected imap 198.51.100.5
          << impose block client 198.51.100.5 on imap until 100:46:49   (dos: 50 in 5m)
100:52:00  >> connected imap 198.51.100.6     49 times, every 1s
100:52:49  >> connected imap 198.51.100.6
          << impose block client 198.51.100.6 on imap until 100:57:49   (dos: 50 in 5m)
101:00:00  ?? connect smtp 198.51.100.200
          << allow
