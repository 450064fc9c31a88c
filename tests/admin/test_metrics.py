"""What Prometheus scrapes is what Prometheus reads."""

from prometheus_client.parser import text_string_to_metric_families

from gatepost.admin.actions.access import check_client
from gatepost.admin.actions.metrics import metrics
from gatepost.admin.desk import Source
from gatepost.core.decisions import Decision, Impose
from gatepost.core.subjects import Subject
from gatepost.pipeline.dropped import Dropped
from gatepost.pipeline.guard import MOST_NAMES, OTHERS, Stats
from tests.admin.desks import ATTACKER, Bench


def _samples(made: Bench) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = {}
    for family in text_string_to_metric_families(metrics(made.desk)):
        assert family.name.startswith("gatepost_")
        assert family.documentation.endswith(".")
        assert family.type in ("gauge", "counter")
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total")
            found[sample.name, tuple(sample.labels.items())] = sample.value
    return found


def test_facts_decisions_inlets_mirrors_and_journal(made: Bench) -> None:
    made.sources = [Source(name='a "b"\\\n.log', reading=True, lag_bytes=7, lines=10, facts=9, last=1_500_000)]
    made.mirror.seen.decided, made.mirror.seen.mended = 3, 2
    made.connect()
    found = _samples(made)
    assert found["gatepost_ok", ()] == 1
    assert found["gatepost_facts_total", (("kind", "connected"), ("protocol", "smtp"))] == 50
    assert found["gatepost_decisions_total", ()] == 1
    assert found["gatepost_standing", (("rule", "dos"),)] == 1
    inlet = (("inlet", 'a "b"\\\n.log'),)
    assert (found["gatepost_inlet_lag_bytes", inlet], found["gatepost_inlet_last_line_timestamp_seconds", inlet]) == (7, 1.5)
    mirror = (("mirror", "nftables"),)
    assert (found["gatepost_mirror_decided", mirror], found["gatepost_mirror_mended_total", mirror]) == (3, 2)
    assert (found["gatepost_journal_written_total", ()], found["gatepost_journal_waiting", ()]) == (50, 0)
    assert found["gatepost_dropped_total", (("what", "late"),)] == 0


def test_a_problem_shows(made: Bench) -> None:
    made.problems = ["something"]
    assert _samples(made)["gatepost_ok", ()] == 0


def test_decisions_by_rule_and_verdicts_by_stage(made: Bench) -> None:
    made.connect()
    assert not made.lets_in()
    assert made.lets_in("203.0.113.8")
    found = _samples(made)
    assert found["gatepost_imposed_total", (("rule", "dos"), ("watched", "no"))] == 1
    assert found["gatepost_verdicts_total", (("stage", "connect"), ("verdict", "refuse"))] == 1
    assert found["gatepost_verdicts_total", (("stage", "connect"), ("verdict", "allow"))] == 1
    assert found["gatepost_following", ()] == 0


def test_an_administrator_who_asks_is_no_verdict(made: Bench) -> None:
    check_client(made.desk, ATTACKER)
    assert not [name for name, _ in _samples(made) if "verdicts" in name]


def test_rules_that_come_and_go_make_no_endless_labels() -> None:
    stats = Stats()
    for number in range(3 * MOST_NAMES):
        attacker = Subject("client", ATTACKER)
        decision = Decision(number=number, rule=f"r{number}", action="block", subject=attacker, protocols=("smtp",), start=1, until=2)
        stats.follow([Impose(decision)])
    assert (len(stats.imposed), stats.imposed[OTHERS, False], sum(stats.imposed.values())) == (MOST_NAMES + 1, 2 * MOST_NAMES, 3 * MOST_NAMES)


def test_how_late_an_inlet_is(made: Bench) -> None:
    late = {"reading": True, "last": made.at - 3_500_000}
    made.sources = [Source(name="a", lag_bytes=7, **late), Source(name="b", **late), Source(name="c", reading=True, lag_bytes=7)]  # type: ignore[arg-type]
    found = _samples(made)
    assert [found["gatepost_inlet_lag_seconds", (("inlet", name),)] for name in "abc"] == [3.5, 0, 0]


def test_what_the_kernel_dropped(made: Bench) -> None:
    made.mirror.seen.dropped, made.mirror.seen.waiting = (Dropped("deny", "all", 3, 180), Dropped("rule", "smtp", 5, 300)), 4
    found = _samples(made)
    labels = (("mirror", "nftables"), ("ports", "smtp"), ("why", "rule"))
    assert [found[f"gatepost_mirror_dropped_{what}_total", labels] for what in ("packets", "bytes")] == [5, 300]
    assert found["gatepost_mirror_waiting", (("mirror", "nftables"),)] == 4
