"""Does it really work?

Job: look at each inlet, rule, mirror, the store and the clock, and say what is not as it should be. Promise: each finding names its cure, as the line
of configuration where there is one. Limits: what only the host knows (units, rights of others) is for the administrator to see.
"""

from typing import Literal

from msgspec import Struct

from gatepost.admin.actions.status import Feed, status
from gatepost.admin.desk import Desk, Source
from gatepost.core.decisions import Allow, Question
from gatepost.core.subjects import Client

Verdict = Literal["well", "look", "bad"]

AHEAD = 5_000_000
"""Microseconds that a line may be ahead of the clock."""
SILENT = 3_600_000_000
"""Microseconds after which an inlet that tells nothing is worth a look."""
ENOUGH = 200
"""Facts of a protocol from which on shares mean something."""

CURES = {
    ("exim", "connected"): "exim: log_selector = +smtp_connection +smtp_no_mail +smtp_incomplete_transaction",
    ("exim", "session_ended"): "exim: log_selector = +smtp_connection +smtp_no_mail +smtp_incomplete_transaction",
    (
        "dovecot",
        "auth_failed",
    ): "dovecot: its own penalty slows guessers down; service anvil { unix_listener anvil-auth-penalty { mode = 0 } } ends it",
}
"""What feeds a rule that is not fed, by the daemon that is there and the kind of fact."""


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    said: str
    cure: str = ""


def doctor(desk: Desk) -> list[Finding]:
    """Looks at everything; the worst first."""
    now = status(desk)
    found = [Finding(what="guard", verdict="bad", said=problem) for problem in now.problems]
    found += [each for source in now.sources for each in _source(source, now.now)]
    if not now.sources:
        found.append(
            Finding(what="inlets", verdict="bad", said="no log is read", cure='name one in gatepost.toml: [[logfile]] path = "/var/log/mail.log"')
        )
    for mirror in now.mirrors:
        if mirror.working and mirror.decided != mirror.enforced:
            said = f"{mirror.decided} decided, {mirror.enforced} enforced"
            found.append(
                Finding(
                    what=mirror.name, verdict="look", said=said, cure="it mends itself within seconds; if not, look at nft list table inet gatepost"
                )
            )
        elif mirror.working:
            found.append(
                Finding(what=mirror.name, verdict="well", said=f"{mirror.enforced} elements in force; {mirror.mended} mended since the start")
            )
    found += [_feed(desk, feed) for feed in now.feeds if feed.mode != "off"]
    found += _hidden_clients(desk)
    order = {"bad": 0, "look": 1, "well": 2}
    return sorted(found, key=lambda each: order[each.verdict])


def _source(source: Source, now: int) -> list[Finding]:
    found = []
    if source.last > now + AHEAD:
        said = f"its lines are {(source.last - now) // 1_000_000} s ahead of the clock"
        found.append(Finding(what=source.name, verdict="bad", said=said, cure="set the clock (NTP), or the zone of its stamps: [logs] timezone"))
    elif source.reading and source.last and now - source.last > SILENT:
        said = f"its last line is {(now - source.last) // 60_000_000} minutes old"
        found.append(
            Finding(what=source.name, verdict="look", said=said, cure="is this the log that the mail server writes? gatepost parse FILE tells")
        )
    elif source.reading:
        found.append(
            Finding(what=source.name, verdict="well", said=f"{source.lines:,} lines, {source.facts:,} facts, {source.lag_bytes:,} bytes behind")
        )
    if source.lines > ENOUGH and source.understood < 0.9:
        said = f"only {source.understood:.0%} of its mail lines are understood"
        found.append(Finding(what=source.name, verdict="look", said=said, cure="gatepost parse FILE shows which are not"))
    return found


def _feed(desk: Desk, feed: Feed) -> Finding:
    what = f"{feed.rule} on {feed.protocol}"
    if feed.facts:
        return Finding(what=what, verdict="well", said=f"fed: {feed.facts:,} {feed.kind} since the start")
    cure = next((CURES[daemon, feed.kind] for daemon in desk.daemons if (daemon, feed.kind) in CURES), "")
    return Finding(what=what, verdict="look", said=f"not fed: no {feed.kind} has come since the start", cure=cure)


def _hidden_clients(desk: Desk) -> list[Finding]:
    """A trusted address that makes more than half of a protocol's facts is a proxy that hides the clients."""
    found = []
    for protocol, clients in desk.guard.stats.busiest.items():
        total = sum(clients.values())
        (client, count), *_ = clients.most_common(1)
        verdict = desk.guard.judge(Question(desk.now(), Client(client), protocol, "connect"))  # type: ignore[arg-type]
        if total >= ENOUGH and count * 2 > total and isinstance(verdict, Allow) and verdict.entry is not None:
            said = f"{client}, which is trusted ({verdict.entry}), makes {count / total:.0%} of all facts: the clients' addresses are lost behind it"
            cure = "have the proxy hand the address on (PROXY protocol or XCLIENT), and the server take it"
            found.append(Finding(what=protocol, verdict="bad", said=said, cure=cure))
    return found
