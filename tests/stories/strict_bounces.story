# bounces: 25 messages of one account that come back within an hour alert the administrator.
preset strict

00:00:00  >> message_bounced smtp 192.0.2.7 account=bob@example.org    24 times, every 1m
00:24:00  >> message_bounced smtp 192.0.2.7 account=alice@example.org  24 times, every 1s
00:59:59.999999  >> message_bounced smtp 192.0.2.7 account=bob@example.org
          << alert account bob@example.org on smtp until 01:59:59.999999   (bounces: 25 in 1h)
01:00:00  ?? message smtp 192.0.2.7 account=bob@example.org
          << allow
01:59:59.999999  ..
          << expire alert account bob@example.org on smtp   (bounces: 25 in 1h)

10:00:00  >> message_bounced smtp 192.0.2.7 account=carol@example.org  24 times, every 1m
11:00:00  >> message_bounced smtp 192.0.2.7 account=carol@example.org
11:00:00.5  >> message_bounced smtp 192.0.2.7 account=carol@example.org
          << alert account carol@example.org on smtp until 12:00:00.5   (bounces: 25 in 1h)
