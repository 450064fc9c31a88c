# prolong: what holds just this subject ends later, and stays the block of its rule.
preset standard

00:00:00  >> connected imap 192.0.2.7            50 times, every 1s
          << impose block client 192.0.2.7 on imap until 00:05:49   (dos: 50 in 5m)
00:01:00  prolong client 192.0.2.7 for 1h
          << release block client 192.0.2.7 on imap   (another end)
          << impose block client 192.0.2.7 on imap until 01:05:49   (dos: 50 in 5m)
00:06:00  ?? connect imap 192.0.2.7
          << refuse dos
00:06:00  ?? connect pop3 192.0.2.7
          << allow
01:05:49  ..
          << expire block client 192.0.2.7 on imap   (dos: 50 in 5m)
01:05:50  ?? connect imap 192.0.2.7
          << allow

# All that holds it, each by as much; what holds the network around it, or somebody else, ends when it did.
02:00:00  hold client 203.0.113.9 for 10m on=smtp reason="asked by the provider"
          << impose block client 203.0.113.9 on smtp until 02:10:00   (administrator: asked by the provider)
          hold client 203.0.113.9 for 20m on=imap
          << impose block client 203.0.113.9 on imap until 02:20:00   (administrator)
          hold network 203.0.113.0/24 for 30m
          << impose block network 203.0.113.0/24 on everything until 02:30:00   (administrator)
02:05:00  prolong client 203.0.113.9 for 1d
          << release block client 203.0.113.9 on smtp   (another end)
          << impose block client 203.0.113.9 on smtp until 26:10:00   (administrator: asked by the provider)
          << release block client 203.0.113.9 on imap   (another end)
          << impose block client 203.0.113.9 on imap until 26:20:00   (administrator)
02:30:00  ..
          << expire block network 203.0.113.0/24 on everything   (administrator)
26:15:00  ..
          << expire block client 203.0.113.9 on smtp   (administrator: asked by the provider)
26:15:00  ?? connect smtp 203.0.113.9
          << allow
26:15:00  ?? connect imap 203.0.113.9
          << refuse administrator

# An account, and again: a lift ends it as any other hold.
30:00:00  hold account bob@example.org for 1h
          << impose block account bob@example.org on everything until 31:00:00   (administrator)
30:10:00  prolong account bob@example.org for 1h
          << release block account bob@example.org on everything   (another end)
          << impose block account bob@example.org on everything until 32:00:00   (administrator)
30:20:00  prolong account bob@example.org for 30m
          << release block account bob@example.org on everything   (another end)
          << impose block account bob@example.org on everything until 32:30:00   (administrator)
31:30:00  lift account bob@example.org
          << release block account bob@example.org on everything   (lifted)
