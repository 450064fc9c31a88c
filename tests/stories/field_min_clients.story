# min_clients: fires only when the facts came from at least so many clients.
rule slow-guess counts=auth_failed by=account threshold=5 min_clients=3 window=1m for=1m
rule crowd counts=connected by=network threshold=5 min_clients=2 window=1m for=1m on=smtp

00:00:00  >> auth_failed imap 192.0.2.1 account=bob@example.org     9 times, every 1s
00:00:10  >> auth_failed imap 192.0.2.2 account=bob@example.org
00:00:11  ?? login imap 192.0.2.9 account=bob@example.org
          << allow
00:00:12  >> auth_failed imap 192.0.2.3 account=bob@example.org
          << impose block account bob@example.org on imap until 00:01:12   (slow-guess: 5 in 1m)
# Three clients and four facts are too few facts.
00:02:00  >> auth_failed imap 192.0.2.1 account=eve@example.org     2 times, every 1s
00:02:02  >> auth_failed imap 192.0.2.2 account=eve@example.org
00:02:03  >> auth_failed imap 192.0.2.3 account=eve@example.org
00:02:04  ?? login imap 192.0.2.9 account=eve@example.org
          << allow
00:02:05  >> auth_failed imap 192.0.2.3 account=eve@example.org
          << impose block account eve@example.org on imap until 00:03:05   (slow-guess: 5 in 1m)

# A busy single host does not make its network a crowd.
00:10:00  >> connected smtp 198.51.100.1         20 times, every 1s
00:10:21  >> connected smtp 198.51.100.2
          << impose block network 198.51.100.0/24 on smtp until 00:11:21   (crowd: 5 in 1m)
