"""The inlets, wired: which logs, journal and listeners feed the guard, from the configuration or from what was found.

Job: make the inlets, start, replace and stop them, and say how they do. Promise: what was written while we were down is read before anything listens;
a reload touches only what changed, and the old inlet has ended before the new one starts; an inlet that cannot start is told, and the others go on.
Limits: it decides nothing. Of a line that two inlets bring it knows nothing: it warns where both bring the lines of one daemon.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from msgspec import structs

from gatepost import config
from gatepost.admin.desk import Source
from gatepost.aid.discover import Findings
from gatepost.aid.speak import Speaker
from gatepost.app.alerts import host_name
from gatepost.core.faults import BadInputError
from gatepost.core.subjects import account
from gatepost.inlets.dovecot_policy import Deeds, DovecotPolicyInlet, DovecotPolicySettings
from gatepost.inlets.exim_ask import EximInlet, EximSettings
from gatepost.inlets.gateway.listener import Crowd, GatewayInlet
from gatepost.inlets.gateway.settings import PROTOCOL, GatewaySettings
from gatepost.inlets.journal import JournalInlet, JournalSettings
from gatepost.inlets.logfile import LogFileInlet, LogFileSettings
from gatepost.inlets.milter import MilterInlet, MilterSettings
from gatepost.inlets.postfix_policy import PostfixPolicyInlet, PostfixPolicySettings
from gatepost.inlets.syslog import SyslogInlet, SyslogSettings
from gatepost.inlets.syslog_senders import LOCAL
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.mirrors import Proof
from gatepost.wire.maillog.reader import Coverage

LogSettings = LogFileSettings | JournalSettings | SyslogSettings
LogInlet = LogFileInlet | JournalInlet | SyslogInlet
AskedSettings = DovecotPolicySettings | PostfixPolicySettings | MilterSettings | EximSettings
AskedInlet = DovecotPolicyInlet | PostfixPolicyInlet | MilterInlet | EximInlet
AnySettings = LogSettings | AskedSettings | GatewaySettings
AnyInlet = LogInlet | AskedInlet | GatewayInlet


class Feed(NamedTuple):
    """An inlet at work."""

    inlet: AnyInlet
    task: asyncio.Task[None]


def log_files(settings: config.Settings, found: Findings) -> Sequence[LogFileSettings]:
    """The log files to follow: those that the configuration names, else those that were found, unless the journal is to be followed."""
    if settings.logfile or settings.journal.follow == "yes":
        return settings.logfile
    return [LogFileSettings(path=source.path, daemon=source.daemon) for source in found.logs]


def needs_looking(settings: config.Settings) -> bool:
    """Whether what runs on this host says which inlets there are: the configuration does not."""
    return not settings.logfile and settings.journal.follow != "yes"


def wanted(settings: config.Settings, found: Findings) -> dict[str, AnySettings]:
    """All inlets that are to run, by their names in status; listeners last."""
    inlets: dict[str, AnySettings] = {each.path: each for each in log_files(settings, found)}
    follow = settings.journal.follow
    if follow == "yes" or (follow == "auto" and found.journal is not None and not settings.logfile):
        inlets["journal"] = settings.journal
    inlets |= {each.name: each for each in settings.syslog}
    inlets |= {each.name: each for each in settings.dovecot_policy}
    inlets |= {each.name: each for each in settings.postfix_policy}
    inlets |= {each.name: each for each in settings.milter}
    inlets |= {each.name: each for each in settings.exim}
    return inlets | {f"gateway:{service}": each for service, each in settings.gateway.items()}


def planned(settings: config.Settings) -> list[Source]:
    """The inlets that a configuration names, as far as it alone tells what they can; none of them runs."""
    return [
        Source(name=name, reading=False, tells_open=PROTOCOL[name.removeprefix("gateway:")] if isinstance(each, GatewaySettings) else "")
        for name, each in wanted(settings, Findings((), (), (), (), (), ())).items()
    ]


class Feeds:
    """All inlets of a guard."""

    def __init__(self, speaker: Speaker, now: Callable[[], int]) -> None:
        self._speaker = speaker
        self._now = now
        self._feeds: dict[str, Feed] = {}
        self._failed: dict[str, str] = {}
        """What could not start, and why."""
        self._guard: Guard | None = None
        self._deeds: Deeds | None = None
        self._reloading: asyncio.Task[None] | None = None
        self._leaving: dict[asyncio.Task[None], GatewayInlet] = {}
        """Gateways that listen no longer, and whose sessions go on."""
        self._crowds: dict[str, Crowd] = {}
        """The connections of each gateway, over all its reloads."""

    @property
    def names(self) -> list[str]:
        """The inlets that run."""
        return list(self._feeds)

    async def start(self, guard: Guard, settings: config.Settings, found: Findings, deeds: Deeds | None = None) -> None:
        """Catches up with everything, and goes on from there. ``deeds`` does what weakforced's API asks for."""
        self._guard, self._deeds = guard, deeds
        for name, each in wanted(settings, found).items():
            await self._start(name, each, settings)

    async def proofs(self) -> dict[str, Proof]:
        """Whether the server behind each gateway takes what it is told, tried out just now."""
        gateways = {name: feed.inlet for name, feed in self._feeds.items() if isinstance(feed.inlet, GatewayInlet)}
        return dict(zip(gateways, await asyncio.gather(*(each.prove() for each in gateways.values())), strict=True))

    def reload(self, settings: config.Settings, found: Findings) -> None:
        """Takes up a changed configuration, one after the other."""
        self._reloading = asyncio.create_task(self._reload(self._reloading, settings, found))

    def stop(self) -> None:
        """Stops all."""
        if self._reloading is not None:
            self._reloading.cancel()
        for feed in self._feeds.values():
            feed.task.cancel()

    async def drained(self) -> None:
        """Returns when the sessions of all gateways have ended, within their time."""
        gateways = [*self._leaving.values(), *(feed.inlet for feed in self._feeds.values() if isinstance(feed.inlet, GatewayInlet))]
        await asyncio.gather(*(gateway.drained() for gateway in gateways))

    def _leave(self, gateway: GatewayInlet) -> None:
        """A gateway listens no longer; its sessions are not cut."""
        task = asyncio.create_task(gateway.run_out())
        self._leaving[task] = gateway
        task.add_done_callback(lambda task: self._leaving.pop(task, None))

    async def _reload(self, before: asyncio.Task[None] | None, settings: config.Settings, found: Findings) -> None:
        if before is not None:
            await asyncio.wait([before])
        new = wanted(settings, found)
        self._failed = {}
        for name in [name for name, feed in self._feeds.items() if feed.inlet.settings != new.get(name)]:
            inlet, task = self._feeds.pop(name)
            task.cancel()
            await asyncio.wait([task])
            if isinstance(inlet, GatewayInlet):
                self._leave(inlet)
        for name, each in new.items():
            there = self._feeds.get(name)
            if there is None:
                await self._start(name, each, settings)
            elif isinstance(there.inlet, SyslogInlet | GatewayInlet):
                there.inlet.renew()

    async def _start(self, name: str, each: AnySettings, settings: config.Settings) -> None:
        try:
            inlet = self._make(name, each, settings)
            await inlet.catch_up()
        except BadInputError as wrong:
            self._failed[name] = str(wrong)
            self._speaker.say("error", "log", problem=wrong)
            return
        self._feeds[name] = Feed(inlet, asyncio.create_task(inlet.run(), name=name))

    def _make(self, name: str, each: AnySettings, settings: config.Settings) -> AnyInlet:
        guard = self._guard
        if guard is None:
            raise RuntimeError("there is no guard yet")
        default_domain, domains = settings.accounts.default_domain, settings.accounts.domains
        if isinstance(each, AskedSettings):
            return self._make_asked(each, guard, lambda name: account(name, default_domain, domains))
        if isinstance(each, GatewaySettings):
            service = name.removeprefix("gateway:")
            crowd = self._crowds.setdefault(service, Crowd())
            return GatewayInlet(service, each, guard, self._now, default_domain=default_domain, domains=domains, crowd=crowd)
        given = (guard.report, self._now, guard.cursors)
        if isinstance(each, JournalSettings):
            return JournalInlet(each, *given, default_domain=default_domain, domains=domains)
        zone = config.zone(each.timezone or settings.logs.timezone)
        if isinstance(each, SyslogSettings):
            return SyslogInlet(each, *given, zone=zone, default_domain=default_domain, domains=domains)
        return LogFileInlet(each, *given, zone=zone, default_domain=default_domain, domains=domains)

    def _make_asked(self, each: AskedSettings, guard: Guard, canonical: Callable[[str], str]) -> AskedInlet:
        """An inlet that mail servers ask."""
        if isinstance(each, DovecotPolicySettings):
            return DovecotPolicyInlet(each, guard, self._now, canonical, host_name(), self._deeds)
        if isinstance(each, PostfixPolicySettings):
            return PostfixPolicyInlet(each, guard, self._now, canonical, host_name())
        kind = MilterInlet if isinstance(each, MilterSettings) else EximInlet
        return kind(each, guard, self._now, canonical)  # type: ignore[arg-type]

    # --- telling

    def sources(self) -> list[Source]:
        """How each inlet is doing."""
        return [_source(name, feed.inlet) for name, feed in self._feeds.items()]

    def problems(self) -> list[str]:
        """What could not start, what ended, and what is counted twice."""
        ended = [f"{name}: ended: {_why(feed.task)}" for name, feed in self._feeds.items() if feed.task.done()]
        return [*self._failed.values(), *ended, *self._doubles()]

    def _doubles(self) -> Iterator[str]:
        """Daemons whose lines come by two kinds of inlets. What a log and an inlet that is asked tell of one thing is for the witness to part."""
        logs = [(name, feed.inlet) for name, feed in self._feeds.items() if isinstance(feed.inlet, LogInlet)]
        for (one, first), (other, second) in combinations(logs, 2):
            if type(first) is type(second):
                continue
            here, there = _hosts(first), _hosts(second)
            local = not any(isinstance(inlet, SyslogInlet) and inlet.settings.transport != "unix" for inlet in (first, second))
            for daemon, hosts in here.items():
                others = there.get(daemon, set())
                if not hosts.isdisjoint(others) or (local and others and "" in hosts | others):
                    yield f"{daemon} is read from {one} and from {other}: each of its lines counts twice; keep one of them in gatepost.toml"


def _hosts(inlet: LogInlet) -> dict[str, set[str]]:
    """The daemons whose lines an inlet brought, each with its hosts; an empty name is this host."""
    found: dict[str, set[str]] = {}
    for host, daemon in inlet.senders.daemons() if isinstance(inlet, SyslogInlet) else inlet.reader.daemons:
        name = host if host[:1].isdigit() else host.partition(".")[0].lower()
        found.setdefault(daemon, set()).add("" if name == LOCAL else name)
    return found


def _why(task: asyncio.Task[None]) -> str:
    error = task.exception() if not task.cancelled() else None
    return repr(error)[:200] if error is not None else "it was stopped"


def _source(name: str, inlet: AnyInlet) -> Source:
    if isinstance(inlet, AskedInlet):
        return _asked(name, inlet)
    if isinstance(inlet, LogFileInlet):
        of_file = inlet.state()
        made = Source(name=name, reading=of_file.reading, problem=of_file.problem, last=of_file.last_line_at, lag_bytes=of_file.lag_bytes)
        made = structs.replace(made, last_client=of_file.last_client)
        return _counted(made, of_file.lines, of_file.facts, of_file.coverage)
    if isinstance(inlet, JournalInlet):
        of_journal = inlet.state()
        dropped = {"suppressed by journald": of_journal.suppressed, "times lost the thread": of_journal.gaps}
        made = Source(name=name, reading=of_journal.reading, problem=of_journal.problem, last=of_journal.last_line_at, dropped=_some(dropped))
        return _counted(made, of_journal.lines, of_journal.facts, of_journal.coverage)
    if isinstance(inlet, GatewayInlet):
        gate = inlet.state()
        made = Source(name=name, reading=bool(gate.listens), problem=gate.problem, last=gate.last, dropped=_some(gate.dropped))
        made = structs.replace(made, listens=gate.listens, tells_open=PROTOCOL[name.removeprefix("gateway:")])
        return structs.replace(made, lines=gate.asked, facts=gate.facts, note=f"{gate.shown}; {gate.connections} open")
    state = inlet.state()
    made = Source(name=name, reading=state.listening, problem=state.problem, last=state.last_line_at, dropped=_some(state.dropped))
    return _counted(made, state.lines, state.facts, state.coverage)


def _asked(name: str, inlet: AskedInlet) -> Source:
    """A source that is asked."""
    state = inlet.state()
    return Source(
        name=name,
        reading=state.listening,
        problem=state.problem,
        last=max(state.last.values(), default=0),
        facts=state.facts,
        dropped=_some(state.dropped),
        requests=state.requests,
        refusals=state.refusals,
        connections=state.connections,
        asked=state.last or {"questions": 0},
    )


def _some(counts: dict[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in counts.items() if count}


def _counted(source: Source, lines: int, facts: int, coverage: Coverage) -> Source:
    """A source with what its reader counted."""
    share = coverage.understood / coverage.mail_lines if coverage.mail_lines else 1.0
    return structs.replace(source, lines=lines, facts=facts, understood=share)
