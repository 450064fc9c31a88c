"""Webhooks, at a real HTTP server that fails: signed, verified, never redirected."""

import asyncio
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from gatepost.core.faults import BadInputError
from gatepost.outlets.messengers import webhook
from gatepost.outlets.messengers.settings import ChannelSettings
from gatepost.outlets.messengers.webhook import WebhookSender
from gatepost.pipeline.messengers import SendError
from tests.outlets.messengers.made import START, message
from tests.outlets.messengers.receivers import Hook, certificate


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key."""
    return certificate(tmp_path_factory.mktemp("tls"))


def send(hook: Hook, scheme: str = "http", **given: Any) -> str:
    """Posts one message."""
    settings = ChannelSettings(kind="webhook", name="hook", url=f"{scheme}://127.0.0.1:{hook.port}/in?x=1", secret="s3cret", **given)
    return asyncio.run(WebhookSender(settings, lambda: START).send(message()))


def test_the_signature_is_what_the_docs_say() -> None:
    with Hook() as hook:
        send(hook)
    ((headers, body),) = hook.requests
    stamp = headers["Gatepost-Timestamp"]
    expected = hmac.new(b"s3cret", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert (headers["Gatepost-Signature"], headers["Idempotency-Key"], stamp) == (f"v1={expected}", "k1", "1800000000")
    found = json.loads(body)
    assert (found["version"], found["id"], found["host"]) == (1, "k1", "mx.example.org")
    assert found["notices"][0]["subject"] == "203.0.113.1"


@pytest.mark.parametrize(
    ("word", "again"), [("500", True), ("503", True), ("429", True), ("400", False), ("401", False), ("redirect", False), ("reset", True)]
)
def test_2xx_alone_is_success(word: str, again: bool) -> None:
    with Hook(word) as hook, pytest.raises(SendError) as wrong:
        send(hook)
    assert wrong.value.again is again
    assert len(hook.requests) == 1


def test_who_never_answers_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT", 0.5)
    with Hook("hang") as hook, pytest.raises(SendError, match=r"no answer within 0\.5 s"):
        send(hook)


def test_https_is_verified(pair: tuple[Path, Path]) -> None:
    with Hook(pair=pair) as hook:
        with pytest.raises(SendError, match="its certificate is not trusted"):
            send(hook, "https")
        assert hook.requests == []
        assert send(hook, "https", ca_file=str(pair[0])) == ""


def test_a_url_from_a_file_is_checked_too(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("http://hooks.example.org/x\n")
    settings = ChannelSettings(kind="webhook", name="hook", url_file=str(file), secret="s")
    with pytest.raises(BadInputError, match="holds no good URL: http is for this host alone; use https"):
        WebhookSender(settings, lambda: START)
