# The brake stays off while good clients are a quarter of what a rule holds, or less, and where they are fewer than ten.
rule one-failure counts=auth_failed threshold=1 window=1m for=1h

00:00:01  >> message_accepted smtp 192.0.2.1
00:00:02  >> message_accepted smtp 192.0.2.2
00:00:03  >> message_accepted smtp 192.0.2.3
00:00:04  >> message_accepted smtp 192.0.2.4
00:00:05  >> message_accepted smtp 192.0.2.5
00:00:06  >> message_accepted smtp 192.0.2.6
00:00:07  >> message_accepted smtp 192.0.2.7
00:00:08  >> message_accepted smtp 192.0.2.8
00:00:09  >> message_accepted smtp 192.0.2.9
00:00:10  >> message_accepted smtp 192.0.2.10
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
01:00:30  >> auth_failed imap 198.51.100.30
          << impose block client 198.51.100.30 on imap until 02:00:30   (one-failure: 1 in 1m)
# 10 of 40 are a quarter, not more.
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
01:01:10  >> auth_failed imap 192.0.2.10
          << impose block client 192.0.2.10 on imap until 02:01:10   (one-failure: 1 in 1m)
01:01:11  ?? connect imap 192.0.2.1
          << refuse one-failure
# What was held more than ten minutes ago no longer counts, and what did good more than seven days ago is no good client.
168:30:01  >> auth_failed imap 192.0.2.1
          << impose block client 192.0.2.1 on imap until 169:30:01   (one-failure: 1 in 1m)
168:30:02  >> auth_failed imap 192.0.2.2
          << impose block client 192.0.2.2 on imap until 169:30:02   (one-failure: 1 in 1m)
168:30:03  >> auth_failed imap 192.0.2.3
          << impose block client 192.0.2.3 on imap until 169:30:03   (one-failure: 1 in 1m)
168:30:04  >> auth_failed imap 192.0.2.4
          << impose block client 192.0.2.4 on imap until 169:30:04   (one-failure: 1 in 1m)
168:30:05  >> auth_failed imap 192.0.2.5
          << impose block client 192.0.2.5 on imap until 169:30:05   (one-failure: 1 in 1m)
168:30:06  >> auth_failed imap 192.0.2.6
          << impose block client 192.0.2.6 on imap until 169:30:06   (one-failure: 1 in 1m)
168:30:07  >> auth_failed imap 192.0.2.7
          << impose block client 192.0.2.7 on imap until 169:30:07   (one-failure: 1 in 1m)
168:30:08  >> auth_failed imap 192.0.2.8
          << impose block client 192.0.2.8 on imap until 169:30:08   (one-failure: 1 in 1m)
168:30:09  >> auth_failed imap 192.0.2.9
          << impose block client 192.0.2.9 on imap until 169:30:09   (one-failure: 1 in 1m)
168:30:10  >> auth_failed imap 192.0.2.10
          << impose block client 192.0.2.10 on imap until 169:30:10   (one-failure: 1 in 1m)
168:30:11  ?? connect imap 192.0.2.1
          << refuse one-failure
