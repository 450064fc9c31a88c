# The window is (T-5m, T]: a connection that lies exactly five minutes back is out of it.
preset standard

10:00:00  >> connected smtp 192.0.2.8
10:00:01  >> connected smtp 192.0.2.8            48 times, every 1s
10:05:00  >> connected smtp 192.0.2.8
10:05:00  ?? connect smtp 192.0.2.8
          << allow
# The next one lies less than five minutes after the second: 48, and the two of this second.
10:05:00.5  >> connected smtp 192.0.2.8
          << impose block client 192.0.2.8 on smtp until 10:10:00.5   (dos: 50 in 5m)

# A microsecond less than five minutes is within it.
12:00:00  >> connected smtp 192.0.2.9
12:00:01  >> connected smtp 192.0.2.9            48 times, every 1s
12:04:59.999999  >> connected smtp 192.0.2.9
          << impose block client 192.0.2.9 on smtp until 12:09:59.999999   (dos: 50 in 5m)
