# What only repeats another line, and what the server itself did, accuses nobody.
preset standard

# Facts that are marked as evidence only: kept, never counted.
00:00:00  >> auth_failed imap 192.0.2.1 evidence_only=true     200 times, every 1s
00:04:00  >> connected imap 192.0.2.1 evidence_only=true       200 times, every 100ms
00:05:00  ?? connect imap 192.0.2.1
          << allow
# Sessions that delivered nothing because the server answered 4xx, was busy or failed; sessions in which we refused something.
00:06:00  >> session_ended smtp 192.0.2.2 server_at_fault=true  200 times, every 100ms
00:07:00  >> session_ended smtp 192.0.2.2 refused=true          200 times, every 100ms
# We turned it away: evidence.
00:08:00  >> refused smtp 192.0.2.2 stage=login                 200 times, every 100ms
00:09:00  ?? connect smtp 192.0.2.2
          << allow
