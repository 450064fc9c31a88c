# The brake: a rule that holds 10 clients within 10 minutes which did good lately, over a quarter of all that it holds, goes to observe.
rule one-failure counts=auth_failed threshold=1 window=1m for=1h

# Ten good clients: five logged in well, five delivered mail.
00:00:01  >> auth_succeeded imap 192.0.2.1 account=u1@example.org
00:00:02  >> auth_succeeded imap 192.0.2.2 account=u2@example.org
00:00:03  >> auth_succeeded imap 192.0.2.3 account=u3@example.org
00:00:04  >> auth_succeeded imap 192.0.2.4 account=u4@example.org
00:00:05  >> auth_succeeded imap 192.0.2.5 account=u5@example.org
00:00:06  >> message_accepted smtp 192.0.2.6
00:00:07  >> message_accepted smtp 192.0.2.7
00:00:08  >> message_accepted smtp 192.0.2.8
00:00:09  >> message_accepted smtp 192.0.2.9
00:00:10  >> message_accepted smtp 192.0.2.10
# Twenty-nine strangers and nine of the good ones are held.
01:00:01  >> auth_failed imap 198.51.100.1
          << impose block client 198.51.100.1 on imap until 02:00:01   (one-failure: 1 in 1m)
01:00:02  >> auth_failed imap 198.51.100.2
          << impose block client 198.51.100.2 on imap until 02:00:02   (one-failure: 1 in 1m)
01:00:03  >> auth_failed imap 198.51.100.3
          << impose block client 198.51.100.3 on imap until 02:00:03   (one-failure: 1 in 1m)
01:00:04  >> auth_failed imap 198.51.100.4
          << impose block client 198.51.100.4 on imap until 02:00:04   (one-failure: 1 in 1m)
01:00:05  >> auth_failed imap 198.51.100.5
          << impose block client 198.51.100.5 on imap until 02:00:05   (one-failure: 1 in 1m)
01:00:06  >> auth_failed imap 198.51.100.6
          << impose block client 198.51.100.6 on imap until 02:00:06   (one-failure: 1 in 1m)
01:00:07  >> auth_failed imap 198.51.100.7
          << impose block client 198.51.100.7 on imap until 02:00:07   (one-failure: 1 in 1m)
01:00:08  >> auth_failed imap 198.51.100.8
          << impose block client 198.51.100.8 on imap until 02:00:08   (one-failure: 1 in 1m)
01:00:09  >> auth_failed imap 198.51.100.9
          << impose block client 198.51.100.9 on imap until 02:00:09   (one-failure: 1 in 1m)
01:00:10  >> auth_failed imap 198.51.100.10
          << impose block client 198.51.100.10 on imap until 02:00:10   (one-failure: 1 in 1m)
01:00:11  >> auth_failed imap 198.51.100.11
          << impose block client 198.51.100.11 on imap until 02:00:11   (one-failure: 1 in 1m)
01:00:12  >> auth_failed imap 198.51.100.12
          << impose block client 198.51.100.12 on imap until 02:00:12   (one-failure: 1 in 1m)
01:00:13  >> auth_failed imap 198.51.100.13
          << impose block client 198.51.100.13 on imap until 02:00:13   (one-failure: 1 in 1m)
01:00:14  >> auth_failed imap 198.51.100.14
          << impose block client 198.51.100.14 on imap until 02:00:14   (one-failure: 1 in 1m)
01:00:15  >> auth_failed imap 198.51.100.15
          << impose block client 198.51.100.15 on imap until 02:00:15   (one-failure: 1 in 1m)
01:00:16  >> auth_failed imap 198.51.100.16
          << impose block client 198.51.100.16 on imap until 02:00:16   (one-failure: 1 in 1m)
01:00:17  >> auth_failed imap 198.51.100.17
          << impose block client 198.51.100.17 on imap until 02:00:17   (one-failure: 1 in 1m)
01:00:18  >> auth_failed imap 198.51.100.18
          << impose block client 198.51.100.18 on imap until 02:00:18   (one-failure: 1 in 1m)
01:00:19  >> auth_failed imap 198.51.100.19
          << impose block client 198.51.100.19 on imap until 02:00:19   (one-failure: 1 in 1m)
01:00:20  >> auth_failed imap 198.51.100.20
          << impose block client 198.51.100.20 on imap until 02:00:20   (one-failure: 1 in 1m)
01:00:21  >> auth_failed imap 198.51.100.21
          << impose block client 198.51.100.21 on imap until 02:00:21   (one-failure: 1 in 1m)
01:00:22  >> auth_failed imap 198.51.100.22
          << impose block client 198.51.100.22 on imap until 02:00:22   (one-failure: 1 in 1m)
01:00:23  >> auth_failed imap 198.51.100.23
          << impose block client 198.51.100.23 on imap until 02:00:23   (one-failure: 1 in 1m)
01:00:24  >> auth_failed imap 198.51.100.24
          << impose block client 198.51.100.24 on imap until 02:00:24   (one-failure: 1 in 1m)
01:00:25  >> auth_failed imap 198.51.100.25
          << impose block client 198.51.100.25 on imap until 02:00:25   (one-failure: 1 in 1m)
01:00:26  >> auth_failed imap 198.51.100.26
          << impose block client 198.51.100.26 on imap until 02:00:26   (one-failure: 1 in 1m)
01:00:27  >> auth_failed imap 198.51.100.27
          << impose block client 198.51.100.27 on imap until 02:00:27   (one-failure: 1 in 1m)
01:00:28  >> auth_failed imap 198.51.100.28
          << impose block client 198.51.100.28 on imap until 02:00:28   (one-failure: 1 in 1m)
01:00:29  >> auth_failed imap 198.51.100.29
          << impose block client 198.51.100.29 on imap until 02:00:29   (one-failure: 1 in 1m)
01:01:01  >> auth_failed imap 192.0.2.1
          << impose block client 192.0.2.1 on imap until 02:01:01   (one-failure: 1 in 1m)
01:01:02  >> auth_failed imap 192.0.2.2
          << impose block client 192.0.2.2 on imap until 02:01:02   (one-failure: 1 in 1m)
01:01:03  >> auth_failed imap 192.0.2.3
          << impose block client 192.0.2.3 on imap until 02:01:03   (one-failure: 1 in 1m)
01:01:04  >> auth_failed imap 192.0.2.4
          << impose block client 192.0.2.4 on imap until 02:01:04   (one-failure: 1 in 1m)
01:01:05  >> auth_failed imap 192.0.2.5
          << impose block client 192.0.2.5 on imap until 02:01:05   (one-failure: 1 in 1m)
01:01:06  >> auth_failed imap 192.0.2.6
          << impose block client 192.0.2.6 on imap until 02:01:06   (one-failure: 1 in 1m)
01:01:07  >> auth_failed imap 192.0.2.7
          << impose block client 192.0.2.7 on imap until 02:01:07   (one-failure: 1 in 1m)
01:01:08  >> auth_failed imap 192.0.2.8
          << impose block client 192.0.2.8 on imap until 02:01:08   (one-failure: 1 in 1m)
01:01:09  >> auth_failed imap 192.0.2.9
          << impose block client 192.0.2.9 on imap until 02:01:09   (one-failure: 1 in 1m)
# The tenth good one pulls the brake: 10 of 39 are over a quarter. The good ones are released, the strangers stay held.
01:01:10  >> auth_failed imap 192.0.2.10
          << impose block client 192.0.2.10 on imap until 02:01:10   (one-failure: 1 in 1m)
          << brake one-failure   (10 good clients of 39 held)
          << release block client 192.0.2.1 on imap   (brake)
          << release block client 192.0.2.2 on imap   (brake)
          << release block client 192.0.2.3 on imap   (brake)
          << release block client 192.0.2.4 on imap   (brake)
          << release block client 192.0.2.5 on imap   (brake)
          << release block client 192.0.2.6 on imap   (brake)
          << release block client 192.0.2.7 on imap   (brake)
          << release block client 192.0.2.8 on imap   (brake)
          << release block client 192.0.2.9 on imap   (brake)
          << release block client 192.0.2.10 on imap   (brake)
01:01:11  ?? connect imap 192.0.2.1
          << allow
01:01:11  ?? connect imap 198.51.100.1
          << refuse one-failure
# From now on the rule only observes.
01:01:12  >> auth_failed imap 203.0.113.1
          << watch block client 203.0.113.1 on imap until 02:01:12   (one-failure: 1 in 1m)
01:01:13  ?? connect imap 203.0.113.1
          << allow
