# internal-spammer: 200 recipients within an hour from one account alert the administrator; nothing is held.
preset strict

00:00:00  >> message_accepted smtp 192.0.2.7 account=bob@example.org recipients=199
00:00:01  >> message_accepted smtp 192.0.2.8 account=alice@example.org recipients=150
# From wherever the account sends.
00:00:02  >> message_accepted smtp 198.51.100.9 account=bob@example.org
          << alert account bob@example.org on smtp until 01:00:02   (internal-spammer: 200 in 1h)
00:00:03  ?? message smtp 192.0.2.7 account=bob@example.org
          << allow
# An alert silences its own rule for that account until it ends.
00:10:00  >> message_accepted smtp 192.0.2.7 account=bob@example.org recipients=500
01:00:01.999999  >> message_accepted smtp 192.0.2.7 account=bob@example.org recipients=500
01:00:02  >> message_accepted smtp 192.0.2.7 account=bob@example.org recipients=199
01:00:03  >> message_accepted smtp 192.0.2.7 account=bob@example.org recipients=300
          << alert account bob@example.org on smtp until 02:00:03   (internal-spammer: 200 in 1h)

# Exactly an hour is out of the window. Mail without an account is nobody's.
10:00:00  >> message_accepted smtp 192.0.2.7 account=carol@example.org recipients=100
11:00:00  >> message_accepted smtp 192.0.2.7 account=carol@example.org recipients=100
11:00:01  >> message_accepted smtp 192.0.2.7 recipients=1000
# What counts is the sum within an hour.
11:59:59.999999  >> message_accepted smtp 192.0.2.7 account=carol@example.org recipients=100
          << alert account carol@example.org on smtp until 12:59:59.999999   (internal-spammer: 200 in 1h)
