"""From which countries one may log in.

Job: declare the policy, check it, and say whether it turns a log-in away. Promise: it is about log-ins alone; where nobody looked a country up it
says nothing. Limits: which country an address is in comes with the question (`Question.country`); what goes before the policy (list entries, known
pairs) is said in engine.py.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from gatepost.core.facts import PROTOCOLS, Protocol
from gatepost.core.iso3166 import NAMES
from gatepost.core.rules import Mode
from gatepost.core.texts import say

UNKNOWN = "unknown"
"""The country of an address that was looked up and not found; an empty one was not looked up at all."""

Direction = Literal["allow", "refuse"]

_MEANT = {"UK": "GB", "EN": "GB", "EL": "GR", "SU": "RU", "JA": "JP", "DA": "DK", "CS": "CZ", "SF": "FI"}


class CountryPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """From which countries one may log in. Inbound mail is never asked about."""

    mode: Annotated[Mode, Meta(title="Mode", description="enforce, observe (tell what would be refused, refuse nothing) or off.")] = "off"
    direction: Annotated[Direction, Meta(title="Direction", description="allow: only from these countries; refuse: from all but these.")] = "allow"
    codes: Annotated[tuple[str, ...], Meta(title="Countries", description="Their ISO 3166-1 codes of two letters.", examples=[["DE", "AT"]])] = ()
    unknown: Annotated[bool, Meta(title="Unknown countries", description="Let in addresses whose country nobody knows.")] = True
    protocols: Annotated[tuple[Protocol, ...], Meta(title="Protocols", description="Where it counts; empty: wherever one logs in.")] = ()
    known_may: Annotated[
        bool, Meta(title="Known clients", description="Let an account in from where it logged in well within the last 30 days, whatever the country.")
    ] = True

    def __post_init__(self) -> None:
        for code in self.codes:
            if code not in NAMES:
                raise ValueError(say("codes: {code!r} is no code of ISO 3166-1{hint}; write two capitals, as in DE", code=code, hint=_hint(code)))
        if len(set(self.codes)) != len(self.codes):
            raise ValueError(say("codes: one of them stands there twice"))
        if self.mode != "off" and not self.codes:
            raise ValueError(say("codes: name at least one country, or switch it off"))

    @property
    def on(self) -> tuple[Protocol, ...]:
        """The protocols that it counts on, spelled out."""
        return self.protocols or PROTOCOLS

    def refuses(self, country: str) -> bool:
        """Whether it is against a country, whatever its mode and protocols."""
        if not country:
            return False
        if country == UNKNOWN:
            return not self.unknown
        return (country in self.codes) == (self.direction == "refuse")

    def __str__(self) -> str:
        words = [self.direction, ",".join(self.codes)]
        words += ["unknown=refuse"] if not self.unknown else []
        words += [f"on={','.join(self.protocols)}"] if self.protocols else []
        words += ["known=refuse"] if not self.known_may else []
        words += ["mode=observe"] if self.mode == "observe" else []
        return "off" if self.mode == "off" else " ".join(words)


def _hint(code: str) -> str:
    meant = _MEANT.get(code.upper()) or (code.upper() if code.upper() in NAMES else "")
    return say(" (did you mean {code}, {country}?)", code=meant, country=say(NAMES[meant])) if meant and meant != code else ""
