# An IPv6 client is one address (/128) for connections and SMTP sessions, and its /64 for failed log-ins and protocol abuse.
rule flood counts=connected threshold=3 window=1m for=1m
rule empty counts=bad_session threshold=3 window=1m for=1m on=smtp
rule guesses counts=auth_failed threshold=3 window=1m for=1m
rule abuse counts=protocol_abused threshold=3 window=1m for=1m on=smtp
allow 2001:db8:b:1::99

00:00:00  >> connected smtp 2001:db8:a:1::1      2 times, every 1s
00:00:02  >> connected smtp 2001:db8:a:1::2      2 times, every 1s
00:00:04  >> connected smtp 2001:db8:a:1::1
          << impose block client 2001:db8:a:1::1 on smtp until 00:01:04   (flood: 3 in 1m)
00:00:05  ?? connect smtp 2001:db8:a:1::2
          << allow
00:00:06  >> session_ended smtp 2001:db8:a:2::1  2 times, every 1s
00:00:08  >> session_ended smtp 2001:db8:a:2::2  2 times, every 1s
00:00:10  >> session_ended smtp 2001:db8:a:2::1
          << impose block client 2001:db8:a:2::1 on smtp until 00:01:10   (empty: 3 in 1m)

00:01:00  >> auth_failed imap 2001:db8:a:3::1
00:01:01  >> auth_failed imap 2001:db8:a:3::2
00:01:02  >> auth_failed imap 2001:db8:a:4::3
00:01:03  >> auth_failed imap 2001:db8:a:3:1:2:3:4
          << impose block client 2001:db8:a:3::/64 on imap until 00:02:03   (guesses: 3 in 1m)
00:01:04  ?? connect imap 2001:db8:a:3::abcd
          << refuse guesses
00:01:04  ?? connect imap 2001:db8:a:4::abcd
          << allow
00:01:10  >> protocol_abused smtp 2001:db8:a:5::1    2 times, every 1s
00:01:12  >> protocol_abused smtp 2001:db8:a:5::2
          << impose block client 2001:db8:a:5::/64 on smtp until 00:02:12   (abuse: 3 in 1m)

# Where the /64 holds an allowed address, it is counted by single address: nobody is held for his neighbour, who is trusted.
00:02:00  >> auth_failed imap 2001:db8:b:1::1    2 times, every 1s
00:02:02  >> auth_failed imap 2001:db8:b:1::2    2 times, every 1s
00:02:04  >> auth_failed imap 2001:db8:b:1::99   9 times, every 1s
00:02:20  >> auth_failed imap 2001:db8:b:1::1
          << impose block client 2001:db8:b:1::1 on imap until 00:03:20   (guesses: 3 in 1m)
00:02:21  ?? connect imap 2001:db8:b:1::2
          << allow
