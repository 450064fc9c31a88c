# forget: what is remembered of somebody is gone: counts, and where an account is known from. A standing hold stays.
rule flood counts=connected threshold=3 window=1h for=1h on=smtp
rule guesses counts=auth_failed by=account threshold=3 window=1h for=1h on=imap

00:00:00  >> connected smtp 192.0.2.1            2 times, every 1s
00:00:02  forget client 192.0.2.1
00:00:03  >> connected smtp 192.0.2.1            2 times, every 1s
00:00:05  >> connected smtp 192.0.2.1
          << impose block client 192.0.2.1 on smtp until 01:00:05   (flood: 3 in 1h)
00:00:06  forget client 192.0.2.1
00:00:07  ?? connect smtp 192.0.2.1
          << refuse flood

# An account: its counts, and the networks that it is known from.
00:10:00  >> auth_succeeded imap 198.51.100.1 account=bob@example.org
00:10:01  >> auth_failed imap 192.0.2.2 account=bob@example.org    3 times, every 1s
          << impose block account bob@example.org on imap until 01:10:03   (guesses: 3 in 1h)
00:10:04  ?? login imap 198.51.100.2 account=bob@example.org
          << allow
00:10:05  forget account bob@example.org
00:10:06  ?? login imap 198.51.100.2 account=bob@example.org
          << refuse guesses

# A network: all that lies in it.
00:20:00  >> connected smtp 203.0.113.1          2 times, every 1s
00:20:02  forget network 203.0.113.0/24
00:20:03  >> connected smtp 203.0.113.1          2 times, every 1s
00:20:06  ?? connect smtp 203.0.113.1
          << allow
