# password-brute-force: 50 failed log-ins in 10 minutes, each protocol apart, block that protocol for 30 minutes.
preset standard

00:00:00  >> auth_failed imap 192.0.2.7 account=bob@example.org    49 times, every 2s
00:00:00  >> auth_failed smtp 192.0.2.7 account=bob@example.org    49 times, every 2s
00:01:38  ?? login imap 192.0.2.7 account=bob@example.org
          << allow
00:01:38  >> auth_failed imap 192.0.2.7 account=alice@example.org
          << impose block client 192.0.2.7 on imap until 00:31:38   (password-brute-force: 50 in 10m)
00:31:37.999999  ?? connect imap 192.0.2.7
          << refuse password-brute-force
00:31:37.999999  ?? connect smtp 192.0.2.7
          << allow
00:31:38  ?? connect imap 192.0.2.7
          << allow

# One line can tell of several attempts: each counts.
01:00:00  >> auth_failed pop3 192.0.2.8 weight=3    16 times, every 10s
01:02:40  >> auth_failed pop3 192.0.2.8
01:02:40  ?? login pop3 192.0.2.8
          << allow
01:02:50  >> auth_failed pop3 192.0.2.8 weight=3
          << impose block client 192.0.2.8 on pop3 until 01:32:50   (password-brute-force: 50 in 10m)

# The edge of the window: exactly ten minutes is out of it, a microsecond less is within it.
02:00:00  >> auth_failed imap 192.0.2.9
02:00:01  >> auth_failed imap 192.0.2.9             48 times, every 1s
02:10:00  >> auth_failed imap 192.0.2.9
02:10:00.999999  >> auth_failed imap 192.0.2.9
          << impose block client 192.0.2.9 on imap until 02:40:00.999999   (password-brute-force: 50 in 10m)
