"""The plan that has Dovecot ask, over folders as Debian ships them and as others write them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gatepost.aid.setup import Plan, apply
from gatepost.aid.setup_dovecot import HEAD, PENALTY, Dovecot, plan_dovecot
from gatepost.core.faults import BadInputError
from gatepost.inlets.dovecot_policy import DovecotPolicySettings
from gatepost.wire.toml_files import read as read_toml

DEBIAN = "protocols = imap\n!include conf.d/*.conf\n!include_try local.conf\n"
FLAT = "protocols = imap\nssl = yes"
NEW = "dovecot_config_version = 2.4.1\n"


class Ours(msgspec.Struct):
    """Our configuration, as far as it matters here."""

    dovecot_policy: tuple[DovecotPolicySettings, ...] = ()


class Place:
    """A folder of Dovecot's, and our configuration."""

    def __init__(self, folder: Path, main: str, version: str = "2.3.19.1 (9b53102964)\n", url: str = "") -> None:
        self.folder, self.version, self.url = folder / "dovecot", version, url
        (self.folder / "conf.d").mkdir(parents=True)
        (self.folder / "dovecot.conf").write_text(main)
        self.toml = folder / "gatepost.toml"

    def ask(self, command: Sequence[str]) -> str | None:
        """What Dovecot's programs say."""
        return self.version if command[0] == "dovecot" else self.url

    def plan(self, end_penalty: bool = False) -> Plan:
        """The plan as things are now."""
        found = read_toml(Ours, self.toml.read_text(), str(self.toml)).dovecot_policy if self.toml.exists() else ()
        return plan_dovecot(Dovecot(str(self.folder), self.ask), self.toml, found[0] if found else None, end_penalty)

    def apply(self, end_penalty: bool = False) -> Any:
        """Carries it out."""
        return apply(self.plan(end_penalty), lambda: self.plan(end_penalty), lambda command: (0, ""))


@pytest.mark.parametrize(("main", "file"), [(DEBIAN, "conf.d/95-gatepost.conf"), (FLAT, "dovecot.conf")])
@pytest.mark.parametrize("version", ["2.3.19.1 (9b53102964)\n", "2.4.1-4 (7d8c0e5759)\n", ""])
def test_it_asks_once_applied_and_a_second_plan_is_empty(tmp_path: Path, main: str, file: str, version: str) -> None:
    place = Place(tmp_path, main, version)
    assert place.apply().done
    text = (place.folder / file).read_text()
    assert "auth_policy_server_url = http://127.0.0.1:4001/\n" in text
    assert ("mech = %{mechanism}" in text) == version.startswith("2.4")
    assert ("mech=%m" in text) != version.startswith("2.4")
    secret = place.folder / "gatepost-secrets.conf.ext"
    assert f"!include_try {secret}\n" in text
    assert (secret.stat().st_mode & 0o777, place.toml.stat().st_mode & 0o777) == (0o600, 0o640)
    key = read_toml(Ours, place.toml.read_text(), "").dovecot_policy[0].key
    assert f"X-API-Key: {key}\n" in secret.read_text()
    assert key not in text
    place.url = "http://127.0.0.1:4001/"
    again = place.plan()
    assert (again.changes, again.by_hand) == ((), ())


def test_a_config_version_tells_where_dovecot_does_not(tmp_path: Path) -> None:
    assert "mech = %{mechanism}" in place_text(Place(tmp_path, NEW, ""))


def place_text(place: Place) -> str:
    """dovecot.conf, once applied."""
    assert place.apply().done
    return (place.folder / "dovecot.conf").read_text()


def test_it_asks_where_we_listen_with_our_key(tmp_path: Path) -> None:
    place = Place(tmp_path, FLAT)
    place.toml.write_text('[[dovecot_policy]]\nlisten = "[::]:5000"\nkey = "sixteen-letters-or-more"\n')
    before = place.toml.read_text()
    assert "http://[::1]:5000/" in place_text(place)
    assert place.toml.read_text() == before
    place.toml.write_text('[[dovecot_policy]]\nlisten = "127.0.0.1:6000"\nkey = "another-key-altogether"\n')
    text = place_text(place)
    assert text.count(HEAD) == 1
    assert "http://127.0.0.1:6000/" in text
    assert "another-key-altogether" in (place.folder / "gatepost-secrets.conf.ext").read_text()


def test_the_nonce_stays(tmp_path: Path) -> None:
    place = Place(tmp_path, FLAT)
    place.apply()
    secret = place.folder / "gatepost-secrets.conf.ext"
    before = secret.read_text()
    place.toml.write_text(place.toml.read_text().replace("127.0.0.1:4001", "127.0.0.1:4002"))
    place.apply()
    assert secret.read_text() == before


@pytest.mark.parametrize("main", [DEBIAN, FLAT])
def test_the_penalty_goes_where_that_is_asked_for(tmp_path: Path, main: str) -> None:
    place = Place(tmp_path, main)
    assert any("--end-penalty" in note for note in place.plan().notes)
    assert place.apply(end_penalty=True).done
    texts = [path.read_text() for path in (place.folder / "dovecot.conf", place.folder / "conf.d" / "95-gatepost.conf") if path.exists()]
    assert sum(text.count(PENALTY) for text in texts) == 1
    assert place.plan().changes == (), "it stays where the next plan does not ask for it"


def test_another_policy_server_is_told_and_left_alone(tmp_path: Path) -> None:
    place = Place(tmp_path, FLAT, url="http://weakforced.example:8084/")
    plan = place.plan()
    assert plan.changes == ()
    assert "weakforced.example" in plan.by_hand[0]


def test_what_the_check_refuses_is_taken_back(tmp_path: Path) -> None:
    place = Place(tmp_path, FLAT)
    done = apply(place.plan(), place.plan, lambda command: (89, "doveconf: Fatal: no"))
    assert not done.done
    assert "Fatal: no" in done.said
    assert (place.folder / "dovecot.conf").read_text() == FLAT
    assert not place.toml.exists()


def test_lines_that_were_changed_by_hand_are_not_guessed_at(tmp_path: Path) -> None:
    place = Place(tmp_path, FLAT)
    place.apply()
    main = place.folder / "dovecot.conf"
    main.write_text(main.read_text().replace("!include_try", "#!include_try"))
    with pytest.raises(BadInputError, match="not as setup wrote them"):
        place.plan()


def test_a_sockets_path_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path, FLAT)
    place.toml.write_text('[[dovecot_policy]]\nlisten = "/run/gatepost/policy"\n')
    with pytest.raises(BadInputError, match="Dovecot asks over TCP alone"):
        place.plan()


def test_no_dovecot_here(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be read"):
        Dovecot(str(tmp_path), lambda command: None)
