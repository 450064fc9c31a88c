# threshold and window: N facts in (T-W, T] fire, and firing clears the window. What exceeds the threshold is lost.
rule one counts=protocol_abused threshold=1 window=1s for=1s on=smtp
rule three counts=connected threshold=3 window=10s for=5s on=smtp
rule weighty counts=auth_failed threshold=4 window=10s for=1s on=imap
rule sums counts=recipients threshold=100 window=10s for=1s on=smtp

00:00:00  >> protocol_abused smtp 192.0.2.1
          << impose block client 192.0.2.1 on smtp until 00:00:01   (one: 1 in 1s)

00:01:00  >> connected smtp 192.0.2.2
00:01:05  >> connected smtp 192.0.2.2
00:01:10  >> connected smtp 192.0.2.2
00:01:14.999999  >> connected smtp 192.0.2.2
          << impose block client 192.0.2.2 on smtp until 00:01:19.999999   (three: 3 in 10s)
# Cleared: after the hold it takes three again, though two of the last lie within ten seconds.
00:01:19.999999  >> connected smtp 192.0.2.2     2 times, every 1s
00:01:22  >> connected smtp 192.0.2.2
          << impose block client 192.0.2.2 on smtp until 00:01:27   (three: 3 in 10s)

# A fact of weight 9 fires once; the five beyond the threshold are lost.
00:02:00  >> auth_failed imap 192.0.2.3 weight=9
          << impose block client 192.0.2.3 on imap until 00:02:01   (weighty: 4 in 10s)
00:02:01  >> auth_failed imap 192.0.2.3          3 times, every 1s
00:02:04  ?? login imap 192.0.2.3
          << allow
00:02:04  >> auth_failed imap 192.0.2.3
          << impose block client 192.0.2.3 on imap until 00:02:05   (weighty: 4 in 10s)

00:03:00  >> message_accepted smtp 192.0.2.4 recipients=99
00:03:09.999999  >> message_accepted smtp 192.0.2.4
          << impose block client 192.0.2.4 on smtp until 00:03:10.999999   (sums: 100 in 10s)
