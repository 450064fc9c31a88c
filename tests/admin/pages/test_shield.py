"""What comes from another site, and what every answer carries."""

from collections.abc import Iterator

import pytest

from gatepost.admin.settings import ConsoleSettings
from tests.admin.consoles import Browser, Served, served


@pytest.fixture(scope="module")
def console() -> Iterator[Served]:
    """A console that has a name."""
    with served(ConsoleSettings(listen="127.0.0.1:0", names=("Guard.example.org",))) as found:
        yield found


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1:8093", "[::1]:8093", "guard.example.org", "guard.example.org.:443"])
def test_our_names(console: Served, host: str) -> None:
    assert Browser(console.port).ask("GET", "/login", None, Host=host).status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "[::1", "", "192.0.2.7"])
def test_any_other_name_is_refused(console: Served, host: str) -> None:
    found = Browser(console.port).ask("GET", "/login", None, Host=host)
    assert found.status in (400, 421)
    assert "<" not in found.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://127.0.0.1:{port}", "Sec_Fetch_Site": "cross-site"}, 403),
        ({"Origin": "http://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"}, 303),
        ({"Origin": "http://127.0.0.1:{port}"}, 303),
        ({}, 303),
    ],
)
def test_a_form_of_another_site_is_refused_with_secret_and_cookie(console: Served, headers: dict[str, str], status: int) -> None:
    browser = console.browser("administrator")
    named = {name: value.format(port=console.port) for name, value in headers.items()}
    assert browser.post("/resume", None, **named).status == status


@pytest.mark.parametrize("path", ["/login", "/", "/static/console.js", "/nothing", "/api/v1/status"])
def test_every_answer_says_what_browsers_must_not_do(console: Served, path: str) -> None:
    found = Browser(console.port).get(path)
    policy = found.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["cache-control"] == ("max-age=300" if "static" in path else "no-store")
    assert "server" not in found.headers
