"""Holding by hand, lifting, the pause: what it does to engine, mirror and audit trail."""

import pytest

from gatepost.admin.actions.access import AddEntry, add_entry
from gatepost.admin.actions.blocks import AddBlock, PauseFor, Unblock, add_block, list_blocks, pause, resume, subject_of, unblock
from gatepost.admin.actions.rules import set_mode
from gatepost.core.decisions import Release
from gatepost.core.faults import BadInputError
from gatepost.core.spans import DAY, HOUR, MINUTE, SECOND, Span
from gatepost.core.subjects import Subject
from tests.admin.desks import ADMIN, ATTACKER, Bench, do


def _block(made: Bench, prefix: str = ATTACKER, span: int = DAY, **more: object) -> None:
    do(add_block(made.desk, ADMIN, AddBlock(prefix=prefix, hold_for=Span(span), **more)))  # type: ignore[arg-type]


class TestAdd:
    """Holding by hand."""

    def test_it_holds_is_mirrored_and_audited(self, made: Bench) -> None:
        _block(made, reason="a nuisance")
        assert not made.lets_in()
        assert made.mirror.names() == ["Impose"]
        (block,) = list_blocks(made.desk)
        assert (block.subject, block.by, block.rule, block.reason, block.until) == (ATTACKER, "client", "", "a nuisance", made.at + DAY)
        line = made.audit()[0]
        assert (line.who, line.action, line.subject, line.reason, line.at) == ("anna", "blocks.add", ATTACKER, "a nuisance", made.at)
        assert made.before_after() == (None, {"prefix": ATTACKER, "for": "1d", "reason": "a nuisance", "protocols": [], "confirm": False})

    @pytest.mark.parametrize(
        ("prefix", "inside", "outside"),
        [
            ("203.0.113.0/24", "203.0.113.9", "203.0.114.1"),
            ("2001:db8::/32", "2001:db8:9::1", "2001:db9::1"),
            ("2001:db8::7", "2001:db8::7", "2001:db8::8"),
        ],
    )
    def test_a_network_holds_whoever_lies_in_it(self, made: Bench, prefix: str, inside: str, outside: str) -> None:
        _block(made, prefix)
        assert not made.lets_in(inside)
        assert made.lets_in(outside)

    def test_it_holds_on_the_protocols_named_and_ends_in_time(self, made: Bench) -> None:
        _block(made, span=HOUR, protocols=("imap", "imap"))
        assert made.lets_in(protocol="smtp")
        assert not made.lets_in(protocol="imap")
        made.at += HOUR
        assert made.lets_in(protocol="imap")
        assert list_blocks(made.desk) == []

    def test_two_of_one_client_answer_with_the_new_one(self, made: Bench) -> None:
        _block(made)
        found = do(add_block(made.desk, ADMIN, AddBlock(prefix=ATTACKER, hold_for=Span(HOUR))))
        assert (found.number, found.until) == (2, made.at + HOUR)

    @pytest.mark.parametrize(
        ("prefix", "words"),
        [
            ("203.0.113.7/24", "203.0.113.0/24 is the network that it lies in"),
            ("nonsense", "is no address, prefix or range"),
            ("", "is no address, prefix or range"),
            ("203.0.113.1-203.0.113.9", "a range can be denied, not blocked"),
            ("0.0.0.0/0", "would shut out"),
        ],
    )
    def test_bad_input_changes_nothing(self, made: Bench, prefix: str, words: str) -> None:
        with pytest.raises(BadInputError, match=r"^prefix: ") as refused:
            _block(made, prefix)
        assert words in str(refused.value)
        assert (made.audit(), made.mirror.effects) == ([], [])

    def test_it_must_last(self, made: Bench) -> None:
        with pytest.raises(BadInputError, match=r"^for: must be 1s or longer"):
            _block(made, span=0)

    def test_words_with_control_characters_stay_text(self, made: Bench) -> None:
        _block(made, reason="\x1b[31m\0\n")
        assert list_blocks(made.desk)[0].reason == "\x1b[31m\0\n"


class TestUnblock:
    """Lifting."""

    def test_it_clears_kernel_store_and_windows(self, made: Bench) -> None:
        made.connect(many=50)
        made.connect(protocol="imap", many=49)
        assert not made.lets_in()
        found = do(unblock(made.desk, ADMIN, Unblock(subject=ATTACKER)))
        assert [block.rule for block in found.released] == ["dos"]
        assert made.lets_in()
        assert made.mirror.names() == ["Impose", "Release"]
        made.connect(protocol="imap", many=49)
        assert made.lets_in(protocol="imap")
        assert made.audit()[0].action == "unblock"
        assert made.before_after()[1] == {"subject": ATTACKER, "grace": "0s"}

    def test_without_grace_he_may_fall_again(self, made: Bench) -> None:
        made.connect()
        assert do(unblock(made.desk, ADMIN, Unblock(subject=ATTACKER))).grace_until == 0
        made.connect()
        assert not made.lets_in()

    def test_grace_lasts_as_long_as_it_was_given(self, made: Bench) -> None:
        made.connect()
        found = do(unblock(made.desk, ADMIN, Unblock(subject=ATTACKER, grace=Span(HOUR))))
        assert found.grace_until == made.at + HOUR
        made.connect(many=200)
        assert made.lets_in()
        made.at += HOUR
        made.connect(many=50)
        assert not made.lets_in()

    def test_a_network_frees_all_in_it_and_a_client_what_it_lies_in(self, made: Bench) -> None:
        _block(made, "203.0.113.7")
        _block(made, "203.0.113.8")
        assert len(do(unblock(made.desk, ADMIN, Unblock(subject="203.0.113.0/24"))).released) == 2
        _block(made, "203.0.113.0/24")
        assert len(do(unblock(made.desk, ADMIN, Unblock(subject="203.0.113.200"))).released) == 1

    def test_who_is_not_held_is_told_so_by_an_empty_list(self, made: Bench) -> None:
        assert do(unblock(made.desk, ADMIN, Unblock(subject="bob@example.org"))).released == []

    def test_a_deny_entry_stays_and_is_told(self, made: Bench) -> None:
        do(add_entry(made.desk, ADMIN, AddEntry(verb="deny", prefix="203.0.113.0/24")))
        found = do(unblock(made.desk, ADMIN, Unblock(subject=ATTACKER)))
        assert found.denied is not None
        assert found.denied.prefix == "203.0.113.0/24"
        assert not made.lets_in()

    @pytest.mark.parametrize(
        ("text", "subject"),
        [
            ("[203.0.113.7]", Subject("client", "203.0.113.7")),
            ("::ffff:203.0.113.7", Subject("client", "203.0.113.7")),
            ("2001:DB8::/64", Subject("network", "2001:db8::/64")),
            (" Bob@Example.ORG ", Subject("account", "bob@example.org")),
            ("bob", Subject("account", "bob")),
            ("bob.smith", Subject("account", "bob.smith")),
            ("EXAMPLE\\bob", Subject("account", "bob@example")),
            ("bob@example.org from 203.0.113.7", Subject("pair", "bob@example.org from 203.0.113.7")),
            ("bob@example.org from home", Subject("account", "bob@example.org from home")),
        ],
    )
    def test_subjects_as_administrators_write_them(self, made: Bench, text: str, subject: Subject) -> None:
        assert subject_of(made.desk, text) == subject

    @pytest.mark.parametrize("text", ["", "  ", "203.0.113.300", "203.0.113.7/99", "2001:db8::zz", "203.0.113.1-203.0.113.9"])
    def test_no_subject(self, made: Bench, text: str) -> None:
        with pytest.raises(BadInputError, match=r"^subject: "):
            subject_of(made.desk, text)


class TestPause:
    """The big red switch."""

    def test_it_releases_the_holds_of_rules_alone_and_holds_nothing_until_it_ends(self, made: Bench) -> None:
        made.connect()
        _block(made, "203.0.113.8")
        found = do(pause(made.desk, ADMIN, PauseFor(hold_for=Span(HOUR))))
        assert [block.rule for block in found.released] == ["dos"]
        assert [type(effect) for effect in made.mirror.effects][-1] is Release
        assert made.lets_in()
        assert not made.lets_in("203.0.113.8")
        made.connect("203.0.113.9")
        assert made.lets_in("203.0.113.9")
        assert [block.watched for block in list_blocks(made.desk, watched=True)] == [True, False]
        assert [block.subject for block in list_blocks(made.desk)] == ["203.0.113.8"]
        made.at += HOUR
        made.connect("203.0.113.9")
        assert not made.lets_in("203.0.113.9")

    def test_resume_ends_it(self, made: Bench) -> None:
        do(pause(made.desk, ADMIN, PauseFor(hold_for=Span(DAY))))
        do(resume(made.desk, ADMIN))
        made.at += SECOND
        made.connect()
        assert not made.lets_in()
        assert [line.action for line in made.audit()] == ["resume", "pause"]

    def test_it_must_last(self, made: Bench) -> None:
        with pytest.raises(BadInputError, match=r"^for: "):
            do(pause(made.desk, ADMIN, PauseFor(hold_for=Span(0))))

    def test_a_rule_that_only_observes_is_listed_as_watched(self, made: Bench) -> None:
        do(set_mode(made.desk, ADMIN, "dos", "observe"))
        made.connect()
        assert list_blocks(made.desk) == []
        (block,) = list_blocks(made.desk, watched=True)
        assert (block.watched, block.until) == (True, made.at + 5 * MINUTE)
