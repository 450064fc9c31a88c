# An entry with the boxes logins and relay: the relay box speaks at stage relay, and takes nothing from what logins narrows.
preset standard
allow 198.51.100.5 logins relay

00:00:00  >> connected smtp 198.51.100.5         49 times, every 1s
00:00:49  >> connected smtp 198.51.100.5
          << impose block client 198.51.100.5 on smtp until 00:05:49   (dos: 50 in 5m)
00:00:50  ?? connect smtp 198.51.100.5
          << refuse dos
00:00:50  ?? message smtp 198.51.100.5
          << refuse dos
00:00:50  ?? relay smtp 198.51.100.5
          << allow   (allow 198.51.100.5 logins relay)
