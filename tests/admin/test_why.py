"""Why: what the engine knows, with a history and without, and forgetting."""

import asyncio
from typing import Any

import pytest

from gatepost.admin.actions.access import AddEntry, add_entry
from gatepost.admin.actions.blocks import Unblock, unblock
from gatepost.admin.actions.why import Why, forget, why
from gatepost.core.deeds import Forget
from gatepost.core.faults import BadInputError
from gatepost.core.spans import HOUR, MINUTE, Span
from gatepost.pipeline.previews import AskPreview, PreviewState
from gatepost.pipeline.recall import AskForget, AskWhy, Counts, Past, RecallError
from gatepost.pipeline.reports import AskReport, Tally
from tests.admin.desks import ADMIN, ATTACKER, START, Bench


class Memory:
    """Who remembers what the test says, and what he was asked."""

    def __init__(self, past: Past | None = None, here: bool = True) -> None:
        self.past = past
        self.here = here
        self.tally: Tally | None = None
        self.asked: list[Any] = []
        self.states = [PreviewState(number=7)]

    async def why(self, asked: AskWhy) -> Past:
        """The past, where there is one."""
        self.asked.append(asked)
        if self.past is None:
            raise RecallError("the keeper is not running")
        return self.past

    async def report(self, asked: AskReport) -> Tally:
        """What was counted, where anything is remembered."""
        self.asked.append(asked)
        if self.tally is None:
            raise RecallError("the keeper is not running")
        return self.tally

    async def forget(self, asked: AskForget) -> int:
        """Forgets seven lines."""
        self.asked.append(asked)
        return 7

    def begin_preview(self, asked: AskPreview) -> PreviewState:
        """Begins the only one."""
        self.asked.append(asked)
        if self.past is None:
            raise RecallError("the keeper is not running")
        return PreviewState(number=7)

    def preview(self, number: int) -> PreviewState | None:
        """How far it is, as the test says: one state a question, the last again and again."""
        if number != 7:
            return None
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def cancel_preview(self, number: int) -> None:
        """Stops it."""
        self.states = [PreviewState(number=number, state="cancelled")]

    def counts(self) -> Counts | None:
        """A sign of life."""
        return Counts() if self.here else None

    def problem(self) -> str:
        """All is well."""
        return ""


def asked(made: Bench, text: str = ATTACKER) -> Why:
    """All that is known."""
    return asyncio.run(why(made.desk, text))


def test_without_a_history_the_engine_tells_what_it_knows_and_that_there_is_none(made: Bench) -> None:
    made.connect(many=50)
    made.fail(many=30)
    found = asked(made)
    assert [(block.rule, block.protocols) for block in found.standing] == [("dos", ("smtp",))]
    assert [(fill.rule, fill.count, fill.threshold, fill.window) for fill in found.fills] == [("password-brute-force", 30, 50, "10m")]
    assert {each.protocol for each in found.answers if each.verdict == "refuse"} == {"smtp"}
    assert {each.reason for each in found.answers if each.verdict == "refuse"} == {"dos"}
    assert found.no_past == "no history is kept here ([history] days = 0)"
    made.desk.recall = Memory()
    assert asked(made).no_past == "the keeper is not running"


def test_windows_run_out(made: Bench) -> None:
    made.fail(many=30)
    made.at = START + 9 * MINUTE
    assert [fill.count for fill in asked(made).fills] == [30]
    made.at = START + 10 * MINUTE
    assert asked(made).fills == []


def test_the_history_is_asked_by_all_names_and_for_the_evidence_of_what_stands(made: Bench) -> None:
    memory = made.desk.recall = Memory(Past(missing=3))
    made.connect(many=50)
    assert asked(made).past.missing == 3
    assert (memory.asked[0].client, memory.asked[0].prefixes) == (ATTACKER, (ATTACKER, "203.0.113.0/24"))
    assert memory.asked[0].evidence == (tuple(range(1, 51)),)
    asked(made, "203.0.113.0/24")
    asked(made, "Bob@Example.org")
    assert [(each.client, each.network, each.account) for each in memory.asked[1:]] == [("", "203.0.113.0/24", ""), ("", "", "bob@example.org")]
    assert len(memory.asked[1].evidence) == 1


def test_list_entries_grace_and_who_lifted_it(made: Bench) -> None:
    made.connect(many=50)
    asyncio.run(unblock(made.desk, ADMIN, Unblock(subject=ATTACKER, grace=Span(HOUR))))
    asyncio.run(add_entry(made.desk, ADMIN, AddEntry(verb="allow", prefix="203.0.113.0/24", note="a customer")))
    found = asked(made)
    assert found.standing == []
    assert found.grace_until == START + HOUR
    assert [line.entry.note for line in found.entries] == ["a customer"]
    assert [(line.who, line.action) for line in found.audits] == [("anna", "unblock")]
    assert all(each.verdict == ("no leave" if each.stage == "relay" else "allow") for each in found.answers)
    assert asked(made, "203.0.113.0/28").entries[0].entry.prefix == "203.0.113.0/24"


def test_what_is_no_subject_is_refused(made: Bench) -> None:
    with pytest.raises(BadInputError):
        asked(made, "192.0.2.300")


def test_forgetting_is_a_deed_in_the_audit_trail(made: Bench) -> None:
    memory = made.desk.recall = Memory()
    made.fail(many=30)
    found = asyncio.run(forget(made.desk, ADMIN, ATTACKER))
    assert (found.subject, found.forgotten) == (ATTACKER, 7)
    assert memory.asked == [AskForget(client=ATTACKER)]
    assert asked(made).fills == []
    assert [(line.who, line.action, line.subject) for line in made.audit()] == [("anna", "history.forget", ATTACKER)]
    assert isinstance([entry for _, entry in made.store.entries_after(0)][-1], Forget)


def test_a_pair_is_not_forgotten_and_nor_is_all_of_its_account(made: Bench) -> None:
    memory = made.desk.recall = Memory()
    with pytest.raises(BadInputError, match="subject: forget the client or the account"):
        asyncio.run(forget(made.desk, ADMIN, f"bob@example.org from {ATTACKER}"))
    assert memory.asked == []


@pytest.mark.parametrize("memory", [None, Memory(here=False)])
def test_where_nobody_remembers_nothing_is_half_forgotten(made: Bench, memory: Memory | None) -> None:
    made.desk.recall = memory
    made.fail(many=30)
    with pytest.raises(BadInputError, match="history: "):
        asyncio.run(forget(made.desk, ADMIN, ATTACKER))
    assert [fill.count for fill in asked(made).fills] == [30]
