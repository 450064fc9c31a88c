"""What an administrator may write, and what is refused with its cure."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gatepost import config
from gatepost.core.faults import BadInputError
from gatepost.inlets.gateway.settings import SUBMISSION, GatewaySettings, logs_of
from gatepost.pipeline.witness import Logs

GOOD = 'listen = ["0.0.0.0:25"]\nbackend = "10.0.0.5:25"\n'
PROXY = 'client_address = "proxy-v2"\n'
TLS = 'tls = { certificate = "/c.pem", key = "/k.pem" }\n'
ENFORCE = 'relay = { local_domains = ["example.org"], enforce = true }\n'


def load(tmp_path: Path, service: str, text: str) -> config.Settings:
    file = tmp_path / "gatepost.toml"
    file.write_text(f"[gateway.{service}]\n{text}")
    return config.load(str(file))


@pytest.mark.parametrize(
    ("service", "text", "starttls"),
    [
        ("smtp", GOOD + PROXY, "pass"),
        ("smtp", GOOD + PROXY + TLS, "terminate"),
        ("smtp", GOOD + PROXY + ENFORCE, "hide"),
        ("smtp", GOOD + 'client_address = "none"\n' + ENFORCE, "hide"),
        ("submission", GOOD + PROXY + 'starttls = "hide"\n', "hide"),
        ("imap", GOOD + 'client_address = "id"\n', "pass"),
        ("imaps", GOOD + PROXY + TLS, "terminate"),
        ("pop3", GOOD + 'client_address = "none"\n', "pass"),
        ("pop3", GOOD + PROXY + 'backend_tls = "implicit"\n', "hide"),
        ("sieve", GOOD + PROXY + TLS + 'backend_tls = "starttls"\nbackend_ca = "/ca.pem"\nbackend_name = "mx.example"\n', "terminate"),
    ],
)
def test_what_is_good(tmp_path: Path, service: str, text: str, starttls: str) -> None:
    ((_, gateway),) = load(tmp_path, service, text).gateway.items()
    assert gateway.starttls_here() == starttls


@pytest.mark.parametrize(
    ("service", "text", "said"),
    [
        ("smtp", GOOD + 'client_address = "none"\n', "gateway.smtp.client_address: with none the server behind"),
        ("submission", GOOD + 'client_address = "none"\n' + ENFORCE.replace("true", "false"), "an open relay"),
        ("smtp", GOOD + PROXY + ENFORCE + 'starttls = "pass"\n', "gateway.smtp.starttls: what passes blindly cannot be policed"),
        ("smtp", GOOD + PROXY + TLS + 'starttls = "pass"\n', "gateway.smtp.starttls"),
        ("smtp", GOOD + 'client_address = "id"\n', "gateway.smtp.client_address: ID belongs to IMAP"),
        ("imap", GOOD + 'client_address = "xclient"\n', "gateway.imap.client_address"),
        ("imap", GOOD + PROXY + ENFORCE, "gateway.imap.relay: belongs to SMTP"),
        ("imaps", GOOD + PROXY, "gateway.imaps.tls: imaps begins with TLS"),
        ("smtp", GOOD + PROXY + 'backend_tls = "starttls"\nstarttls = "pass"\n', "gateway.smtp.starttls: with backend_tls"),
        ("sieve", GOOD + 'client_address = "xclient"\n', "gateway.sieve.client_address"),
        ("smtp", GOOD + PROXY + "backend_tls = true\n", "backend_tls"),
        ("imap", GOOD + PROXY + 'backend_ca = "/ca.pem"\n', "gateway.imap.backend_tls: without TLS no certificate is verified"),
        ("lmtp", GOOD + PROXY, "lmtp"),
        ("smtp", GOOD + PROXY + "port = 25\n", "port"),
        ("smtp", GOOD + PROXY.replace("v2", "v3"), "client_address"),
        ("smtp", GOOD.replace("0.0.0.0:25", "25") + PROXY, "listen"),
        ("smtp", GOOD.replace("0.0.0.0:25", "mx.example:25") + PROXY, "names no address"),
        ("smtp", GOOD.replace("10.0.0.5:25", "10.0.0.5") + PROXY, "backend"),
        ("smtp", GOOD + PROXY + 'proxy_from = ["10.0.0.1/8"]\n', "proxy_from"),
        ("smtp", GOOD + PROXY + ENFORCE.replace("example.org", "a@b"), "local_domains"),
        ("smtp", GOOD + PROXY + 'bare_newlines = "keep"\n', "bare_newlines"),
        ("smtp", GOOD, "client_address"),
    ],
)
def test_what_is_wrong_is_told_by_its_field(tmp_path: Path, service: str, text: str, said: str) -> None:
    with pytest.raises(BadInputError) as wrong:
        load(tmp_path, service, text)
    assert said in str(wrong.value)
    assert "gatepost.toml" in str(wrong.value)


@pytest.mark.parametrize(
    ("service", "port", "named", "logs"),
    [
        ("smtp", 25, (), Logs(("mx1",), but=SUBMISSION)),
        ("smtp", 10025, (), Logs(("mx1",), but=SUBMISSION)),
        ("smtp", 10025, ("10025",), Logs(("mx1",), ("10025",))),
        ("submission", 587, (), Logs(("mx1",), ("submission",))),
        ("submission", 25, (), Logs(("mx1",))),
        ("submissions", 465, (), Logs(("mx1",), ("submissions", "smtps"))),
        ("imap", 143, (), Logs(("mx1",))),
        ("pop3s", 465, (), Logs(("mx1",))),
    ],
)
def test_whose_logs_it_stands_for(service: str, port: int, named: tuple[str, ...], logs: Logs) -> None:
    given = GatewaySettings(listen=("0.0.0.0:1",), backend=f"10.0.0.5:{port}", client_address="proxy-v2", hosts=("mx1",), services=named)
    assert logs_of(service, given) == logs


def test_times_have_their_defaults() -> None:
    given: dict[str, Any] = {"listen": ["[::]:25"], "backend": "[2001:db8::5]:25", "client_address": "proxy-v1"}
    assert msgspec.convert(given, GatewaySettings).idle == 0
