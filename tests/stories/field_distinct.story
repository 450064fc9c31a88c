# distinct: different accounts, secrets or clients are counted instead of facts, each value at its latest time.
rule spraying counts=auth_failed distinct=accounts threshold=3 window=1m for=1m on=imap
rule guessing counts=auth_failed distinct=secrets threshold=3 window=1m for=1m on=pop3
rule from-many counts=auth_failed by=account distinct=clients threshold=3 window=1m for=1m on=smtp

00:00:00  >> auth_failed imap 192.0.2.1 account=a@example.org    5 times, every 1s
00:00:05  >> auth_failed imap 192.0.2.1 account=b@example.org    5 times, every 1s
00:00:10  >> auth_failed imap 192.0.2.1                          5 times, every 1s
00:00:15  >> auth_failed imap 192.0.2.1 account=c@example.org
          << impose block client 192.0.2.1 on imap until 00:01:15   (spraying: 3 in 1m)

# A value that comes again moves to its latest time: a@ is still within the minute, b@ is not.
00:02:00  >> auth_failed imap 192.0.2.2 account=a@example.org
00:02:01  >> auth_failed imap 192.0.2.2 account=b@example.org
00:02:30  >> auth_failed imap 192.0.2.2 account=a@example.org
00:03:01  >> auth_failed imap 192.0.2.2 account=c@example.org
00:03:02  ?? login imap 192.0.2.2
          << allow
00:03:29.999999  >> auth_failed imap 192.0.2.2 account=d@example.org
          << impose block client 192.0.2.2 on imap until 00:04:29.999999   (spraying: 3 in 1m)

# The same wrong password again and again is one secret: a phone that was not told of the new one. An unknown secret is a new one each time.
00:10:00  >> auth_failed pop3 192.0.2.3 secret=x                 9 times, every 1s
00:10:10  >> auth_failed pop3 192.0.2.3 secret=y                 9 times, every 1s
00:10:20  ?? login pop3 192.0.2.3
          << allow
00:10:21  >> auth_failed pop3 192.0.2.3
          << impose block client 192.0.2.3 on pop3 until 00:11:21   (guessing: 3 in 1m)
00:12:00  >> auth_failed pop3 192.0.2.4 weight=2
00:12:01  >> auth_failed pop3 192.0.2.4
          << impose block client 192.0.2.4 on pop3 until 00:13:01   (guessing: 3 in 1m)

00:20:00  >> auth_failed smtp 192.0.2.11 account=bob@example.org    9 times, every 1s
00:20:10  >> auth_failed smtp 192.0.2.12 account=bob@example.org    9 times, every 1s
00:20:20  >> auth_failed smtp 192.0.2.13 account=eve@example.org
00:20:21  >> auth_failed smtp 192.0.2.13 account=bob@example.org
          << impose block account bob@example.org on smtp until 00:21:21   (from-many: 3 in 1m)
