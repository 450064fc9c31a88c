"""Which facts a rule counts, how often, and under which key."""

from typing import Any

import pytest

from gatepost.core.counters import AnyCounter, Counter, counter
from gatepost.core.facts import Fact, Held, MessageAccepted, ProtocolAbused, Rejected
from gatepost.core.rules import Rule, Where
from gatepost.core.subjects import Client
from gatepost.core.trust import View
from gatepost.core.windows import Windows
from tests.core.made import IP, SIX, connected, failed, made, rule, sent


def a_counter(of: Rule) -> Counter:
    return counter(of, of.on, Windows(of, 100))


def fires(of: Rule, *facts: Fact) -> bool:
    found = a_counter(of)
    fired = [found.count(fact, View(fact.client, (), False, ()), place) for place, fact in enumerate(facts)]
    return any(fired)


@pytest.mark.parametrize(
    ("fields", "fact", "key"),
    [
        ({}, connected(0, SIX), SIX),
        ({"by": "network"}, connected(0, SIX), "2001:db8::/48"),
        ({"by": "network"}, connected(0), "192.0.2.0/24"),
        ({"counts": "auth_failed"}, failed(0, SIX), "2001:db8::/64"),
        ({"counts": "protocol_abused"}, made(ProtocolAbused, 0, SIX), "2001:db8::/64"),
        ({"counts": "rejected"}, made(Rejected, 0, SIX), SIX),
        ({"counts": "auth_failed", "by": "account"}, failed(0), "bob@x"),
        ({"counts": "auth_failed", "by": "account"}, failed(0, account=""), ""),
        ({"counts": "auth_failed", "by": "pair"}, failed(0, SIX), "bob@x from 2001:db8::/64"),
        ({"counts": "message_accepted", "by": "pair"}, sent(0, SIX, account="bob@x"), "bob@x from 2001:db8::1"),
        ({"counts": "auth_failed", "by": "pair"}, failed(0, account=""), ""),
        ({"counts": "held"}, made(Held, 0, SIX, by="client", subject="2001:db8::/64"), "2001:db8::/64"),
        ({"counts": "held"}, made(Held, 0, by="network", subject="192.0.2.0/24"), ""),
        ({"counts": "held", "by": "network"}, made(Held, 0, by="client", subject=IP), "192.0.2.0/24"),
        ({"counts": "held", "by": "network"}, made(Held, 0, by="account", subject="bob@x"), ""),
        ({"counts": "held", "by": "account"}, made(Held, 0, by="account", subject="bob@x"), "bob@x"),
    ],
)
def test_whose_fact_it_is(fields: dict[str, Any], fact: Fact, key: str) -> None:
    assert a_counter(rule(**fields)).key(fact, View(fact.client, (), False, ())) == key


@pytest.mark.parametrize(
    ("where", "fact", "counted"),
    [
        (Where(reason="unknown_user"), {"reason": "unknown_user"}, True),
        (Where(reason="unknown_user"), {"reason": "helo"}, False),
        (Where(stage="data"), {"stage": "data"}, True),
        (Where(stage="data"), {"stage": "rcpt"}, False),
        (Where(code=5), {"code": 554}, True),
        (Where(code=5), {"code": 450}, False),
        (Where(code=550), {"code": 550}, True),
        (Where(code=550), {"code": 551}, False),
        (Where(code=5), {"code": 0}, False),
        (Where(reason="helo", stage="rcpt", code=5), {"reason": "helo", "stage": "rcpt", "code": 550}, True),
        (Where(reason="helo", stage="rcpt", code=4), {"reason": "helo", "stage": "rcpt", "code": 550}, False),
    ],
)
def test_where_narrows(where: Where, fact: dict[str, Any], counted: bool) -> None:
    assert fires(rule("rejected", threshold=1, where=where), made(Rejected, 0, **fact)) is counted


def test_weights_are_attempts_and_recipients() -> None:
    assert fires(rule("auth_failed"), failed(0, weight=3))
    assert not fires(rule("auth_failed"), failed(0, weight=2), failed(1, weight=0), failed(2, weight=-5))
    assert fires(rule("recipients"), made(MessageAccepted, 0, recipients=3))
    assert not fires(rule("message_accepted"), made(MessageAccepted, 0, recipients=3))
    assert not fires(rule("recipients", threshold=1), made(MessageAccepted, 0, recipients=0))


def test_unknown_secrets_are_new_as_often_as_they_were_tried() -> None:
    secrets = rule("auth_failed", distinct="secrets")
    assert fires(secrets, failed(0, weight=3))
    assert not fires(secrets, failed(0, weight=3, secret="s"))
    assert fires(secrets, failed(0, secret="s"), failed(0, secret="t"), failed(1))


def test_different_clients_of_holds_are_their_subjects() -> None:
    hood = rule("held", by="network", distinct="clients", threshold=2)
    one, other = (made(Held, 0, by="client", subject=f"192.0.2.{number}") for number in (1, 2))
    assert not fires(hood, one, one)
    assert fires(hood, one, other)


def test_the_plain_counter_serves_where_it_suffices() -> None:
    assert type(a_counter(rule())) is Counter
    others: list[dict[str, Any]] = [{"by": "network"}, {"counts": "auth_failed"}, {"counts": "recipients"}, {"counts": "held"}]
    for fields in (*others, {"counts": "rejected", "where": Where(code=5)}):
        assert type(a_counter(rule(**fields))) is AnyCounter, fields


def test_a_silent_key_is_not_counted() -> None:
    for of in (rule(threshold=1), rule(threshold=1, by="network")):
        found = a_counter(of)
        view = View(Client(IP), (), False, ())
        found.windows.silence(found.key(connected(0), view), connected(0).at, connected(1).at)
        assert found.count(connected(0.9), view, 0) is None
        assert found.count(connected(1), view, 1)
