# dos, as the preset standard has it: 50 connections in 5 minutes block that protocol for 5 minutes, each protocol apart.
preset standard

# 49 are not too many. Other protocols and other addresses have sums of their own.
00:00:00  >> connected imap 192.0.2.7            49 times, every 2s
00:01:37  >> connected pop3 192.0.2.7            49 times, every 1ms
00:01:37.5  >> connected smtp 192.0.2.7          49 times, every 1ms
00:01:37.6  >> connected imap 192.0.2.8          49 times, every 1ms
00:01:37.7  ?? connect imap 192.0.2.7
          << allow

# The fiftieth is.
00:01:38  >> connected imap 192.0.2.7
          << impose block client 192.0.2.7 on imap until 00:06:38   (dos: 50 in 5m)
00:01:39  ?? connect imap 192.0.2.7
          << refuse dos
00:01:39  ?? login imap 192.0.2.7
          << refuse dos
00:01:39  ?? connect pop3 192.0.2.7
          << allow
00:01:39  ?? connect imap 192.0.2.8
          << allow

# What is turned away is not counted, so knocking does not prolong a hold.
00:02:00  >> connected imap 192.0.2.7            200 times, every 1s
00:06:37.999999  ?? connect imap 192.0.2.7
          << refuse dos

# A hold ends by itself, to the microsecond; then counting starts from nothing.
00:06:38  ..
          << expire block client 192.0.2.7 on imap   (dos: 50 in 5m)
00:06:38  ?? connect imap 192.0.2.7
          << allow
00:06:38  >> connected imap 192.0.2.7            49 times, every 1s
00:07:27  >> connected imap 192.0.2.7
          << impose block client 192.0.2.7 on imap until 00:12:27   (dos: 50 in 5m)

# sieve and http are no protocols of this rule.
00:08:00  >> connected sieve 192.0.2.9           60 times, every 1s
00:09:00  >> connected http 192.0.2.9            60 times, every 1s
