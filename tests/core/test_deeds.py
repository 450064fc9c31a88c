"""Deeds: written to the order and read back."""

import msgspec
import pytest

from gatepost.core.access import own_entries
from gatepost.core.countries import CountryPolicy
from gatepost.core.deeds import AdoptCountries, AdoptLists, AdoptRules, AnyDeed, Forget, Hold, Lift, Pause, Retime
from gatepost.core.rules import PRESETS
from gatepost.core.spans import decode_span, encode_span
from tests.core.made import IP, client


@pytest.mark.parametrize(
    "deed",
    [
        AdoptRules(1, PRESETS["strict"], brake=False),
        AdoptLists(1, own_entries()),
        AdoptCountries(1, CountryPolicy(mode="observe", direction="refuse", codes=("NL",), unknown=False, protocols=("imap",), known_may=False)),
        Hold(1, client(IP), 5),
        Lift(1, client(IP), 7),
        Retime(1, client(IP), 2, 7),
        Forget(1, client(IP)),
        Pause(1, 0),
    ],
)
def test_every_deed_is_read_back(deed: AnyDeed) -> None:
    data = msgspec.msgpack.encode(deed, enc_hook=encode_span)
    assert msgspec.msgpack.decode(data, type=AnyDeed, dec_hook=decode_span) == deed
