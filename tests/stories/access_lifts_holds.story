# A new allow entry lifts at once what it covers; where it covers some protocols, on these alone.
rule flood counts=connected threshold=2 window=1m for=1h on=imap
rule guesses counts=auth_failed threshold=2 window=1m for=1h scope=everything
rule crowd counts=connected by=network threshold=2 window=1m for=1h on=pop3
rule stolen counts=auth_failed by=account threshold=3 window=1m for=1h on=smtp

00:00:00  >> connected imap 198.51.100.1         2 times, every 1s
          << impose block client 198.51.100.1 on imap until 01:00:01   (flood: 2 in 1m)
00:00:10  >> auth_failed pop3 198.51.100.2       2 times, every 1s
          << impose block client 198.51.100.2 on everything until 01:00:11   (guesses: 2 in 1m)
00:00:20  >> auth_failed smtp 198.51.100.2 account=bob@example.org     3 times, every 1s
00:00:30  >> connected pop3 198.51.100.3         2 times, every 1s
          << impose block network 198.51.100.0/24 on pop3 until 01:00:31   (crowd: 2 in 1m)

# detection, on one protocol.
00:01:00  adopt allow 198.51.100.2 on=imap
          << release block client 198.51.100.2 on imap   (allow entry)
00:01:01  ?? connect imap 198.51.100.2
          << allow
00:01:01  ?? connect smtp 198.51.100.2
          << refuse guesses
# logins does not cover a flood of connections.
00:02:00  adopt allow 198.51.100.1 logins
00:02:01  ?? connect imap 198.51.100.1
          << refuse flood
# A part of a network does not free the network, but the part is free.
00:03:00  adopt allow 198.51.100.3
00:03:01  ?? connect pop3 198.51.100.3
          << allow   (allow 198.51.100.3)
00:03:01  ?? connect pop3 198.51.100.4
          << refuse crowd
# All of it does, and what else it covers goes too.
00:04:00  adopt allow 198.51.100.0/24
          << release block client 198.51.100.2 on smtp,pop3,sieve,http   (allow entry)
          << release block network 198.51.100.0/24 on pop3   (allow entry)

# Rules about accounts count and hold from everywhere: a stolen account used from a trusted address is still seen.
00:05:00  >> auth_failed smtp 198.51.100.77 account=bob@example.org    2 times, every 1s
00:05:02  >> auth_failed smtp 198.51.100.77 account=bob@example.org
          << impose block account bob@example.org on smtp until 01:05:02   (stolen: 3 in 1m)
00:05:03  ?? login smtp 198.51.100.77 account=bob@example.org
          << refuse stolen
