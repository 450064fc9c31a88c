# repeat-offender: an address that was held three times within 30 days, on whatever protocols, is blocked on everything for 7 days.
preset strict

00:00:00  >> connected imap 192.0.2.7            49 times, every 1s
00:00:49  >> connected imap 192.0.2.7
          << impose block client 192.0.2.7 on imap until 00:05:49   (dos: 50 in 5m)
24:00:00  >> auth_failed smtp 192.0.2.7          49 times, every 1s
24:00:49  >> auth_failed smtp 192.0.2.7
          << impose block client 192.0.2.7 on smtp until 24:30:49   (password-brute-force: 50 in 10m)
24:00:50  ?? connect sieve 192.0.2.7
          << allow
# The third hold, a microsecond less than 30 days after the first.
720:00:00  >> connected imap 192.0.2.7           49 times, every 1s
720:00:48.999999  >> connected imap 192.0.2.7
          << impose block client 192.0.2.7 on imap until 720:05:48.999999   (dos: 50 in 5m)
          << impose block client 192.0.2.7 on everything until 888:00:48.999999   (repeat-offender: 3 in 30d)
720:00:50  ?? connect sieve 192.0.2.7
          << refuse repeat-offender
720:00:50  ?? login http 192.0.2.7
          << refuse repeat-offender
888:00:48.999998  ?? connect smtp 192.0.2.7
          << refuse repeat-offender
888:00:48.999999  ?? connect smtp 192.0.2.7
          << allow

# Two holds are not three, and a first that lies exactly 30 days back is out of the window.
1000:00:00  >> connected imap 192.0.2.8          49 times, every 1s
1000:00:49  >> connected imap 192.0.2.8
          << impose block client 192.0.2.8 on imap until 1000:05:49   (dos: 50 in 5m)
1700:00:00  >> connected imap 192.0.2.8          49 times, every 1s
1700:00:49  >> connected imap 192.0.2.8
          << impose block client 192.0.2.8 on imap until 1700:05:49   (dos: 50 in 5m)
1720:00:00  >> connected imap 192.0.2.8          49 times, every 1s
1720:00:49  >> connected imap 192.0.2.8
          << impose block client 192.0.2.8 on imap until 1720:05:49   (dos: 50 in 5m)
