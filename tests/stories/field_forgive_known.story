# forgive_known: failures of an account that logged in well from there (/24, /64) within 30 days do not count against the client.
rule forgiving counts=auth_failed threshold=3 window=1m for=1h forgive_known=true
rule not-forgiving counts=auth_failed threshold=9 window=1m for=1h

00:00:00  >> auth_succeeded imap 192.0.2.1 account=bob@example.org
# The office's other machines share the network that bob is known from.
00:01:00  >> auth_failed imap 192.0.2.2 account=bob@example.org     8 times, every 1s
00:01:09  ?? login imap 192.0.2.2
          << allow
# Another account's failures count.
00:02:30  >> auth_failed imap 192.0.2.2 account=eve@example.org     2 times, every 1s
00:02:32  >> auth_failed imap 192.0.2.2 account=bob@example.org     2 times, every 1s
00:02:34  >> auth_failed imap 192.0.2.2 account=eve@example.org
          << impose block client 192.0.2.2 on imap until 01:02:34   (forgiving: 3 in 1m)
# And from elsewhere bob's do.
00:03:00  >> auth_failed imap 198.51.100.1 account=bob@example.org  2 times, every 1s
00:03:02  >> auth_failed imap 198.51.100.1 account=bob@example.org
          << impose block client 198.51.100.1 on imap until 01:03:02   (forgiving: 3 in 1m)
# Thirty days later nobody is known any more.
720:00:00  >> auth_failed imap 192.0.2.3 account=bob@example.org    2 times, every 1s
720:00:02  >> auth_failed imap 192.0.2.3 account=bob@example.org
          << impose block client 192.0.2.3 on imap until 721:00:02   (forgiving: 3 in 1m)
