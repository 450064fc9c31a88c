"""What else stands in a mail server's log: anvil, postscreen, sshd, cron, local mail, TLS errors.

Job: lines that accuse nobody of anything about mail, and postscreen's where it is on.
Promise: as in `sessions`.
Limits: postscreen has no deep tests here: a client that passes is handed to smtpd and never seen in a DISCONNECT of postscreen's.
"""

from scribe import SECOND, Client, Fact, Scribe


def anvil(scribe: Scribe, client: Client, at: int, stamp: str) -> int:
    """Anvil's statistics about the busiest client of the last while."""
    tag = f"postfix/anvil[{scribe.anvil}]"
    rate = 1 + int(scribe.rng.random() * 9)
    scribe.put(at, tag, f"statistics: max connection rate {rate}/60s for (smtp:{client.address}) at {stamp}")
    scribe.put(at, tag, f"statistics: max connection count {1 + rate // 4} for (smtp:{client.address}) at {stamp}")
    scribe.put(at, tag, f"statistics: max cache size {rate + 3} at {stamp}")
    return at


def cron(scribe: Scribe, at: int) -> int:
    """A cron job with its PAM session."""
    pid = scribe.new_pid()
    scribe.put(at, f"CRON[{pid}]", "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)")
    scribe.put(at + 3000, f"CRON[{pid + 1}]", "(root) CMD (   cd / && run-parts --report /etc/cron.hourly)")
    scribe.put(at + 40_000, f"CRON[{pid}]", "pam_unix(cron:session): session closed for user root")
    return at


def sshd(scribe: Scribe, client: Client, at: int) -> int:
    """Somebody guesses at SSH, as everywhere: not a mail server's business."""
    pid, port = scribe.new_pid(), 1024 + int(scribe.rng.random() * 60_000)
    scribe.put(at, f"sshd[{pid}]", f"Invalid user admin from {client.address} port {port}")
    scribe.put(at + 2 * SECOND, f"sshd[{pid}]", f"Failed password for invalid user admin from {client.address} port {port} ssh2")
    scribe.put(at + 2 * SECOND + 9000, f"sshd[{pid}]", f"Connection closed by invalid user admin {client.address} port {port} [preauth]")
    return at


def local_mail(scribe: Scribe, at: int) -> int:
    """Mail that a program of the server itself writes."""
    queue_id, end = scribe.queue_id(at), at + 40_000
    pickup, cleanup, local = scribe.new_pid(), scribe.cleanup.take(at, end), scribe.new_pid()
    scribe.put(at, f"postfix/pickup[{pickup}]", f"{queue_id}: uid=0 from=<root>")
    scribe.put(at + 2000, f"postfix/cleanup[{cleanup}]", f"{queue_id}: message-id=<20261102000001.{queue_id}@{scribe.name}>")
    scribe.put(at + 4000, f"postfix/qmgr[{scribe.qmgr}]", f"{queue_id}: from=<root@{scribe.name}>, size=612, nrcpt=1 (queue active)")
    where = f"to=<root@{scribe.name}>, orig_to=<root>, relay=local, delay=0.03, delays=0.02/0.01/0/0, dsn=2.0.0, status=sent (delivered to mailbox)"
    scribe.put(at + 30_000, f"postfix/local[{local}]", f"{queue_id}: {where}")
    scribe.put(at + 32_000, f"postfix/qmgr[{scribe.qmgr}]", f"{queue_id}: removed")
    return at


def passed(scribe: Scribe, client: Client, at: int, how: str) -> int:
    """Postscreen lets a client through to smtpd."""
    port = 1024 + int(scribe.rng.random() * 60_000)
    tag = f"postfix/postscreen[{scribe.postscreen}]"
    scribe.put(at, tag, f"CONNECT from [{client.address}]:{port} to [{scribe.local}]:25")
    wait = 6 * SECOND if how == "NEW" else 1000
    scribe.put(at + wait, tag, f"PASS {how} [{client.address}]:{port}")
    return at + wait + 2000


def pregreet(scribe: Scribe, client: Client, at: int) -> int:
    """A client that speaks before the greeting and is dropped by postscreen."""
    port = 1024 + int(scribe.rng.random() * 60_000)
    tag = f"postfix/postscreen[{scribe.postscreen}]"
    scribe.put(at, tag, f"CONNECT from [{client.address}]:{port} to [{scribe.local}]:25")
    text = f"PREGREET 17 after 0.13 from [{client.address}]:{port}: EHLO 10.1.2.{port % 200}\\r\\n"
    scribe.put(at + 130_000, tag, text, Fact("protocol_abused", "smtp", client))
    facts = (Fact("connected", "smtp", client), Fact("session_ended", "smtp", client, 1))
    scribe.put(at + 190_000, tag, f"DISCONNECT [{client.address}]:{port}", *facts)
    return at + 190_000
