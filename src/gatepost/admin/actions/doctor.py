"""Does it really work?

Job: look at each inlet, rule, mirror, the store and the clock, and say what is not as it should be. Promise: each finding names its cure, as the line
of configuration where there is one. Limits: what only the host knows (units, rights of others) is for the administrator to see.
"""

import os
from collections.abc import Sequence

from gatepost.admin.actions import rights
from gatepost.admin.actions.finding import Finding, Verdict
from gatepost.admin.actions.status import Feed, Name, status
from gatepost.admin.desk import Desk, Source, Wired
from gatepost.core.decisions import Allow, Question
from gatepost.core.spans import SECOND
from gatepost.core.subjects import Client
from gatepost.pipeline.mirrors import MirrorState, Proof
from gatepost.pipeline.witness import WitnessState

AHEAD = 5_000_000
"""Microseconds that a line may be ahead of the clock."""
SILENT = 3_600_000_000
"""Microseconds after which an inlet that tells nothing is worth a look."""
QUARTER, NEAR = 900_000_000, 5_000_000
"""Microseconds of a quarter of an hour, and by how much a stamp may be off it."""
NO_LOG = 'name one in gatepost.toml: [[logfile]] path = "/var/log/mail.log"'
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


CURES_OF_DROPS = {
    "stranger": "list who may send in [[syslog]] senders, or keep others away",
    "too many connections": "raise connections, or connections_of_one, of that listener",
    "no PROXY header": "have the balancer send the PROXY protocol, or take it out of proxy_from",
    "server away": "is the server behind up, and does it take connections from here?",
    "buffer full": "raise net.core.rmem_max, or send by TCP",
    "suppressed by journald": "LogRateLimitIntervalSec=0 in the mail daemon's unit",
}
"""What ends that an inlet drops something, by the reason."""


CURES_OF_SILENCE = {
    "postfix_policy": "gatepost setup postfix shows the lines that have Postfix ask; then postfix reload, and a message through it",
    "dovecot_policy": "gatepost setup dovecot shows the lines that have Dovecot ask; then doveadm reload, and a log-in",
    "milter": "docs/milter.md has the lines for main.cf and sendmail.mc; then a reload, and a message through it",
    "exim": "gatepost setup exim shows the lines that have Exim ask; then a reload, and a connection",
}
"""What has a mail server ask, by the inlet."""


async def doctor(desk: Desk, wired: Sequence[Wired] = ()) -> list[Finding]:
    """Looks at everything, and tries out what can be tried; the worst first. ``wired`` is what was found at the mail servers."""
    now = status(desk)
    told = {f"{each.name}: {each.problem}" for each in now.sources} | {f"{each.name}: {each.problem}" for each in now.mirrors}
    told |= set(desk.unresolved.values()) | {f"witness: {each.problem}; {each.cure}" for each in now.witnesses}
    found = [Finding(what="guard", verdict="bad", said=problem) for problem in now.problems if problem not in told]
    found += [each for source in now.sources for each in _source(source, now.now)]
    if not now.sources:
        found.append(Finding(what="inlets", verdict="bad", said="no log is read", cure=NO_LOG))
    found += [Finding(what=each.what, verdict=each.verdict, said=each.said, cure=each.cure) for each in wired]
    found += [_witness(each, now.now) for each in now.witnesses]
    found += [_mirror(mirror) for mirror in now.mirrors]
    found += [_proof(mirror.state().name, await mirror.prove()) for mirror in desk.guard.mirrors if mirror.state().working]
    found += [_proof(name, proof) for name, proof in (await desk.proofs()).items()]
    found += _host(desk, now.sources)
    if not now.store.problem:
        found.append(Finding(what="store", verdict="well", said=f"{now.store.written:,} entries written, {now.store.waiting:,} wait"))
    found += [_name(each) for each in now.names]
    found += _feeds(desk, now.feeds)
    found += _hidden_clients(desk)
    if now.paused_until:
        said = "paused: rules hold nothing"
        found.append(Finding(what="rules", verdict="look", said=said, cure="gatepost resume ends it"))
    order = {"bad": 0, "look": 1, "well": 2}
    return sorted(found, key=lambda each: order[each.verdict])


def _witness(state: WitnessState, now: int) -> Finding:
    what = f"witness of {state.kind} on {state.protocol}"
    if state.problem:
        return Finding(what=what, verdict="bad", said=state.problem, cure=state.cure)
    said = f"{state.inlet}, asked last {max(now - state.last, 0) // SECOND:,} s ago; what logs tell of it is evidence only"
    return Finding(what=what, verdict="well", said=said)


def _mirror(mirror: MirrorState) -> Finding:
    if not mirror.working or mirror.problem:
        return Finding(what=mirror.name, verdict="bad", said=mirror.problem or "it enforces nothing", cure="until then blocks are recorded only")
    if mirror.decided != mirror.enforced:
        said = f"{mirror.decided:,} decided, {mirror.enforced:,} enforced"
        return Finding(what=mirror.name, verdict="look", said=said, cure="it mends itself within seconds; if not: nft list table inet gatepost")
    return Finding(what=mirror.name, verdict="well", said=f"{mirror.enforced:,} in force, {mirror.mended:,} mended since the start")


def _proof(name: str, proof: Proof) -> Finding:
    verdict: Verdict = "look" if proof.works is None else "well" if proof.works else "bad"
    return Finding(what=f"{name}, tried out", verdict=verdict, said=proof.said, cure=proof.cure)


def _host(desk: Desk, sources: list[Source]) -> list[Finding]:
    """The rights of the process, its folders, and its clock since the start."""
    found = [rights.look_at_process()] if desk.confined else []
    found += rights.look_at_logs(source.name for source in sources if not source.problem)
    if desk.state is not None:
        found += rights.look_at_state(desk.state)
    if desk.socket is not None:
        found.append(rights.look_at_socket(desk.socket))
    if abs(step := desk.clock_step()) > AHEAD:
        said = f"this host's clock was set {'forward' if step > 0 else 'back'} by {abs(step) // 1_000_000} s since gatepost started"
        found.append(Finding(what="clock", verdict="look", said=said, cure="blocks end by the clock: gatepost blocks list shows until when"))
    return found


def _name(name: Name) -> Finding:
    if name.problem:
        return Finding(what=name.name, verdict="look", said=name.problem, cure=f"mend the name, or: gatepost access remove {name.name}")
    return Finding(what=name.name, verdict="well", said=f"stands for {', '.join(name.addresses) or 'addresses that have entries of their own'}")


def _source(source: Source, now: int) -> list[Finding]:
    found = []
    if source.problem or not source.reading:
        found.append(Finding(what=source.name, verdict="bad", said=source.problem or "is not read", cure="is it there, and may gatepost read it?"))
    if source.last > now + AHEAD:
        said = f"its lines are {(source.last - now) // 1_000_000} s ahead of the clock"
        found.append(Finding(what=source.name, verdict="bad", said=said, cure="set the clock (NTP), or the zone of its stamps: [logs] timezone"))
    elif source.asked:
        found += _asked(source, now)
    elif source.note and source.reading and not source.problem:
        said = f"{source.lines:,} questions, {source.facts:,} facts; {source.note}"
        found.append(Finding(what=source.name, verdict="well", said=said))
    elif source.reading and source.last and now - source.last > SILENT:
        said = f"its last line is {(now - source.last) // 60_000_000} minutes old"
        found.append(
            Finding(what=source.name, verdict="look", said=said, cure="is this the log that the mail server writes? gatepost parse FILE tells")
        )
    elif source.reading and not source.problem:
        last = f", the last about {source.last_client}" if source.last_client else ""
        written = f", the newest line {max(now - source.last, 0) // 1_000_000} s old" if source.last else ""
        said = f"{source.lines:,} lines, {source.facts:,} facts{last}{written}, {source.lag_bytes:,} bytes behind"
        found.append(Finding(what=source.name, verdict="well", said=said))
    if (hours := _zone(source)) is not None:
        said = f"its stamps are {hours:g} hours behind the time at which they were written: facts are counted too late, or not at all"
        found.append(Finding(what=source.name, verdict="look", said=said, cure='name the zone of its stamps: [logs] timezone = "..."'))
    if source.lines > ENOUGH and source.understood < 0.9:
        said = f"only {source.understood:.0%} of its mail lines are understood"
        found.append(Finding(what=source.name, verdict="look", said=said, cure="gatepost parse FILE shows which are not"))
    dropped = {reason: count for reason, count in source.dropped.items() if not source.note or CURES_OF_DROPS.get(reason)}
    if dropped:  # what a gateway turns away is its work, save where something is wrong
        said = "dropped: " + ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
        cures = {reason: CURES_OF_DROPS[reason] for reason in dropped if reason in CURES_OF_DROPS}
        found.append(Finding(what=source.name, verdict="look", said=said, cure="; ".join(cures.values())))
    return found


def _zone(source: Source) -> float | None:
    """By how many hours the newest stamp lies before the file's last change, where that looks like another time zone; zones differ by quarters."""
    try:
        behind = int(os.stat(source.name).st_mtime * 1_000_000) - source.last
    except OSError:
        return None
    quarters = round(behind / QUARTER)
    return quarters / 4 if source.last and not source.lag_bytes and quarters > 1 and abs(behind - quarters * QUARTER) < NEAR else None


def _asked(source: Source, now: int) -> list[Finding]:
    """Whether a mail server asks, and about what."""
    said = f"{source.requests:,} questions, {source.refusals:,} refused, {source.connections:,} connections"
    found = [Finding(what=source.name, verdict="well", said=said)] if source.reading and not source.problem else []
    cure = CURES_OF_SILENCE.get(source.name.partition(":")[0], "")
    for about, last in source.asked.items():
        if last:
            found.append(Finding(what=f"{source.name} {about}", verdict="well", said=f"asked last {max(now - last, 0) // SECOND:,} s ago"))
        else:
            found.append(Finding(what=f"{source.name} {about}", verdict="look", said="never asked since the start", cure=cure))
    return found


def _feeds(desk: Desk, feeds: list[Feed]) -> list[Finding]:
    """A finding for each kind of fact and protocol: rules that count the same are fed by the same."""
    rules: dict[tuple[str, str], list[str]] = {}
    counts: dict[tuple[str, str], int] = {}
    for feed in feeds:
        if feed.mode != "off":
            rules.setdefault((feed.kind, feed.protocol), []).append(feed.rule)
            counts[feed.kind, feed.protocol] = feed.facts
    return [_feed(desk, kind, protocol, count, ", ".join(rules[kind, protocol])) for (kind, protocol), count in counts.items()]


def _feed(desk: Desk, kind: str, protocol: str, count: int, rules: str) -> Finding:
    what = f"{kind} on {protocol}"
    if count:
        return Finding(what=what, verdict="well", said=f"{count:,} since the start, for {rules}")
    speaking = [daemon for daemon in desk.daemons if (daemon == "dovecot") == (protocol != "smtp")]
    cure = next((CURES[daemon, kind] for daemon in speaking if (daemon, kind) in CURES), "")
    return Finding(what=what, verdict="look", said=f"not fed: none has come since the start, for {rules}", cure=cure)


def _hidden_clients(desk: Desk) -> list[Finding]:
    """A trusted address that makes more than half of a protocol's facts is a proxy that hides the clients."""
    found = []
    for protocol, clients in desk.guard.stats.busiest.items():
        total = sum(count for (_, on), count in desk.guard.stats.facts.items() if on == protocol)
        client, count = max(clients.items(), key=lambda each: each[1], default=("", 0))
        if total < ENOUGH or count * 2 <= total:
            continue
        verdict = desk.guard.order.judge(Question(desk.now(), Client(client), protocol, "connect"))  # type: ignore[arg-type]
        if isinstance(verdict, Allow) and verdict.entry is not None:
            said = f"{client}, which is trusted ({verdict.entry}), makes {count / total:.0%} of all facts: the clients' addresses are lost behind it"
            cure = "have the proxy hand the address on (PROXY protocol or XCLIENT), and the server take it"
            found.append(Finding(what=protocol, verdict="bad", said=said, cure=cure))
    return found
