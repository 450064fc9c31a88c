# relaxed: dos at 200 in 5 minutes, password-brute-force at 100 in 10 minutes, harvesting as in standard.
preset relaxed

00:00:00  >> connected smtp 192.0.2.7            199 times, every 1s
00:03:19  ?? connect smtp 192.0.2.7
          << allow
00:03:19  >> connected smtp 192.0.2.7
          << impose block client 192.0.2.7 on smtp until 00:08:19   (dos: 200 in 5m)
00:08:18.999999  ?? connect smtp 192.0.2.7
          << refuse dos
00:08:19  ?? connect smtp 192.0.2.7
          << allow
01:00:00  >> connected imap 192.0.2.8
01:00:01  >> connected imap 192.0.2.8            198 times, every 1s
01:05:00  >> connected imap 192.0.2.8
01:05:00.999999  >> connected imap 192.0.2.8
          << impose block client 192.0.2.8 on imap until 01:10:00.999999   (dos: 200 in 5m)

02:00:00  >> auth_failed imap 192.0.2.7          99 times, every 1s
02:01:39  ?? login imap 192.0.2.7
          << allow
02:01:39  >> auth_failed imap 192.0.2.7
          << impose block client 192.0.2.7 on imap until 02:31:39   (password-brute-force: 100 in 10m)
02:31:39  ?? login imap 192.0.2.7
          << allow
03:00:00  >> auth_failed imap 192.0.2.8
03:00:01  >> auth_failed imap 192.0.2.8          98 times, every 1s
03:10:00  >> auth_failed imap 192.0.2.8
03:10:00.999999  >> auth_failed imap 192.0.2.8
          << impose block client 192.0.2.8 on imap until 03:40:00.999999   (password-brute-force: 100 in 10m)

04:00:00  >> session_ended smtp 192.0.2.7        19 times, every 1s
04:00:19  >> session_ended smtp 192.0.2.7
          << impose block client 192.0.2.7 on smtp until 04:05:19   (harvesting: 20 in 5m)
