# A network that holds an address of the allow list is not blocked for its neighbours.
preset strict
allow 203.0.113.99

00:00:00  >> connected imap 203.0.113.1     49 times, every 1s
00:00:49  >> connected imap 203.0.113.1
          << impose block client 203.0.113.1 on imap until 00:05:49   (dos: 50 in 5m)
00:10:00  >> connected imap 203.0.113.2     49 times, every 1s
00:10:49  >> connected imap 203.0.113.2
          << impose block client 203.0.113.2 on imap until 00:15:49   (dos: 50 in 5m)
00:20:00  >> connected imap 203.0.113.3     49 times, every 1s
00:20:49  >> connected imap 203.0.113.3
          << impose block client 203.0.113.3 on imap until 00:25:49   (dos: 50 in 5m)
00:30:00  >> connected imap 203.0.113.4     49 times, every 1s
00:30:49  >> connected imap 203.0.113.4
          << impose block client 203.0.113.4 on imap until 00:35:49   (dos: 50 in 5m)
00:40:00  >> connected imap 203.0.113.5     49 times, every 1s
00:40:49  >> connected imap 203.0.113.5
          << impose block client 203.0.113.5 on imap until 00:45:49   (dos: 50 in 5m)
00:52:00  >> connected imap 203.0.113.6     49 times, every 1s
00:52:49  >> connected imap 203.0.113.6
          << impose block client 203.0.113.6 on imap until 00:57:49   (dos: 50 in 5m)
01:00:00  ?? connect smtp 203.0.113.200
          << allow

# The deny list makes nobody trusted: a network that holds a denied address is blocked as any other.
02:00:00  adopt deny 192.0.2.99
02:00:00  >> connected imap 192.0.2.1     49 times, every 1s
02:00:49  >> connected imap 192.0.2.1
          << impose block client 192.0.2.1 on imap until 02:05:49   (dos: 50 in 5m)
02:10:00  >> connected imap 192.0.2.2     49 times, every 1s
02:10:49  >> connected imap 192.0.2.2
          << impose block client 192.0.2.2 on imap until 02:15:49   (dos: 50 in 5m)
02:20:00  >> connected imap 192.0.2.3     49 times, every 1s
02:20:49  >> connected imap 192.0.2.3
          << impose block client 192.0.2.3 on imap until 02:25:49   (dos: 50 in 5m)
02:30:00  >> connected imap 192.0.2.4     49 times, every 1s
02:30:49  >> connected imap 192.0.2.4
          << impose block client 192.0.2.4 on imap until 02:35:49   (dos: 50 in 5m)
02:50:00  >> connected imap 192.0.2.5     49 times, every 1s
02:50:49  >> connected imap 192.0.2.5
          << impose block client 192.0.2.5 on imap until 02:55:49   (dos: 50 in 5m)
          << impose block network 192.0.2.0/24 on everything until 26:50:49   (bad-neighbourhood: 5 in 1d)
