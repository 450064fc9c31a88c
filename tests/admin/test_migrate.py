"""Taking over from another guard: weighed as a whole, in force as one, and a second time changes nothing."""

import asyncio
from typing import Any

import pytest

from gatepost.admin.actions.access import AddEntry, add_entry, list_entries
from gatepost.admin.actions.blocks import AddBlock, add_block, list_blocks
from gatepost.admin.actions.lists import Imported
from gatepost.admin.actions.migrate import Migrated, Migration, RuleWish, Wish, import_blocks, migrate
from gatepost.admin.desk import audit_line
from gatepost.core.decisions import Impose
from gatepost.core.deeds import Hold
from gatepost.core.faults import BadInputError
from gatepost.core.rules import MOST_RULES
from gatepost.core.spans import DAY, HOUR, LONGEST, MINUTE, Span
from gatepost.core.subjects import Subject
from tests.admin.desks import ADMIN, ATTACKER, START, Bench, do

UNTIL = START + HOUR
BRUTE = RuleWish(name="password-brute-force", changes={"threshold": 5, "window": "10m", "for": "1h"})
REJECTIONS = RuleWish(name="rejections", changes={"counts": "rejected", "on": ["smtp"], "threshold": 5, "window": "10m", "for": "1h"})


def wish(verb: str, prefix: str, *protocols: str, until: int = 0) -> Wish:
    """A wish of a fail2ban."""
    return Wish(verb=verb, prefix=prefix, protocols=protocols, until=until or (UNTIL if verb == "hold" else 0), note="fail2ban: x")  # type: ignore[arg-type]


def take(made: Bench, *wishes: Wish, **more: Any) -> Migrated:
    """Takes wishes over."""
    return do(migrate(made.desk, ADMIN, Migration(source="fail2ban", wishes=wishes, **more)))


def held(made: Bench) -> set[tuple[str, str, int]]:
    """What is held: whom, where, until when."""
    return {(each.subject, ",".join(each.protocols), each.until) for each in list_blocks(made.desk)}


def listed(made: Bench) -> list[str]:
    """The entries, without the own networks."""
    return [str(entry) for entry in list_entries(made.desk) if not entry.own]


ALL = (
    wish("allow", "233.252.0.0/24"),
    wish("deny", "203.0.113.66", "smtp", "imap"),
    wish("deny", "203.0.113.67", until=START + 500 * DAY),
    wish("hold", ATTACKER, "smtp"),
    wish("hold", "2001:db8::/64", until=UNTIL + HOUR),
)


def test_holds_and_entries_are_in_force(made: Bench) -> None:
    found = take(made, *ALL)
    assert [(each.state, each.protocols) for each in found.wishes] == [
        ("new", ()),
        ("new", ("smtp", "imap")),
        ("new", ()),
        ("new", ("smtp",)),
        ("new", ()),
    ]
    assert found.applied
    assert held(made) == {(ATTACKER, "smtp", UNTIL), ("2001:db8::/64", "smtp,imap,pop3,sieve,http", UNTIL + HOUR)}
    assert listed(made) == ["allow 233.252.0.0/24", "deny 203.0.113.66 on smtp,imap", "deny 203.0.113.67"]
    assert not made.lets_in()
    assert made.lets_in(protocol="imap")
    assert not made.lets_in("203.0.113.66")
    assert made.mirror.lists == 1
    assert sum(isinstance(effect, Impose) for effect in made.mirror.effects) == 2
    made.at += 2 * HOUR
    assert made.lets_in()


def test_it_is_one_batch_with_a_line_in_the_audit_trail_for_each_kind(made: Bench) -> None:
    take(made, *ALL, rules=(BRUTE,), with_rules=True)
    assert [(line.action, line.subject, line.who) for line in made.audit()] == [
        ("import.rules", "fail2ban", "anna"),
        ("import.blocks", "fail2ban", "anna"),
        ("import.access", "fail2ban", "anna"),
    ]
    before, after = made.before_after()
    assert (before[0]["threshold"], after[0]["threshold"]) == (50, 5)
    assert "203.0.113.7 on smtp" in made.audit()[1].after
    assert [type(entry).__name__ for _, entry in made.store.entries_after(0)] == ["AdoptLists", "Hold", "Hold", "AdoptRules"]


def test_a_second_time_changes_nothing(made: Bench) -> None:
    take(made, *ALL, rules=(BRUTE, REJECTIONS), with_rules=True)
    state = (held(made), listed(made), made.engine.rules, len(made.audit()), made.guard.order.place)
    made.at += MINUTE
    found = take(made, *ALL, rules=(BRUTE, REJECTIONS), with_rules=True)
    assert [each.state for each in found.wishes] + [each.state for each in found.rules] == ["there"] * 7
    assert (held(made), listed(made), made.engine.rules, len(made.audit()), made.guard.order.place) == state


def test_a_dry_run_says_the_same_and_changes_nothing(made: Bench) -> None:
    dry = take(made, *ALL, rules=(BRUTE,), with_rules=True, dry_run=True)
    assert not dry.applied
    assert (held(made), listed(made), made.audit(), made.guard.order.place) == (set(), [], [], 0)
    wet = take(made, *ALL, rules=(BRUTE,), with_rules=True)
    assert (wet.wishes, wet.rules) == (dry.wishes, dry.rules)


def test_rules_are_told_and_changed_only_where_that_is_asked(made: Bench) -> None:
    before = made.engine.rules
    found = take(made, rules=(BRUTE, REJECTIONS, RuleWish(name="mine", changes={"threshold": 0})))
    brute, rejections, mine = found.rules
    assert (brute.state, brute.before[:19], brute.after[:18]) == ("new", "50 failed log-ins f", "5 failed log-ins f")
    assert (rejections.state, rejections.before) == ("new", "")
    assert mine.state == "refused"
    assert (made.engine.rules, made.audit()) == (before, [])
    take(made, rules=(BRUTE, REJECTIONS), with_rules=True)
    assert [(rule.name, rule.threshold) for rule in made.engine.rules] == [
        ("dos", 50),
        ("harvesting", 20),
        ("password-brute-force", 5),
        ("rejections", 5),
    ]


def test_rules_that_cannot_stand_together_are_refused_and_the_rest_is_done(made: Bench) -> None:
    many = [RuleWish(name=f"mine-{number}", changes=REJECTIONS.changes) for number in range(MOST_RULES - 2)]
    rules = (*many, RuleWish(name="dos", changes={"name": "harvesting"}))
    found = take(made, wish("hold", ATTACKER), rules=rules, with_rules=True)
    assert [each.state for each in found.rules] == ["new"] * (MOST_RULES - 3) + ["refused"] * 2
    assert "500 at most" in found.rules[-2].said
    assert "there is a rule 'harvesting' already" in found.rules[-1].said
    assert (len(made.engine.rules), len(held(made))) == (MOST_RULES, 1)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (wish("allow", "0.0.0.0/0"), "0.0.0.0/0 would leave much of the Internet unwatched"),
        (wish("allow", "2000::/3"), "2000::/3 would leave much"),
        (wish("allow", "0.0.0.0-127.255.255.255"), "0.0.0.0/1 would leave much"),
        (wish("deny", "0.0.0.0/0"), "0.0.0.0/0 would shut out yourself"),
        (wish("deny", "192.0.2.99"), "would shut out yourself"),
        (wish("deny", "198.51.100.254"), "this host's gateway"),
        (wish("deny", "198.51.100.1"), "this host's own network"),
        (wish("deny", "10.1.2.3"), "it lies in this host's own network 10.0.0.0/8; gatepost access deny takes it"),
        (wish("deny", "office.example.org"), "a host name can be trusted for detection or log-ins only"),
        (wish("deny", "233.252.0.1", until=START), "it has run out"),
        (wish("hold", "0.0.0.0/0"), "0.0.0.0/0 would shut out yourself"),
        (wish("hold", "127.0.0.1"), "this host's own network"),
        (wish("hold", "233.252.0.1", until=START), "it has run out"),
        (wish("hold", "233.252.0.1", until=START + LONGEST + 1), "a hold lasts 400 days at most; deny it instead"),
        (wish("hold", "233.252.0.1-233.252.0.9"), "a range can be denied, not blocked"),
        (wish("hold", "nonsense"), "'nonsense' is no address"),
        (wish("allow", "nowhere.example.org"), "nowhere.example.org is no address and does not resolve"),
        (wish("allow", "203.0.113.200"), "203.0.113.200 stands on the deny list (deny 203.0.113.200)"),
        (wish("deny", "203.0.113.201"), "203.0.113.201 stands on the allow list (allow 203.0.113.201 on smtp)"),
        (wish("deny", "203.0.113.199-203.0.113.200"), "203.0.113.199-203.0.113.200 overlaps the entry deny 203.0.113.200; remove one of them"),
        (wish("hold", "203.0.113.201"), "would shut out the allow entry 203.0.113.201"),
    ],
)
def test_what_would_hit_whom_it_must_not_is_refused_alone(made: Bench, asked: Wish, said: str) -> None:
    do(add_entry(made.desk, ADMIN, AddEntry(verb="deny", prefix="203.0.113.200")))
    do(add_entry(made.desk, ADMIN, AddEntry(verb="allow", prefix="203.0.113.201", protocols=("smtp",))))
    before = (listed(made), held(made))
    bad, good = take(made, asked, wish("hold", ATTACKER)).wishes
    assert (bad.state, good.state) == ("refused", "new")
    assert said in bad.said
    assert not bad.said.startswith("prefix:")
    assert (listed(made), len(held(made))) == (before[0], 1)


def test_what_contradicts_itself_is_refused_where_it_comes_second(made: Bench) -> None:
    found = take(made, wish("hold", "233.252.0.1"), wish("allow", "233.252.0.0/24"), wish("deny", "233.252.0.0/24", "smtp"))
    assert [each.state for each in found.wishes] == ["refused", "new", "refused"]
    assert "lies in the allow entry 233.252.0.0/24" in found.wishes[0].said
    assert listed(made) == ["allow 233.252.0.0/24"]


def test_what_stands_is_kept_and_only_what_is_missing_is_added(made: Bench) -> None:
    do(add_entry(made.desk, ADMIN, AddEntry(verb="allow", prefix="8.8.8.8", relay=True, note="mine")))
    do(add_entry(made.desk, ADMIN, AddEntry(verb="deny", prefix="203.0.113.66", protocols=("smtp",), note="mine")))
    do(add_block(made.desk, ADMIN, AddBlock(prefix=ATTACKER, hold_for=Span(2 * HOUR), protocols=("smtp",))))
    found = take(
        made,
        wish("allow", "8.8.8.8"),
        wish("allow", "10.9.0.0/16"),
        wish("deny", "203.0.113.66", "smtp", "imap"),
        wish("hold", ATTACKER, "smtp", "pop3"),
        wish("hold", ATTACKER, "smtp", until=START + 3 * HOUR),
    )
    assert [(each.state, each.protocols) for each in found.wishes] == [
        ("there", ()),
        ("there", ()),
        ("new", ("imap",)),
        ("new", ("pop3",)),
        ("new", ("smtp",)),
    ]
    assert listed(made) == ["allow 8.8.8.8 relay", "deny 203.0.113.66 on smtp", "deny 203.0.113.66 on imap"]


def test_an_own_network_with_something_denied_in_it_trusts_only_what_is_named(made: Bench) -> None:
    do(add_entry(made.desk, ADMIN, AddEntry(verb="deny", prefix="10.9.0.0/16")))
    assert take(made, wish("allow", "10.9.1.0/24")).wishes[0].state == "new"
    assert made.lets_in("10.9.1.1")
    assert not made.lets_in("10.9.2.1")


def test_host_names_are_looked_up(made: Bench) -> None:
    made.names["office.example.org"] = ("203.0.113.77",)
    names = (wish("allow", "Office.example.org."), wish("allow", "office.example.org"), wish("hold", "203.0.113.77"))
    found = take(made, *names)
    assert [each.state for each in found.wishes] == ["new", "there", "refused"]
    made.fail("203.0.113.77")
    assert made.lets_in("203.0.113.77")
    assert [each.state for each in take(made, *names).wishes] == ["there", "there", "refused"]


def test_an_allow_entry_lifts_what_rules_hold(made: Bench) -> None:
    made.connect()
    assert not made.lets_in()
    take(made, wish("allow", ATTACKER))
    assert made.lets_in()


def test_many_at_once(made: Bench) -> None:
    wishes = [wish("hold", f"11.0.{number // 250}.{number % 250}", "smtp") for number in range(5000)]
    assert {each.state for each in take(made, *wishes).wishes} == {"new"}
    assert len(list_blocks(made.desk)) == 5000
    assert len(made.audit()) == 1


class TestImportBlocks:
    """A list whose addresses are held."""

    def _import(self, made: Bench, text: str, span: str = "1d", **more: Any) -> Imported:
        return do(import_blocks(made.desk, ADMIN, text, span, **more))

    def test_lines_and_rows_with_a_time_of_their_own(self, made: Bench) -> None:
        found = self._import(made, "203.0.113.7  # one\n203.0.114.0/24\n233.252.0.1-233.252.0.3\n", protocols="smtp,imap")
        assert (found.added, found.bad, found.applied) == (4, [], True)
        assert held(made) == {(each, "smtp,imap", START + DAY) for each in (ATTACKER, "203.0.114.0/24", "233.252.0.1", "233.252.0.2/31")}
        assert (made.audit()[0].action, made.audit()[0].subject) == ("import.blocks", "list")
        rows = "prefix,protocols,expires,note\n203.0.113.7,,,\n203.0.113.9,pop3,2027-01-16T00:00:00Z,why\n"
        again = self._import(made, rows, protocols="smtp")
        assert (again.added, again.duplicates) == (1, 1)
        assert ("203.0.113.9", "pop3", 1_800_057_600_000_000) in held(made)

    def test_all_rows_or_none(self, made: Bench) -> None:
        text = "list,prefix\ndeny,203.0.113.7\nallow,203.0.113.8\n,10.0.0.7\n,nonsense\n"
        found = self._import(made, text)
        assert not found.applied
        assert [row.partition(":")[0] for row in found.bad] == ["line 3", "line 4", "line 5"]
        assert "who is allowed is not held" in found.bad[0]
        assert "this host's own network" in found.bad[1]
        assert (held(made), made.audit()) == (set(), [])
        assert self._import(made, text, skip_bad=True, dry_run=True).added == 1
        assert held(made) == set()
        assert self._import(made, text, skip_bad=True).applied
        assert held(made) == {(ATTACKER, "smtp,imap,pop3,sieve,http", START + DAY)}

    @pytest.mark.parametrize(
        ("span", "protocols", "said"),
        [("", "", "for: '' is no length of time"), ("0s", "", "for: must be 1s or longer"), ("500d", "", "for: "), ("1d", "ftp", "protocols: 'ftp'")],
    )
    def test_bad_input(self, made: Bench, span: str, protocols: str, said: str) -> None:
        with pytest.raises(BadInputError) as wrong:
            self._import(made, "203.0.113.7\n", span, protocols=protocols)
        assert said in str(wrong.value)


def test_what_was_done_before_a_deed_that_contradicts_itself_is_stored(made: Bench) -> None:
    good, bad = (Hold(START, Subject("client", ATTACKER), until) for until in (UNTIL, START))
    for deeds in ([bad, good], [good, bad]):
        with pytest.raises(ValueError, match="a hold must end after it starts"):
            do(made.guard.do_all(deeds, [audit_line(START, ADMIN, "import.blocks")]))
    assert held(made) == {(ATTACKER, "smtp,imap,pop3,sieve,http", UNTIL)}
    take(made, wish("hold", "203.0.113.8"))
    assert next(entry for _, entry in made.store.entries_after(0)) == good
    assert [line.action for line in made.audit()] == ["import.blocks", "import.blocks"]


def test_two_at_once_are_done_one_after_the_other(made: Bench) -> None:
    async def both() -> list[Migrated]:
        asked = [Migration(source="fail2ban", wishes=ALL) for _ in range(2)]
        return list(await asyncio.gather(*(migrate(made.desk, ADMIN, each) for each in asked)))

    first, second = asyncio.run(both())
    assert {each.state for each in first.wishes} == {"new"}
    assert {each.state for each in second.wishes} == {"there"}
