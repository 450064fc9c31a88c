# The most specific entry that covers address, protocol and stage decides, whichever list it stands on.
preset standard
allow 203.0.113.0/24
deny 203.0.113.7
deny 198.51.100.0/24
allow 198.51.100.7
allow 2001:db8:a::/48
deny 2001:db8:a:1::/64
allow 2001:db8:a:1::5
deny 192.0.2.100-192.0.2.103
deny 192.0.3.0/24
allow 192.0.3.5 relay no-detection

00:00:00  ?? connect smtp 203.0.113.7
          << refuse denied   (deny 203.0.113.7)
00:00:00  ?? login imap 203.0.113.7
          << refuse denied
00:00:00  ?? relay smtp 203.0.113.7
          << refuse denied
00:00:00  ?? message smtp 203.0.113.7
          << refuse denied
00:00:00  ?? connect smtp 203.0.113.8
          << allow   (allow 203.0.113.0/24)
00:00:00  ?? connect smtp 198.51.100.8
          << refuse denied   (deny 198.51.100.0/24)
00:00:00  ?? connect smtp 198.51.100.7
          << allow   (allow 198.51.100.7)
00:00:00  ?? connect imap 2001:db8:a:2::1
          << allow   (allow 2001:db8:a::/48)
00:00:00  ?? connect imap 2001:db8:a:1::1
          << refuse denied   (deny 2001:db8:a:1::/64)
00:00:00  ?? connect imap 2001:db8:a:1::5
          << allow   (allow 2001:db8:a:1::5)

# IPv4 in an IPv6 coat is IPv4.
00:00:00  ?? connect smtp ::ffff:203.0.113.7
          << refuse denied   (deny 203.0.113.7)

# A range ends where it ends.
00:00:00  ?? connect smtp 192.0.2.99
          << allow
00:00:00  ?? connect smtp 192.0.2.100
          << refuse denied   (deny 192.0.2.100-192.0.2.103)
00:00:00  ?? connect smtp 192.0.2.103
          << refuse denied
00:00:00  ?? connect smtp 192.0.2.104
          << allow

# An entry decides only at the stages that it covers: relay alone is no exception to the deny entry at connect.
00:00:00  ?? relay smtp 192.0.3.5
          << allow   (allow 192.0.3.5 relay no-detection)
00:00:00  ?? connect smtp 192.0.3.5
          << refuse denied   (deny 192.0.3.0/24)
00:00:00  ?? relay smtp 192.0.3.6
          << refuse denied   (deny 192.0.3.0/24)

# What a denied address does is turned away, and so is not counted; what an allowed one does is not counted either.
00:01:00  >> connected smtp 203.0.113.7          90 times, every 1s
00:03:00  >> connected smtp 203.0.113.8          90 times, every 1s
# An address that no list speaks of is.
00:05:00  >> connected smtp 192.0.2.104          49 times, every 1s
00:05:49  >> connected smtp 192.0.2.104
          << impose block client 192.0.2.104 on smtp until 00:10:49   (dos: 50 in 5m)
