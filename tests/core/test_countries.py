"""The countries' policy: what it says, what it refuses, and what is wrong with one; that facts are counted all the same is in the stories."""

import msgspec
import pytest

from gatepost.core.countries import UNKNOWN, CountryPolicy
from gatepost.core.deeds import AdoptCountries
from gatepost.core.engine import Engine
from gatepost.core.snapshot import dump, load


@pytest.mark.parametrize(
    ("policy", "refused"),
    [
        (CountryPolicy(mode="enforce", codes=("DE", "AT")), ["NL"]),
        (CountryPolicy(mode="enforce", direction="refuse", codes=("DE", "AT")), ["DE"]),
        (CountryPolicy(mode="enforce", codes=("DE",), unknown=False), ["NL", UNKNOWN]),
        (CountryPolicy(mode="enforce", direction="refuse", codes=("NL",), unknown=False), ["NL", UNKNOWN]),
    ],
)
def test_whom_it_is_against(policy: CountryPolicy, refused: list[str]) -> None:
    assert [country for country in ("DE", "NL", UNKNOWN, "") if policy.refuses(country)] == refused


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"codes": ["UK"]}, r"codes: 'UK' is no code of ISO 3166-1 \(did you mean GB, United Kingdom\?\)"),
        ({"codes": ["de"]}, r"codes: 'de' is no code .*did you mean DE, Germany"),
        ({"codes": ["ZZ"]}, r"codes: 'ZZ' is no code of ISO 3166-1; write two capitals, as in DE"),
        ({"codes": ["DE", "DE"]}, "codes: one of them stands there twice"),
        ({"mode": "enforce"}, "codes: name at least one country, or switch it off"),
        ({"mode": "on"}, "Invalid enum value 'on'"),
        ({"protocols": ["ftp"]}, "Invalid enum value 'ftp'"),
        ({"direction": "deny"}, "Invalid enum value 'deny'"),
    ],
)
def test_what_is_wrong_with_one(fields: dict[str, object], wrong: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=wrong):
        msgspec.convert(fields, CountryPolicy)


def test_it_outlives_a_snapshot_and_an_older_one_has_none() -> None:
    engine = Engine()
    plain = dump(engine)
    policy = CountryPolicy(mode="observe", codes=("DE",))
    assert engine.apply(AdoptCountries(1, policy), 1) == ()
    assert load(dump(engine)).countries == policy
    older = msgspec.msgpack.decode(plain)
    del older["countries"]
    assert load(msgspec.msgpack.encode(older)).countries.mode == "off"


def test_in_words() -> None:
    policy = CountryPolicy(mode="observe", direction="refuse", codes=("DE", "NL"), unknown=False, protocols=("imap",), known_may=False)
    assert str(policy) == "refuse DE,NL unknown=refuse on=imap known=refuse mode=observe"
    assert str(CountryPolicy(codes=("DE",))) == "off"
