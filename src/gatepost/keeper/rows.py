"""Lines of the history, made from entries and effects.

Job: turn a fact, a deed, or what followed from it into a row, without what must not be kept. Promise: names of accounts that are not known to exist
are replaced, in the log line too, before they leave this module; hashes of secrets never get in. Limits: whether an account exists is known by a
good log-in, or by a reason that says so; a name that stands in a line in a form of its own takes the whole line with it.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from gatepost.core.counters import is_bad
from gatepost.core.decisions import Brake, Decision, Effect, Expire, Impose, Release
from gatepost.core.deeds import AdoptCountries, AdoptLists, AdoptRules, Deed, Forget, Hold, Lift, Pause, Retime
from gatepost.core.facts import AuthFailed, AuthSucceeded, Fact, MessageAccepted, Refused, SessionEnded, kind_name
from gatepost.core.subjects import Client, Subject, wider
from gatepost.stores.contract import Audit, Entry

MOST_NAMES = 200_000
"""Names of accounts that are known to exist, at most."""
MASK = "masked:"
WITHHELD = "(the line is withheld: it names an account that does not exist)"
_FRONT = {*Fact.__struct_fields__}


class Row(Struct, kw_only=True):
    """A row of the history: the columns of its files, in their order."""

    place: int
    at: int
    kind: str
    host: str = ""
    protocol: str = ""
    service: str = ""
    client: str = ""
    """An address; or the prefix that a decision or a deed is about."""
    account: str = ""
    reason: str = ""
    evidence_only: bool = False
    detail: str = "{}"
    line: str = ""
    net: str = ""
    """The /24 or /48 around the client; empty for a wider prefix."""
    weight: int = 0
    """How often a fact can count: log-ins that a line told, recipients of a message; 0: never."""


class Rows:
    """Makes rows; ``salt`` keeps what is masked apart from what others masked."""

    def __init__(self, salt: bytes, mask: bool = True) -> None:
        self._salt = salt
        self._mask = mask
        self._exist: dict[str, None] = {}

    def exists(self, account: str) -> None:
        """An account is known to exist."""
        self._exist.pop(account, None)
        self._exist[account] = None
        if len(self._exist) > MOST_NAMES:
            del self._exist[next(iter(self._exist))]

    def forget(self, account: str) -> None:
        """Nothing is known of an account any more."""
        self._exist.pop(account, None)

    def masked(self, account: str) -> str:
        """What is kept of a name that is masked."""
        return f"{MASK}{hashlib.blake2b(account.encode(), key=self._salt, digest_size=5).hexdigest()}:{len(account)}"

    def hidden(self, told: Iterable[tuple[Entry, str]]) -> dict[str, str]:
        """How log lines that name what is no account are kept. A line can tell several facts, of which one alone carries the name."""
        named = [(account, fact, line) for fact, line in told if (account := getattr(fact, "account", ""))]
        for account, fact, line in named:
            if isinstance(fact, AuthSucceeded | MessageAccepted) or (isinstance(fact, AuthFailed) and _says_it_exists(fact.reason, line)):
                self.exists(account)
        if not self._mask:
            return {}
        return {line: _without(line, account) for account, _, line in named if line and account not in self._exist}

    def of_fact(self, place: int, fact: Fact, line: str, net: str = "") -> Row:
        """The row of a fact; its line as `hidden` says; ``net`` is the network of its client."""
        account: str = getattr(fact, "account", "")
        reason: str = getattr(fact, "reason", "")
        if account and self._mask and account not in self._exist:
            account = self.masked(account)
        left = {name: getattr(fact, name) for name in type(fact).__struct_fields__ if name not in _FRONT}
        detail = {
            name: value for name, value in left.items() if value not in ("", 0, False) and name not in ("account", "reason", "secret", "session")
        }
        return Row(
            place=place,
            at=fact.at,
            kind=kind_name(type(fact).__name__),
            host=fact.host,
            protocol=fact.protocol,
            service=fact.service,
            client=fact.client,
            account=account,
            reason=reason,
            evidence_only=fact.evidence_only,
            detail=_json(detail) if detail else "{}",
            line=line,
            net=net,
            weight=_weight(fact),
        )

    def of_deed(self, place: int, deed: Deed, audits: Iterable[Audit]) -> Row:
        """The row of a deed, with who did it."""
        row = Row(place=place, at=deed.at, kind=kind_name(type(deed).__name__))
        detail: dict[str, Any] = {}
        about = str(getattr(getattr(deed, "subject", None), "text", ""))
        for audit in sorted(audits, key=lambda each: each.subject == about):  # deeds done together have one time, and each its own line
            detail = {"who": audit.who, "action": audit.action, "about": audit.subject, "reason": audit.reason}
        if isinstance(deed, Hold | Lift | Retime | Forget):
            self._about(row, deed.subject)
            detail |= {"until": deed.until} if isinstance(deed, Hold | Retime) else {"grace": deed.grace} if isinstance(deed, Lift) else {}
        elif isinstance(deed, Pause):
            detail["until"] = deed.until
        elif isinstance(deed, AdoptRules):
            detail["rules"] = [rule.name for rule in deed.rules]
        elif isinstance(deed, AdoptLists):
            detail["entries"] = len(deed.entries)
        elif isinstance(deed, AdoptCountries):
            detail["countries"] = str(deed.policy)
        row.detail = _json(detail)
        return row

    def of_effect(self, place: int, effect: Effect) -> Row:
        """The row of what followed."""
        if isinstance(effect, Brake):
            return Row(place=place, at=effect.at, kind="braked", detail=_json({"rule": effect.rule, "good": effect.good, "held": effect.held}))
        decision = effect.decision
        kind, at = {Impose: ("imposed", decision.start), Expire: ("expired", decision.until)}.get(type(effect), ("released", decision.start))
        detail = _of_decision(decision)
        if isinstance(effect, Release):
            at = effect.at
            detail |= {"why": effect.why, "released": effect.protocols}
        row = Row(place=place, at=at, kind=kind, protocol=decision.fired_on, reason=decision.rule, detail=_json(detail))
        self._about(row, decision.subject)
        return row

    def of_gap(self, place: int, first: int, at: int) -> Row:
        """The row that tells of entries that are in no history, ``first`` to the one before ``place``."""
        return Row(place=place, at=at, kind="gap", detail=_json({"first": first, "missing": place - first}))

    def _about(self, row: Row, subject: Subject) -> None:
        account, word, place = subject.text.rpartition(" from ")
        if subject.by in ("account", "pair"):
            row.account = account if subject.by == "pair" and word else subject.text
            row.client = place if subject.by == "pair" and word else ""
            if self._mask and row.account not in self._exist:
                row.account = self.masked(row.account)
        else:
            row.client = subject.text
        row.net = net_of(row.client) if row.client else ""


def _of_decision(decision: Decision) -> dict[str, Any]:
    return {
        "number": decision.number,
        "rule": decision.rule,
        "action": decision.action,
        "watched": decision.watched,
        "by": decision.subject.by,
        "protocols": decision.protocols,
        "logins": decision.logins,
        "start": decision.start,
        "until": decision.until,
        "count": decision.count,
        "said": decision.reason,
        "evidence": decision.evidence,
    }


def net_of(place: str) -> str:
    """The /24 or /48 around an address or a prefix as subjects are written; empty where that is wider."""
    text, slash, length = place.partition("/")
    return wider(Client(text), 24, 48) if not slash or int(length) >= (48 if ":" in text else 24) else ""


def _weight(fact: Fact) -> int:
    if fact.evidence_only or isinstance(fact, Refused):
        return 0
    if isinstance(fact, SessionEnded):
        return int(is_bad(fact))
    return fact.weight if isinstance(fact, AuthFailed) else fact.recipients if isinstance(fact, MessageAccepted) else 1


def _says_it_exists(reason: str, line: str) -> bool:
    """Whether a failed log-in tells that its account exists: most daemons say the same of a wrong password and of a wrong name."""
    return reason == "disabled" or (reason == "password" and (not line or "mismatch" in line.lower()))


def _without(line: str, account: str) -> str:
    """A log line without a name; the whole line is withheld where the name is not found in it as it is known."""
    if not line:
        return ""
    local, at, domain = account.partition("@")
    for name in (account, f"{domain}\\{local}" if at else account, local):
        cleaned, many = re.subn(re.escape(name), "*", line, flags=re.IGNORECASE) if name else (line, 0)
        if many and (name != local or len(local) > 2):
            return cleaned
    return WITHHELD


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
