"""The language of stories: every form of a line, and every mistake."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.core.access import Entry
from gatepost.core.decisions import Allow, Brake, Decision, Delay, Expire, Impose, Question, Refuse, Release
from gatepost.core.deeds import Forget, Hold, Lift, Pause
from gatepost.core.facts import KINDS, PROTOCOLS, AuthFailed, Connected, Rejected, SessionEnded
from gatepost.core.faults import BadInputError
from gatepost.core.rules import Rule, Where
from gatepost.core.spans import MINUTE, SECOND, Span
from gatepost.core.subjects import Client, Subject
from gatepost.wire.maillog.grammar import names
from gatepost.wire.story import EPOCH, Expect, Given, Passes, Prolong, Report, clock, read_line, tell_effect, tell_verdict

AT = EPOCH + 61 * SECOND
SEEN: dict[str, Any] = {"at": AT, "host": "story", "protocol": "imap", "service": "imap", "client": Client("192.0.2.7")}
BOB = Subject("account", "bob")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", None),
        ("   # a comment", None),
        ("<< allow  ", Expect("allow")),
        ("<<", Expect("")),
        ("preset strict", Given(preset="strict")),
        (
            "rule x counts=rejected where.reason=unknown_user where.code=550 on=smtp threshold=3 window=5m for=1h together=true",
            Given(
                rule=Rule(
                    name="x",
                    counts="rejected",
                    where=Where(reason="unknown_user", code=550),
                    on=("smtp",),
                    threshold=3,
                    window=Span(5 * MINUTE),
                    hold_for=Span(60 * MINUTE),
                    together=True,
                )
            ),
        ),
        ("allow 192.0.2.0/24", Given(entry=Entry(verb="allow", prefix="192.0.2.0/24"))),
        (
            "allow 192.0.2.7 relay logins no-detection on=smtp,imap expires=00:01:01  # why",
            Given(entry=Entry(verb="allow", prefix="192.0.2.7", relay=True, logins=True, detection=False, protocols=("smtp", "imap"), expires=AT)),
        ),
        ("deny 192.0.2.1-192.0.2.9", Given(entry=Entry(verb="deny", prefix="192.0.2.1-192.0.2.9"))),
        ("00:01:01 >> connected imap 192.0.2.7", Report(Connected(**SEEN))),
        ("00:01:01 >> connected imap [IPv6:::ffff:192.0.2.7]", Report(Connected(**SEEN))),
        ("00:01:01  >> connected imap 192.0.2.7   49 times, every 2s", Report(Connected(**SEEN), 49, 2 * SECOND)),
        ("00:01:01 >> connected imap 192.0.2.7 3 times", Report(Connected(**SEEN), 3)),
        (
            '00:01:01 >> auth_failed imap 192.0.2.7 account=" Bob" weight=3 secret=x service=imaps host=h evidence_only=true',
            Report(AuthFailed(**{**SEEN, "service": "imaps", "host": "h"}, account="bob", weight=3, secret="x", evidence_only=True)),
        ),
        ("00:01:01 >> rejected imap 192.0.2.7 stage=mail code=550", Report(Rejected(**SEEN, stage="mail", code=550))),
        ("00:01:01 >> session_ended imap 192.0.2.7 messages=2 refused=true", Report(SessionEnded(**SEEN, messages=2, refused=True))),
        ("00:01:01.5 ..", Passes(AT + 500_000)),
        ("30:00:00.000001 ..", Passes(EPOCH + 108_000 * SECOND + 1)),
        ("00:01:01 ?? login imap 192.0.2.7", Question(AT, Client("192.0.2.7"), "imap", "login")),
        ("00:01:01 ?? relay smtp 192.0.2.7 account=BOB", Question(AT, Client("192.0.2.7"), "smtp", "relay", "bob")),
        ("00:01:01 adopt preset relaxed", Given(preset="relaxed", at=AT)),
        ("00:01:01 adopt deny 192.0.2.7", Given(entry=Entry(verb="deny", prefix="192.0.2.7"), at=AT)),
        ("00:01:01 hold client 192.0.2.7 for 5m", Hold(AT, Subject("client", "192.0.2.7"), AT + 5 * MINUTE)),
        ('00:01:01 hold account BOB for 5m on=imap,pop3 reason="as asked"', Hold(AT, BOB, AT + 5 * MINUTE, ("imap", "pop3"), "as asked")),
        ("hold network 192.0.2.0/24 for 1d", Hold(7, Subject("network", "192.0.2.0/24"), 7 + 1440 * MINUTE)),
        ("00:01:01 prolong account BOB for 1h", Prolong(AT, BOB, 60 * MINUTE)),
        ("prolong network 192.0.2.0/24 for 1d", Prolong(7, Subject("network", "192.0.2.0/24"), 1440 * MINUTE)),
        ("00:01:01 lift account bob", Lift(AT, BOB)),
        ("00:01:01 lift account bob grace=1h", Lift(AT, BOB, AT + 60 * MINUTE)),
        ("00:01:01 forget account bob", Forget(AT, BOB)),
        ("00:01:01 pause for 1h", Pause(AT, AT + 60 * MINUTE)),
        ("resume", Pause(7, 0)),
    ],
)
def test_lines(line: str, said: object) -> None:
    assert read_line(line, 7) == said


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "held"])
def test_every_kind_of_fact_but_the_engines_own_can_be_reported(kind: str) -> None:
    said = read_line(f"00:00:00 >> {kind} smtp 192.0.2.7", 0)
    assert isinstance(said, Report)
    assert type(said.fact) is KINDS[kind]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("nix", "'nix': a line starts with a time, <<, preset NAME, rule NAME"),
        ("preset nix", "preset: 'nix' is none; one of standard, relaxed, strict"),
        ("preset", "'preset': a line starts with"),
        ('preset "strict', "a quotation mark is not closed"),
        ("00:00:00", "after a time comes >>"),
        ("00:00:00 <> x", "after a time comes >> .* got '<> x'"),
        ("00:61:00 ..", "'00:61:00': a line starts with a time"),
        ("rule x counts=connected threshold=0 window=5m for=5m", "threshold: '?0'? is not allowed; a whole number from 1 to 10000"),
        ("rule x counts=connected threshold=1 window=5parsecs for=5m", "window: '5parsecs' is no length of time"),
        ("rule x counts=connected threshold=1 window=5m for=5m on=ftp", "on: 'ftp' is not allowed; one of"),
        ("rule x counts=connected threshold=1 window=5m for=5m treshold=1", "treshold: unknown field; did you mean threshold"),
        ("rule x counts=connected threshold", "'threshold': write field=value"),
        ("rule x threshold=1 window=5m for=5m", "counts: is missing"),
        ("allow 192.0.2.7/24", "prefix: '192.0.2.7/24' has bits set behind its prefix"),
        ("allow 192.0.2.7 relai", "'relai' is no box; write relay, logins, no-detection"),
        ("allow 192.0.2.7 relay=yes", "'relay=yes' is no box"),
        ("allow 192.0.2.7 expires=tomorrow", "'expires=tomorrow' is no box"),
        ("deny 192.0.2.7 relay", "relay, logins: boxes of the allow list"),
        ("00:00:00 >> connected imap", "a fact is written: TIME >> kind protocol client"),
        ("00:00:00 >> held smtp 192.0.2.7", "kind: 'held' is none; one of connected"),
        ("00:00:00 >> connected ftp 192.0.2.7", "protocol: 'ftp' is none; one of smtp"),
        ("00:00:00 >> connected smtp mail.example", "'mail.example' does not appear to be an IPv4 or IPv6 address"),
        ("00:00:00 >> connected smtp 192.0.2.7 account=x", "account: connected has no such field; one of evidence_only, host, open, service"),
        ("00:00:00 >> connected smtp 192.0.2.7 client=x", "client: connected has no such field"),
        ("00:00:00 >> connected smtp 192.0.2.7 at=5", "at: connected has no such field"),
        ("00:00:00 >> auth_failed smtp 192.0.2.7 weight=many", "weight: 'many' is not allowed; a whole number"),
        ("00:00:00 >> rejected smtp 192.0.2.7 stage=quit", "stage: 'quit' is not allowed; one of"),
        ("00:00:00 >> connected smtp 192.0.2.7 5 times, every 5parsecs", "'5parsecs' is no length of time"),
        ("00:00:00 >> connected smtp 192.0.2.7 5 times, every 5 parsecs", "'5 parsecs' is no length of time"),
        ("00:00:00 ?? login imap", "a question is written: TIME"),
        ("00:00:00 ?? logon imap 192.0.2.7", "stage: 'logon' is none; one of connect, login, relay, message"),
        ("00:00:00 ?? login ftp 192.0.2.7", "protocol: 'ftp' is none"),
        ("00:00:00 ?? login imap 192.0.2.7 user=x", "user: a question has no such field; account=NAME and country=XX are all"),
        ("00:00:00 ?? login imap 192.0.2.7 country=UK", "country: 'UK' is no code of ISO 3166-1"),
        ("country", "a line starts with"),
        ("country deny DE", "write country off, or country allow DE,AT"),
        ("country allow UK", "codes: 'UK' is no code of ISO 3166-1 .did you mean GB"),
        ("country allow DE unknown=maybe", "unknown: 'maybe' is no answer; write allow or refuse"),
        ("country allow DE mode=on", "mode: 'on' is not allowed; one of 'enforce', 'observe', 'off'"),
        ("country allow DE note=x", "note: there is no such field here"),
        ("00:00:00 adopt", "deeds are written: adopt"),
        ("00:00:00 adopt nix", "'nix': a line starts with"),
        ("00:00:00 hold client 192.0.2.7", "deeds are written: .*hold BY SUBJECT for SPAN"),
        ("00:00:00 hold nobody 192.0.2.7 for 5m", "'nobody': a subject is written client ADDRESS, network PREFIX or account NAME"),
        ("00:00:00 hold client 192.0.2.7 for 5m on=ftp", "protocols: 'ftp' is not allowed"),
        ("00:00:00 hold client 192.0.2.7 for 5m untill=3", "untill: there is no such field here; write on= or reason="),
        ("00:00:00 prolong client 192.0.2.7", "deeds are written: .*prolong BY SUBJECT for SPAN"),
        ("00:00:00 prolong client 192.0.2.7 for ever", "'ever' is no length of time"),
        ("00:00:00 lift client 192.0.2.7 garce=1h", "garce: there is no such field here; write grace="),
        ("00:00:00 lift client 192.0.2.7 grace", "'grace': write field=value"),
        ("00:00:00 forget client", "deeds are written"),
        ("00:00:00 pause 1h", "deeds are written"),
    ],
)
def test_mistakes(line: str, wrong: str) -> None:
    with pytest.raises(BadInputError, match=wrong) as told:
        read_line(line, 0)
    assert "\n" not in str(told.value)


WORDS = names(
    """00:00:00 99:59:59.5 >> ?? .. << preset strict rule allow deny adopt hold prolong lift forget pause resume for client account 192.0.2.7 ::1/64
    on=smtp connected held smtp at=5 kind=x window=5m threshold=-1 counts= =x 5 times, every 1s ' " # grace=1h where.= where.code=x relay"""
)


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=9))
def test_whatever_a_line_says_it_is_read_or_refused_in_a_sentence(words: list[str]) -> None:
    with contextlib.suppress(BadInputError):
        read_line(" ".join(words).replace("\n", " "), 0)


# --- telling

HELD = Decision(
    number=1,
    rule="dos",
    action="block",
    subject=Subject("client", "192.0.2.7"),
    protocols=("imap",),
    start=EPOCH,
    until=AT,
    reason="50 in 5m",
    counts="connected",
)


def held(**changes: Any) -> Decision:
    """That decision, but for this."""
    return Decision(**{name: getattr(HELD, name) for name in HELD.__struct_fields__} | changes)


@pytest.mark.parametrize(
    ("effect", "told"),
    [
        (Impose(HELD), "impose block client 192.0.2.7 on imap until 00:01:01   (dos: 50 in 5m)"),
        (Impose(held(action="delay", delay=5 * SECOND)), "impose delay 5s client 192.0.2.7 on imap until 00:01:01   (dos: 50 in 5m)"),
        (Impose(held(watched=True)), "watch block client 192.0.2.7 on imap until 00:01:01   (dos: 50 in 5m)"),
        (Impose(held(watched=True, action="alert")), "alert client 192.0.2.7 on imap until 00:01:01   (dos: 50 in 5m)"),
        (Impose(held(protocols=PROTOCOLS)), "impose block client 192.0.2.7 on everything until 00:01:01   (dos: 50 in 5m)"),
        (Impose(held(logins=True, protocols=PROTOCOLS)), "impose block client 192.0.2.7 on logins until 00:01:01   (dos: 50 in 5m)"),
        (Impose(held(rule="", reason="")), "impose block client 192.0.2.7 on imap until 00:01:01   (administrator)"),
        (Impose(held(rule="", reason="why")), "impose block client 192.0.2.7 on imap until 00:01:01   (administrator: why)"),
        (Release(HELD, ("imap",), AT, "lifted"), "release block client 192.0.2.7 on imap   (lifted)"),
        (Release(held(protocols=PROTOCOLS), ("imap", "pop3"), AT, "lifted"), "release block client 192.0.2.7 on imap,pop3   (lifted)"),
        (Release(held(protocols=PROTOCOLS), PROTOCOLS, AT, "lifted"), "release block client 192.0.2.7 on everything   (lifted)"),
        (Expire(HELD), "expire block client 192.0.2.7 on imap   (dos: 50 in 5m)"),
        (Brake("dos", AT, 10, 12), "brake dos   (10 good clients of 12 held)"),
    ],
)
def test_effects_are_told(effect: Any, told: str) -> None:
    assert tell_effect(effect) == told


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (Allow(), "allow"),
        (Allow(Entry(verb="allow", prefix="192.0.2.7", relay=True)), "allow   (allow 192.0.2.7 relay)"),
        (Delay(5 * SECOND, HELD), "delay 5s   (dos: 50 in 5m)"),
        (Refuse("dos", HELD), "refuse dos"),
        (Refuse("denied", None, Entry(verb="deny", prefix="192.0.2.7")), "refuse denied   (deny 192.0.2.7)"),
    ],
)
def test_verdicts_are_told(verdict: Any, told: str) -> None:
    assert tell_verdict(verdict) == told


@given(st.integers(0, 99_999 * 3_600 * SECOND))
def test_a_time_that_is_told_is_read_back(after: int) -> None:
    assert read_line(f"{clock(EPOCH + after)} ..", 0) == Passes(EPOCH + after)
