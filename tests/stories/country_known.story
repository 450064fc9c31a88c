# Who logged in well from there may go on, unless the policy says otherwise; a password that was tried all the same is counted.
rule guesses counts=auth_failed on=imap threshold=3 window=10m for=30m
00:00:00  >> auth_succeeded imap 203.0.113.7 account=anna@example.org
00:01:00  adopt country allow DE
00:01:00  ?? login imap 203.0.113.9 account=anna@example.org country=NL
          << allow
00:01:00  ?? login imap 203.0.113.9 account=bob@example.org country=NL
          << refuse country   (NL)
00:01:00  ?? login imap 198.51.100.1 account=anna@example.org country=NL
          << refuse country   (NL)
00:02:00  adopt country allow DE known=refuse
00:02:00  ?? login imap 203.0.113.9 account=anna@example.org country=NL
          << refuse country   (NL)
00:03:00  >> auth_failed imap 198.51.100.7 account=bob@example.org 3 times, every 1s
          << impose block client 198.51.100.7 on imap until 00:33:02   (guesses: 3 in 10m)
00:03:02  ?? login imap 198.51.100.7 country=DE
          << refuse guesses
00:03:02  ?? login imap 198.51.100.7 country=NL
          << refuse country   (NL)
