# mode: enforce holds, observe only tells what it would have held, off does nothing.
rule enforced counts=connected threshold=2 window=1m for=5m mode=enforce on=smtp
rule observed counts=connected threshold=2 window=1m for=5m mode=observe on=imap
rule switched-off counts=connected threshold=2 window=1m for=5m mode=off on=pop3

00:00:00  >> connected smtp 192.0.2.1
00:00:01  >> connected smtp 192.0.2.1
          << impose block client 192.0.2.1 on smtp until 00:05:01   (enforced: 2 in 1m)
00:00:02  ?? connect smtp 192.0.2.1
          << refuse enforced

# Watched as long as it would have been held, and silent meanwhile: "would have blocked" means what blocking would have meant.
00:01:00  >> connected imap 192.0.2.1
00:01:01  >> connected imap 192.0.2.1
          << watch block client 192.0.2.1 on imap until 00:06:01   (observed: 2 in 1m)
00:01:02  ?? connect imap 192.0.2.1
          << allow
00:01:03  >> connected imap 192.0.2.1            50 times, every 5s
00:06:01  >> connected imap 192.0.2.1
00:06:02  >> connected imap 192.0.2.1
          << watch block client 192.0.2.1 on imap until 00:11:02   (observed: 2 in 1m)

00:20:00  >> connected pop3 192.0.2.1            50 times, every 1s
