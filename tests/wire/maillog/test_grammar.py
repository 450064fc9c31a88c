"""What the processes of a host share: each address and account in one spelling, and memos that do not grow without end."""

import pytest

from gatepost.wire.maillog import grammar
from gatepost.wire.maillog.grammar import NOBODY, Host, Process, names


@pytest.mark.parametrize(
    ("text", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("IPv6:2001:DB8::1", "2001:db8::1"),
        ("[192.0.2.7]", "192.0.2.7"),
        ("unknown", NOBODY),
        ("192.0.2.256", NOBODY),
        ("192.0.2.07", NOBODY),
        ("", NOBODY),
    ],
)
def test_clients_have_one_spelling(text: str, client: str) -> None:
    host = Host("mx")
    assert [host.client(text), host.client(text)] == [client, client]


def test_accounts_have_one_spelling() -> None:
    host = Host("mx", "example.org", {"corp": "corp.example"})
    assert [host.account(text) for text in ("Bob", " bob ", "CORP\\Bob", "bob@Example.ORG", "")] == [
        "bob@example.org",
        "bob@example.org",
        "bob@corp.example",
        "bob@example.org",
        "",
    ]


def test_memos_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "MEMO", 3)
    host = Host("mx")
    for number in range(10):
        assert host.client(f"192.0.2.{number}") == f"192.0.2.{number}"
        assert host.account(f"b{number}") == f"b{number}"
    assert len(host._clients) <= 3
    assert len(host._accounts) <= 3


def test_a_long_text_is_not_kept() -> None:
    host = Host("mx")
    host.account("x" * (grammar.MEMO_LENGTH + 1))
    host.client("y" * (grammar.MEMO_LENGTH + 1))
    assert (len(host._accounts), len(host._clients)) == (0, 0)


def test_tables_come_back_as_plain_data() -> None:
    class Table:
        def dump(self) -> list[int]:
            return [1, 2]

    host = Host("mx")
    host.tables = {"postfix": Table(), "exim": {"queue": {}}}
    again = Host("mx")
    again.load(host.dump())
    assert again.tables == {"postfix": [1, 2], "exim": {"queue": {}}}


def test_a_process_knows_nothing_by_itself() -> None:
    process = Process(Host("mx"), "smtp", "smtp")
    assert (process.words, process.read(0, "anything"), process.dump()) == ({}, None, None)


def test_names() -> None:
    assert names(" a  b\nc ") == ("a", "b", "c")
