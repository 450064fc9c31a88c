# action: block refuses, delay slows down, alert tells the administrator and holds nothing.
rule blocks counts=connected threshold=2 window=1m action=block for=2m on=smtp
rule delays counts=connected threshold=2 window=1m action=delay delay=7s for=2m on=imap
rule alerts counts=connected threshold=2 window=1m action=alert for=2m on=pop3
rule slower counts=auth_failed threshold=1 window=1m action=delay delay=20s for=1m on=imap

00:00:00  >> connected smtp 192.0.2.1
00:00:01  >> connected smtp 192.0.2.1
          << impose block client 192.0.2.1 on smtp until 00:02:01   (blocks: 2 in 1m)
00:00:02  ?? connect smtp 192.0.2.1
          << refuse blocks

# Who is only delayed is counted on; of several delays the longest is the answer.
00:01:00  >> connected imap 192.0.2.1
00:01:01  >> connected imap 192.0.2.1
          << impose delay 7s client 192.0.2.1 on imap until 00:03:01   (delays: 2 in 1m)
00:01:02  ?? connect imap 192.0.2.1
          << delay 7s   (delays: 2 in 1m)
00:01:03  >> auth_failed imap 192.0.2.1
          << impose delay 20s client 192.0.2.1 on imap until 00:02:03   (slower: 1 in 1m)
00:01:04  ?? login imap 192.0.2.1
          << delay 20s   (slower: 1 in 1m)
00:02:03  ?? login imap 192.0.2.1
          << delay 7s   (delays: 2 in 1m)

# An alert holds nothing. It silences its own rule for that address until it ends.
00:10:00  >> connected pop3 192.0.2.1
00:10:01  >> connected pop3 192.0.2.1
          << alert client 192.0.2.1 on pop3 until 00:12:01   (alerts: 2 in 1m)
00:10:02  ?? connect pop3 192.0.2.1
          << allow
00:10:03  >> connected pop3 192.0.2.1            9 times, every 1s
00:12:00.999999  >> connected pop3 192.0.2.1
00:12:01  >> connected pop3 192.0.2.1
00:12:02  >> connected pop3 192.0.2.1
          << alert client 192.0.2.1 on pop3 until 00:14:02   (alerts: 2 in 1m)
