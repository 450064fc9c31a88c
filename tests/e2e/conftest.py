"""The hosts that the tests of real servers share, attacked once for all of them.

Job: start the servers, drive the campaign, keep the logs. Promise: one start and one campaign a session; all is removed at its end.
Limits: where something is missing, the tests that need it skip and say what.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import campaign, hosts, net, services
from tests.e2e.capture import settle
from tests.e2e.kernel import Site
from tests.e2e.live import SHARED


@dataclass
class Attacked:
    """A log, and what was done to the host that wrote it."""

    logs: dict[str, Path]
    acts: list[campaign.Act]


def need(*servers: str) -> None:
    if missing := net.lacking() or hosts.lacking("rsyslog", "openssl", *servers):
        pytest.skip(missing)


@pytest.fixture(scope="session")
def world() -> Iterator[net.World]:
    """An internet of our own."""
    if missing := net.lacking():
        pytest.skip(missing)
    with net.World() as made:
        yield made


@pytest.fixture(scope="session")
def mail_host(world: net.World) -> dict[str, Attacked]:
    """Postfix and Dovecot after the campaign: under `syslog` what rsyslog wrote, under `own` the log of the Dovecot that keeps its own."""
    need("postfix", "dovecot")
    host = hosts.MailHost(world)
    services.name_server(host.machine)
    place = campaign.Place(world.internet, host)
    acts = campaign.floods_of_mail_host(place) + campaign.harvesters_of_mail_host(place)
    acts += campaign.guessers_of_mail_host(place) + campaign.honest(place)
    own = campaign.own_log(place)
    campaign.drive(acts + own)
    settle(host.syslog, host.own, longest=15)
    forms = {"rfc3164": host.syslog, "iso": host.iso, "rfc5424": host.rfc5424}
    return {"syslog": Attacked(forms, acts), "own": Attacked({"own": host.own}, own)}


@pytest.fixture(scope="session")
def exim_host(world: net.World) -> Attacked:
    """Exim, with the recommended `log_selector`, after its campaign."""
    need("exim")
    host = hosts.EximHost(world)
    services.name_server(host.machine)
    acts = campaign.exim(campaign.Place(world.internet, host))
    campaign.drive(acts)
    settle(host.main, longest=15)
    return Attacked({"main": host.main, "syslog": host.syslog}, acts)


@pytest.fixture(scope="session")
def live_place(world: net.World) -> campaign.Place:
    """A mail host that a daemon can run on, and its clients."""
    need("postfix", "dovecot")
    return campaign.Place(world.internet, hosts.MailHost(world, name=("mx7", 27), shared=SHARED))


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A host and its internet."""
    if missing := net.lacking() or ("" if shutil.which("nft") else "the command nft is missing (package nftables)"):
        pytest.skip(missing)
    made = Site()
    yield made
    made.close()
