"""Log-ins of the console are throttled by the same engine that guards mail.

Job: an engine of its own, fed with the console's log-ins, asked before a password is looked at. Promise: who is turned away is told for how long and
is not counted; an account that is attacked stays open for the addresses from which it logged in well (the law, 11). Limits: it remembers nothing
across a restart; no address is trusted, loopback included, for a proxy or tunnel stands behind it.
"""

from collections.abc import Callable

from gatepost.core.decisions import Allow, Delay, Question
from gatepost.core.engine import Engine, Limits
from gatepost.core.facts import AuthFailed, AuthSucceeded
from gatepost.core.rules import Rule
from gatepost.core.spans import HOUR, MINUTE, SECOND, Span
from gatepost.core.subjects import Client
from gatepost.pipeline.order import Order

_TEN = Span(10 * MINUTE)
RULES = (
    Rule(name="console-pair", counts="auth_failed", on=("http",), by="pair", threshold=5, window=_TEN, hold_for=_TEN),
    Rule(name="console-address", counts="auth_failed", on=("http",), by="client", threshold=20, window=_TEN, hold_for=_TEN),
    Rule(name="console-account", counts="auth_failed", on=("http",), by="account", threshold=50, window=Span(HOUR), hold_for=_TEN),
)
LIMITS = Limits(keys=4096, views=4096, known=1024, good=1024, decisions=4096)


class Throttle:
    """Who has failed too often."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._order = Order(Engine(RULES, entries=(), limits=LIMITS))
        self._order.engine.brake = False

    def wait(self, client: Client, account: str) -> int:
        """Seconds that somebody has to wait before he may try again; 0: he may."""
        at = self._now()
        self._order.advance(at)
        verdict = self._order.judge(Question(at, client, "http", "login", account))
        if isinstance(verdict, Allow | Delay) or verdict.decision is None:
            return 0
        return max(1, -(-(verdict.decision.until - at) // SECOND))

    def failed(self, client: Client, account: str) -> bool:
        """A log-in failed; whether that was one too many."""
        return bool(self._order.report(AuthFailed(self._now(), "console", "http", "console", client, account=account)))

    def succeeded(self, client: Client, account: str) -> None:
        """A log-in succeeded."""
        self._order.report(AuthSucceeded(self._now(), "console", "http", "console", client, account=account))
