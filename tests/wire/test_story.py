"""The language of stories: what each form of line says, how effects and verdicts are told, and what a mistake is told like."""

import pytest

from gatepost.core.access import Entry
from gatepost.core.decisions import Allow, Brake, Decision, Delay, Expire, Impose, Question, Refuse, Release
from gatepost.core.deeds import Forget, Hold, Lift, Pause
from gatepost.core.facts import PROTOCOLS, AuthFailed, Connected, Rejected, SessionEnded
from gatepost.core.faults import BadInputError
from gatepost.core.rules import Rule, Where
from gatepost.core.spans import HOUR, MINUTE, SECOND, Span
from gatepost.core.subjects import Client, Subject
from gatepost.wire.story import EPOCH, Expect, Given, Passes, Report, clock, read_line, tell_effect, tell_verdict

SEVEN = Client("192.0.2.7")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", None),
        ("   # a comment", None),
        ("preset strict", Given(preset="strict")),
        ("allow 192.0.2.7 relay", Given(entry=Entry(verb="allow", prefix="192.0.2.7", relay=True))),
        ("allow 192.0.2.7 logins on=smtp,imap", Given(entry=Entry(verb="allow", prefix="192.0.2.7", logins=True, protocols=("smtp", "imap")))),
        ("allow 192.0.2.7 relay no-detection", Given(entry=Entry(verb="allow", prefix="192.0.2.7", relay=True, detection=False))),
        ("deny 192.0.2.0/24 expires=01:00:00", Given(entry=Entry(verb="deny", prefix="192.0.2.0/24", expires=EPOCH + HOUR))),
        ("00:01:00 adopt preset relaxed", Given(preset="relaxed", at=EPOCH + MINUTE)),
        ("00:01:00 adopt deny 192.0.2.7", Given(entry=Entry(verb="deny", prefix="192.0.2.7"), at=EPOCH + MINUTE)),
        ("<<  refuse   dos", Expect("refuse   dos")),
        ("25:00:00.5 ..", Passes(EPOCH + 25 * HOUR + SECOND // 2)),
        ("00:00:00 >> connected imap ::ffff:192.0.2.7", Report(Connected(EPOCH, "story", "imap", "imap", SEVEN))),
        ("00:00:00 >> connected imap 192.0.2.7 3 times, every 2s", Report(Connected(EPOCH, "story", "imap", "imap", SEVEN), 3, 2 * SECOND)),
        ("00:00:00 >> connected imap 192.0.2.7 3 times every 2s", Report(Connected(EPOCH, "story", "imap", "imap", SEVEN), 3, 2 * SECOND)),
        ("00:00:00 >> connected imap 192.0.2.7 3 times", Report(Connected(EPOCH, "story", "imap", "imap", SEVEN), 3)),
        ("00:00:00 >> connected smtp 192.0.2.7 service=smtps host=mx1", Report(Connected(EPOCH, "mx1", "smtp", "smtps", SEVEN))),
        (
            "00:00:00 >> auth_failed imap 192.0.2.7 account=Bob weight=3",
            Report(AuthFailed(EPOCH, "story", "imap", "imap", SEVEN, account="bob", weight=3)),
        ),
        (
            '00:00:00 >> rejected smtp 192.0.2.7 stage=mail code=550 recipient="a b"',
            Report(Rejected(EPOCH, "story", "smtp", "smtp", SEVEN, stage="mail", code=550, recipient="a b")),
        ),
        (
            "00:00:00 >> session_ended smtp 192.0.2.7 server_at_fault=true",
            Report(SessionEnded(EPOCH, "story", "smtp", "smtp", SEVEN, server_at_fault=True)),
        ),
        ("00:00:01 ?? connect imap 192.0.2.7", Question(EPOCH + SECOND, SEVEN, "imap", "connect")),
        ("00:00:01 ?? login imap 192.0.2.7 account=Bob", Question(EPOCH + SECOND, SEVEN, "imap", "login", "bob")),
        ("hold client 192.0.2.7 for 1h", Hold(at=EPOCH, subject=Subject("client", "192.0.2.7"), until=EPOCH + HOUR)),
        (
            '00:01:00 hold account Bob for 1m on=imap reason="why not"',
            Hold(at=EPOCH + MINUTE, subject=Subject("account", "bob"), until=EPOCH + 2 * MINUTE, protocols=("imap",), reason="why not"),
        ),
        ("lift network 2001:DB8::/48", Lift(EPOCH, Subject("network", "2001:db8::/48"))),
        ("lift client 192.0.2.7 grace=1h", Lift(EPOCH, Subject("client", "192.0.2.7"), EPOCH + HOUR)),
        ("forget account bob", Forget(EPOCH, Subject("account", "bob"))),
        ("pause for 1h", Pause(EPOCH, EPOCH + HOUR)),
        ("00:01:00 resume", Pause(EPOCH + MINUTE, 0)),
    ],
)
def test_a_line_says(line: str, said: object) -> None:
    assert read_line(line, EPOCH) == said


def test_a_rule_is_written_on_one_line() -> None:
    line = "rule x counts=rejected where.reason=policy where.code=5 on=smtp together=true threshold=3 window=1h30m for=1d mode=observe"
    rule = Rule(
        name="x",
        counts="rejected",
        where=Where(reason="policy", code=5),
        on=("smtp",),
        together=True,
        threshold=3,
        window=Span(90 * MINUTE),
        hold_for=Span(24 * HOUR),
        mode="observe",
    )
    assert read_line(line, EPOCH) == Given(rule=rule)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("presets strict", "a line starts with a time, <<, preset NAME"),
        ("preset", "a line starts with"),
        ("preset lenient", "preset: 'lenient' is none; one of standard, relaxed, strict"),
        ("allow 192.0.2.7 relais", "'relais' is no box"),
        ("allow 192.0.2.1/24", "prefix"),
        ("rule x", "is missing"),
        ("rule x counts", "write field=value"),
        ("rule x counts=conected threshold=1 window=1m for=1m", "'conected' is not allowed"),
        ("1:00 ..", "a line starts with"),
        ("00:60:00 ..", "a line starts with"),
        ("00:00:00", "after a time comes >>"),
        ("00:00:00 >> connected imap", "a fact is written"),
        ("00:00:00 >> held imap 192.0.2.7", "kind: 'held' is none"),
        ("00:00:00 >> connected imaps 192.0.2.7", "protocol: 'imaps' is none"),
        ("00:00:00 >> connected imap 192.0.2.7 at=5", "at: connected has no such field"),
        ("00:00:00 >> auth_failed imap 192.0.2.7 weight=many", "weight"),
        ("00:00:00 >> connected imap 192.0.2.7 3 times, every moment", "is no length of time"),
        ("00:00:00 ?? connect imap", "a question is written"),
        ("00:00:00 ?? connect imaps 192.0.2.7", "protocol: 'imaps' is none"),
        ("00:00:00 ?? connect imap 192.0.2.7 port=25", "port: a question has no such field"),
        ("hold client 192.0.2.7", "deeds are written"),
        ("hold pair bob for 1h", "'pair': a subject is written"),
        ("hold client 192.0.2.7 for 1h port=25", "port: there is no such field here; write on= or reason="),
        ("lift client 192.0.2.7 for=1h", "for: there is no such field here; write grace="),
        ("adopt nothing", "a line starts with"),
        ('hold account "bob for 1h', "a quotation mark is not closed"),
    ],
)
def test_a_mistake_is_told(line: str, said: str) -> None:
    with pytest.raises(BadInputError) as wrong:
        read_line(line, EPOCH)
    assert said in str(wrong.value)


HELD = Decision(
    number=1,
    rule="dos",
    action="block",
    subject=Subject("client", "192.0.2.7"),
    protocols=("imap",),
    start=EPOCH,
    until=EPOCH + MINUTE,
    reason="50 in 5m",
)


def _other(**fields: object) -> Decision:
    given = {name: getattr(HELD, name) for name in HELD.__struct_fields__}
    return Decision(**given | fields)


@pytest.mark.parametrize(
    ("effect", "told"),
    [
        (Impose(HELD), "impose block client 192.0.2.7 on imap until 00:01:00   (dos: 50 in 5m)"),
        (Impose(_other(watched=True)), "watch block client 192.0.2.7 on imap until 00:01:00   (dos: 50 in 5m)"),
        (Impose(_other(watched=True, action="alert")), "alert client 192.0.2.7 on imap until 00:01:00   (dos: 50 in 5m)"),
        (Impose(_other(action="delay", delay=SECOND)), "impose delay 1s client 192.0.2.7 on imap until 00:01:00   (dos: 50 in 5m)"),
        (Impose(_other(protocols=PROTOCOLS)), "impose block client 192.0.2.7 on everything until 00:01:00   (dos: 50 in 5m)"),
        (Impose(_other(protocols=PROTOCOLS, logins=True)), "impose block client 192.0.2.7 on logins until 00:01:00   (dos: 50 in 5m)"),
        (Impose(_other(rule="", reason="")), "impose block client 192.0.2.7 on imap until 00:01:00   (administrator)"),
        (Release(HELD, ("imap",), EPOCH, "lifted"), "release block client 192.0.2.7 on imap   (lifted)"),
        (Release(_other(protocols=PROTOCOLS), ("imap", "pop3"), EPOCH, "allow entry"), "release block client 192.0.2.7 on imap,pop3   (allow entry)"),
        (Expire(HELD), "expire block client 192.0.2.7 on imap   (dos: 50 in 5m)"),
        (Brake("dos", EPOCH, 10, 12), "brake dos   (10 good clients of 12 held)"),
    ],
)
def test_an_effect_is_told(effect: Impose | Release | Expire | Brake, told: str) -> None:
    assert tell_effect(effect) == told


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (Allow(), "allow"),
        (Allow(Entry(verb="allow", prefix="192.0.2.7", relay=True)), "allow   (allow 192.0.2.7 relay)"),
        (Delay(5 * SECOND, HELD), "delay 5s   (dos: 50 in 5m)"),
        (Refuse("dos", decision=HELD), "refuse dos"),
        (Refuse("denied", entry=Entry(verb="deny", prefix="192.0.2.7")), "refuse denied   (deny 192.0.2.7)"),
    ],
)
def test_a_verdict_is_told(verdict: Allow | Delay | Refuse, told: str) -> None:
    assert tell_verdict(verdict) == told


@pytest.mark.parametrize(("at", "told"), [(0, "00:00:00"), (1, "00:00:00.000001"), (SECOND // 2, "00:00:00.5"), (888 * HOUR, "888:00:00")])
def test_the_clock_goes_on_after_24_hours(at: int, told: str) -> None:
    assert clock(EPOCH + at) == told
    assert read_line(f"{told} ..", EPOCH) == Passes(EPOCH + at)
