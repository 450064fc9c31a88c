# The host's own networks are allow entries from the start: never counted, and no right to relay.
preset standard

00:00:00  >> connected smtp 127.0.0.1            90 times, every 10ms
00:00:01  >> connected smtp ::1                  90 times, every 10ms
00:00:02  >> connected smtp 10.1.2.3             90 times, every 10ms
00:00:03  >> connected smtp 172.31.255.255       90 times, every 10ms
00:00:04  >> connected smtp 192.168.1.1          90 times, every 10ms
00:00:05  >> connected smtp 169.254.7.7          90 times, every 10ms
00:00:06  >> connected smtp fd00::7              90 times, every 10ms
00:00:07  >> connected smtp fe80::7              90 times, every 10ms
00:00:10  ?? connect smtp 10.1.2.3
          << allow   (allow 10.0.0.0/8)
00:00:10  ?? relay smtp 10.1.2.3
          << allow

# This list is the whole of it: shared address space (100.64.0.0/10) is not the host's own.
00:01:00  >> connected smtp 100.64.0.1           49 times, every 10ms
00:01:01  >> connected smtp 100.64.0.1
          << impose block client 100.64.0.1 on smtp until 00:06:01   (dos: 50 in 5m)
00:01:02  >> connected smtp 172.32.0.1           49 times, every 10ms
00:01:03  >> connected smtp 172.32.0.1
          << impose block client 172.32.0.1 on smtp until 00:06:03   (dos: 50 in 5m)

# They can be edited: an entry for the very same prefix takes its place. Here log-ins from 10.0.0.0/8 stay trusted, connections do not.
01:00:00  adopt allow 10.0.0.0/8 logins
01:00:01  >> auth_failed imap 10.1.2.3           60 times, every 10ms
01:00:02  >> connected smtp 10.1.2.3             49 times, every 10ms
01:00:03  >> connected smtp 10.1.2.3
          << impose block client 10.1.2.3 on smtp until 01:05:03   (dos: 50 in 5m)
# And a more specific one goes before them.
02:00:00  adopt deny 192.168.1.66
02:00:01  ?? connect smtp 192.168.1.66
          << refuse denied
02:00:01  ?? connect smtp 192.168.1.67
          << allow   (allow 192.168.0.0/16)
