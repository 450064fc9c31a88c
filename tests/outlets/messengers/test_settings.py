"""A [[channel]]: what can be set, and what is told where it is wrong."""

from pathlib import Path

import pytest

from gatepost.core.spans import MINUTE
from gatepost.outlets.messengers.settings import ChannelSettings
from tests.cli.command import refused, run

MAIL = 'kind = "mail"\nname = "admins"\nto = ["postmaster@example.org"]\n'
HOOK = 'kind = "webhook"\nname = "hook"\nurl = "https://hooks.example.org/x"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('kind = "pigeon"\nname = "a"\n', "c.toml:2: channel.kind: 'pigeon' is not allowed; one of"),
        (MAIL + 'rule = ["dos"]', "c.toml:5: channel.rule: unknown field; did you mean rules?"),
        ('kind = "mail"\nname = "admins"', "channel.to: is missing; say who is told"),
        ('kind = "mail"\nname = "admins"\nto = ["a@b\\nBcc: c@d"]', "is no plain mail address"),
        ('kind = "mail"\nname = "admins"\nto = ["-oQ/tmp"]', "is no plain mail address"),
        ('kind = "mail"\nname = "../up"\nto = ["root"]', "channel.name: "),
        (MAIL + 'from = "x y@z"', "channel.from: 'x y@z' is no plain mail address"),
        (MAIL + 'url = "https://x.example"', "channel.url: belongs to a channel of kind apprise or webhook"),
        (MAIL + "port = 25", "channel.server: is missing"),
        (MAIL + 'server = "mx.example.org"\nuser = "x"', "channel.password_file: is missing"),
        (MAIL + 'server = "mx.example.org"\nuser = "x"\npassword = "p"\nsecurity = "none"', "never sent unprotected"),
        (MAIL + 'server = "mx.example.org"\nuser = "x"\npassword = "p"\npassword_file = "/x"', "channel.password: is given twice"),
        (MAIL + 'server = "mx.example.org"\nuser = "x"\npassword_file = "none"', "channel admins: channel.password_file: none cannot be read"),
        (MAIL + f"\n[[channel]]\n{MAIL}", "channel[1].name: 'admins' stands twice"),
        (HOOK, "channel.secret_file: is missing; each request is signed"),
        (HOOK.replace("https", "http") + 'secret = "s"', "channel.url: http is for this host alone; use https"),
        (HOOK.replace("https", "ftp") + 'secret = "s"', "channel.url: is no web address"),
        (HOOK.replace("hooks", "user:pass@hooks") + 'secret = "s"', "channel.url: is no web address"),
        ('kind = "apprise"\nname = "chat"\nurl = "nonsense"', "channel.url: is no Apprise URL"),
        ('kind = "apprise"\nname = "chat"\nurl = "nonsense://x"', "channel chat: channel.url: Apprise cannot use this nonsense:// URL"),
        ('kind = "apprise"\nname = "chat"', "channel.url: is missing"),
    ],
)
def test_what_is_wrong_is_told_by_field_and_cure(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "c.toml").write_text(f"[[channel]]\n{text}\n")
    refused(run("check", "--config", "c.toml", where=tmp_path), words)


def test_secrets_are_never_printed(tmp_path: Path) -> None:
    secrets = 'server = "mx.example.org"\nuser = "guard"\npassword = "hidden1"\n'
    apprise = '[[channel]]\nkind = "apprise"\nname = "chat"\nurl = "json://user:hidden2@localhost/hidden3"\n'
    hook = '[[channel]]\nkind = "webhook"\nname = "hook"\nurl = "https://hooks.example.org/hidden4?k=hidden5"\nsecret = "hidden6"\n'
    (tmp_path / "c.toml").write_text(f"[[channel]]\n{MAIL}{secrets}{apprise}{hook}")
    done = run("check", "--config", "c.toml", "--json", where=tmp_path)
    assert done.code == 0
    assert "hidden" not in done.out
    assert [each["kind"] for each in done.json["settings"]["channel"]] == ["mail", "apprise", "webhook"]


def test_how_often_a_channel_tells() -> None:
    assert ChannelSettings(kind="mail", name="a", to=("root",)).interval == 15 * MINUTE
    assert ChannelSettings(kind="webhook", name="a", url="https://x.example", secret="s").interval == 0
