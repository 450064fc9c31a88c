# A late fact takes its place by its own time; one more than 10 minutes older than the newest fact is not counted.
rule three counts=connected threshold=3 window=1m for=1m on=smtp
rule long counts=connected threshold=3 window=1h for=1m on=imap

# The third to come is the first in time. T is the newest time that the key has seen, and the hold starts there.
00:01:00  >> connected smtp 192.0.2.1
00:01:30  >> connected smtp 192.0.2.1
00:00:45  >> connected smtp 192.0.2.1
          << impose block client 192.0.2.1 on smtp until 00:02:30   (three: 3 in 1m)

# A minute before the newest time of its key is out of the window, though it comes last.
00:03:00  >> connected smtp 192.0.2.2
00:03:30  >> connected smtp 192.0.2.2
00:02:30  >> connected smtp 192.0.2.2
00:03:31  ?? connect smtp 192.0.2.2
          << allow

# 00:20:00 is the newest. Exactly ten minutes older still counts, a microsecond more does not.
00:20:00  >> connected imap 192.0.2.3
00:10:00  >> connected imap 192.0.2.3
00:09:59.999999  >> connected imap 192.0.2.3     5 times, every 0s
00:20:01  ?? connect imap 192.0.2.3
          << allow
00:20:01  >> connected imap 192.0.2.3
          << impose block client 192.0.2.3 on imap until 00:21:01   (long: 3 in 1h)

# A late fact is judged by what stood at its own time: this client was held then.
00:30:00  >> connected smtp 192.0.2.4            3 times, every 1s
          << impose block client 192.0.2.4 on smtp until 00:31:02   (three: 3 in 1m)
00:31:05  >> connected smtp 192.0.2.4            2 times, every 1s
00:31:01  >> connected smtp 192.0.2.4            5 times, every 0s
00:31:07  ?? connect smtp 192.0.2.4
          << allow
