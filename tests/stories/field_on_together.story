# on: the protocols that a rule watches, each with a sum of its own. together: one sum for all of them.
rule apart counts=connected on=imap,sieve threshold=3 window=1m for=1m
rule as-one counts=auth_failed on=smtp,imap together=true threshold=3 window=1m for=1m

00:00:00  >> connected imap 192.0.2.1            2 times, every 1s
00:00:02  >> connected sieve 192.0.2.1           2 times, every 1s
00:00:04  >> connected smtp 192.0.2.1            9 times, every 1s
00:00:20  ?? connect imap 192.0.2.1
          << allow
00:00:21  >> connected sieve 192.0.2.1
          << impose block client 192.0.2.1 on sieve until 00:01:21   (apart: 3 in 1m)
00:00:22  ?? connect imap 192.0.2.1
          << allow

# Together, what fires is held on all protocols of the rule.
00:01:00  >> auth_failed smtp 192.0.2.2          2 times, every 1s
00:01:02  >> auth_failed pop3 192.0.2.2          9 times, every 1s
00:01:20  >> auth_failed imap 192.0.2.2
          << impose block client 192.0.2.2 on smtp,imap until 00:02:20   (as-one: 3 in 1m)
00:01:21  ?? connect smtp 192.0.2.2
          << refuse as-one
00:01:21  ?? connect imap 192.0.2.2
          << refuse as-one
00:01:21  ?? connect pop3 192.0.2.2
          << allow
