# dos-network: 500 connections within 5 minutes from one network (/24, /48) block that protocol for all of it for 5 minutes.
preset strict

# Ten addresses with 49 connections each: none is too busy alone.
00:00:00  >> connected smtp 192.0.2.1     49 times, every 500ms
00:00:25  >> connected smtp 192.0.2.2     49 times, every 500ms
00:00:50  >> connected smtp 192.0.2.3     49 times, every 500ms
00:01:15  >> connected smtp 192.0.2.4     49 times, every 500ms
00:01:40  >> connected smtp 192.0.2.5     49 times, every 500ms
00:02:05  >> connected smtp 192.0.2.6     49 times, every 500ms
00:02:30  >> connected smtp 192.0.2.7     49 times, every 500ms
00:02:55  >> connected smtp 192.0.2.8     49 times, every 500ms
00:03:20  >> connected smtp 192.0.2.9     49 times, every 500ms
00:03:45  >> connected smtp 192.0.2.10     49 times, every 500ms
00:04:10  >> connected smtp 192.0.2.11    9 times, every 500ms
# A neighbour of another network does not belong to them, nor does another protocol.
00:04:15  >> connected smtp 192.0.3.1     49 times, every 10ms
00:04:16  >> connected imap 192.0.2.11    49 times, every 10ms
00:04:17  ?? connect smtp 192.0.2.200
          << allow
# The first connection was at 0: a microsecond before 5 minutes it is still counted.
00:04:59.999999  >> connected smtp 192.0.2.11
          << impose block network 192.0.2.0/24 on smtp until 00:09:59.999999   (dos-network: 500 in 5m)
00:05:00  ?? connect smtp 192.0.2.200
          << refuse dos-network
00:05:00  ?? connect imap 192.0.2.200
          << allow
00:05:00  ?? connect smtp 192.0.3.1
          << allow
00:09:59.999999  ?? connect smtp 192.0.2.200
          << allow

# IPv6: the network is the /48.
01:00:00  >> connected smtp 2001:db8:1:0::1     49 times, every 500ms
01:00:25  >> connected smtp 2001:db8:1:1::1     49 times, every 500ms
01:00:50  >> connected smtp 2001:db8:1:2::1     49 times, every 500ms
01:01:15  >> connected smtp 2001:db8:1:3::1     49 times, every 500ms
01:01:40  >> connected smtp 2001:db8:1:4::1     49 times, every 500ms
01:02:05  >> connected smtp 2001:db8:1:5::1     49 times, every 500ms
01:02:30  >> connected smtp 2001:db8:1:6::1     49 times, every 500ms
01:02:55  >> connected smtp 2001:db8:1:7::1     49 times, every 500ms
01:03:20  >> connected smtp 2001:db8:1:8::1     49 times, every 500ms
01:03:45  >> connected smtp 2001:db8:1:9::1     49 times, every 500ms
01:04:10  >> connected smtp 2001:db8:1:ff::1    9 times, every 500ms
# Exactly 5 minutes after the first: it is out of the window.
01:05:00  >> connected smtp 2001:db8:1:ff::1
01:05:00  ?? connect smtp 2001:db8:1:abcd::1
          << allow
01:05:00.4  >> connected smtp 2001:db8:1:ff::1
          << impose block network 2001:db8:1::/48 on smtp until 01:10:00.4   (dos-network: 500 in 5m)
01:05:01  ?? connect smtp 2001:db8:1:abcd::1
          << refuse dos-network
01:05:01  ?? connect smtp 2001:db8:2::1
          << allow
