# hold: an administrator's own. lift: ends what holds a client and clears what was counted; grace: no rule counts or holds it meanwhile.
preset standard

00:00:00  hold client 203.0.113.9 for 2h reason="asked by the provider"
          << impose block client 203.0.113.9 on everything until 02:00:00   (administrator: asked by the provider)
00:00:01  ?? connect smtp 203.0.113.9
          << refuse administrator
01:59:59.999999  ?? login sieve 203.0.113.9
          << refuse administrator
02:00:00  ?? connect smtp 203.0.113.9
          << allow

# On some protocols; a whole prefix; an account, which its known clients may go on using.
03:00:00  hold client 203.0.113.9 for 1h on=smtp,imap
          << impose block client 203.0.113.9 on smtp,imap until 04:00:00   (administrator)
03:00:01  ?? connect pop3 203.0.113.9
          << allow
03:00:02  hold network 198.51.100.128/25 for 1h
          << impose block network 198.51.100.128/25 on everything until 04:00:02   (administrator)
03:00:03  ?? connect smtp 198.51.100.129
          << refuse administrator
03:00:03  ?? connect smtp 198.51.100.127
          << allow
03:00:04  >> auth_succeeded imap 192.0.2.10 account=bob@example.org
03:00:05  hold account bob@example.org for 1h
          << impose block account bob@example.org on everything until 04:00:05   (administrator)
03:00:06  ?? login imap 203.0.113.77 account=bob@example.org
          << refuse administrator
03:00:06  ?? login imap 192.0.2.11 account=bob@example.org
          << allow

# lift without grace: free, and counted anew from nothing.
05:00:00  >> connected imap 192.0.2.7            50 times, every 1s
          << impose block client 192.0.2.7 on imap until 05:05:49   (dos: 50 in 5m)
05:01:00  lift client 192.0.2.7
          << release block client 192.0.2.7 on imap   (lifted)
05:01:01  ?? connect imap 192.0.2.7
          << allow
05:01:01  >> connected imap 192.0.2.7            49 times, every 1s
05:01:50  lift client 192.0.2.7
05:01:50  >> connected imap 192.0.2.7            49 times, every 1s
05:02:39  >> connected imap 192.0.2.7
          << impose block client 192.0.2.7 on imap until 05:07:39   (dos: 50 in 5m)

# lift with grace: an hour in which no rule counts it. An administrator's hold is no rule's.
05:03:00  lift client 192.0.2.7 grace=1h
          << release block client 192.0.2.7 on imap   (lifted)
05:03:01  >> connected imap 192.0.2.7            300 times, every 1s
06:02:59.999999  >> connected imap 192.0.2.7
06:03:00  >> connected imap 192.0.2.7            49 times, every 1s
06:03:49  >> connected imap 192.0.2.7
          << impose block client 192.0.2.7 on imap until 06:08:49   (dos: 50 in 5m)
06:04:00  lift client 192.0.2.7 grace=1h
          << release block client 192.0.2.7 on imap   (lifted)
06:05:00  hold client 192.0.2.7 for 10m
          << impose block client 192.0.2.7 on everything until 06:15:00   (administrator)
06:05:01  ?? connect imap 192.0.2.7
          << refuse administrator

# A lift also ends the holds in which the client lies, and a lifted prefix the holds that lie in it.
07:00:00  hold network 198.51.100.0/24 for 1h
          << impose block network 198.51.100.0/24 on everything until 08:00:00   (administrator)
07:00:01  lift client 198.51.100.5
          << release block network 198.51.100.0/24 on everything   (lifted)
07:00:02  hold client 198.51.100.5 for 1h
          << impose block client 198.51.100.5 on everything until 08:00:02   (administrator)
07:00:03  lift network 198.51.100.0/24
          << release block client 198.51.100.5 on everything   (lifted)
