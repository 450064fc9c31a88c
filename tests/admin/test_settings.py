"""Where the console may listen."""

import socket
from pathlib import Path

import pytest

from gatepost import config
from gatepost.admin.api.listen import listen_tcp, tls_of
from gatepost.admin.settings import ConsoleSettings
from gatepost.core.faults import BadInputError


@pytest.mark.parametrize("listen", ["", "127.0.0.1:8093", "[::1]:0", "127.9.9.9:80"])
def test_where_it_may(listen: str) -> None:
    assert ConsoleSettings(listen=listen).listen == listen


@pytest.mark.parametrize(
    ("listen", "said"),
    [
        ("0.0.0.0:8093", "listen: 0.0.0.0 is not loopback, where passwords need TLS"),
        ("[::]:8093", "listen: :: is not loopback"),
        ("192.0.2.7:8093", "is not loopback"),
        ("localhost:8093", "names no address"),
        ("127.0.0.1", "names no address"),
        ("127.0.0.1:", "names no port"),
        ("127.0.0.1:65536", "names no port"),
        ("127.0.0.1:+80", "names no port"),
    ],
)
def test_where_it_may_not_and_the_cure(tmp_path: Path, listen: str, said: str) -> None:
    file = tmp_path / "gatepost.toml"
    file.write_text(f'[console]\nlisten = "{listen}"\n', "utf-8")
    with pytest.raises(BadInputError) as wrong:
        config.load(str(file))
    assert said in str(wrong.value)
    assert f"{file}:" in str(wrong.value)


def test_elsewhere_with_tls_and_a_key_alone_is_of_no_use() -> None:
    assert ConsoleSettings(listen="0.0.0.0:8093", certificate="c.pem", names=("guard.example.org",)).tls
    with pytest.raises(ValueError, match="names: it listens on every address; say by which names"):
        ConsoleSettings(listen="0.0.0.0:8093", certificate="c.pem")
    with pytest.raises(ValueError, match="key: is of no use without a certificate"):
        ConsoleSettings(key="k.pem")


def test_a_certificate_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("no certificate")
    for name in ("c.pem", "missing.pem"):
        with pytest.raises(BadInputError, match=r"console.certificate: .*pem or its key cannot be used"):
            tls_of(ConsoleSettings(certificate=str(tmp_path / name)))
    assert tls_of(ConsoleSettings()) is None


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = rf"console.listen: 127.0.0.1:{port} cannot be listened on: Address already in use; name another port"
        with pytest.raises(BadInputError, match=said):
            listen_tcp(ConsoleSettings(listen=f"127.0.0.1:{port}"))
