# pause: all holds of rules are released at once, and rules only tell what they would have held. An administrator's hold stays.
preset standard

00:00:00  hold client 203.0.113.9 for 10h
          << impose block client 203.0.113.9 on everything until 10:00:00   (administrator)
00:00:00  >> connected imap 192.0.2.7            50 times, every 1s
          << impose block client 192.0.2.7 on imap until 00:05:49   (dos: 50 in 5m)
00:01:00  pause for 1h
          << release block client 192.0.2.7 on imap   (paused)
00:01:01  ?? connect imap 192.0.2.7
          << allow
00:01:01  ?? connect imap 203.0.113.9
          << refuse administrator
00:02:00  >> connected imap 192.0.2.8            50 times, every 1s
          << watch block client 192.0.2.8 on imap until 00:07:49   (dos: 50 in 5m)
00:02:50  ?? connect imap 192.0.2.8
          << allow

# resume ends it early: from now on rules hold again, and what was only watched silences nothing.
00:03:00  resume
00:03:00  >> connected imap 192.0.2.8            50 times, every 1s
          << impose block client 192.0.2.8 on imap until 00:08:49   (dos: 50 in 5m)

# A pause ends by itself, too.
02:00:00  pause for 10m
02:09:59  >> connected pop3 192.0.2.9            50 times, every 1ms
          << watch block client 192.0.2.9 on pop3 until 02:14:59.049   (dos: 50 in 5m)
02:10:00  >> connected pop3 192.0.2.9            50 times, every 1ms
          << impose block client 192.0.2.9 on pop3 until 02:15:00.049   (dos: 50 in 5m)
