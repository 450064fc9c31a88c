"""What Prometheus scrapes is what Prometheus reads."""

from prometheus_client.parser import text_string_to_metric_families

from gatepost.admin.actions.metrics import metrics
from gatepost.admin.desk import Source
from tests.admin.desks import Bench


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
