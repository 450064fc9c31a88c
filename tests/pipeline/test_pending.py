"""What waits to be written: in order, bounded, and the facts leave before the deeds."""

from msgspec import structs

from gatepost.core.deeds import Deed
from gatepost.core.facts import Connected
from gatepost.core.subjects import Client
from gatepost.pipeline.pending import AT_ONCE, LASTING, Pending, batches, sift
from gatepost.stores.contract import Audit, Batch
from tests.stores.histories import entry, run

BAD = Connected(1, "\ud800", "smtp", "", Client("192.0.2.1"))


def _audit(number: int) -> Audit:
    return Audit(at=number, who="admin", action="rules.set")


def _put(pending: Pending, first: int, many: int, cursor: str = "") -> None:
    pending.put(first, run(first, many), {cursor: b"%d" % first} if cursor else {}, [_audit(first)] if cursor else [])


def test_what_follows_each_other_is_one_batch() -> None:
    pending = Pending(1000)
    pending.put(0, [], {"c": b"0"}, [])
    _put(pending, 1, 3, "a")
    pending.put(4, [], {"c": b"4"}, [_audit(9)])
    _put(pending, 4, 1, "b")
    assert pending.depth == 4
    assert pending.take() == [Batch(first=1, entries=run(1, 4), cursors={"c": b"4", "a": b"1", "b": b"4"}, audit=[_audit(1), _audit(9), _audit(4)])]
    assert (pending.depth, pending.lag, pending.take()) == (0, 0, [])


def test_a_jump_begins_another_batch() -> None:
    pending = Pending(1000)
    _put(pending, 1, 3)
    _put(pending, 7, 2)
    assert pending.take() == [Batch(first=1, entries=run(1, 3))]
    assert pending.take() == [Batch(first=7, entries=run(7, 2))]


def test_a_batch_is_not_too_large() -> None:
    pending = Pending(10 * AT_ONCE)
    _put(pending, 1, AT_ONCE - 1)
    _put(pending, AT_ONCE, 2)
    assert [len(batch.entries) for batch in pending.take()] == [AT_ONCE - 1]
    assert [len(batch.entries) for batch in pending.take()] == [2]


def test_the_oldest_facts_leave_first_and_what_is_precious_stays() -> None:
    pending = Pending(100)
    for first in range(1, 201, 10):
        _put(pending, first, 10, "log")
    # 1 to 100 had to go, but for the deeds among them.
    assert (pending.depth, pending.dropped, pending.gap) == (100, 98, 100)
    kept = pending.take()
    assert kept[:2] == [Batch(first=50, entries=[entry(50)]), Batch(first=100, entries=[entry(100)])]
    assert kept[2] == Batch(first=101, cursors={"log": b"91"}, audit=[_audit(first) for first in range(1, 101, 10)])
    assert pending.take()[0].entries == run(101, 100)


def test_a_piece_that_is_larger_than_the_bound_is_taken_in_alone() -> None:
    pending = Pending(10)
    _put(pending, 1, 9)
    _put(pending, 10, 30)
    assert (pending.depth, pending.dropped, pending.gap) == (30, 9, 9)


def test_many_small_pieces_are_bounded_too() -> None:
    pending = Pending(10)
    for number in range(50):
        pending.put(1, [], {"log": b"%d" % number}, [])
    assert pending.take()[0].cursors == {"log": b"39"}
    assert pending.dropped == 0


def test_deeds_and_the_audit_trail_are_bounded_in_the_end() -> None:
    pending = Pending(1)
    deed = entry(50)
    assert isinstance(deed, Deed)
    for place in range(1, LASTING + 12):
        pending.put(place, [deed], {}, [_audit(place)])
    assert (pending.dropped, pending.gap) == (20, 10)
    kept = pending.take()
    assert (kept[0].first, len(kept[0].entries), len(kept[1].audit)) == (11, LASTING, LASTING)


def test_a_snapshot_waits_for_what_it_has_seen_and_for_nothing_else() -> None:
    pending = Pending(1000)
    _put(pending, 1, 3)
    pending.put_snapshot(3, b"old")
    pending.put_snapshot(3, b"new")
    _put(pending, 7, 2)
    assert pending.snapshot_due() is None
    pending.take()
    assert pending.snapshot_due() == (3, b"new")


def test_a_snapshot_mends_the_gaps_that_it_has_seen() -> None:
    pending = Pending(1000)
    pending.lose(5, 2)
    pending.put_snapshot(9, b"later")
    pending.mend(4)
    assert (pending.gap, pending.snapshot) == (5, (9, b"later"))
    pending.mend(9)
    assert (pending.gap, pending.snapshot, pending.dropped) == (0, None, 2)


def test_entries_with_gaps_between_them_are_several_batches() -> None:
    assert batches([(1, entry(1)), (2, entry(2)), (4, entry(4))]) == [Batch(first=1, entries=run(1, 2)), Batch(first=4, entries=[entry(4)])]
    assert batches([]) == []


def test_what_cannot_be_encoded_is_sifted_out() -> None:
    bad = structs.replace(_audit(2), reason="\udcff")
    found, places, lines = sift(Batch(first=5, entries=[entry(5), BAD, entry(7)], cursors={"a": b"1"}, audit=[_audit(1), bad]))
    assert (places, lines) == ([6], 1)
    assert found == [
        Batch(first=5, entries=[entry(5)]),
        Batch(first=7, entries=[entry(7)]),
        Batch(first=8, cursors={"a": b"1"}, audit=[_audit(1)]),
    ]
