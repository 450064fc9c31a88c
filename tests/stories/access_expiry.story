# An entry can end by itself: from that time on it says nothing.
preset standard
allow 198.51.100.1 expires=01:00:00
deny 198.51.100.2 expires=01:00:00

00:59:59.999999  ?? connect smtp 198.51.100.1
          << allow   (allow 198.51.100.1)
00:59:59.999999  ?? connect smtp 198.51.100.2
          << refuse denied
01:00:00  ?? connect smtp 198.51.100.1
          << allow
01:00:00  ?? connect smtp 198.51.100.2
          << allow

00:55:00  >> connected smtp 198.51.100.1         60 times, every 1s
01:00:00  >> connected smtp 198.51.100.1         49 times, every 1s
01:00:49  >> connected smtp 198.51.100.1
          << impose block client 198.51.100.1 on smtp until 01:05:49   (dos: 50 in 5m)
