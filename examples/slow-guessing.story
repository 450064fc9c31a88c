# An attacker who stays below the default threshold: one try every minute. Two rules of your own that find him.

# 40 failures in a day, all protocols in one sum, block log-ins for a day. Accounts that are known from there do not count.
rule slow-guessing counts=auth_failed on=smtp,imap,pop3 together=true threshold=40 window=1d for=1d scope=logins forgive_known=true
# Ten different accounts within an hour are enough, whatever the number of tries.
rule many-accounts counts=auth_failed distinct=accounts on=smtp,imap,pop3 together=true threshold=10 window=1h for=1d scope=logins

# Patient: a try a minute, now by SMTP, now by IMAP.
00:00:00  >> auth_failed smtp 203.0.113.5 account=alice@example.org    20 times, every 1m
00:20:00  >> auth_failed imap 203.0.113.5 account=alice@example.org    19 times, every 1m
00:39:00  >> auth_failed smtp 203.0.113.5 account=alice@example.org
          << impose block client 203.0.113.5 on logins until 24:39:00   (slow-guessing: 40 in 1d)
# He can no longer log in, by whatever protocol, but could deliver mail: scope=logins holds log-ins only.
00:40:00  ?? login imap 203.0.113.5
          << refuse slow-guessing
00:40:00  ?? connect smtp 203.0.113.5
          << allow

# A user with an old password in her phone, at the place that she logs in from every day, is forgiven.
01:00:00  >> auth_succeeded imap 198.51.100.7 account=bob@example.org
01:01:00  >> auth_failed imap 198.51.100.7 account=bob@example.org     600 times, every 1m
11:02:00  ?? login imap 198.51.100.7 account=bob@example.org
          << allow
