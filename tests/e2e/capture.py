"""Makes tests/data anew: drives every scenario against the real servers and keeps the lines that they write.

Job: `python -m tests.e2e.capture [postfix|dovecot|exim|trixie ...] [--only NAME]`. Promise: NAME.log holds the lines of that scenario alone, in the
order in which they were written, and NAME.expected.json what was driven. Limits: stamps, ports and ids are those of the hour; run it by hand only.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.e2e import scenarios_dovecot, scenarios_exim, scenarios_postfix, scenarios_postfix_more, services
from tests.e2e.hosts import RECOMMENDED, TRIXIE, EximHost, MailHost, lacking
from tests.e2e.net import World
from tests.e2e.scenarios import Facts, Scenario, Stage

DATA = Path(__file__).parents[1] / "data"


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
    told = {"about": scenario.about, "facts": scenario.facts, "contains": scenario.contains, "unchecked": scenario.unchecked}
    (folder / f"{scenario.name}.expected.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")


def debian12(only: Sequence[str], daemons: Sequence[str]) -> None:
    """Postfix and Dovecot of Debian 12."""
    with World() as world:
        host = MailHost(world)
        services.name_server(host.machine)
        remote, milter = services.remote_mail(world.internet), services.milter(host.machine)
        stage = Stage(world.internet, host)
        syslog = {"": host.syslog, "iso": host.iso, "5424": host.rfc5424}
        if "dovecot" in daemons:
            for scenario in scenarios_dovecot.BOOK.scenarios + scenarios_dovecot.SYSLOG_ONLY.scenarios:
                if not only or scenario.name in only:
                    record(stage, scenario, syslog, DATA / "dovecot")
            for scenario in scenarios_dovecot.BOOK.scenarios:
                if not only or scenario.name in only:
                    record(Stage(world.internet, host, 10_000), scenario, {"": host.own}, DATA / "dovecot" / "own-log")
        if "postfix" in daemons:
            for scenario in scenarios_postfix.BOOK.scenarios + scenarios_postfix_more.BOOK.scenarios:
                if not only or scenario.name in only:
                    record(stage, scenario, syslog, DATA / "postfix")
        remote.close()
        milter.close()


EXIM_WAYS = {"recommended": RECOMMENDED, "debian": "", "with-ports": RECOMMENDED + " +incoming_port +incoming_interface +pid +millisec"}

EXIM_KEPT = {"debian": ["auth-failures", "rejects", "deliveries", "authenticated"], "with-ports": ["sessions", "auth-failures", "rejects", "deliveries"]}
TRIXIE_KEPT = ["sasl-failures", "sasl-odd", "sasl-hostile-users", "sasl-server-fault", "rejects", "abuse", "deliveries", "authenticated", "postscreen", "xclient"]


def trixie(only: Sequence[str]) -> None:
    """Postfix 3.10 and Dovecot 2.4 of Debian 13."""
    with World() as world:
        host = MailHost(world, root=str(TRIXIE), dovecot="dovecot24")
        services.name_server(host.machine)
        stage = Stage(world.internet, host)
        for scenario in scenarios_dovecot.BOOK.scenarios + scenarios_dovecot.SYSLOG_ONLY.scenarios:
            if not only or scenario.name in only:
                record(stage, scenario, {"": host.syslog}, DATA / "dovecot" / "v24")
        for scenario in scenarios_postfix.BOOK.scenarios + scenarios_postfix_more.BOOK.scenarios:
            if scenario.name in (only or TRIXIE_KEPT):
                record(stage, scenario, {"": host.syslog}, DATA / "postfix" / "v310")


def exim(only: Sequence[str], way: str) -> None:
    """Exim of Debian 12, logging in one of its ways."""
    with World() as world:
        host = EximHost(world, logging=EXIM_WAYS[way])
        services.name_server(host.machine)
        remote = services.remote_mail(world.internet)
        logs = {"": host.main, "reject": host.reject, "syslog": host.syslog} if way == "recommended" else {"": host.main}
        kept = only or EXIM_KEPT.get(way, [scenario.name for scenario in scenarios_exim.BOOK.scenarios])
        for scenario in scenarios_exim.BOOK.scenarios:
            if scenario.name in kept:
                facts = scenario.facts if way != "debian" else _silent(scenario.facts)
                record(Stage(world.internet, host), replace(scenario, facts=facts), logs, DATA / "exim" / way)
        remote.close()


def _silent(facts: Facts) -> Facts:
    """What is left where neither connections nor the ends of sessions are logged."""
    return {client: {kind: n for kind, n in kinds.items() if kind not in ("connected", "session_ended")} for client, kinds in facts.items()}


def main(words: Sequence[str]) -> int:
    """Captures what is asked for; everything by default."""
    only = [word.removeprefix("--only=") for word in words if word.startswith("--only=")]
    daemons = [word for word in words if not word.startswith("--")] or ["postfix", "dovecot", "exim", "trixie"]
    if missing := lacking("rsyslog", "openssl", *daemons):
        print(missing, file=sys.stderr)
        return 2
    if {"postfix", "dovecot"} & set(daemons):
        debian12(only, daemons)
    for way in EXIM_WAYS if "exim" in daemons else ():
        exim(only, way)
    if "trixie" in daemons:
        trixie(only)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
