# harvesting: 20 SMTP sessions that end with no message accepted, within 5 minutes, block smtp for 5 minutes.
preset standard

00:00:00  >> session_ended smtp 192.0.2.7        19 times, every 10s
# A session that delivered is none of them, nor one that the server spoilt, nor one in which we refused something ourselves.
00:03:01  >> session_ended smtp 192.0.2.7 messages=1
00:03:02  >> session_ended smtp 192.0.2.7 server_at_fault=true    30 times, every 100ms
00:03:06  >> session_ended smtp 192.0.2.7 refused=true            30 times, every 100ms
00:03:10  ?? connect smtp 192.0.2.7
          << allow
# A log-in without a message is one: it delivered nothing.
00:03:10  >> session_ended smtp 192.0.2.7 authenticated=true
          << impose block client 192.0.2.7 on smtp until 00:08:10   (harvesting: 20 in 5m)
00:08:09.999999  ?? connect smtp 192.0.2.7
          << refuse harvesting
00:08:09.999999  ?? connect imap 192.0.2.7
          << allow
00:08:10  ?? connect smtp 192.0.2.7
          << allow

# The edge of the window, to the microsecond.
01:00:00  >> session_ended smtp 192.0.2.8
01:00:01  >> session_ended smtp 192.0.2.8        18 times, every 1s
01:05:00  >> session_ended smtp 192.0.2.8
01:05:00.999999  >> session_ended smtp 192.0.2.8
          << impose block client 192.0.2.8 on smtp until 01:10:00.999999   (harvesting: 20 in 5m)

# The sessions of other protocols do not end without a message: they never have one.
02:00:00  >> session_ended imap 192.0.2.9        40 times, every 1s
