# A new rule is tried first: mode=observe tells whom it would have held, and holds nobody. Then it is switched on.
preset standard
rule unknown-recipients counts=rejected where.reason=unknown_user on=smtp threshold=10 window=10m for=1h mode=observe

00:00:00  >> rejected smtp 203.0.113.5 stage=rcpt code=550 reason=unknown_user     9 times, every 5s
00:00:45  >> rejected smtp 203.0.113.5 stage=rcpt code=550 reason=unknown_user
          << watch block client 203.0.113.5 on smtp until 01:00:45   (unknown-recipients: 10 in 10m)
00:00:46  ?? connect smtp 203.0.113.5
          << allow
# As long as it is watched it is not told of again: once for each block that there would have been.
00:01:00  >> rejected smtp 203.0.113.5 stage=rcpt code=550 reason=unknown_user     100 times, every 10s

# The administrator is content, and enforces it. What was only watched silences nothing any more.
00:30:00  adopt rule unknown-recipients counts=rejected where.reason=unknown_user on=smtp threshold=10 window=10m for=1h
00:30:01  >> rejected smtp 203.0.113.5 stage=rcpt code=550 reason=unknown_user     9 times, every 5s
00:30:46  >> rejected smtp 203.0.113.5 stage=rcpt code=550 reason=unknown_user
          << impose block client 203.0.113.5 on smtp until 01:30:46   (unknown-recipients: 10 in 10m)
00:30:47  ?? connect smtp 203.0.113.5
          << refuse unknown-recipients
