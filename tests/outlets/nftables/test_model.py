"""The model: what became dirty, and what was seen to differ, becomes one change."""

import pytest

from gatepost.core.access import Entry, own_entries
from gatepost.core.deeds import AdoptLists, Hold, Lift
from gatepost.core.engine import Engine
from gatepost.core.subjects import Subject
from gatepost.outlets.nftables.messages import Key, Seen
from gatepost.outlets.nftables.model import Change, Look, Model
from gatepost.outlets.nftables.wanted import NftablesSettings
from gatepost.pipeline.mirrors import Standing
from gatepost.pipeline.order import Order

SECOND = 1_000_000
A7, A8 = bytes((192, 0, 2, 7)), bytes((192, 0, 2, 8))
SMTP = Key("hand", 4, 32, "smtp")


class Bench:
    """An order and a model of what stands."""

    def __init__(self) -> None:
        self.order = Order(Engine(entries=()))
        self.model = Model(NftablesSettings(), Standing(self.order.engine), ())

    def hold(self, text: str, until: int, at: int = 1) -> Change:
        self.order.do(Hold(at, Subject("client", text), until, ("smtp",)))
        return self.model.subjects([text], at)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_hold_is_put_once_and_its_sockets_end(bench: Bench) -> None:
    change = bench.hold("192.0.2.7", 10 * SECOND)
    assert (change.put, change.held) == ({(SMTP, A7): 10 * SECOND}, [(SMTP, A7)])
    assert not bench.model.subjects(["192.0.2.7"], 2)
    assert [(end.of.ports, end.of.length) for end in bench.model.ends(change)] == [((25, 465, 587), 32)]


def test_a_longer_hold_renews_a_shorter_one_does_not(bench: Bench) -> None:
    bench.hold("192.0.2.7", 10 * SECOND)
    assert not bench.hold("192.0.2.7", 5 * SECOND)
    change = bench.hold("192.0.2.7", 20 * SECOND)
    assert (change.put, change.held) == ({(SMTP, A7): 20 * SECOND}, [])


def test_what_is_lifted_is_taken_and_what_ran_out_is_forgotten(bench: Bench) -> None:
    bench.hold("192.0.2.7", 10 * SECOND)
    bench.hold("192.0.2.8", 10 * SECOND)
    bench.order.do(Lift(2, Subject("client", "192.0.2.7")))
    assert list(bench.model.subjects(["192.0.2.7"], 3).take) == [(SMTP, A7)]
    assert not bench.model.subjects(["192.0.2.8"], 11 * SECOND)
    assert not bench.model.holds


def test_time_outs_are_what_is_left_rounded_up(bench: Bench) -> None:
    message = bench.model.message(bench.hold("192.0.2.7", 10 * SECOND), 9_999_999)
    assert message.put[0].elements == [(A7, 1)]
    assert not bench.model.message(bench.hold("192.0.2.7", 11 * SECOND), 12 * SECOND).put


def test_lists_change_as_a_whole(bench: Bench) -> None:
    bench.order.do(AdoptLists(1, (Entry(verb="deny", prefix="192.0.2.7"), *own_entries())))
    change = Change()
    bench.model.relist(1, change)
    assert len(change.put) == 9
    assert [key.kind for key, _ in change.held] == ["deny"]
    bench.model.layout()
    bench.order.do(AdoptLists(2, own_entries()))
    change = Change()
    bench.model.relist(2, change)
    assert (len(change.put), list(change.take)) == (0, [(Key("deny", 4, 32, "all"), A7)])
    layout = bench.model.layout()
    assert Key("deny", 4, 32, "all") not in layout.keys
    assert not bench.model.message(change, 2, layout=layout).take, "its set goes as a whole"


def test_what_no_kernel_can_do_is_counted_and_no_more_when_it_ends(bench: Bench) -> None:
    bench.order.do(Hold(1, Subject("account", "bob@example.org"), 10 * SECOND))
    assert not bench.model.subjects(["account bob@example.org"], 2)
    assert bench.model.unenforced == 1
    bench.order.do(Lift(3, Subject("account", "bob@example.org")))
    bench.model.subjects(["account bob@example.org"], 4)
    assert bench.model.unenforced == 0


def test_an_account_named_like_an_address_holds_no_address(bench: Bench) -> None:
    bench.order.do(Hold(1, Subject("account", "192.0.2.7"), 10 * SECOND))
    assert not bench.model.subjects(["account 192.0.2.7", "192.0.2.7"], 2)
    assert bench.model.unenforced == 1


def seen(*elements: tuple[bytes, int], torn: bool = False) -> Seen:
    return Seen(touched=False, intact=True, key=SMTP, elements=list(elements), torn=torn, done=False)


def test_a_look_finds_what_is_missing_foreign_or_wrongly_timed(bench: Bench) -> None:
    bench.hold("192.0.2.7", 100 * SECOND)
    bench.hold("192.0.2.8", 100 * SECOND)
    bench.hold("192.0.2.9", 100 * SECOND)
    look = Look(bench.model)
    look.see(seen((A8, 50_000), (bytes((192, 0, 2, 9)), 99_500), (bytes(4), 7)), SECOND)
    change, found = look.differences(SECOND)
    assert (sorted(prefix[3] for _, prefix in change.put), [prefix for _, prefix in change.take], found) == ([7, 8], [bytes(4)], 3)


def test_what_we_changed_while_looking_is_no_difference(bench: Bench) -> None:
    bench.hold("192.0.2.7", 100 * SECOND)
    look = Look(bench.model)
    look.changed(bench.hold("192.0.2.8", 100 * SECOND))
    look.see(seen((A7, 100_000)), 1)
    assert look.differences(1)[1] == 0


def test_a_torn_look_puts_what_it_missed_but_counts_it_not(bench: Bench) -> None:
    bench.hold("192.0.2.7", 100 * SECOND)
    look = Look(bench.model)
    look.see(seen(torn=True), 1)
    change, found = look.differences(1)
    assert (list(change.put), found) == ([(SMTP, A7)], 0)


def test_what_is_about_to_run_out_is_not_missed(bench: Bench) -> None:
    bench.hold("192.0.2.7", 100 * SECOND)
    assert not Look(bench.model).differences(99 * SECOND)[0]


def test_many_that_stood_are_taken_up_as_if_each_had_been_marked(bench: Bench) -> None:
    texts = ["192.0.2.7", "192.0.2.7", "192.0.2.0/24", "2001:db8::7"]
    for at, text in enumerate(texts, 1):
        bench.order.do(Hold(at, Subject("network" if "/" in text else "client", text), at * 10 * SECOND, ("smtp", "imap")))
    standing = Standing(bench.order.engine)
    change = bench.model.take_up(standing.holds(5), 5)
    other = Model(NftablesSettings(), standing, ())
    assert change.put == other.subjects(dict.fromkeys(texts), 5).put == bench.model.holds
    assert (bench.model.keys, change.held, len(change.put)) == (other.keys, [], 6)
    assert not bench.model.take_up(standing.holds(5), 5)
    assert not bench.model.subjects(texts, 5)


def test_what_was_lifted_before_it_was_taken_up_stays_out(bench: Bench) -> None:
    bench.order.do(Hold(1, Subject("client", "192.0.2.7"), 10 * SECOND, ("smtp",)))
    before = Standing(bench.order.engine).holds(2)
    bench.order.do(Lift(2, Subject("client", "192.0.2.7")))
    assert not bench.model.subjects(["192.0.2.7"], 2)
    assert not bench.model.take_up(before, 3)
    assert not bench.model.holds


def test_what_no_kernel_holds_is_counted_among_many_too(bench: Bench) -> None:
    for at, subject in enumerate((Subject("account", "bob@example.org"), Subject("client", "192.0.2.7")), 1):
        bench.order.do(Hold(at, subject, 10 * SECOND, ("smtp",)))
    decisions = Standing(bench.order.engine).holds(3)
    assert list(bench.model.take_up(decisions, 3).put) == [(SMTP, A7)]
    assert bench.model.unenforced == 1
    bench.order.do(Lift(4, Subject("account", "bob@example.org")))
    bench.model.subjects(["account bob@example.org"], 5)
    assert bench.model.unenforced == 0
