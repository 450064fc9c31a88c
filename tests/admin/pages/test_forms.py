"""Forms from declarations: what they show is what the declaration says, and what they send is read back the same."""

from typing import Any

import msgspec
import pytest

from gatepost.admin.accounts import Invite, NewToken
from gatepost.admin.actions.access import AddEntry
from gatepost.admin.actions.blocks import AddBlock, PauseFor, Unblock
from gatepost.admin.pages.forms import fields_of, read
from gatepost.core.facts import PROTOCOLS
from gatepost.core.faults import BadInputError
from gatepost.core.rules import Rule, Where
from gatepost.core.spans import DAY, Span

FORMS = (Rule, Where, AddEntry, AddBlock, PauseFor, Unblock, NewToken, Invite)


@pytest.mark.parametrize("kind", FORMS)
def test_each_field_has_a_title_and_a_meaning(kind: type[msgspec.Struct]) -> None:
    # A struct within has no field of its own kind: a page shows its fields beside.
    assert [each.name for each in fields_of(kind, leave_out=("where",)) if not (each.title[:1].isupper() and each.meaning)] == []


def test_kinds_ranges_and_choices() -> None:
    found = {each.name: each for each in fields_of(Rule, leave_out=("where",))}
    assert (found["threshold"].kind, found["threshold"].least, found["threshold"].most, found["threshold"].required) == ("number", 1, 10_000, True)
    assert (found["window"].kind, found["window"].example) == ("span", "5m")
    assert (found["on"].kind, found["on"].choices, found["on"].value) == ("boxes", PROTOCOLS, ("smtp", "imap", "pop3"))
    assert (found["distinct"].kind, found["distinct"].choices) == ("choice", ("", "accounts", "secrets", "clients"))
    assert (found["together"].kind, found["together"].value) == ("box", False)
    assert {each.name: each.choices for each in fields_of(Where)}["stage"] == ("connect", "helo", "mail", "rcpt", "data", "")


@pytest.mark.parametrize(
    ("kind", "typed", "found"),
    [
        (AddBlock, {"prefix": ["192.0.2.7"], "for": [" 1d "]}, AddBlock(prefix="192.0.2.7", hold_for=Span(DAY))),
        (AddBlock, {"prefix": ["x"], "for": ["1d"], "protocols": ["imap"]}, AddBlock(prefix="x", hold_for=Span(DAY), protocols=("imap",))),
        (Unblock, {"subject": ["bob"], "grace": [""]}, Unblock(subject="bob")),
        (AddEntry, {"verb": ["deny"], "prefix": ["x"], "expires": [""]}, AddEntry(verb="deny", prefix="x", detection=False)),
        (NewToken, {"name": ["t"], "days": [""]}, NewToken(name="t", days=0)),
    ],
)
def test_what_is_sent(kind: type[msgspec.Struct], typed: dict[str, list[str]], found: msgspec.Struct) -> None:
    assert read(kind, typed) == found


@pytest.mark.parametrize(
    ("kind", "typed", "said"),
    [
        (AddBlock, {}, "prefix: is empty; An address or prefix."),
        (AddBlock, {"prefix": ["x"], "for": ["soon"]}, "for: .*no length of time"),
        (AddBlock, {"prefix": ["x" * 101], "for": ["1d"]}, "prefix: "),
        (AddBlock, {"prefix": ["x"], "for": ["1d"], "protocols": ["ftp"]}, "protocols: 'ftp' is not allowed"),
        (NewToken, {"name": ["t"], "days": ["-1"]}, "days: "),
        (NewToken, {"name": ["t"], "days": ["1e3"]}, "days: '1e3' is no whole number"),
        (NewToken, {"name": ["t"], "days": ["٣"]}, "days: '٣' is no whole number"),
        (NewToken, {"name": ["t"], "role": ["root"]}, "role: 'root' is not allowed"),
    ],
)
def test_what_is_refused_names_the_field(kind: Any, typed: dict[str, list[str]], said: str) -> None:
    with pytest.raises(BadInputError, match=f"^{said}"):
        read(kind, typed)
