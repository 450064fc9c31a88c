# adopt: rules change while the guard runs. One whose counting is unchanged keeps its windows, any other starts clean.
rule flood counts=connected threshold=5 window=1m for=1m on=smtp
rule guesses counts=auth_failed threshold=5 window=1m for=1h on=imap

# What follows is no part of the counting: the four are kept, and the fifth is held for the new time.
00:00:00  >> connected smtp 192.0.2.1            4 times, every 1s
00:00:04  adopt rule flood counts=connected threshold=5 window=1m for=30m on=smtp action=delay delay=3s
00:00:05  >> connected smtp 192.0.2.1
          << impose delay 3s client 192.0.2.1 on smtp until 00:30:05   (flood: 5 in 1m)
# The threshold is: four of before are gone, though six would do.
01:00:00  >> connected smtp 192.0.2.2            4 times, every 1s
01:00:04  adopt rule flood counts=connected threshold=6 window=1m for=1m on=smtp
01:00:05  >> connected smtp 192.0.2.2            5 times, every 1s
01:00:10  ?? connect smtp 192.0.2.2
          << allow
01:00:10  >> connected smtp 192.0.2.2
          << impose block client 192.0.2.2 on smtp until 01:01:10   (flood: 6 in 1m)

# A rule that no longer enforces lets go of what it holds: switched off, put to observe, or gone.
02:00:00  >> auth_failed imap 192.0.2.3          5 times, every 1s
          << impose block client 192.0.2.3 on imap until 03:00:04   (guesses: 5 in 1m)
02:01:00  adopt rule guesses counts=auth_failed threshold=5 window=1m for=1h on=imap mode=observe
          << release block client 192.0.2.3 on imap   (rule no longer enforced)
02:02:00  >> auth_failed imap 192.0.2.4          5 times, every 1s
          << watch block client 192.0.2.4 on imap until 03:02:04   (guesses: 5 in 1m)
# Enforced again, it holds whom it only watched, once it counts enough.
02:03:00  adopt rule guesses counts=auth_failed threshold=5 window=1m for=1h on=imap
02:03:01  >> auth_failed imap 192.0.2.4          5 times, every 1s
          << impose block client 192.0.2.4 on imap until 03:03:05   (guesses: 5 in 1m)
# A preset replaces all rules.
02:04:00  adopt preset standard
          << release block client 192.0.2.4 on imap   (rule no longer enforced)
02:05:00  >> connected smtp 192.0.2.5            49 times, every 1s
02:05:49  >> connected smtp 192.0.2.5
          << impose block client 192.0.2.5 on smtp until 02:10:49   (dos: 50 in 5m)
