"""`gatepost parse`: an object for every line that yields facts, whatever the line holds."""

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tests.cli.command import SAMPLE, postfix, run

LOGIN = "Nov 24 12:00:00 mx dovecot: imap-login: Login: user=<{user}>, method=PLAIN, rip=192.0.2.7, lip=198.51.100.1, mpid=9, TLS, session=<abc>\n"
HOSTILE = "\x1b[31mred\x1b]0;owned\x07\x9b2j\u202e\u2066\u200b\x7f\x08\x00\x0b\x0c\u2028end"


PACKERS = {"plain": bytes, "gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zst": zstandard.ZstdCompressor().compress}


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_packed_or_plain_file_or_pipe_yield_the_same(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    expected = run("parse", "--json", SAMPLE, TZ="UTC").out
    packed = pack(SAMPLE.read_bytes())
    (tmp_path / "log").write_bytes(packed)
    os.utime(tmp_path / "log", ns=(SAMPLE.stat().st_mtime_ns,) * 2)
    assert expected.count("\n") > 500
    assert run("parse", "--json", tmp_path / "log").out == expected
    assert run("parse", "--json", "-", stdin=packed).out == expected


def test_an_object_for_every_line_that_yields_facts(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(
        "nonsense\n"
        + postfix("connect from mail.example[192.0.2.7]", stamp="Nov 24 10:00:01")
        + postfix(
            "warning: mail.example[192.0.2.7]: SASL PLAIN authentication failed: (reason unavailable), sasl_username=Bob", stamp="Nov 24 10:00:02"
        )
        + LOGIN.format(user="bob@example.org")
    )
    ran = run("parse", "--json", "--year", "2026", "--timezone", "+02:00", "log", where=tmp_path)
    assert ran.code == 0
    assert ran.objects[0] == {
        "line": 2,
        "facts": [
            {
                "kind": "connected",
                "at": "2026-11-24T08:00:01Z",
                "protocol": "smtp",
                "service": "smtp",
                "client": "192.0.2.7",
                "account": "",
                "detail": {"host": "mx", "evidence_only": False},
            }
        ],
    }
    assert [[each["line"], *(fact["kind"] for fact in each["facts"])] for each in ran.objects] == [
        [2, "connected"],
        [3, "auth_failed"],
        [4, "connected", "auth_succeeded"],
    ]
    failed = ran.objects[1]["facts"][0]
    assert failed["account"] == "bob"
    assert failed["detail"] == {"host": "mx", "evidence_only": False, "secret": "", "weight": 1, "method": "PLAIN", "reason": "", "session": ""}
    assert ran.objects[2]["facts"][1]["account"] == "bob@example.org"
    assert "4 lines, 3 of mail daemons; 100 % of these understood." in ran.err


def test_only_evidence_is_printed_on_demand(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("Nov 24 10:00:00 mx dovecot: auth: passwd-file(bob,192.0.2.7): Password mismatch\n" + LOGIN.format(user="bob"))
    without, with_evidence = run("parse", "--json", "log", where=tmp_path), run("parse", "--json", "--evidence", "log", where=tmp_path)
    assert [each["line"] for each in without.objects] == [2]
    assert [each["line"] for each in with_evidence.objects] == [1, 2]
    assert with_evidence.objects[0]["facts"][0]["detail"]["evidence_only"] is True


def test_what_peers_wrote_is_shown_never_obeyed(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(LOGIN.format(user=HOSTILE).encode())
    ran = run("parse", "log", where=tmp_path)  # `run` itself looks for what a terminal obeys
    assert r"account=\x1b[31mred\x1b]0;owned\x07" in ran.out
    (found,) = run("parse", "--json", "log", where=tmp_path).objects
    assert found["facts"][1]["account"] == HOSTILE


def test_what_is_not_understood_is_told_without_escapes(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(postfix("\x1b[31mwhat \u202eis this").encode())
    ran = run("parse", "log", where=tmp_path)
    assert (ran.code, ran.out) == (0, "")
    assert "1 line, 1 of mail daemons; 0.0 % of these understood." in ran.err
    assert "  1 x not understood: " in ran.err


@pytest.mark.parametrize(
    "content",
    [
        postfix("connect from unknown[192.0.2.7]").rstrip("\n"),
        postfix("connect from unknown[192.0.2.7]").replace("\n", "\r\n"),
        "\n\n" + postfix("connect from unknown[192.0.2.7]") + "\n\n",
        "\0" * 100_000 + postfix("connect from unknown[192.0.2.7]"),
        "\ufeff" + postfix("connect from unknown[192.0.2.7]"),
        postfix("connect from unknown[192.0.2.7]") + "Nov 24 10:00:01 mx postf",
        postfix("connect from unknown[192.0.2.7]") + "x" * 200_000,
    ],
    ids=["no newline", "crlf", "empty lines", "hole", "byte order mark", "half a line", "long line"],
)
def test_odd_files(tmp_path: Path, content: str) -> None:
    (tmp_path / "log").write_bytes(content.encode())
    ran = run("parse", "--json", "log", where=tmp_path)
    assert [fact["client"] for each in ran.objects for fact in each["facts"]] == ["192.0.2.7"]


def test_the_longest_line_is_read_and_a_longer_one_counted(tmp_path: Path) -> None:
    line = postfix("connect from {}[192.0.2.7]").rstrip("\n")
    whole = line.format("x" * (16_384 - len(line) + 2))
    assert len(whole) == 16_384
    (tmp_path / "log").write_text(f"{whole}\n{whole.replace('xx', 'xxx', 1)}\n")
    ran = run("parse", "--json", "log", where=tmp_path)
    assert [each["line"] for each in ran.objects] == [1]
    assert "2 lines, 1 of mail daemons; 100 % of these understood; 1 too long to be read." in ran.err


def test_a_hundred_megabytes_in_one_line_and_a_good_line_behind(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        for _ in range(100):
            log.write(b"Nov 24 " * 150_000)
        log.write(b"\n" + postfix("connect from unknown[192.0.2.7]").encode())
    ran = run("parse", "--json", "log", where=tmp_path)
    assert [each["line"] for each in ran.objects] == [2]


def test_no_character_but_the_newline_ends_a_line(tmp_path: Path) -> None:
    forged = postfix("connect from unknown[203.0.113.1]").strip()
    for character in "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\r":
        (tmp_path / "log").write_bytes(LOGIN.format(user=f"a{character}{forged}{character}b").encode())
        (found,) = run("parse", "--json", "log", where=tmp_path).objects
        assert found["line"] == 1
        assert {fact["client"] for fact in found["facts"]} == {"192.0.2.7"}


def test_of_several_files_each_line_says_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "mail.log.1").write_text("nonsense\n" + postfix("connect from unknown[192.0.2.1]", stamp="Nov 23 10:00:00"))
    (tmp_path / "mail.log").write_text(postfix("connect from unknown[192.0.2.2]"))
    ran = run("parse", "--json", "mail.log", "mail.log.1", where=tmp_path)
    assert [(each["line"], each["where"]) for each in ran.objects] == [
        (2, {"file": "mail.log.1", "line": 2}),
        (3, {"file": "mail.log", "line": 1}),
    ]
    assert [line.split()[0] for line in run("parse", "mail.log", "mail.log.1", where=tmp_path).out.splitlines()] == ["mail.log.1:2", "mail.log:1"]


def test_the_daemon_of_lines_that_name_none(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("connect from unknown[192.0.2.7]\n")
    assert run("parse", "--json", "log", where=tmp_path).code == 1
    named = run("parse", "--json", "--daemon", "postfix/smtpd", "log", where=tmp_path)
    (tmp_path / "gatepost.toml").write_text('[logs]\ndaemon = "postfix/smtpd"\n')
    configured = run("parse", "--json", "--config", "gatepost.toml", "log", where=tmp_path)
    assert named.code == configured.code == 0
    assert named.out == configured.out
    assert named.objects[0]["facts"][0]["client"] == "192.0.2.7"


def test_accounts_are_made_canonical_as_the_configuration_says(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOGIN.format(user="Bob") + LOGIN.format(user="CORP\\Eve"))
    (tmp_path / "c.toml").write_text('[accounts]\ndefault_domain = "Example.org"\ndomains.Corp = "corp.Example"\n')
    found = run("parse", "--json", "--config", "c.toml", "log", where=tmp_path).objects
    assert [each["facts"][1]["account"] for each in found] == ["bob@example.org", "eve@corp.example"]
