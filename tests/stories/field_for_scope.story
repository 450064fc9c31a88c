# for: how long a hold lasts. scope: the protocol on which it fired, log-ins everywhere, or everything.
rule here counts=connected threshold=1 window=1m for=90s scope=protocol on=smtp
rule no-logins counts=auth_failed threshold=1 window=1m for=1h30m scope=logins
rule nowhere counts=protocol_abused threshold=1 window=1m for=2d scope=everything

00:00:00  >> connected smtp 192.0.2.1
          << impose block client 192.0.2.1 on smtp until 00:01:30   (here: 1 in 1m)
00:01:29.999999  ?? connect smtp 192.0.2.1
          << refuse here
00:01:29.999999  ?? connect imap 192.0.2.1
          << allow
00:01:30  ?? connect smtp 192.0.2.1
          << allow

# Its mail still comes in; nobody logs in from there, on whatever protocol.
00:02:00  >> auth_failed imap 192.0.2.2
          << impose block client 192.0.2.2 on logins until 01:32:00   (no-logins: 1 in 1m)
00:02:01  ?? connect smtp 192.0.2.2
          << allow
00:02:01  ?? message smtp 192.0.2.2
          << allow
00:02:01  ?? login smtp 192.0.2.2
          << refuse no-logins
00:02:01  ?? login sieve 192.0.2.2
          << refuse no-logins

00:03:00  >> protocol_abused smtp 192.0.2.3
          << impose block client 192.0.2.3 on everything until 48:03:00   (nowhere: 1 in 1m)
00:03:01  ?? connect http 192.0.2.3
          << refuse nowhere
00:03:01  ?? login pop3 192.0.2.3
          << refuse nowhere
00:03:01  ?? relay smtp 192.0.2.3
          << refuse nowhere
