# password-spraying: failed log-ins to 10 different accounts within 10 minutes block that protocol for 30 minutes.
preset strict

00:00:00  >> auth_failed imap 192.0.2.7 account=a1@example.org
00:00:01  >> auth_failed imap 192.0.2.7 account=a2@example.org
00:00:02  >> auth_failed imap 192.0.2.7 account=a3@example.org
00:00:03  >> auth_failed imap 192.0.2.7 account=a4@example.org
00:00:04  >> auth_failed imap 192.0.2.7 account=a5@example.org
00:00:05  >> auth_failed imap 192.0.2.7 account=a6@example.org
00:00:06  >> auth_failed imap 192.0.2.7 account=a7@example.org
00:00:07  >> auth_failed imap 192.0.2.7 account=a8@example.org
00:00:08  >> auth_failed imap 192.0.2.7 account=a9@example.org
# The same account again is nothing new, nor is a failure that names none.
00:00:09  >> auth_failed imap 192.0.2.7 account=A9@example.org    5 times, every 1s
00:00:15  >> auth_failed imap 192.0.2.7                           5 times, every 1s
# Each protocol apart.
00:00:20  >> auth_failed smtp 192.0.2.7 account=a10@example.org
00:00:21  ?? login imap 192.0.2.7
          << allow
# Each account counts at its latest time: the first is still within ten minutes.
00:09:59.999999  >> auth_failed imap 192.0.2.7 account=a10@example.org
          << impose block client 192.0.2.7 on imap until 00:39:59.999999   (password-spraying: 10 in 10m)
00:39:59.999998  ?? login imap 192.0.2.7
          << refuse password-spraying
00:39:59.999999  ?? login imap 192.0.2.7
          << allow

# Exactly ten minutes later it is not.
01:00:00  >> auth_failed imap 192.0.2.8 account=a1@example.org
01:00:01  >> auth_failed imap 192.0.2.8 account=a2@example.org
01:00:02  >> auth_failed imap 192.0.2.8 account=a3@example.org
01:00:03  >> auth_failed imap 192.0.2.8 account=a4@example.org
01:00:04  >> auth_failed imap 192.0.2.8 account=a5@example.org
01:00:05  >> auth_failed imap 192.0.2.8 account=a6@example.org
01:00:06  >> auth_failed imap 192.0.2.8 account=a7@example.org
01:00:07  >> auth_failed imap 192.0.2.8 account=a8@example.org
01:00:08  >> auth_failed imap 192.0.2.8 account=a9@example.org
01:10:00  >> auth_failed imap 192.0.2.8 account=a10@example.org
01:10:00  ?? login imap 192.0.2.8
          << allow
