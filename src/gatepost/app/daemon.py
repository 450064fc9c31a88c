"""The daemon, wired: settings become a guard at work.

Job: choose the concrete classes, start them in their order (state, kernel, logs, socket) and stop them the other way round. Promise: what is wrong
with the configuration is told before anything starts; what fails later is told and the rest goes on. Limits: it decides nothing.
"""

import asyncio
import contextlib
import gc
import logging
import signal
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import socket
from typing import Any

from gatepost import config
from gatepost.admin.actions.status import problems_of
from gatepost.admin.api.listen import listen
from gatepost.admin.desk import Desk
from gatepost.admin.hostnames import HostNames, system_resolve
from gatepost.aid.country import Countries
from gatepost.aid.discover import Addresses, Discovery, Findings
from gatepost.aid.speak import Notifier, Relay, Speaker
from gatepost.app.alerts import Alerts
from gatepost.app.dovecot_policy import WeakforcedDeeds
from gatepost.app.feeds import Feeds, log_files, needs_looking
from gatepost.app.first import FirstStart
from gatepost.app.wiring import wiring
from gatepost.core.access import own_entries
from gatepost.core.decisions import Brake, Effect, Expire, Impose, Release
from gatepost.core.deeds import AdoptLists
from gatepost.core.faults import BadInputError
from gatepost.core.snapshot import dump
from gatepost.core.subjects import account
from gatepost.core.texts import plain
from gatepost.keeper.link import KeeperLink
from gatepost.outlets.nftables.capabilities import Capability, drop_capabilities
from gatepost.outlets.nftables.link import Link
from gatepost.outlets.nftables.mirror import NftablesMirror
from gatepost.outlets.postfix_cidr import PostfixCidr
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.journal import Journal
from gatepost.pipeline.mirrors import Standing
from gatepost.pipeline.order import Order
from gatepost.pipeline.recovery import Recovery, recover
from gatepost.stores.contract import Audit, RefusedError, Store, StoreError
from gatepost.stores.lock import lock
from gatepost.stores.memory import MemoryStore
from gatepost.stores.sqlite import SqliteStore
from gatepost.wire.toml_files import moment

SNAPSHOT_EVERY = 900
"""Seconds between two snapshots."""
SNAPSHOT_ENTRIES = 500_000
"""Entries after which one is made sooner."""
SNAPSHOT_LOOK = 10
"""Seconds between two looks at how many there are."""
COUNTRIES_LOOK = 600
"""Seconds between two looks at the data of countries."""


Looking = asyncio.Future[Findings]


def now() -> int:
    """The time, in microseconds since 1970 UTC: the only clock of the daemon."""
    return time.time_ns() // 1000


class Daemon:
    """One guard, from its configuration to its end."""

    def __init__(self, config_path: str | None, first: FirstStart, speaker: Speaker | None = None, notifier: Notifier | None = None) -> None:
        self._config_path = config_path
        self._first = first
        self._speaker = speaker or Speaker()
        self._notifier = notifier or Notifier()
        self._settings = config.load(config_path)
        self._problems: list[str] = []
        self._feeds = Feeds(self._speaker, now)
        self._alerts: Alerts | None = None
        self._starting: list[asyncio.Task[None]] = []
        self._started = asyncio.Event()
        self._countries = Countries(folders=())
        self._lost = False
        """It ended because it could not go on."""

    async def run(self) -> int:
        """Guards until it is told to stop; returns the exit code. Raises BadInputError, before anything is guarded, where it cannot start."""
        logging.basicConfig(handlers=[Relay(self._speaker)], level=logging.WARNING)
        logging.getLogger("gatepost").setLevel(logging.INFO)
        paths = self._settings.paths()
        try:
            with lock(paths.state), contextlib.closing(listen(paths.socket)) as listening, contextlib.closing(self._spawn()) as link:
                await self._guard(paths, link, listening)
        except StoreError as wrong:
            raise BadInputError(str(wrong)) from None
        finally:
            self._notifier.tell("STOPPING=1")
        return int(self._lost)

    def _recover(self, database: Path) -> tuple[Store, Recovery]:
        """The store and what it remembers; where it fails, the guard goes on from memory and says so. Raises RefusedError where it is not ours."""
        store: Store = SqliteStore(database)
        try:
            recovered = recover(store)
        except RefusedError:
            raise
        except StoreError as wrong:
            self._problems.append(f"state: {wrong}; guarding from memory, nothing is kept")
            self._speaker.say("error", "store", problem=wrong, state="from memory")
            store = MemoryStore()
            recovered = recover(store)
        for note in recovered.notes:
            self._speaker.say("warning", "recovered", note=note)
        return store, recovered

    async def _guard(self, paths: config.Paths, link: Link, listening: socket) -> None:
        # Beside it the helper starts, and programs are asked that may take their time; none of it is waited for before it is needed.
        looking, here = _look_around(), Discovery().addresses()
        with _no_collections():
            store, recovered = self._recover(paths.state / "gatepost.db")
        drop_capabilities(keep=(Capability.DAC_READ_SEARCH, Capability.NET_BIND_SERVICE))
        placing = asyncio.create_task(asyncio.to_thread(self._countries.look_in, self._settings.country.database))
        order = Order(recovered.engine, recovered.place)
        loop = asyncio.get_running_loop()
        journal = Journal(store, recovered.place, on_gap=lambda: loop.call_soon_threadsafe(make_whole))

        def make_whole() -> None:
            """A snapshot of the engine stands for all entries so far, and for those that were lost."""
            journal.snapshot(order.place, dump(order.engine))

        if recovered.missing:
            make_whole()
        mirror = NftablesMirror(self._settings.nftables, Standing(order.engine), now, here.own, link)
        hiding = self._settings.postfix_cidr
        tables = [PostfixCidr(hiding, Standing(order.engine), order.judge, now)] if hiding.path else []
        guard = Guard(order, journal, [mirror, *tables], self._announce, now)
        guard.recall(recovered.cursors)
        await placing
        guard.place = self._countries.place
        keeper = self._keeper(paths, store)
        accounts = self._settings.accounts
        desk = Desk(
            guard,
            store,
            now,
            gateways=here.gateways,
            sources=self._feeds.sources,
            proofs=self._feeds.proofs,
            problems=lambda: self._wrong(journal, keeper),
            recall=keeper,
            canonical=lambda text: account(text, accounts.default_domain, accounts.domains),
            resolve=system_resolve,
            channels=lambda: alerts.states(),
            test_channel=lambda name: alerts.test(name),
            state=paths.state,
            socket=paths.socket,
            confined=True,
            steady=lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000,
            wiring=wiring(lambda: self._settings),
            country=self._countries.of,
            country_data=lambda: self._countries.database,
        )
        alerts = self._alerts = self._make_alerts(paths, desk)
        try:
            await self._work(paths, here, looking, desk, mirror, listening, fresh=recovered.fresh)
        finally:
            if order.place > recovered.base:
                make_whole()  # the next start then has nothing to bring in
            journal.close()
            store.close()

    def _wrong(self, journal: Journal, keeper: KeeperLink | None) -> list[str]:
        """What is wrong with the daemon itself."""
        state = f"state: {journal.problem}" if journal.problem else ""
        more = (self._countries.problem, state, keeper.problem() if keeper else "")
        return [*self._problems, *self._feeds.problems(), *(each for each in more if each)]

    def _make_alerts(self, paths: config.Paths, desk: Desk) -> Alerts:
        """What tells people and programs; not at work yet."""
        standing = desk.guard.standing
        return Alerts(
            paths.state,
            now,
            held=lambda: standing.held(now()),
            wrong=lambda: {source: text for source, _, text in (plain(each).partition(": ") for each in problems_of(desk))},
            country=desk.country,
        )

    def _keeper(self, paths: config.Paths, store: Store) -> KeeperLink | None:
        """Who writes history: nobody where none is wanted, or where nothing is written that he could follow."""
        settings = self._settings.history
        if not settings.days or not isinstance(store, SqliteStore):
            return None
        return KeeperLink(store.path, paths.state / "history", settings)

    def _spawn(self) -> Link:
        """Starts the helper that alone may touch the kernel: this process gives that right away before a line is read."""
        link = Link()
        try:
            link.spawn()
        except OSError as wrong:
            self._speaker.say("warning", "nftables", problem=wrong)
        return link

    async def _answering(self, desk: Desk, listening: socket, ending: contextlib.AsyncExitStack) -> list[Coroutine[Any, Any, None]]:
        """The API and the console: imported once blocks stand, since they need a tenth of a second or two that blocks need not wait for."""
        from gatepost.admin.api.serve import serve
        from gatepost.admin.api.server import application
        from gatepost.app.web import Web

        web = Web(self._settings.console, desk, self._speaker)
        web.listen()
        ending.callback(web.close)
        self._problems += web.problems
        return [serve(application(desk, web.ways()), listening), *await web.start()]

    async def _work(
        self, paths: config.Paths, here: Addresses, looking: Looking, desk: Desk, mirror: NftablesMirror, listening: socket, fresh: bool
    ) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload, looking)
        async with contextlib.AsyncExitStack() as ending, asyncio.TaskGroup() as group:
            tasks = [group.create_task(each.run()) for each in desk.guard.mirrors]
            tasks.append(group.create_task(desk.guard.run()))
            await self._adopt_own(desk.guard, here)
            if fresh:
                found = await looking
                await self._first.look(desk, self._settings, found, [settings.path for settings in log_files(self._settings, found)])
            if self._alerts:
                await self._alerts.adopt(self._settings)
                tasks.append(group.create_task(self._alerts.watch()))
            found = await looking if needs_looking(self._settings) else Findings((), (), here.own, here.gateways, (), ())
            await self._feeds.start(desk.guard, self._settings, found, WeakforcedDeeds(desk))  # new attackers do not wait for the old ones' blocks
            await mirror.built()
            self._started.set()
            gc.freeze()  # what stood at the start mostly stays
            tasks += [group.create_task(each) for each in await self._answering(desk, listening, ending)]
            tasks.append(group.create_task(self._snapshots(paths, desk.guard.order)))
            if isinstance(desk.recall, KeeperLink):
                tasks.append(group.create_task(desk.recall.run()))
            tasks.append(group.create_task(HostNames(desk).run()))
            tasks.append(group.create_task(self._watchdog()))
            tasks.append(group.create_task(self._refresh_countries()))
            tasks.append(group.create_task(self._helper(mirror, stop)))
            found = await looking
            desk.daemons = tuple(daemon.name for daemon in found.daemons)
            self._say_plan(found, mirror)
            self._notifier.tell(f"READY=1\nSTATUS=guarding {len(self._feeds.names)} logs")
            await stop.wait()
            self._speaker.say("notice", "stopping")
            self._feeds.stop()
            await self._feeds.drained()
            for task in tasks:
                task.cancel()

    def _reload(self, looking: Looking) -> None:
        """Takes up a changed configuration; a wrong one is told and changes nothing."""
        try:
            settings = config.load(self._config_path)
        except BadInputError as wrong:
            self._speaker.say("error", "reload", problem=wrong, state="the old configuration stays")
            return
        self._settings = settings
        self._starting.append(asyncio.create_task(self._adopt(settings, looking)))

    async def _adopt(self, settings: config.Settings, looking: Looking) -> None:
        """Takes up inlets, alerts and the data of countries, once the start is over."""
        await self._started.wait()
        self._feeds.reload(settings, await looking)
        if self._alerts:
            await self._alerts.adopt(settings)
        await self._look_at_countries()
        self._speaker.say("notice", "reloaded")

    # --- lists

    async def _adopt_own(self, guard: Guard, here: Addresses) -> None:
        """This host's own addresses are trusted from the first start, and stay so when they change."""
        there = guard.standing.entries()
        listed = {net for entry in there for net in entry.networks}
        new = [entry for entry in own_entries(here.own) if not listed.issuperset(entry.networks)]
        if new:
            audit = Audit(at=now(), who="gatepost", action="access.own", subject=", ".join(entry.prefix for entry in new))
            await guard.do(AdoptLists(now(), (*there, *new)), audit)

    # --- telling

    def _announce(self, effects: Sequence[Effect]) -> None:
        if self._alerts:
            self._alerts.tell(effects)
        for effect in effects:
            if isinstance(effect, Brake):
                self._speaker.say("warning", "brake", rule=effect.rule, good=effect.good, held=effect.held)
                continue
            decision = effect.decision
            what = {Impose: "impose", Release: "release", Expire: "expire"}[type(effect)]
            self._speaker.say(
                "notice" if what == "impose" else "info",
                what,
                rule=decision.rule or "administrator",
                action=decision.action,
                watched="yes" if decision.watched else "",
                by=decision.subject.by,
                subject=decision.subject.text,
                on="logins" if decision.logins else ",".join(decision.protocols),
                until=moment(decision.until),
                why=decision.reason,
                number=decision.number,
            )

    def _say_plan(self, found: Findings, mirror: NftablesMirror) -> None:
        for line in str(found).split("\n"):
            self._speaker.say("info", "found", what=line)
        for name in self._feeds.names:
            self._speaker.say("info", "guarding", log=name)
        for warning in self._settings.warnings():
            self._speaker.say("warning", "check", problem=warning)
        if not self._feeds.names:
            self._problems.append('no mail log was found; name one in gatepost.toml: [[logfile]] path = "/var/log/mail.log"')
        state = mirror.state()
        if not state.working:
            self._speaker.say("warning", "observe", problem=state.problem, meaning="blocks are decided and recorded, and hold nothing")

    # --- housekeeping

    async def _snapshots(self, paths: config.Paths, order: Order) -> None:
        """Has a child write the state down now and then, beside the guard, and sooner where much happens: a restart brings in what came after."""
        while True:
            due, place = time.monotonic() + SNAPSHOT_EVERY, order.place
            while time.monotonic() < due and order.place - place < SNAPSHOT_ENTRIES:
                await asyncio.sleep(SNAPSHOT_LOOK)
            command = (sys.executable, "-m", "gatepost.keeper", str(paths.state / "gatepost.db"))
            child = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE)
            _, said = await child.communicate()
            if child.returncode:
                self._speaker.say("warning", "snapshot", problem=said.decode("utf-8", "replace").strip())

    async def _helper(self, mirror: NftablesMirror, stop: asyncio.Event) -> None:
        """Stops where the helper was killed and can only be started by who has the rights: the service manager, who starts us anew."""
        first, worked = mirror.link.keeper, False
        while self._notifier.present:
            worked = worked or mirror.state().working
            if worked and not mirror.state().working and mirror.link.keeper != first:
                problem = "the helper process was killed, and this one may not start another"
                self._speaker.say("error", "helper", problem=problem, state="ending, to be started anew")
                self._lost = True
                stop.set()
                return
            await asyncio.sleep(1)

    async def _refresh_countries(self) -> None:
        """Takes up data of countries that came or changed: packages and geoipupdate(1) replace it now and then."""
        while True:
            await asyncio.sleep(COUNTRIES_LOOK)
            await self._look_at_countries()

    async def _look_at_countries(self) -> None:
        """Has a thread read the data of countries that the configuration names now, where it changed; who asks meanwhile is answered by the old."""
        if problem := await asyncio.to_thread(self._countries.look_in, self._settings.country.database):
            self._speaker.say("warning", "country", problem=problem)

    async def _watchdog(self) -> None:
        """Signs of life for the service manager: from the loop itself, so that a stuck one shows."""
        while self._notifier.watchdog:
            self._notifier.tell("WATCHDOG=1")
            await asyncio.sleep(self._notifier.watchdog)


def _look_around() -> Looking:
    """Has a thread look around that ends afterwards: it was made with all rights."""
    pool = ThreadPoolExecutor(1)
    try:
        return asyncio.get_running_loop().run_in_executor(pool, Discovery().look)
    finally:
        pool.shutdown(wait=False)


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Nothing is garbage in what is just being loaded: looking for it would take as long as loading."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
