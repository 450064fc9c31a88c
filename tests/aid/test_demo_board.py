"""The board: what is told, once, and what a demo that fell short says."""

from typing import Any

from gatepost.aid.demo.actors import ACTORS, FLOODER, GUESSER, HARVESTER, USER
from gatepost.aid.demo.board import RULES, Board
from gatepost.aid.demo.door import PROTOCOLS


def _board() -> Board:
    return Board(lambda: 7, ACTORS)


def _block(number: int) -> dict[str, Any]:
    return {"number": number, "rule": "dos", "subject": FLOODER.address, "protocols": ["imap"], "start": 0, "until": 10_000_000, "reason": "50 in 5m"}


def test_a_hold_and_its_end_are_told_once() -> None:
    board = _board()
    for blocks in ([_block(1)], [_block(1)], [_block(2), _block(1)], []):
        board.saw_blocks(blocks)
    assert [event.kind for event in board.events] == ["held", "held", "ended", "ended"]
    assert board.events[0].text == "dos holds 127.0.0.11 on imap for 10 s (50 in 5m)"
    assert board.ended == 2


def test_until_is_the_latest_hold_on_that_protocol() -> None:
    board = _board()
    board.saw_blocks([_block(1)])
    assert board.until(FLOODER.address, "imap") == 10_000_000
    assert board.until(FLOODER.address, "smtp") == 0


def test_a_refusal_is_told_when_it_begins_and_when_it_ends() -> None:
    board = _board()
    board.got(FLOODER, "imap", True)
    for served, rule in ((False, "dos"), (False, ""), (True, ""), (True, "")):
        board.got(FLOODER, "imap", served, rule)
    assert [event.text for event in board.events] == [
        "127.0.0.11 flooder is refused on imap by dos, after 1 connections",
        "127.0.0.11 flooder is served on imap again",
    ]


def test_nothing_is_missing_where_all_rules_bit_and_the_user_was_served() -> None:
    board = _board()
    assert len(board.missing()) == len(RULES) + len(PROTOCOLS)
    for actor, protocol, rule in zip((FLOODER, HARVESTER, GUESSER), ("imap", "smtp", "pop3"), RULES, strict=True):
        board.got(actor, protocol, False, rule)  # type: ignore[arg-type]
    for name in PROTOCOLS:
        board.got(USER, name, True)
    assert board.missing() == []
    board.trouble("the guard does not answer")
    board.trouble("the guard does not answer")
    assert board.missing() == ["the guard does not answer"]


def test_a_user_who_was_refused_is_missing_peace() -> None:
    board = _board()
    board.got(USER, "imap", False)
    assert "anna was refused 1 times on imap" in board.missing()
