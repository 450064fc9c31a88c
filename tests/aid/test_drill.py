"""What a drill refuses to attack, and when it cleans up."""

import socket
from typing import Any

import pytest

from gatepost.aid.drill import Drill, target
from gatepost.aid.drill_attempt import Target
from gatepost.core.faults import BadInputError

OWN = ["192.0.2.9", "2001:db8::9"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("nix", "", "127.0.0.1", 0, "127.0.0.66"), "has no drill; one of dos, harvesting, password-brute-force"),
        (("dos", "", "192.0.2.10", 0, "127.0.0.66"), "--host: 192.0.2.10 is neither loopback nor"),
        (("dos", "", "mail.example", 0, "127.0.0.66"), "--host: 'mail.example' is no address"),
        (("dos", "", "0.0.0.0", 0, "127.0.0.66"), "--host: 0.0.0.0 is neither"),
        (("dos", "", "127.0.0.1", 0, "192.0.2.10"), "--from: 192.0.2.10 is neither"),
        (("dos", "", "127.0.0.1", 0, "127.0.0.1"), "name one that nobody uses"),
        (("dos", "", "192.0.2.9", 0, "192.0.2.9"), "name one that nobody uses"),
        (("dos", "", "2001:db8::9", 0, "127.0.0.66"), "must be of the same family"),
        (("dos", "smtp", "127.0.0.1", 0, "127.0.0.66"), "which harvesting blocks first"),
        (("harvesting", "imap", "127.0.0.1", 0, "127.0.0.66"), "smtp alone"),
    ],
)
def test_what_is_not_this_hosts_own_or_has_no_drill_is_refused(asked: tuple[str, str, str, int, str], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        target(*asked, OWN)


def test_ports_and_protocols_have_defaults() -> None:
    assert target("harvesting", "", "192.0.2.9", 0, "127.0.0.66", OWN) == Target(
        rule="harvesting", protocol="smtp", host="192.0.2.9", port=25, source="127.0.0.66"
    )
    assert target("dos", "", "127.0.0.1", 10143, "127.0.0.66", OWN).port == 10143


class Daemon:
    """Answers as the API does, and remembers what it was asked."""

    def __init__(self, **rule: Any) -> None:
        self.rule = {"name": "dos", "threshold": 3, "on": ["imap"]} | rule
        self.asked: list[tuple[str, str]] = []
        self.entries: list[dict[str, Any]] = []
        self.verdict = "allow"
        self.fails = ""

    def __call__(self, method: str, path: str, body: Any = None, query: dict[str, str] | None = None) -> Any:
        self.asked.append((method, path))
        if (method, path) == ("POST", "/api/v1/access"):
            if self.fails:
                raise BadInputError(self.fails)
            self.entries.append(body)
        if method == "DELETE":
            self.entries.clear()
        return {
            "/api/v1/rules": {"rules": [{"rule": self.rule, "sentence": "3 connections."}]},
            "/api/v1/status": {"feeds": [], "mirrors": []},
            "/api/v1/access/check": {"answers": [{"verdict": self.verdict, "rule": "dos", "reason": "50 in 5m"}]},
            "/api/v1/access": {"entries": list(self.entries)},
            "/api/v1/blocks": {"blocks": []},
            "/api/v1/unblock": {"released": []},
        }[path]


def _drill(daemon: Daemon, port: int = 1) -> tuple[Drill, list[str]]:
    said: list[str] = []
    return Drill(Target(rule="dos", protocol="imap", host="127.0.0.1", port=port, source="127.0.0.66"), daemon, said.append), said


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"mode": "observe"}, "gatepost rules enable dos"),
        ({"threshold": 5000}, "counts to 5000"),
        ({"on": ["smtp"]}, "does not watch imap; gatepost rules set dos --on smtp,imap has it do so"),
    ],
)
def test_a_rule_that_a_drill_cannot_show_changes_nothing(rule: dict[str, Any], said: str) -> None:
    daemon = Daemon(**rule)
    with pytest.raises(BadInputError, match=said):
        _drill(daemon)[0].run()
    assert {method for method, _ in daemon.asked} == {"GET"}


def test_who_is_turned_away_already_is_left_so() -> None:
    daemon = Daemon()
    daemon.verdict = "refuse"
    with pytest.raises(BadInputError, match="turned away already"):
        _drill(daemon)[0].run()
    assert {method for method, _ in daemon.asked} == {"GET"}


def test_where_nothing_listens_nothing_is_changed() -> None:
    daemon = Daemon()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="refused"):
            _drill(daemon, taken.getsockname()[1])[0].run()
    assert {method for method, _ in daemon.asked} == {"GET"}


def test_an_exception_that_the_daemon_refuses_is_not_taken_back() -> None:
    daemon = Daemon()
    daemon.fails = "prefix: stands twice"
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(BadInputError, match="stands twice"):
        _drill(daemon, server.getsockname()[1])[0].run()
    assert ("DELETE", "/api/v1/access") not in daemon.asked
    assert ("POST", "/api/v1/unblock") not in daemon.asked


def test_a_rule_that_does_not_fire_is_told_and_all_is_cleaned_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatepost.aid.drill.ARRIVE", 0)
    monkeypatch.setattr("gatepost.aid.drill.act", lambda target, size: None)
    daemon = Daemon()
    with socket.create_server(("127.0.0.1", 0)) as server:
        drill, said = _drill(daemon, server.getsockname()[1])
        assert drill.run() is False
    assert any(line.startswith("NOT FIRED") and "Nothing arrived" in line for line in said)
    assert daemon.entries == []
    assert daemon.asked[-1] == ("POST", "/api/v1/unblock")


def test_an_interruption_cleans_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("gatepost.aid.drill.wait", interrupted)
    monkeypatch.setattr("gatepost.aid.drill.act", lambda target, size: None)
    daemon = Daemon()
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(KeyboardInterrupt):
        _drill(daemon, server.getsockname()[1])[0].run()
    assert daemon.entries == []
