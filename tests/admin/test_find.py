"""Blocks by the page: filters, orders, and pages that hold while the world changes."""

import asyncio
import time

import pytest

from gatepost.admin.actions.blocks import AddBlock, Unblock, add_block, unblock
from gatepost.admin.actions.find import Find, Sort, find_blocks
from gatepost.core.decisions import Decision
from gatepost.core.faults import BadInputError
from gatepost.core.spans import DAY, Span
from gatepost.core.subjects import Client, Subject
from tests.admin.desks import ADMIN, Bench, do


def _fill(made: Bench, many: int) -> None:
    async def work() -> None:
        for number in range(many):
            asked = AddBlock(prefix=f"203.0.113.{number}", hold_for=Span((1 + number * 7 % many) * DAY), reason=f"why {number % 3}")
            await add_block(made.desk, ADMIN, asked)

    asyncio.run(work())


def _walk(made: Bench, sort: Sort, limit: int = 7) -> list[str]:
    found, after = [], ""
    while True:
        page = do(find_blocks(made.desk, Find(sort=sort, after=after, limit=limit)))
        found += [each.subject for each in page.blocks]
        if not page.next:
            return found
        after = page.next


@pytest.mark.parametrize("sort", ["newest", "ending", "subject", "count", "often"])
def test_pages_together_are_the_whole_once_each_in_order(made: Bench, sort: Sort) -> None:
    _fill(made, 30)
    whole = [each.subject for each in do(find_blocks(made.desk, Find(sort=sort, limit=1000))).blocks]
    assert _walk(made, sort) == whole
    assert len(set(whole)) == 30
    if sort == "newest":
        assert whole[0] == "203.0.113.29"


def test_what_comes_and_goes_moves_no_row(made: Bench) -> None:
    _fill(made, 20)
    first = do(find_blocks(made.desk, Find(limit=10)))
    do(unblock(made.desk, ADMIN, Unblock(subject=first.blocks[3].subject)))
    do(add_block(made.desk, ADMIN, AddBlock(prefix="198.51.100.7", hold_for=Span(DAY))))
    second = do(find_blocks(made.desk, Find(limit=10, after=first.next)))
    assert [each.subject for each in second.blocks] == [f"203.0.113.{number}" for number in range(9, -1, -1)]


def test_filters(made: Bench) -> None:
    _fill(made, 9)
    made.connect("192.0.2.50")
    assert [each.subject for each in do(find_blocks(made.desk, Find(rule="dos"))).blocks] == ["192.0.2.50"]
    assert do(find_blocks(made.desk, Find(rule="administrator"))).matching == 9
    assert do(find_blocks(made.desk, Find(text="WHY 1"))).matching == 3
    assert do(find_blocks(made.desk, Find(text="192.0.2.5", protocol="smtp"))).matching == 1
    assert do(find_blocks(made.desk, Find(text="192.0.2.5", protocol="pop3"))).matching == 0
    assert do(find_blocks(made.desk, Find(text="<script>"))).standing == 10


@pytest.mark.parametrize("after", ["x", "1", "x 1", "1 x", " ", "9" * 200 + " 1 1"])
def test_an_end_that_is_none_of_ours(made: Bench, after: str) -> None:
    with pytest.raises(BadInputError, match="after: "):
        do(find_blocks(made.desk, Find(after=after)))


def test_a_hundred_thousand_to_the_last_page(made: Bench) -> None:
    holdings, now = made.engine.holdings, made.now()
    for number in range(1, 100_001):
        subject = Subject("client", Client(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"))
        decision = Decision(number=number, rule="dos", action="block", subject=subject, protocols=("smtp",), start=now, until=now + DAY, count=50)
        holdings.decisions[number] = decision
    start = time.perf_counter()
    found = _walk(made, "subject", 1000)
    print(f"a page of 100,000: {(time.perf_counter() - start) * 10:.0f} ms")
    assert found == sorted({f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(1, 100_001)})
    page = do(find_blocks(made.desk, Find(text="10.1.13")))
    assert (page.standing, page.matching) == (100_000, 256 + 5 * 256 - 95)
    holdings.decisions.clear()


def test_the_guard_answers_between_two_slices(made: Bench) -> None:
    _fill(made, 3)

    async def work() -> int:
        asked = asyncio.ensure_future(find_blocks(made.desk, Find()))
        turns = 0
        while not asked.done():
            turns += 1
            await asyncio.sleep(0)
        return turns

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gatepost.pipeline.mirrors.SLICE", 1)
        assert asyncio.run(work()) > 3
