"""Makes tests/data anew: drives every scenario against the real servers and keeps the lines that they write.

Job: `python -m tests.e2e.capture [SET ...] [--only=SCENARIO ...] [--told]`, sets being those of `SETS`; `--told` only writes down anew what is
expected. Promise: NAME.log holds the lines of that scenario alone, in the order in which they were written, and NAME.expected.json what was driven.
Limits: stamps, ports and ids are those of the hour; run it by hand only.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.e2e import scenarios_dovecot, scenarios_exim, scenarios_postfix, scenarios_postfix_more, services
from tests.e2e.hosts import RECOMMENDED, TRIXIE, EximHost, MailHost, lacking
from tests.e2e.net import World
from tests.e2e.scenarios import Scenario, Stage

DATA = Path(__file__).parents[1] / "data"
POSTFIX = scenarios_postfix.BOOK.scenarios + scenarios_postfix_more.BOOK.scenarios
DOVECOT = scenarios_dovecot.BOOK.scenarios + scenarios_dovecot.SYSLOG_ONLY.scenarios
EXIM = scenarios_exim.BOOK.scenarios
TRIXIE_KEPT = ["sasl-failures", "sasl-odd", "sasl-hostile-users", "sasl-server-fault", "rejects", "abuse", "deliveries", "authenticated"]
TRIXIE_KEPT += ["postscreen", "xclient"]
DEBIAN_KEPT = ("auth-failures", "rejects", "deliveries", "authenticated")
PORTS_KEPT = ("sessions", "auth-failures", "rejects", "deliveries")
UNLOGGED = ("connected", "session_ended")


def _some(scenarios: Sequence[Scenario], names: Sequence[str]) -> list[Scenario]:
    return [scenario for scenario in scenarios if scenario.name in names]


def _unlogged(scenario: Scenario) -> Scenario:
    """What is left of a scenario's facts where neither connections nor the ends of sessions are logged."""
    facts = {client: {kind: n for kind, n in kinds.items() if kind not in UNLOGGED} for client, kinds in scenario.facts.items()}
    return replace(scenario, facts=facts, contains=[fact for fact in scenario.contains if fact["kind"] not in UNLOGGED])


SETS: dict[str, list[Scenario]] = {
    "postfix": POSTFIX,
    "dovecot": DOVECOT,
    "dovecot/own-log": scenarios_dovecot.BOOK.scenarios,
    "dovecot/v24": DOVECOT,
    "postfix/v310": _some(POSTFIX, TRIXIE_KEPT),
    "postfix/own-log": _some(POSTFIX, ["connects", "sasl-failures", "deliveries"]),
    "postfix/folded": scenarios_postfix_more.FOLDED.scenarios,
    "exim/recommended": EXIM,
    "exim/debian": [_unlogged(scenario) for scenario in _some(EXIM, DEBIAN_KEPT)],
    "exim/with-ports": _some(EXIM, PORTS_KEPT),
}
"""Folders of tests/data, and the scenarios whose lines they hold."""
EXIM_WAYS = {"recommended": RECOMMENDED, "debian": "", "with-ports": RECOMMENDED + " +incoming_port +incoming_interface +pid +millisec"}


def settle(*logs: Path, quiet: float = 1.3, longest: float = 8.0) -> None:
    """Waits until the logs have not grown for a while."""
    until, since, sizes = time.monotonic() + longest, time.monotonic(), [0]
    while time.monotonic() < until and time.monotonic() - since < quiet:
        now = [log.stat().st_size if log.exists() else 0 for log in logs]
        if now != sizes:
            sizes, since = now, time.monotonic()
        time.sleep(0.05)


def record(stage: Stage, scenario: Scenario, logs: dict[str, Path], folder: Path) -> None:
    """Plays a scenario and keeps its lines, the main form and those asked for."""
    before = {form: log.stat().st_size if log.exists() else 0 for form, log in logs.items()}
    try:
        scenario.drive(stage)
    except Exception as error:
        print(f"{scenario.name}: {error!r}", file=sys.stderr)
    settle(*logs.values())
    folder.mkdir(parents=True, exist_ok=True)
    for form, log in logs.items():
        if form and form not in scenario.forms:
            continue
        with log.open("rb") as file:
            file.seek(before[form])
            lines = file.read()
        (folder / f"{scenario.name}{'.' if form else ''}{form}.log").write_bytes(lines)


def tell(scenario: Scenario, folder: Path) -> None:
    """Writes down what is driven and what it means."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"about": scenario.about, "facts": scenario.facts, "contains": scenario.contains, "unchecked": scenario.unchecked}
    (folder / f"{scenario.name}.expected.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")


Sets = dict[str, list[Scenario]]


def mail_host(sets: Sets, root: str = "/", dovecot: str = "dovecot", folded: bool = False, maillog_file: bool = False) -> None:
    """Postfix and Dovecot, of this Debian or another."""
    with World() as world:
        host = MailHost(world, root, dovecot, folded, maillog_file)
        services.name_server(host.machine)
        remote, milter = services.remote_mail(world.internet), services.milter(host.machine)
        syslog = {"": host.syslog, "iso": host.iso, "5424": host.rfc5424}
        # Dovecot first: the last of Postfix's scenarios leaves the host without log-ins.
        for folder in sorted(sets):
            own = folder == "dovecot/own-log"
            main = host.own if own else host.postfix_log if maillog_file else host.syslog
            for scenario in sets[folder]:
                stage = Stage(world.internet, host, 10_000 if own else 0)
                record(stage, scenario, syslog if "/" not in folder else {"": main}, DATA / folder)
        remote.close()
        milter.close()


def exim_host(sets: Sets) -> None:
    """Exim, logging in one of its ways."""
    for folder, scenarios in sets.items():
        with World() as world:
            host = EximHost(world, logging=EXIM_WAYS[folder.partition("/")[2]])
            services.name_server(host.machine)
            remote = services.remote_mail(world.internet)
            logs = {"": host.main, "reject": host.reject, "syslog": host.syslog} if folder == "exim/recommended" else {"": host.main}
            for scenario in scenarios:
                record(Stage(world.internet, host), scenario, logs, DATA / folder)
            remote.close()


DRIVERS: list[tuple[tuple[str, ...], tuple[str, ...], Callable[[Sets], None]]] = [
    (("postfix", "dovecot", "dovecot/own-log"), ("postfix", "dovecot"), mail_host),
    (("postfix/v310", "dovecot/v24"), ("trixie",), partial(mail_host, root=str(TRIXIE), dovecot="dovecot24")),
    (("postfix/own-log",), ("postfix", "dovecot"), partial(mail_host, maillog_file=True)),
    (("postfix/folded",), ("postfix", "dovecot"), partial(mail_host, folded=True)),
    (("exim/recommended", "exim/debian", "exim/with-ports"), ("exim",), exim_host),
]


def main(words: Sequence[str]) -> int:
    """Captures what is asked for; everything by default."""
    only = [word.removeprefix("--only=") for word in words if word.startswith("--only=")]
    wanted = [word for word in words if not word.startswith("--")] or list(SETS)
    sets = {name: [scenario for scenario in SETS[name] if not only or scenario.name in only] for name in wanted}
    for folder, scenarios in sets.items():
        for scenario in scenarios:
            tell(scenario, DATA / folder)
    for folders, servers, drive in DRIVERS:
        chosen = {folder: sets[folder] for folder in folders if sets.get(folder)}
        if "--told" in words or not chosen:
            continue
        if missing := lacking("rsyslog", "openssl", *servers):
            print(missing, file=sys.stderr)
            return 2
        drive(chosen)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
