# account-guessing: 30 failures on one account within an hour, from 10 or more addresses, delay its log-ins for an hour, save for known clients.
preset strict

# bob has logged in from here: his own network is known.
00:00:00  >> auth_succeeded imap 198.51.100.5 account=bob@example.org

# 29 failures from ten addresses; then the thirtieth.
00:10:00  >> auth_failed imap 192.0.2.1 account=bob@example.org    3 times, every 1s
00:11:00  >> auth_failed imap 192.0.2.2 account=bob@example.org    3 times, every 1s
00:12:00  >> auth_failed imap 192.0.2.3 account=bob@example.org    3 times, every 1s
00:13:00  >> auth_failed imap 192.0.2.4 account=bob@example.org    3 times, every 1s
00:14:00  >> auth_failed imap 192.0.2.5 account=bob@example.org    3 times, every 1s
00:15:00  >> auth_failed imap 192.0.2.6 account=bob@example.org    3 times, every 1s
00:16:00  >> auth_failed imap 192.0.2.7 account=bob@example.org    3 times, every 1s
00:17:00  >> auth_failed imap 192.0.2.8 account=bob@example.org    3 times, every 1s
00:18:00  >> auth_failed imap 192.0.2.9 account=bob@example.org    3 times, every 1s
00:19:00  >> auth_failed imap 192.0.2.10 account=bob@example.org   2 times, every 1s
00:19:02  ?? login imap 203.0.113.9 account=bob@example.org
          << allow
00:19:02  >> auth_failed imap 192.0.2.10 account=bob@example.org
          << impose delay 5s account bob@example.org on imap until 01:19:02   (account-guessing: 30 in 1h)
00:19:03  ?? login imap 203.0.113.9 account=bob@example.org
          << delay 5s   (account-guessing: 30 in 1h)
# Another protocol, another account, and the network that bob is known from are let alone.
00:19:03  ?? login smtp 203.0.113.9 account=bob@example.org
          << allow
00:19:03  ?? login imap 203.0.113.9 account=alice@example.org
          << allow
00:19:03  ?? login imap 198.51.100.99 account=bob@example.org
          << allow
01:19:01.999999  ?? login imap 203.0.113.9 account=bob@example.org
          << delay 5s
01:19:02  ?? login imap 203.0.113.9 account=bob@example.org
          << allow

# Thirty failures from nine addresses are not enough; the tenth address makes them so.
10:00:00  >> auth_failed smtp 192.0.2.1 account=eve@example.org    22 times, every 1s
10:01:02  >> auth_failed smtp 192.0.2.2 account=eve@example.org
10:01:03  >> auth_failed smtp 192.0.2.3 account=eve@example.org
10:01:04  >> auth_failed smtp 192.0.2.4 account=eve@example.org
10:01:05  >> auth_failed smtp 192.0.2.5 account=eve@example.org
10:01:06  >> auth_failed smtp 192.0.2.6 account=eve@example.org
10:01:07  >> auth_failed smtp 192.0.2.7 account=eve@example.org
10:01:08  >> auth_failed smtp 192.0.2.8 account=eve@example.org
10:01:09  >> auth_failed smtp 192.0.2.9 account=eve@example.org
10:01:10  ?? login smtp 203.0.113.9 account=eve@example.org
          << allow
10:01:10  >> auth_failed smtp 192.0.2.10 account=eve@example.org
          << impose delay 5s account eve@example.org on smtp until 11:01:10   (account-guessing: 30 in 1h)

# The window is an hour, and exactly an hour is out of it: the first address is no longer one of ten.
20:00:00  >> auth_failed smtp 192.0.2.1 account=mallory@example.org
20:00:01  >> auth_failed smtp 192.0.2.2 account=mallory@example.org    22 times, every 1s
20:01:03  >> auth_failed smtp 192.0.2.3 account=mallory@example.org
20:01:04  >> auth_failed smtp 192.0.2.4 account=mallory@example.org
20:01:05  >> auth_failed smtp 192.0.2.5 account=mallory@example.org
20:01:06  >> auth_failed smtp 192.0.2.6 account=mallory@example.org
20:01:07  >> auth_failed smtp 192.0.2.7 account=mallory@example.org
20:01:08  >> auth_failed smtp 192.0.2.8 account=mallory@example.org
20:01:09  >> auth_failed smtp 192.0.2.9 account=mallory@example.org
21:00:00  >> auth_failed smtp 192.0.2.10 account=mallory@example.org
21:00:00  ?? login smtp 203.0.113.9 account=mallory@example.org
          << allow
21:00:00  >> auth_failed smtp 192.0.2.11 account=mallory@example.org
          << impose delay 5s account mallory@example.org on smtp until 22:00:00   (account-guessing: 30 in 1h)
