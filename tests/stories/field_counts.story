# counts: each kind of fact, and what is not one of it.
rule r-connected counts=connected threshold=3 window=1m for=1m
rule r-bad-session counts=bad_session threshold=3 window=1m for=1m
rule r-auth-failed counts=auth_failed threshold=3 window=1m for=1m
rule r-auth-succeeded counts=auth_succeeded threshold=3 window=1m for=1m
rule r-message-accepted counts=message_accepted threshold=3 window=1m for=1m
rule r-recipients counts=recipients threshold=30 window=1m for=1m
rule r-rejected counts=rejected threshold=3 window=1m for=1m
rule r-message-bounced counts=message_bounced threshold=3 window=1m for=1m
rule r-protocol-abused counts=protocol_abused threshold=3 window=1m for=1m
rule r-held counts=held threshold=2 window=1h for=1h

00:00:00  >> connected smtp 192.0.2.1            2 times, every 1s
00:00:02  >> connected smtp 192.0.2.1
          << impose block client 192.0.2.1 on smtp until 00:01:02   (r-connected: 3 in 1m)
00:00:10  >> session_ended smtp 192.0.2.2        2 times, every 1s
00:00:12  >> session_ended smtp 192.0.2.2
          << impose block client 192.0.2.2 on smtp until 00:01:12   (r-bad-session: 3 in 1m)
00:00:20  >> auth_failed smtp 192.0.2.3          2 times, every 1s
00:00:22  >> auth_failed smtp 192.0.2.3
          << impose block client 192.0.2.3 on smtp until 00:01:22   (r-auth-failed: 3 in 1m)
00:00:30  >> auth_succeeded smtp 192.0.2.4       2 times, every 1s
00:00:32  >> auth_succeeded smtp 192.0.2.4
          << impose block client 192.0.2.4 on smtp until 00:01:32   (r-auth-succeeded: 3 in 1m)
00:00:40  >> message_accepted smtp 192.0.2.5     2 times, every 1s
00:00:42  >> message_accepted smtp 192.0.2.5
          << impose block client 192.0.2.5 on smtp until 00:01:42   (r-message-accepted: 3 in 1m)
00:00:50  >> message_accepted smtp 192.0.2.6 recipients=29
00:00:51  >> message_accepted smtp 192.0.2.6
          << impose block client 192.0.2.6 on smtp until 00:01:51   (r-recipients: 30 in 1m)
00:01:00  >> rejected smtp 192.0.2.7             2 times, every 1s
00:01:02  >> rejected smtp 192.0.2.7
          << impose block client 192.0.2.7 on smtp until 00:02:02   (r-rejected: 3 in 1m)
00:01:10  >> message_bounced smtp 192.0.2.8      2 times, every 1s
00:01:12  >> message_bounced smtp 192.0.2.8
          << impose block client 192.0.2.8 on smtp until 00:02:12   (r-message-bounced: 3 in 1m)
00:01:20  >> protocol_abused smtp 192.0.2.9      2 times, every 1s
00:01:22  >> protocol_abused smtp 192.0.2.9
          << impose block client 192.0.2.9 on smtp until 00:02:22   (r-protocol-abused: 3 in 1m)

# held: the second hold of 192.0.2.1 on smtp. A rule that counts holds makes none of its own.
00:10:00  >> connected smtp 192.0.2.1            2 times, every 1s
00:10:02  >> connected smtp 192.0.2.1
          << impose block client 192.0.2.1 on smtp until 00:11:02   (r-connected: 3 in 1m)
          << impose block client 192.0.2.1 on smtp until 01:10:02   (r-held: 2 in 1h)

# What we turned away ourselves is never counted.
00:20:00  >> refused smtp 192.0.2.20             30 times, every 1s
