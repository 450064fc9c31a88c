"""What Postfix 3.7, Dovecot 2.3, sshd and cron write about one session.

Job: a function for each kind of session; it puts all of its lines, at their times, and says which facts each line tells.
Promise: the formats are those of the daemons' own format strings; process ids, queue ids and session ids agree within a session, and the
summary of a `disconnect` adds up.
Limits: one incoming server, TLS logged at level 1, Dovecot's LMTP for delivery, SQL for passwords. Every function returns the time at
which its session ends.
"""

from scribe import ROLE_NAMES, SECOND, Client, Fact, Scribe

SMTPD, SUBMISSION = "postfix/smtpd", "postfix/submission/smtpd"
CIPHER = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256"
COMMANDS = ("helo", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "bdat", "rset", "quit", "unknown")
"""The order in which Postfix's summary names them."""
NO_FACTS: tuple[Fact, ...] = ()


class Smtpd:
    """One session of an smtpd process: `connect`, what is said between, `disconnect` with the summary."""

    def __init__(self, scribe: Scribe, client: Client, at: int, busy_until: int, tag: str = SMTPD) -> None:
        self.scribe, self.client, self.at = scribe, client, at
        self.pool = scribe.submission if tag == SUBMISSION else scribe.smtpd
        self.tag = f"{tag}[{self.pool.take(at, busy_until)}]"
        self.done: dict[str, int] = {}
        self.tried: dict[str, int] = {}
        self.blameless = False
        if client.name == "unknown" and client.address[-1] in "37c":
            static = f"static-{client.address.replace('.', '-').replace(':', '-')}.example.net"
            self.warn(f"hostname {static} does not resolve to address {client.address}: Name or service not known")
        self.say(f"connect from {client.namaddr}", Fact("connected", "smtp", client))

    def say(self, text: str, *facts: Fact) -> None:
        """A line of this process, now."""
        self.scribe.put(self.at, self.tag, text, *facts)

    def warn(self, text: str, *facts: Fact) -> None:
        """A warning of this process, now."""
        self.say(f"warning: {text}", *facts)

    def spend(self, low: float, high: float) -> None:
        """Let time pass: seconds, drawn between two bounds."""
        self.at += int((low + (high - low) * self.scribe.rng.random()) * SECOND)

    def did(self, *commands: str, refused: bool = False) -> None:
        """Commands of the client, counted as Postfix counts them for the summary."""
        for command in commands:
            self.tried[command] = self.tried.get(command, 0) + 1
            self.done[command] = self.done.get(command, 0) + (not refused)

    def starttls(self) -> None:
        """TLS, as most senders do it; a second EHLO follows."""
        self.did("ehlo", "starttls", "ehlo")
        self.spend(0.02, 0.1)
        self.say(f"Anonymous TLS connection established from {self.client.namaddr}: {CIPHER}")

    def refuse(self, reply: str, sender: str, to: str, helo: str, stage: str = "RCPT") -> None:
        """A recipient turned away, with one of Postfix's replies."""
        self.say(
            f"NOQUEUE: reject: {stage} from {self.client.namaddr}: {reply}; from=<{sender}> to=<{to}> proto=ESMTP helo=<{helo}>",
            Fact("rejected", "smtp", self.client),
        )
        self.did("rcpt", refused=True)
        self.blameless |= reply.startswith("4")

    def lost(self, after: str, how: str = "lost connection") -> None:
        """The client went away, or the server waited too long."""
        self.say(f"{how} after {after} from {self.client.namaddr}")

    def end(self, quits: bool = True) -> int:
        """The summary. A session without a message is a bad one, unless a 4xx answer of the server's was the reason."""
        if quits:
            self.did("quit")
        parts = [f" {name}={_share(self.done[name], self.tried[name])}" for name in COMMANDS if name in self.tried]
        total = f" commands={_share(sum(self.done.values()), sum(self.tried.values()))}"
        bad = not self.done.get("data") and not self.blameless
        self.say(f"disconnect from {self.client.namaddr}{''.join(parts)}{total}", Fact("session_ended", "smtp", self.client, int(bad)))
        return self.at


def _share(done: int, tried: int) -> str:
    return f"{tried}" if done == tried > 0 else f"{done}/{tried}"


def deliver(scribe: Scribe, client: Client, at: int, senders: list[str], to: str) -> int:
    """A mail server delivers messages, one for each sender, to a mailbox here."""
    session = Smtpd(scribe, client, at, at + (4 + 3 * len(senders)) * SECOND)
    if scribe.rng.random() < 0.25:
        session.starttls()
    else:
        session.did("ehlo")
    for sender in senders:
        session.spend(0.1, 0.4)
        _accept(session, sender, [to], "")
        session.spend(0.1, 1.0)
    return session.end()


def submit(scribe: Scribe, client: Client, at: int, account: str, recipients: list[str], bounces: bool = False) -> int:
    """A user logs in at the submission port and sends one message."""
    session = Smtpd(scribe, client, at, at + 5 * SECOND, SUBMISSION)
    session.starttls()
    session.did("auth")
    session.spend(0.2, 0.6)
    _accept(session, account, recipients, f", sasl_method=PLAIN, sasl_username={account}", bounces)
    session.spend(0.1, 0.5)
    return session.end()


def _accept(session: Smtpd, sender: str, recipients: list[str], sasl: str, bounces: bool = False) -> None:
    """A message from MAIL to the end of data, then its way through the queue."""
    scribe, client = session.scribe, session.client
    queue_id = scribe.queue_id(session.at)
    facts = (Fact("auth_succeeded", "smtp", client),) if sasl else NO_FACTS
    session.say(f"{queue_id}: client={client.namaddr}{sasl}", *facts)
    session.did("mail", *["rcpt"] * len(recipients), "data")
    session.spend(0.02, 0.1)
    cleanup = f"postfix/cleanup[{scribe.cleanup.take(session.at, session.at + SECOND)}]"
    bits = scribe.rng.getrandbits(64)
    message_id = f"<{bits:016x}@{sender.rpartition('@')[2]}>"
    scribe.put(session.at, cleanup, f"{queue_id}: message-id={message_id}")
    session.spend(0.02, 0.2)
    active = f"{queue_id}: from=<{sender}>, size={900 + bits % 40_000}, nrcpt={len(recipients)} (queue active)"
    scribe.put(session.at, f"postfix/qmgr[{scribe.qmgr}]", active, Fact("message_accepted", "smtp", client))
    at = session.at
    for recipient in recipients:
        at = _hand_on(scribe, at, queue_id, message_id, recipient, client, bool(sasl), bounces)
    if bounces:
        at = _notify(scribe, at + 1000, queue_id, sender)
    scribe.put(at + 2000, f"postfix/qmgr[{scribe.qmgr}]", f"{queue_id}: removed")


def _notify(scribe: Scribe, at: int, queue_id: str, to: str) -> int:
    """The sender hears of a bounce: a message without a client."""
    notice = scribe.queue_id(at)
    end = at + 300_000
    scribe.put(at, f"postfix/cleanup[{scribe.cleanup.take(at, end)}]", f"{notice}: message-id=<20261102.{notice}@{scribe.name}>")
    scribe.put(at + 1000, f"postfix/bounce[{scribe.new_pid()}]", f"{queue_id}: sender non-delivery notification: {notice}")
    scribe.put(at + 2000, f"postfix/qmgr[{scribe.qmgr}]", f"{notice}: from=<>, size=2864, nrcpt=1 (queue active)")
    delivered = f"to=<{to}>, relay={scribe.name}[private/dovecot-lmtp], delay=0.1, delays=0.02/0/0.02/0.06, dsn=2.0.0"
    tag = f"postfix/lmtp[{scribe.lmtp.take(at, end)}]"
    scribe.put(at + 100_000, tag, f"{notice}: {delivered}, status=sent (250 2.0.0 <{to}> {scribe.session_id()} Saved)")
    scribe.put(at + 102_000, f"postfix/qmgr[{scribe.qmgr}]", f"{notice}: removed")
    return at


def _hand_on(scribe: Scribe, at: int, queue_id: str, message_id: str, to: str, client: Client, out: bool, bounces: bool) -> int:
    """Delivery of one recipient: to Dovecot's LMTP, or to another server for what was submitted here."""
    took = 30_000 + int(scribe.rng.random() * 400_000)
    delays = f"delay={took / SECOND + 0.2:.2f}, delays=0.2/0.01/0.02/{took / SECOND:.2f}"
    if out:
        tag = f"postfix/smtp[{scribe.smtp.take(at, at + took)}]"
        domain = to.rpartition("@")[2]
        relay = f"mx.{domain}[203.0.113.{len(to)}]:25"
        if took > 200_000:
            scribe.put(at + took // 2, tag, f"Untrusted TLS connection established to {relay}: {CIPHER}")
        end = "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4F2Q0Y2Zb8z9)"
        if bounces:
            said = f"550 5.1.1 <{to}>: Recipient address rejected: User unknown (in reply to RCPT TO command)"
            end = f"dsn=5.1.1, status=bounced (host mx.{domain}[203.0.113.{len(to)}] said: {said})"
        facts = (Fact("message_bounced", "smtp", client),) if bounces else NO_FACTS
        scribe.put(at + took, tag, f"{queue_id}: to=<{to}>, relay={relay}, {delays}, {end}", *facts)
        return at + took
    lmtp, dovecot = scribe.lmtp.take(at, at + took), scribe.dovecot_lmtp.take(at, at + took)
    session = scribe.session_id()
    scribe.put(at + took // 3, "dovecot", f"lmtp({dovecot}): Connect from local")
    scribe.put(at + took // 2, "dovecot", f"lmtp({to})<{dovecot}><{session}>: msgid={message_id}: saved mail to INBOX")
    sent = f"{queue_id}: to=<{to}>, relay={scribe.name}[private/dovecot-lmtp], {delays}, dsn=2.0.0, status=sent (250 2.0.0 <{to}> {session} Saved)"
    scribe.put(at + took - 1000, f"postfix/lmtp[{lmtp}]", sent)
    scribe.put(at + took - 500, "dovecot", f"lmtp({dovecot}): Disconnect from local: Client has quit the connection (state=READY)")
    return at + took


def harvest(scribe: Scribe, client: Client, at: int, recipients: list[str], quits: bool = True) -> int:
    """A harvester asks for recipients that are not there, and leaves without a message."""
    session = Smtpd(scribe, client, at, at + (3 + len(recipients)) * SECOND)
    helo = f"[IPv6:{client.address}]" if ":" in client.address else f"[{client.address}]"
    session.did("ehlo", "mail")
    session.spend(0.05, 0.3)
    for to in recipients:
        session.refuse(f"550 5.1.1 <{to}>: Recipient address rejected: User unknown in virtual mailbox table", "probe@example.net", to, helo)
        session.spend(0.1, 0.6)
    if not quits:
        session.lost("RCPT")
    return session.end(quits)


def refused(scribe: Scribe, client: Client, at: int, why: int) -> int:
    """A session that one reply ends: open relay tests, block lists, HELO names, greylisting."""
    to, helo = "info@example.org", ("mail.example.com", "localhost", "WIN-8K2J4L", "ylmf-pc")[why % 4]
    sender = f"{ROLE_NAMES[why % len(ROLE_NAMES)]}@example.com"
    session = Smtpd(scribe, client, at, at + 4 * SECOND)
    session.did("ehlo", "mail")
    session.spend(0.1, 0.8)
    if why % 8 == 0:
        session.refuse(f"450 4.2.0 <{to}>: Recipient address rejected: Greylisted for 300 seconds", sender, to, helo)
    elif why % 8 < 3:
        listed = f"554 5.7.1 Service unavailable; Client host [{client.address}] blocked using bl.example.net"
        session.refuse(listed, sender, to, helo)
    elif why % 8 < 5:
        session.refuse(f"504 5.5.2 <{helo}>: Helo command rejected: need fully-qualified hostname", sender, to, helo)
    else:
        session.refuse("554 5.7.1 <relaytest@example.net>: Relay access denied", sender, "relaytest@example.net", helo)
    session.spend(0.1, 0.5)
    return session.end()


def knock(scribe: Scribe, client: Client, at: int, seconds: float, patient: bool = False) -> int:
    """A connection that leads to nothing; a patient client waits for the server's time-out."""
    session = Smtpd(scribe, client, at, at + int((seconds + 1) * SECOND))
    session.spend(seconds, seconds)
    if scribe.rng.random() < 0.4:
        session.did("ehlo")
        session.lost("EHLO", "timeout" if patient else "lost connection")
    else:
        session.lost("CONNECT", "timeout" if patient else "lost connection")
    return session.end(quits=False)


def guess_smtp(scribe: Scribe, client: Client, at: int, accounts: list[str], method: str = "LOGIN") -> int:
    """A guesser tries a password for each account in one session, and is dropped or goes away."""
    session = Smtpd(scribe, client, at, at + (3 + 4 * len(accounts)) * SECOND, SUBMISSION if method == "PLAIN" else SMTPD)
    session.did("ehlo")
    reason = "UGFzc3dvcmQ6" if method == "LOGIN" else "(reason unavailable)"
    for account in accounts:
        session.spend(0.2, 1.0)
        _password_mismatch(scribe, session.at, f"{account},{client.address}")
        session.spend(1.9, 2.1)
        session.warn(f"{client.namaddr}: SASL {method} authentication failed: {reason}, sasl_username={account}", Fact("auth_failed", "smtp", client))
        session.did("auth", refused=True)
    session.spend(0.05, 0.5)
    quits = scribe.rng.random() < 0.5
    if not quits:
        session.lost("AUTH")
    return session.end(quits)


def _password_mismatch(scribe: Scribe, at: int, who: str) -> None:
    number = scribe.worker()
    conn = f"conn unix:auth-worker (pid={scribe.auth},uid=114): auth-worker<{number}>"
    what = "Password mismatch" if number % 3 else "unknown user"
    scribe.put(at, "dovecot", f"auth-worker({scribe.auth + 1 + number % 4}): {conn}: sql({who}): {what}")


def guess_mailbox(scribe: Scribe, client: Client, at: int, protocol: str, account: str, attempts: int, tls: bool = True) -> int:
    """A guesser at IMAP or POP3: Dovecot tells of all attempts of a connection in one line, when it ends."""
    session = scribe.session_id()
    start = at
    for _ in range(attempts):
        at += int((0.3 + scribe.rng.random()) * SECOND)
        _password_mismatch(scribe, at, f"{account},{client.address},<{session}>")
        at += 2 * SECOND
    how = "Connection closed" if scribe.rng.random() < 0.8 else "Aborted login by logging out"
    how += f" (auth failed, {attempts} attempts in {(at - start) // SECOND} secs)"
    text = f"{protocol}-login: Disconnected: {how}: user=<{account}>, method=PLAIN, "
    facts = (Fact("connected", protocol, client), Fact("auth_failed", protocol, client, attempts))
    _login_line(scribe, at, text, client, session, ", TLS" if tls else "", *facts)
    return at


def probe_mailbox(scribe: Scribe, client: Client, at: int, protocol: str) -> int:
    """A connection to IMAP or POP3 that never tries to log in."""
    at += int(scribe.rng.random() * SECOND)
    dice = scribe.rng.random()
    tls = ""
    text = f"{protocol}-login: Disconnected: Connection closed (no auth attempts in 0 secs): user=<>, "
    if dice < 0.3:
        error = "SSL_accept() failed: error:0A00010B:SSL routines::wrong version number"
        tls = f", TLS handshaking: {error}"
        text = f"{protocol}-login: Disconnected: Connection closed: {error} (no auth attempts in 0 secs): user=<>, "
    elif dice < 0.5:
        text = f"{protocol}-login: Disconnected: Aborted login by logging out (no auth attempts in 1 secs): user=<>, "
    _login_line(scribe, at, text, client, scribe.session_id(), tls, Fact("connected", protocol, client))
    return at


def _login_line(scribe: Scribe, at: int, text: str, client: Client, session: str, tls: str, *facts: Fact) -> None:
    local = "2001:db8:0:1::25" if ":" in client.address else scribe.local
    scribe.put(at, "dovecot", f"{text}rip={client.address}, lip={local}{tls}, session=<{session}>", *facts)


def read_mail(scribe: Scribe, client: Client, at: int, protocol: str, account: str, seconds: float) -> int:
    """A user logs in, reads mail and leaves."""
    session, pid = scribe.session_id(), scribe.new_pid()
    local = "2001:db8:0:1::25" if ":" in client.address else scribe.local
    text = f"{protocol}-login: Login: user=<{account}>, method=PLAIN, rip={client.address}, lip={local}, mpid={pid}, TLS, session=<{session}>"
    scribe.put(at, "dovecot", text, Fact("connected", protocol, client), Fact("auth_succeeded", protocol, client))
    at += int(seconds * SECOND)
    count = int(scribe.rng.random() * 9000)
    if protocol == "pop3":
        what = f"Logged out top=0/0, retr={count % 5}/{count}, del=0/{count % 40}, size={count * 31}"
    else:
        idle = "IDLE running for 0.001 + waiting input for 28.210 secs, 2 B in + 10 B out, state=wait-input"
        how = "Logged out" if count % 3 else f"Connection closed ({idle})"
        read = f"hdr_count={count % 20} hdr_bytes={count % 7000} body_count=0 body_bytes=0"
        what = f"{how} in={count} out={count * 7} deleted=0 expunged=0 trashed=0 {read}"
    scribe.put(at, "dovecot", f"{protocol}({account})<{pid}><{session}>: Disconnected: {what}")
    return at
