# Thirty people read their mail through one office line. In the morning they all connect, and somebody has an old password in his phone.
# Without an entry on the allow list, the default rules hold the office:
preset standard

08:00:00  >> connected imap 198.51.100.20                                     49 times, every 1s
08:00:49  >> connected imap 198.51.100.20
          << impose block client 198.51.100.20 on imap until 08:05:49   (dos: 50 in 5m)

# The administrator puts the office on the allow list. The hold is lifted at once.
08:02:00  adopt allow 198.51.100.20
          << release block client 198.51.100.20 on imap   (allow entry)
08:02:01  ?? connect imap 198.51.100.20
          << allow
# From now on no rule about addresses counts it: neither connections nor the phone with the old password.
08:02:02  >> connected imap 198.51.100.20                                     500 times, every 100ms
08:03:00  >> auth_failed imap 198.51.100.20 account=erin@example.org          100 times, every 3s

# Trusted is not the same as allowed to relay: that is a box of its own.
08:10:00  ?? relay smtp 198.51.100.20
          << allow
08:10:01  adopt allow 198.51.100.21 relay
08:10:02  ?? relay smtp 198.51.100.21
          << allow   (allow 198.51.100.21 relay)
