"""What stands becomes elements: kinds, groups of ports, and what no kernel can do."""

from tomllib import loads
from typing import Any

import msgspec
import pytest

from gatepost.core.access import Entry
from gatepost.core.decisions import Decision
from gatepost.core.facts import PROTOCOLS
from gatepost.core.subjects import Subject
from gatepost.outlets.nftables.messages import Key
from gatepost.outlets.nftables.wanted import NftablesSettings, Ports, Spared, Wanted, kind_of, packed

WANTED = Wanted(Ports())
A7 = bytes((192, 0, 2, 7))


def decision(text: str = "192.0.2.7", by: Any = "client", **fields: Any) -> Decision:
    """A hold by a rule."""
    defaults = {"number": 1, "rule": "dos", "action": "block", "protocols": ("smtp",), "start": 0, "until": 100}
    return Decision(**{**defaults, "subject": Subject(by, text), **fields})


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ({}, [Key("rule", 4, 32, "smtp")]),
        ({"rule": ""}, [Key("hand", 4, 32, "smtp")]),
        ({"counts": "auth_failed", "protocols": ("imap", "pop3")}, [Key("login", 4, 32, "imap"), Key("login", 4, 32, "pop3")]),
        ({"protocols": PROTOCOLS}, [Key("rule", 4, 32, "all")]),
        ({"protocols": PROTOCOLS, "logins": True}, [Key("rule", 4, 32, "logins")]),
        ({"protocols": ("smtp",), "logins": True}, [Key("rule", 4, 32, "submission")]),
        ({"protocols": ("smtp", "http")}, [Key("rule", 4, 32, "smtp")]),
        ({"protocols": ("http",)}, []),
        ({"protocols": ("http",), "logins": True}, []),
        ({"action": "delay"}, []),
    ],
)
def test_a_decision_becomes_elements(fields: dict[str, Any], keys: list[Key]) -> None:
    assert WANTED.held([decision(**fields)]) == ({(key, A7): 100 for key in keys}, not keys)


@pytest.mark.parametrize(("text", "by"), [("bob@example.org", "account"), ("bob@example.org from 192.0.2.7", "pair")])
def test_accounts_and_pairs_are_not_enforced(text: str, by: str) -> None:
    assert WANTED.held([decision(text, by), decision(text, by)]) == ({}, 2)


def test_the_later_of_two_holds_counts() -> None:
    assert WANTED.held([decision(until=300), decision(until=200)]) == ({(Key("rule", 4, 32, "smtp"), A7): 300}, 0)


def test_networks_have_their_length() -> None:
    found, _ = WANTED.held([decision("2001:db8::/64", "network"), decision("198.51.100.0/24", "network")])
    assert [(key.family, key.length, len(prefix)) for key, prefix in found] == [(6, 64, 16), (4, 24, 4)]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"verb": "deny"}, "deny"),
        ({"verb": "allow"}, "allow"),
        ({"verb": "allow", "logins": True}, "shield"),
        ({"verb": "allow", "logins": True, "relay": True}, "shield"),
        ({"verb": "allow", "detection": False, "relay": True}, None),
    ],
)
def test_what_an_entry_does_to_packets(entry: dict[str, Any], kind: str | None) -> None:
    assert kind_of(Entry(prefix="192.0.2.0/24", **entry)) == kind


def test_lists_graces_and_own_addresses() -> None:
    entries = (
        Entry(verb="deny", prefix="192.0.2.0-192.0.2.5", protocols=("imap",)),
        Entry(verb="allow", prefix="2001:db8::/32", expires=50),
        Entry(verb="deny", prefix="198.51.100.1", expires=10),
    )
    found = WANTED.listed(["203.0.113.1"], entries, {"192.0.2.7": 90, "account bob@example.org": 90}, 10)
    assert {(key.kind, key.group, key.length): until for (key, _), until in found.items()} == {
        ("own", "all", 32): 0,
        ("deny", "imap", 30): 0,
        ("deny", "imap", 31): 0,
        ("allow", "all", 32): 50,
        ("grace", "all", 32): 90,
    }


def test_log_ins_are_never_port_25() -> None:
    groups = Ports(http=(443,)).by_group()
    assert groups["logins"] == (465, 587, 143, 993, 110, 995, 4190)
    assert groups["submission"] == (465, 587)
    assert groups["all"] == (25, 465, 587, 143, 993, 110, 995, 4190, 443)


@pytest.mark.parametrize(
    "text",
    ['table = "inet; flush"', 'table = "Gate"', 'action = "log"', "read_back = 0", "ports = {smtp = [0]}", "ports = {smtp = [70000]}", "prts = 1"],
)
def test_settings_name_what_is_wrong(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(loads(text), NftablesSettings)


def test_no_port_at_all_is_refused_with_the_cure() -> None:
    with pytest.raises(ValueError, match="name those of at least one protocol"):
        Ports(smtp=(), imap=(), pop3=(), sieve=())


@pytest.mark.parametrize("text", ["", "bob", "192.0.2.7; flush ruleset", "1.2.3", "::g", "bob from 192.0.2.7", "192.0.2.7/x"])
def test_what_is_no_address_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as wrong:
        packed(text)
    assert wrong.type is ValueError


def test_what_a_hold_spares() -> None:
    entries = (
        Entry(verb="allow", prefix="192.0.2.7"),
        Entry(verb="allow", prefix="192.0.2.9", protocols=("imap",), logins=True),
        Entry(verb="allow", prefix="192.0.0.0/16", protocols=("imap",)),
        Entry(verb="allow", prefix="192.0.3.1"),
        Entry(verb="allow", prefix="2001:db8::1"),
    )
    spared = Spared(WANTED.listed([], entries, {"192.0.2.11": 99}, 10), Ports().by_group())
    net = bytes((192, 0, 2, 0))

    def of(kind: Any) -> list[tuple[int, ...]]:
        return [(scope.prefix[3], scope.length, scope.ports[0]) for scope in spared.of(Key(kind, 4, 24, "all"), net)]

    assert of("hand") == [(0, 16, 143), (7, 32, 25)]
    assert of("rule") == [(0, 16, 143), (7, 32, 25), (11, 32, 25)]
    assert of("login") == [(0, 16, 143), (7, 32, 25), (9, 32, 143), (11, 32, 25)]
    assert of("deny") == [(7, 32, 25), (9, 32, 143)]
    assert not spared.of(Key("rule", 4, 32, "all"), bytes((198, 51, 100, 1)))
    assert len(spared.of(Key("rule", 6, 0, "all"), bytes(16))) == 1
