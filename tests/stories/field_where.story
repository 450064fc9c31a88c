# where: only facts with this reason, stage or reply code.
rule relays counts=rejected where.reason=relay_denied threshold=2 window=1m for=1m on=smtp
rule at-helo counts=rejected where.stage=helo threshold=2 window=1m for=1m on=smtp
rule permanent counts=rejected where.code=5 threshold=5 window=1m for=1m on=smtp
rule this-code counts=rejected where.code=450 threshold=2 window=1m for=1m on=smtp
rule all-three counts=rejected where.reason=policy where.stage=data where.code=554 threshold=2 window=1m for=1m on=smtp
rule early-talkers counts=protocol_abused where.reason=pregreet threshold=2 window=1m for=1m on=smtp
rule unknown-names counts=auth_failed where.reason=unknown_user threshold=2 window=1m for=1m

00:00:00  >> rejected smtp 192.0.2.1 reason=relay_denied
00:00:01  >> rejected smtp 192.0.2.1 reason=sender            3 times, every 1s
00:00:05  >> rejected smtp 192.0.2.1 reason=relay_denied
          << impose block client 192.0.2.1 on smtp until 00:01:05   (relays: 2 in 1m)

00:01:00  >> rejected smtp 192.0.2.2 stage=helo
00:01:01  >> rejected smtp 192.0.2.2 stage=mail               3 times, every 1s
00:01:05  >> rejected smtp 192.0.2.2 stage=helo
          << impose block client 192.0.2.2 on smtp until 00:02:05   (at-helo: 2 in 1m)

# One digit is a class of replies.
00:02:00  >> rejected smtp 192.0.2.3 code=550                 2 times, every 1s
00:02:02  >> rejected smtp 192.0.2.3 code=554                 2 times, every 1s
00:02:04  >> rejected smtp 192.0.2.3 code=451                 5 times, every 1s
00:02:10  >> rejected smtp 192.0.2.3 code=501
          << impose block client 192.0.2.3 on smtp until 00:03:10   (permanent: 5 in 1m)
# Three are one reply.
00:03:00  >> rejected smtp 192.0.2.4 code=450
00:03:01  >> rejected smtp 192.0.2.4 code=451                 3 times, every 1s
00:03:05  >> rejected smtp 192.0.2.4 code=450
          << impose block client 192.0.2.4 on smtp until 00:04:05   (this-code: 2 in 1m)

# All that is named must hold.
00:04:00  >> rejected smtp 192.0.2.5 stage=data code=554 reason=policy
00:04:01  >> rejected smtp 192.0.2.5 stage=data code=554 reason=content
00:04:02  >> rejected smtp 192.0.2.5 stage=rcpt code=554 reason=policy
00:04:03  >> rejected smtp 192.0.2.5 stage=data code=450 reason=policy
00:04:04  ?? connect smtp 192.0.2.5
          << allow
00:04:05  >> rejected smtp 192.0.2.5 stage=data code=554 reason=policy
          << impose block client 192.0.2.5 on smtp until 00:05:05   (all-three: 2 in 1m)

00:05:00  >> protocol_abused smtp 192.0.2.6 reason=pregreet
00:05:01  >> protocol_abused smtp 192.0.2.6 reason=pipelining
00:05:02  >> protocol_abused smtp 192.0.2.6 reason=pregreet
          << impose block client 192.0.2.6 on smtp until 00:06:02   (early-talkers: 2 in 1m)
00:06:00  >> auth_failed imap 192.0.2.7 reason=unknown_user
00:06:01  >> auth_failed imap 192.0.2.7 reason=password
00:06:02  >> auth_failed imap 192.0.2.7
00:06:03  >> auth_failed imap 192.0.2.7 reason=unknown_user
          << impose block client 192.0.2.7 on imap until 00:07:03   (unknown-names: 2 in 1m)
