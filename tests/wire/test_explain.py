"""What a declaration refuses is told in an administrator's words."""

import tomllib
from itertools import product
from typing import Any

import msgspec
import pytest

from gatepost.config import Settings
from gatepost.core.spans import decode_span
from gatepost.wire.explain import explain, steps
from gatepost.wire.toml_files import RuleFile

GOOD_RULE = {"name": "x", "counts": "connected", "threshold": 5, "window": "5m", "for": "5m"}


def told(kind: type, data: Any) -> tuple[str, str]:
    """What is told of data that is refused."""
    with pytest.raises(msgspec.ValidationError) as wrong:
        msgspec.convert(data, kind, dec_hook=decode_span)
    return explain(wrong.value, kind, data)


def rule(**fields: Any) -> dict[str, Any]:
    """A file with a good rule and one with these fields."""
    return {"rule": [GOOD_RULE, GOOD_RULE | fields]}


@pytest.mark.parametrize(
    ("data", "said", "path"),
    [
        (rule(threshold=0), "rule.threshold: 0 is not allowed; a whole number from 1 to 10000", "rule[1].threshold"),
        (rule(threshold="5"), "rule.threshold: '5' is not allowed; a whole number from 1 to 10000", "rule[1].threshold"),
        (rule(window="5 parsecs"), "rule.window: '5 parsecs' is no length of time; write a number and a unit", "rule[1].window"),
        (rule(action="ban"), "rule.action: 'ban' is not allowed; one of 'alert', 'block', 'delay'", "rule[1].action"),
        (rule(together=1), "rule.together: 1 is not allowed; true or false", "rule[1].together"),
        (rule(on="smtp"), "rule.on: 'smtp' is not allowed; a list; one of 'http'", "rule[1].on"),
        (rule(on=["smtp", "ftp"]), "rule.on: 'ftp' is not allowed; one of 'http'", "rule[1].on[1]"),
        (rule(on=[]), "rule.on: [] is not allowed; a list; one of", "rule[1].on"),
        (rule(name="X"), "rule.name: 'X' is not allowed; a text in quotes, like \"dos\" (Lower-case letters, digits and hyphens.)", "rule[1].name"),
        (rule(treshold=1), "rule.treshold: unknown field; did you mean threshold?", "rule[1].treshold"),
        (rule(zzz=1), "rule.zzz: unknown field; it may be one of name, counts", "rule[1].zzz"),
        (rule(where={"code": 600}), "rule.where.code: 600 is not allowed; a whole number from 0 to 599", "rule[1].where.code"),
        (rule(where={"cod": 550}), "rule.where.cod: unknown field; did you mean code?", "rule[1].where.cod"),
        (rule(where="x"), "rule.where: 'x' is not allowed; a table with reason, stage, code", "rule[1].where"),
        (rule(where={"reason": "x"}), "rule.where.reason: 'x' is no reason of connected; leave it out", "rule[1].where"),
        (rule(by="account"), "rule.by: connections name no account", "rule[1].by"),
        ({"rule": [{"name": "x"}]}, "rule.counts: is missing; one of 'auth_failed'", "rule[0]"),
        ({"rule": [{"name": "x", "counts": "connected"}]}, "rule.threshold: is missing; a whole number from 1 to 10000", "rule[0]"),
        ({"rule": GOOD_RULE}, "rule: {'name': 'x'", "rule"),
        ({"rules": []}, "rules: unknown field; did you mean rule?", "rules"),
        ({"preset": 5}, "preset: 5 is not allowed; one of 'relaxed', 'standard', 'strict'", "preset"),
        ({"allow": [{}]}, 'allow.prefix: is missing; a text in quotes, like "203.0.113.0/24"', "allow[0]"),
        ({"allow": [{"prefix": "192.0.2.1", "expires": 5}]}, "allow.expires: 5 is not allowed; a date and time without quotes", "allow[0].expires"),
        ({"allow": [{"prefix": "192.0.2.1", "note": "x" * 501}]}, "allow.note: ", "allow[0].note"),
    ],
)
def test_rules(data: Any, said: str, path: str) -> None:
    found = told(RuleFile, data)
    assert found[0].startswith(said)
    assert found[1].startswith(path)


def test_a_table_that_should_be_a_list_of_tables() -> None:
    assert told(RuleFile, {"rule": GOOD_RULE})[0].endswith(" is not allowed; a list of tables, each written under [[rule]]")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"accounts": 5}, "accounts: 5 is not allowed; a table with default_domain, domains"),
        ({"accounts": {"domains": []}}, "accounts.domains: [] is not allowed; a table; each of its values is a text in quotes"),
        ({"accounts": {"domains": {"X": 5}}}, "accounts.domains: {'X': 5} is not allowed; a table; each of its values is a text in quotes"),
        ({"logs": {"timezone": 5}}, 'logs.timezone: 5 is not allowed; a text in quotes, like "Europe/Berlin"'),
    ],
)
def test_settings(data: Any, said: str) -> None:
    assert told(Settings, data)[0].startswith(said)


VALUES: tuple[Any, ...] = (5, 5.5, True, "", "x", [], ["x"], [5], {}, {"a": 1}, [{"a": 1}], tomllib.loads("a = 2020-01-01")["a"], -1, 10**30, "\x1b")
FIELDS = tuple(RuleFile.__struct_encode_fields__)


@pytest.mark.parametrize("field", ["name", "counts", "where", "on", "threshold", "window", "action", "for", "by", "distinct", "min_clients", "mode"])
def test_whatever_stands_in_a_rule_it_is_read_or_explained(field: str) -> None:
    for value in VALUES:
        _read_or_explain(RuleFile, {"rule": [GOOD_RULE | {field: value}]}, field)


@pytest.mark.parametrize(("kind", "fields"), [(RuleFile, FIELDS), (Settings, ("accounts", "logs"))])
def test_whatever_stands_in_a_file_it_is_read_or_explained(kind: type, fields: tuple[str, ...]) -> None:
    for field, value in product(fields, VALUES):
        _read_or_explain(kind, {field: value}, field)


def _read_or_explain(kind: type, data: Any, field: str) -> None:
    try:
        msgspec.convert(data, kind, dec_hook=decode_span)
    except msgspec.ValidationError as wrong:
        said, _ = explain(wrong, kind, data)
    else:
        return
    assert field in said
    assert "\n" not in said
    assert "Expected" not in said, said
    assert "Object" not in said, said


def test_steps() -> None:
    assert steps("rule[1].where.code") == [("rule", ""), ("", "1"), ("where", ""), ("code", "")]
    assert steps("") == []
