# A stolen account sends spam from many addresses. Rules about addresses do not see it; rules about the account do.
preset strict

# Each address sends to few recipients, all with the same account.
02:00:00  >> message_accepted smtp 203.0.113.5 account=carol@example.org recipients=60
02:01:00  >> message_accepted smtp 203.0.113.66 account=carol@example.org recipients=60
02:02:00  >> message_accepted smtp 198.51.100.30 account=carol@example.org recipients=60
02:03:00  >> message_accepted smtp 192.0.2.200 account=carol@example.org recipients=60
          << alert account carol@example.org on smtp until 03:03:00   (internal-spammer: 200 in 1h)

# An alert holds nothing. The administrator holds the account; where it is known from, it goes on working.
02:05:00  >> auth_succeeded imap 192.0.2.10 account=carol@example.org
02:06:00  hold account carol@example.org for 12h reason="password stolen"
          << impose block account carol@example.org on everything until 14:06:00   (administrator: password stolen)
02:06:01  ?? login smtp 203.0.113.5 account=carol@example.org
          << refuse administrator
02:06:01  ?? login imap 192.0.2.10 account=carol@example.org
          << allow

# She has a new password: the hold is lifted by hand.
03:00:00  lift account carol@example.org
          << release alert account carol@example.org on smtp   (lifted)
          << release block account carol@example.org on everything   (lifted)
