# by: whose facts are added up, and who is held.
rule per-client counts=auth_succeeded by=client threshold=5 window=1m for=1m
rule per-network counts=rejected by=network threshold=3 window=1m for=1m on=smtp
rule per-account counts=auth_failed by=account threshold=3 window=1m for=1m
rule per-pair counts=message_accepted by=pair threshold=3 window=1m for=1m on=smtp

# An address.
00:00:00  >> auth_succeeded imap 192.0.2.1 account=a@example.org    4 times, every 1s
00:00:04  >> auth_succeeded imap 192.0.2.2 account=a@example.org    4 times, every 1s
00:00:08  >> auth_succeeded imap 192.0.2.1 account=b@example.org
          << impose block client 192.0.2.1 on imap until 00:01:08   (per-client: 5 in 1m)

# A network: IPv4 /24, IPv6 /48.
00:01:00  >> rejected smtp 198.51.100.1
00:01:01  >> rejected smtp 198.51.100.2
00:01:02  >> rejected smtp 198.51.101.3
00:01:03  >> rejected smtp 198.51.100.3
          << impose block network 198.51.100.0/24 on smtp until 00:02:03   (per-network: 3 in 1m)
00:01:04  ?? connect smtp 198.51.100.200
          << refuse per-network
00:01:10  >> rejected smtp 2001:db8:1:1::1
00:01:11  >> rejected smtp 2001:db8:1:2::1
00:01:12  >> rejected smtp 2001:db8:2:3::1
00:01:13  >> rejected smtp 2001:db8:1:3::1
          << impose block network 2001:db8:1::/48 on smtp until 00:02:13   (per-network: 3 in 1m)

# An account, from wherever. How the name is written makes no difference; a fact without an account is nobody's.
00:02:00  >> auth_failed imap 192.0.2.11 account=bob@example.org
00:02:01  >> auth_failed imap 192.0.2.12 account=BOB@example.org
00:02:02  >> auth_failed imap 192.0.2.13          5 times, every 1s
00:02:08  >> auth_failed imap 192.0.2.14 account=bob@example.org
          << impose block account bob@example.org on imap until 00:03:08   (per-account: 3 in 1m)
00:02:09  ?? login imap 203.0.113.1 account=bob@example.org
          << refuse per-account
00:02:09  ?? login imap 203.0.113.1 account=alice@example.org
          << allow
# Who does not name the account is not held by it.
00:02:09  ?? connect imap 203.0.113.1
          << allow

# A pair: this account from this address.
00:03:00  >> message_accepted smtp 192.0.2.21 account=bob@example.org   2 times, every 1s
00:03:02  >> message_accepted smtp 192.0.2.22 account=bob@example.org   2 times, every 1s
00:03:04  >> message_accepted smtp 192.0.2.21 account=eve@example.org   2 times, every 1s
00:03:06  >> message_accepted smtp 192.0.2.21 account=bob@example.org
          << impose block pair bob@example.org from 192.0.2.21 on smtp until 00:04:06   (per-pair: 3 in 1m)
00:03:07  ?? message smtp 192.0.2.21 account=bob@example.org
          << refuse per-pair
00:03:07  ?? message smtp 192.0.2.22 account=bob@example.org
          << allow
00:03:07  ?? message smtp 192.0.2.21 account=eve@example.org
          << allow
