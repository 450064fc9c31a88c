"""The pages about the live guard name every route, metric and command, and nothing that is not there."""

import re
from pathlib import Path

import click
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gatepost.admin.actions.metrics import metrics
from gatepost.admin.api.routes import ROUTES
from gatepost.admin.api.server import CODES
from gatepost.admin.console import PATHS
from gatepost.admin.desk import Source
from gatepost.cli import gatepost
from gatepost.pipeline.dropped import Dropped
from gatepost.pipeline.messengers import ChannelState
from tests.admin.desks import bench

DOCS = Path(__file__).parents[2] / "docs"


def _page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_routes() -> None:
    told = re.findall(r"^\| `([A-Z]+) (/[^`?]*)`", _page("api.md"), re.MULTILINE)
    assert sorted(told) == sorted([*((way.method, way.path) for way in ROUTES), *(("POST", path) for path in PATHS)])
    assert all(f"| {code} |" in _page("api.md") for code in (*CODES.values(), 405, 422, 500))


def test_the_metrics() -> None:
    with bench() as made:
        made.sources = [Source(name="mail.log", reading=True)]
        made.desk.channels = lambda: [ChannelState(name="admins", kind="mail", to="root")]
        made.connect()
        made.lets_in()
        made.guard.stats.countries["NL", False] = 1
        made.mirror.seen.dropped = (Dropped("deny", "all", 1, 60),)
        there = {}
        for family in text_string_to_metric_families(metrics(made.desk)):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            there[name] = ", ".join(family.samples[0].labels)
    told = dict(re.findall(r"^\| `(gatepost_\w+)` \| ([a-z, ]*?) ?\|", _page("metrics.md"), re.MULTILINE))
    assert told == there


@pytest.mark.parametrize("group", ["blocks", "access", "audit", "import"])
def test_the_commands(group: str) -> None:
    found = gatepost.get_command(click.Context(gatepost), group)
    assert isinstance(found, click.Group)
    assert set(re.findall(rf"gatepost {group} (\w+)", _page("commands.md"))) == set(found.commands)


@pytest.mark.parametrize("name", ["status", "doctor", "unblock", "pause", "resume"])
def test_commands_of_one_word(name: str) -> None:
    assert f"gatepost {name}" in _page("commands.md")
