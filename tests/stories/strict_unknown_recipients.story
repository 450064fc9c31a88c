# unknown-recipients: 25 recipients that do not exist, within 10 minutes, block smtp for 30 minutes.
preset strict

00:00:00  >> rejected smtp 192.0.2.7 stage=rcpt code=550 reason=unknown_user     24 times, every 1s
# Other refusals are none of them.
00:00:24  >> rejected smtp 192.0.2.7 stage=rcpt code=554 reason=relay_denied     40 times, every 10ms
00:00:25  ?? connect smtp 192.0.2.7
          << allow
00:00:25  >> rejected smtp 192.0.2.7 stage=rcpt code=550 reason=unknown_user
          << impose block client 192.0.2.7 on smtp until 00:30:25   (unknown-recipients: 25 in 10m)
00:30:24.999999  ?? connect smtp 192.0.2.7
          << refuse unknown-recipients
00:30:25  ?? connect smtp 192.0.2.7
          << allow

01:00:00  >> rejected smtp 192.0.2.8 reason=unknown_user
01:00:01  >> rejected smtp 192.0.2.8 reason=unknown_user    23 times, every 1s
01:10:00  >> rejected smtp 192.0.2.8 reason=unknown_user
01:10:00.999999  >> rejected smtp 192.0.2.8 reason=unknown_user
          << impose block client 192.0.2.8 on smtp until 01:40:00.999999   (unknown-recipients: 25 in 10m)
