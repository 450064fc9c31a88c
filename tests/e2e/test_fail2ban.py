"""From a real fail2ban to a real Gatepost: what the one has banned, the other holds in the kernel.

Job: have fail2ban's own server, with its package's configuration, ban addresses and be stopped, then take its state over on the command line.
Promise: fail2ban runs on a machine of the harness, in folders of its own, with an action that touches no firewall. Limits: bans are told to it with
its client, not earned; what its filters count is not tested here.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import hosts, services
from tests.e2e.campaign import Place
from tests.e2e.live import SHARED, Live, gets, knock, machine
from tests.e2e.net import Machine, World, wait_until

HOME = "/srv/fail2ban"
ETC, DATABASE = f"{HOME}/etc", f"{HOME}/state.sqlite3"
RUNTIME = f"[DEFAULT]\nsocket = {HOME}/socket\npidfile = {HOME}/pid\ndbfile = {DATABASE}\nlogtarget = {HOME}/log\n"
LOCAL = f"""\
[DEFAULT]
ignoreip = 127.0.0.1/8 ::1 192.0.2.128/25 mail.friend.example
banaction = nothing
backend = polling
bantime = 1h
syslog_mail = {HOME}/mail.log
syslog_authpriv = {HOME}/mail.log
postfix_log = {HOME}/mail.log
dovecot_log = {HOME}/mail.log
action = %(action_)s
         notice

[postfix]
enabled = true

[postfix-sasl]
enabled = true
maxretry = 3

[dovecot]
enabled = true
bantime = 1d 12h
ignoreip = %(default/ignoreip)s 203.0.113.250
"""
RUNNING, TWICE, FOR_GOOD, SIX = "203.0.113.101", "203.0.113.102", "203.0.113.103", "2001:db8:2::104"
OVER, BY_SSHD = "203.0.113.105", "203.0.113.106"
HOUR = 3_600_000_000
NOTHING = "[Definition]\nactionban =\nactionunban =\n"


class Fail2ban:
    """fail2ban's server on a machine."""

    def __init__(self, here: Machine) -> None:
        self._here = here
        here.run("mkdir", "-p", HOME)
        here.run("cp", "-a", "/etc/fail2ban", ETC)
        here.write(f"{ETC}/jail.local", LOCAL)
        here.write(f"{ETC}/fail2ban.local", RUNTIME)
        for name in ("nothing", "notice"):
            here.write(f"{ETC}/action.d/{name}.conf", NOTHING)
        here.write(f"{ETC}/jail.d/defaults-debian.conf", "[sshd]\nenabled = true\n")
        here.write(f"{HOME}/mail.log", "")

    def start(self) -> None:
        """Starts it, and returns when it answers."""
        self._process = self._here.start("fail2ban-server", "-f", "-c", ETC, "start")
        wait_until(lambda: "pong" in self.tell("ping"), 30, "fail2ban answers")

    def tell(self, *words: str) -> str:
        """What its client says."""
        return self._here.run("fail2ban-client", "-c", ETC, *words, check=False)

    def ban(self, jail: str, address: str, seconds: int) -> None:
        """Has a jail ban an address for so long, or for good (-1)."""
        before = self.tell("get", jail, "bantime").strip()
        self.tell("set", jail, "bantime", str(seconds))
        self.tell("set", jail, "banip", address)
        wait_until(lambda: f"[{jail}] Ban {address}" in self._here.path(f"{HOME}/log").read_text(), 30, f"{jail} has banned {address}")
        self.tell("set", jail, "bantime", before)

    def stop(self) -> None:
        """Stops it; its database remembers what it had banned."""
        self.tell("stop")
        self._process.wait(30)


@pytest.fixture(scope="module")
def place(world: World) -> Place:
    """A mail host of its own, with a name server, and its clients."""
    if missing := hosts.lacking("fail2ban", "postfix", "dovecot", "rsyslog", "openssl"):
        pytest.skip(missing)
    made = Place(world.internet, hosts.MailHost(world, name=("mx12", 40), shared=SHARED))
    services.name_server(machine(made))
    return made


@pytest.fixture(scope="module")
def fail2ban(place: Place) -> Fail2ban:
    """A fail2ban that banned some and was stopped."""
    made = Fail2ban(machine(place))
    made.start()
    made.ban("dovecot", OVER, 1)
    made.ban("dovecot", RUNNING, 2 * 3600)
    made.ban("dovecot", TWICE, 3600)
    made.ban("postfix", TWICE, 2 * 3600)
    made.ban("postfix-sasl", FOR_GOOD, -1)
    made.ban("postfix", SIX, 3600)
    made.ban("sshd", BY_SSHD, -1)
    made.stop()
    time.sleep(1)  # the shortest ban is over
    return made


@pytest.fixture(scope="module")
def guard(place: Place, fail2ban: Fail2ban) -> Iterator[Live]:
    """A daemon that knows nothing yet."""
    made = Live(machine(place), "migrated", table="migrated")
    made.start()
    yield made
    made.end()
    made.remove_table()


def taken(guard: Live, *options: str) -> Any:
    """What the command says in JSON."""
    return json.loads(guard.cli("import", "fail2ban", "--config-dir", ETC, *options, "--json"))


def lines(told: Any) -> list[tuple[str, str, str, str]]:
    """What becomes of bans and ignoreip: verb, address, where, state."""
    return [(each["verb"], each["prefix"], ",".join(each["protocols"]), each["state"]) for each in told["lines"]]


def audit(guard: Live) -> list[str]:
    """What administrators did, the newest first."""
    return [line["action"] for line in guard.ask("GET", "audit")["lines"] if line["who"] != "gatepost"]


MAIL = "smtp,imap,pop3,sieve"
EXPECTED = [
    ("allow", "127.0.0.0/8", "", "there"),
    ("allow", "::1", "", "there"),
    ("allow", "192.0.2.128/25", "", "new"),
    ("allow", "mail.friend.example", "", "new"),
    ("allow", "203.0.113.250", "sieve", "new"),
    ("deny", FOR_GOOD, "smtp,imap,pop3", "new"),
    ("hold", RUNNING, MAIL, "new"),
    ("hold", TWICE, "smtp", "new"),
    ("hold", SIX, "smtp", "new"),
    ("hold", TWICE, "imap,pop3,sieve", "new"),
]


def test_the_dry_run_shows_what_becomes_what_and_changes_nothing(place: Place, guard: Live) -> None:
    told = taken(guard, "--dry-run")
    assert sorted(lines(told)) == sorted(EXPECTED)
    assert not told["applied"]
    left = {each["what"]: each["because"] for each in told["not_taken_over"]}
    assert left["jail sshd (1 banned)"] == "it guards no mail service (filter sshd, port ssh)"
    assert "action notice (postfix, dovecot, postfix-sasl)" in left
    assert [rule["name"] for rule in told["rules"]] == ["rejections", "password-brute-force"]
    assert told["stop"] == [f"fail2ban-client stop {name}" for name in ("postfix", "dovecot", "postfix-sasl")]
    shown = guard.cli("import", "fail2ban", "--config-dir", ETC, "--dry-run")
    assert "would take over: 4 blocks, 1 denied" in shown
    assert guard.blocks() == set()
    assert all(entry.get("own") for entry in guard.ask("GET", "access"))
    assert audit(guard) == []
    assert knock(place.at(RUNNING), 143) == "open"


def test_who_was_banned_is_dropped_by_the_kernel(place: Place, guard: Live) -> None:
    before = time.time_ns() // 1000
    told = taken(guard)
    assert told["applied"]
    assert guard.blocks() == {("", MAIL, RUNNING), ("", "smtp", TWICE), ("", "imap,pop3,sieve", TWICE), ("", "smtp", SIX)}
    until = {(each["subject"], each["protocols"][0]): each["until"] for each in guard.ask("GET", "blocks")}
    assert 0 < until[SIX, "smtp"] - before < HOUR
    assert HOUR < until[TWICE, "smtp"] - before < 2 * HOUR
    listed = {(each["verb"], each["prefix"], ",".join(each.get("protocols", ()))) for each in guard.ask("GET", "access") if not each.get("own")}
    assert {("deny", FOR_GOOD, "smtp,imap,pop3"), ("allow", "192.0.2.128/25", ""), ("allow", "203.0.113.250", "sieve")} <= listed
    for address, port in ((RUNNING, 143), (TWICE, 25), (TWICE, 110), (FOR_GOOD, 25), (SIX, 25)):
        gets(place.at(address), port, "silence")
    for address, port in ((SIX, 143), (OVER, 143), (BY_SSHD, 143), ("203.0.113.107", 25)):
        assert knock(place.at(address), port) == "open", address
    assert audit(guard) == ["import.blocks", "import.access"]


def test_a_second_time_and_a_restart_change_nothing_more(guard: Live) -> None:
    there = (guard.blocks(), guard.ask("GET", "access"), audit(guard))
    told = taken(guard)
    assert {state for *_, state in lines(told)} == {"there"}
    assert (guard.blocks(), guard.ask("GET", "access"), audit(guard)) == there
    guard.stop()
    guard.start()
    assert (guard.blocks(), audit(guard)) == (there[0], there[2])
    assert {state for *_, state in lines(taken(guard))} == {"there"}


def test_its_numbers_become_rules_where_that_is_asked(guard: Live) -> None:
    assert "rejections" not in guard.cli("rules", "list")
    told = taken(guard, "--rules")
    assert told["rules_applied"]
    rules = {each["rule"]["name"]: each["rule"] for each in guard.ask("GET", "rules")["rules"]}
    brute = rules["password-brute-force"]
    assert (brute["threshold"], brute["window"], brute["for"]) == (3, "10m", "1h")
    assert (rules["rejections"]["counts"], rules["rejections"]["threshold"]) == ("rejected", 5)
    assert [each["state"] for each in taken(guard, "--rules")["rules"]] == ["there", "there"]


def test_a_fail2ban_that_runs_can_be_read_too_and_goes_on(guard: Live, fail2ban: Fail2ban) -> None:
    fail2ban.start()
    fail2ban.ban("dovecot", "203.0.113.108", 3600)
    assert ("hold", "203.0.113.108", MAIL, "new") in lines(taken(guard))
    assert guard.held("203.0.113.108")
    wait_until(lambda: RUNNING in fail2ban.tell("get", "dovecot", "banip"), 20, "it took up its bans again")
    fail2ban.ban("dovecot", "203.0.113.109", 3600)
    fail2ban.stop()
