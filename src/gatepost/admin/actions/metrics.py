"""What Prometheus scrapes.

Job: the status as metrics, in the text exposition format. Promise: names start with ``gatepost_`` and stay; labels have few
values, and none that a stranger can make. Limits: counters begin anew with the
program, as Prometheus expects.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gatepost.admin.actions.status import status
from gatepost.admin.desk import Desk
from gatepost.core.facts import kind_name

Sample = tuple[tuple[str, ...], float]
Family = tuple[str, str, tuple[str, ...], Iterable[Sample]]


def metrics(desk: Desk) -> str:
    """The guard's metrics."""
    registry = CollectorRegistry()
    registry.register(_Status(desk))
    return generate_latest(registry).decode()


class _Status(Collector):
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        for name, text, labels, samples in _families(self._desk):
            make = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            family = make(f"gatepost_{name}", text, labels=labels)
            for values, value in samples:
                family.add_metric(values, value)
            yield family


def _families(desk: Desk) -> Iterator[Family]:
    """Name, help, labels and samples of each."""
    now, guard = status(desk), desk.guard
    facts = guard.stats.facts.items()
    yield "ok", "1 where nothing needs attention.", (), [((), float(now.ok))]
    yield "facts_total", "Facts that came in.", ("kind", "protocol"), [((kind_name(k.__name__), p), n) for (k, p), n in facts]
    yield "decisions_total", "Decisions made.", (), [((), guard.order.engine.numbered)]
    imposed = [((rule, "yes" if watched else "no"), count) for (rule, watched), count in guard.stats.imposed.items()]
    yield "imposed_total", "Decisions made since the start.", ("rule", "watched"), imposed
    verdicts = guard.stats.verdicts.items()
    yield "verdicts_total", "Answers to servers that asked.", ("stage", "verdict"), list(verdicts)
    against = [((code or "unknown", "no" if refused else "yes"), count) for (code, refused), count in guard.stats.countries.items()]
    yield "country_logins_total", "Log-ins that the policy of countries was against.", ("country", "watched"), against
    yield "following", "Announcements that wait for kernel and store.", (), [((), guard.following)]
    yield "standing", "Decisions that hold now.", ("rule",), [((rule,), count) for rule, count in now.decisions.items()]
    yield "watched", "Decisions that stand and hold nothing.", (), [((), now.watched)]
    yield "turned_away_total", "Facts not counted because their client is held.", (), [((), guard.order.engine.turned_away)]
    yield "dropped_total", "What was dropped to stay within limits, or came too late.", ("what",), [((k,), v) for k, v in now.dropped.items()]
    yield "entries", "Entries of the deny and allow lists.", (), [((), now.entries)]
    for name, text, field in _OF_STORE:
        yield name, text, (), [((), float(getattr(now.store, field)))]
    yield "journal_lag_seconds", "For how long the oldest entry has waited to be written.", (), [((), now.store.lag_us / 1e6)]
    yield "paused", "1 while rules hold nothing.", (), [((), float(bool(now.paused_until)))]
    for name, text, field in _OF_SOURCES:
        yield name, text, ("inlet",), [((each.name,), float(getattr(each, field))) for each in now.sources]
    lasts = [((each.name,), each.last / 1e6) for each in now.sources]
    lags = [((each.name,), max(0, now.now - each.last) / 1e6 if each.lag_bytes and each.last else 0.0) for each in now.sources]
    yield "inlet_lag_seconds", "How old the newest line read is, where more waits to be read.", ("inlet",), lags
    yield "inlet_last_line_timestamp_seconds", "When the newest line was written.", ("inlet",), lasts
    for name, text, field in _OF_MIRRORS:
        yield name, text, ("mirror",), [((each.name,), float(getattr(each, field))) for each in now.mirrors]
    for name, text, field in _OF_DROPS:
        drops = [((each.name, told.ports, told.why), float(getattr(told, field))) for each in now.mirrors for told in each.dropped]
        yield name, text, ("mirror", "ports", "why"), drops
    channels = desk.channels()
    for name, text, field in _OF_CHANNELS:
        yield name, text, ("channel",), [((each.name,), float(getattr(each, field))) for each in channels]
    yield "channel_failing", "1 while the last try failed.", ("channel",), [((each.name,), float(bool(each.failing_since))) for each in channels]


_OF_SOURCES = (
    ("inlet_reading", "1 while an inlet reads.", "reading"),
    ("inlet_lag_bytes", "Bytes not read yet.", "lag_bytes"),
    ("inlet_lines_total", "Lines read.", "lines"),
    ("inlet_facts_total", "Facts that they yielded.", "facts"),
    ("inlet_requests_total", "Questions of mail servers.", "requests"),
    ("inlet_refusals_total", "Questions answered with no.", "refusals"),
    ("inlet_connections", "Connections of mail servers now.", "connections"),
)
_OF_DROPS = (
    ("mirror_dropped_packets_total", "Packets dropped.", "packets"),
    ("mirror_dropped_bytes_total", "Bytes dropped.", "bytes"),
)
_OF_MIRRORS = (
    ("mirror_working", "1 while a mirror enforces.", "working"),
    ("mirror_decided", "Elements that should be in force.", "decided"),
    ("mirror_enforced", "Elements that were there at the last look.", "enforced"),
    ("mirror_mended_total", "Differences found and mended.", "mended"),
    ("mirror_waiting", "Subjects that were marked and are not in force yet.", "waiting"),
    ("mirror_unenforced", "Decisions that it cannot carry out.", "unenforced"),
)
_OF_STORE = (
    ("journal_waiting", "Entries that wait to be written.", "waiting"),
    ("journal_written_total", "Entries written.", "written"),
    ("journal_failures_total", "How often the store refused.", "failures"),
    ("journal_dropped_total", "Entries lost because the store failed for too long.", "dropped"),
)
_OF_CHANNELS = (
    ("channel_sent_total", "Messages that a channel handed over.", "sent"),
    ("channel_failures_total", "Tries that failed.", "failures"),
    ("channel_dropped_total", "Notices and messages that were let go.", "dropped"),
    ("channel_waiting", "Messages that wait to be handed over.", "waiting"),
)
