# bad-neighbourhood at the edge of its window, and by IPv6: the network is the /48, and a hold exactly a day back is out of it.
preset strict

00:00:00  >> connected imap 2001:db8:1:1::1     49 times, every 1s
00:00:49  >> connected imap 2001:db8:1:1::1
          << impose block client 2001:db8:1:1::1 on imap until 00:05:49   (dos: 50 in 5m)
00:10:00  >> connected imap 2001:db8:1:2::1     49 times, every 1s
00:10:49  >> connected imap 2001:db8:1:2::1
          << impose block client 2001:db8:1:2::1 on imap until 00:15:49   (dos: 50 in 5m)
00:20:00  >> connected imap 2001:db8:1:3::1     49 times, every 1s
00:20:49  >> connected imap 2001:db8:1:3::1
          << impose block client 2001:db8:1:3::1 on imap until 00:25:49   (dos: 50 in 5m)
00:30:00  >> connected imap 2001:db8:1:4::1     49 times, every 1s
00:30:49  >> connected imap 2001:db8:1:4::1
          << impose block client 2001:db8:1:4::1 on imap until 00:35:49   (dos: 50 in 5m)
24:00:00  >> connected imap 2001:db8:1:5::1     49 times, every 1s
24:00:49  >> connected imap 2001:db8:1:5::1
          << impose block client 2001:db8:1:5::1 on imap until 24:05:49   (dos: 50 in 5m)
24:00:50  ?? connect imap 2001:db8:1:ffff::1
          << allow
# The second of the first four is still within the day: with this one they are five.
24:08:00  >> connected imap 2001:db8:1:6::1     49 times, every 1s
24:08:49  >> connected imap 2001:db8:1:6::1
          << impose block client 2001:db8:1:6::1 on imap until 24:13:49   (dos: 50 in 5m)
          << impose block network 2001:db8:1::/48 on everything until 48:08:49   (bad-neighbourhood: 5 in 1d)
24:09:00  ?? connect imap 2001:db8:1:ffff::1
          << refuse bad-neighbourhood
24:09:00  ?? connect imap 2001:db8:2:1::1
          << allow
