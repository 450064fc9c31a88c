"""What holds for every test: how hard hypothesis tries, where the server tests are, and that in CI nothing is passed over.

A test that lacks root, a server or a feature of the kernel skips and says what it lacks. In CI that is a failure which names the test: what CI
does not run, nobody has seen work.
"""

import gc
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A shell has what it starts in the background ignore Ctrl-C, and so would every program that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

IN_CI = os.environ.get("CI") == "true"
E2E = Path(__file__).parent / "e2e"

settings.register_profile("dev", max_examples=30, deadline=None)
# Derandomized, so that a failure in CI is the same for everybody. How slow is too slow is for the stage's budget to judge, not for a single draw.
settings.register_profile(
    "ci", max_examples=300, deadline=None, derandomize=True, database=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if IN_CI else "dev")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in tests/e2e needs the servers, unless it is marked for the browser."""
    for item in items:
        if E2E in item.path.parents and item.get_closest_marker("browser") is None:
            item.add_marker("servers")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays until the end: the garbage collector would look at all of it again and again for nothing."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _fail_if_passed_over(report: pytest.TestReport | pytest.CollectReport) -> None:
    expected = getattr(report, "wasxfail", None)
    if not IN_CI or (expected is None and not report.skipped):
        return
    why = f"expected to fail: {expected}" if expected is not None else report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid} was passed over, which CI does not allow: {why}"
    if expected is not None:
        # pytest would go on to report it among the expected failures.
        del report.wasxfail


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Outermost of the wrappers, so that it sees what pytest's own handling of skip and xfail made of a test."""
    report = yield
    _fail_if_passed_over(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A whole module can be skipped while it is collected."""
    report = yield
    _fail_if_passed_over(report)
    return report
