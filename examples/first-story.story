# Your first story. Play it with: gatepost rules test examples/first-story.story
#
# A story is a small scenario on a clock that starts at 00:00:00. It says what happens (>>), what is asked (??), and what must follow (<<).
# If what follows is something else, the story fails and you see a diff.

# The rules that the story plays with: those of a new installation.
preset standard

# A client connects by IMAP 49 times, every two seconds. Nothing follows: there is no << line.
00:00:00  >> connected imap 192.0.2.7            49 times, every 2s

# The fiftieth connection within five minutes is one too many.
00:01:38  >> connected imap 192.0.2.7
          << impose block client 192.0.2.7 on imap until 00:06:38   (dos: 50 in 5m)

# May it go on? By IMAP no, by POP3 yes: this rule counts and holds each protocol apart.
00:01:39  ?? connect imap 192.0.2.7
          << refuse dos
00:01:39  ?? connect pop3 192.0.2.7
          << allow

# Time passes, and the hold ends by itself.
00:06:38  ..
          << expire block client 192.0.2.7 on imap
00:06:39  ?? connect imap 192.0.2.7
          << allow
