"""Real Dovecot asks the real daemon: the Nth failure is the last that it tries, and without us log-ins go on.

Job: prove what docs/dovecot_policy.md promises, with Dovecot's log-ins and Postfix's AUTH through it. Promise: Dovecot is wired by `gatepost setup
dovecot --apply`; the kernel is told other ports than the real ones, so that what is refused is refused by Dovecot. Limits: holds of seconds to a
minute, Dovecot's own penalty off, its failure delay one second.
"""

import base64
import json
import signal
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from gatepost.aid.setup_dovecot import NEW, SHOWN
from tests.e2e import hosts, net
from tests.e2e.attackers import Client, together
from tests.e2e.campaign import ALICE, Place
from tests.e2e.hosts import TRIXIE, MailHost
from tests.e2e.live import FOLLOWED, SHARED, Live, machine
from tests.e2e.net import wait_until

USER, SECRET = ALICE
BOB = "bob@example.org"
N = 5
KERNEL = "[nftables.ports]\nsmtp = [9025]\nimap = [9143]\npop3 = [9110]\nsieve = [9190]\n"
"""Ports that nobody listens on: the kernel keeps nobody out."""
KEY = "a-key-that-only-this-test-has"
COUNTRIES = "/etc/gatepost/countries.mmdb"
LISTENER = f'[[dovecot_policy]]\nlisten = "0.0.0.0:4001"\nkey = "{KEY}"\n'
RULE = """\
[[rule]]
name = "{name}"
counts = "auth_failed"
on = ["imap", "pop3", "smtp"]
by = "{by}"
distinct = "{distinct}"
threshold = {threshold}
window = "5m"
for = "{hold}"
action = "{action}"
delay = "{delay}"
"""


def _need(*servers: str) -> None:
    if missing := net.lacking() or hosts.lacking("rsyslog", "openssl", "postfix", "dovecot", *servers):
        pytest.skip(missing)


@pytest.fixture(scope="module")
def place(world: net.World) -> Place:
    """A mail host whose Dovecot tells each look-up of a password, and its clients."""
    _need()
    host = MailHost(world, name=("mx23", 33), shared=SHARED)
    config = host.machine.path("/etc/dovecot/dovecot.conf")
    config.write_text(config.read_text("ascii") + "auth_debug = yes\n", "ascii")
    return Place(world.internet, host)


def countries(place: Place, path: str, **codes: str) -> None:
    """Writes a database of countries, in which two networks have these codes."""
    made = MMDBWriter(6, "Test-Country", languages=["en"], ipv4_compatible=True)
    for prefix, code in (("192.0.2.0/24", codes["here"]), ("203.0.113.0/24", codes["abroad"])):
        made.insert_network(IPSet([prefix]), {"country": {"iso_code": code}})
    made.to_db_file(str(machine(place).path(path)))


def configured(path: str) -> str:
    """The configuration with a database of countries."""
    return f'{FOLLOWED}{LISTENER}[country]\ndatabase = "{path}"\n'


@pytest.fixture(scope="module")
def guard(place: Place) -> Iterator[Live]:
    """The daemon, which Dovecot asks."""
    made = Live(machine(place), config=configured(COUNTRIES), nftables=KERNEL)
    countries(place, COUNTRIES, here="DE", abroad="NL")
    assert "written; now: " in made.cli("setup", "dovecot", "--apply")
    assert "nothing to add" in made.cli("setup", "dovecot")
    machine(place).run("doveadm", "reload")
    made.start()
    yield made
    made.end()


def rule(guard: Live, by: str = "client", distinct: str = "", action: str = "block", hold: str = "120s", delay: str = "0s", reason: str = "") -> None:
    """One rule about failed log-ins, and nobody is held."""
    text = RULE.format(name="guesses", by=by, distinct=distinct, threshold=N, hold=hold, action=action, delay=delay)
    text += f'where = {{ reason = "{reason}" }}\n' if reason else ""
    text = "".join(line for line in text.splitlines(True) if '= ""' not in line and '= "0s"' not in line)
    guard.machine.write("/etc/gatepost/rules.toml", text)
    guard.cli("rules", "import", "/etc/gatepost/rules.toml")
    for _, _, subject in guard.blocks():
        guard.ask("POST", "unblock", {"subject": subject})


def asked(guard: Live) -> dict[str, Any]:
    """How the inlet is doing."""
    return next(source for source in guard.status()["sources"] if source["name"].startswith("dovecot_policy:"))


def fail(guard: Live, guesses: Sequence[Any], width: int = 4) -> None:
    """Fails to log in, and waits until the guard was told."""
    before = asked(guard)["facts"]
    together(guesses, width)
    wait_until(lambda: asked(guard)["facts"] >= before + len(guesses), 20, "Dovecot told of all failures")


def wrong(client: Client, times: int, user: str = BOB, guess: str = "wrong") -> list[Any]:
    """So many failing log-ins by IMAP, each with another secret."""
    return [partial(client.imap_guess, user, [f"{guess}{number}"]) for number in range(times)]


def logs_in(client: Client, user: str = USER, secret: str = SECRET) -> bool:
    """Whether a log-in by IMAP with the right secret is let in."""
    return client.imap_guess(user, [secret]) == 0


def log(place: Place) -> str:
    """What was logged so far."""
    assert isinstance(place.host, MailHost)
    return place.host.syslog.read_text("utf-8", "replace")


def sessions(text: str, source: str) -> dict[str, list[str]]:
    """By session, what Dovecot's auth said of a client."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "dovecot: auth: " in line and f",{source},<" in line:
            found.setdefault(line.partition(f",{source},<")[2].partition(">")[0], []).append(line)
    return found


def test_the_nth_failure_is_the_last_that_dovecot_tries_and_other_protocols_stay_open(place: Place, guard: Live) -> None:
    rule(guard)
    client = place.at("192.0.2.10")
    fail(guard, wrong(client, N - 1))
    guard.quiet()  # the log has told of the same failures by now
    assert guard.blocks() == set(), "both inlets tell of each failure, and it counts once"
    fail(guard, wrong(client, 1))
    guard.becomes({("guesses", "imap", client.source)})
    before = len(log(place))
    assert not logs_in(client), "the password is right"
    wait_until(lambda: "policy server refusal" in log(place)[before:], 10, "Dovecot says why")
    said = [line for lines in sessions(log(place)[before:], client.source).values() for line in lines]
    assert any("policy server refusal" in line for line in said)
    assert not [line for line in said if "passwd-file(" in line], "nobody looked the password up"
    assert client.pop3_guess(USER, [SECRET]) == 0
    assert logs_in(place.at("192.0.2.11"))
    assert not guard.held("192.0.2.11")
    wait_until(lambda: asked(guard)["refusals"] > 0, 5, "the refusal is counted")
    assert "dovecot_policy:0.0.0.0:4001" in {each["inlet"] for each in guard.status()["witnesses"]}


def test_a_refusal_that_comes_back_is_not_counted(place: Place, guard: Live) -> None:
    rule(guard, hold="5s")
    client = place.at("192.0.2.12")
    fail(guard, wrong(client, N))
    guard.becomes({("guesses", "imap", client.source)})
    fail(guard, wrong(client, N - 1))
    guard.becomes(())
    assert logs_in(client), "what was refused did not count"


def test_the_tried_secrets_of_hydra_end_at_the_nth(place: Place, guard: Live) -> None:
    rule(guard)
    client = place.at("192.0.2.13")
    told = client.hydra(USER, [*(f"wrong{number}" for number in range(N)), SECRET, SECRET], "imap", 143)
    assert "1 valid password" not in told
    assert guard.held(client.source)


def test_postfix_asks_through_dovecot(place: Place, guard: Live) -> None:
    rule(guard)
    client = place.at("192.0.2.14")
    assert client.smtp_guess(USER, SECRET, 587) == 235
    fail(guard, [partial(client.smtp_guess, BOB, f"wrong{number}", 587) for number in range(N - 1)])
    guard.quiet()
    assert client.smtp_guess(USER, SECRET, 587) == 235
    fail(guard, [partial(client.smtp_guess, BOB, "wrong", 587)])
    guard.becomes({("guesses", "smtp", client.source)})
    assert client.smtp_guess(USER, SECRET, 587) == 535
    assert logs_in(client)


def test_an_old_phones_wrong_password_counts_once(place: Place, guard: Live) -> None:
    rule(guard, distinct="secrets")
    phone, guesser = place.at("192.0.2.15"), place.at("192.0.2.16")
    fail(guard, [partial(phone.imap_guess, USER, ["last year's"])] * (2 * N))
    assert guard.blocks() == set()
    assert logs_in(phone)
    fail(guard, wrong(guesser, N))
    guard.becomes({("guesses", "imap", guesser.source)})


def test_one_password_at_many_accounts(place: Place, guard: Live) -> None:
    rule(guard, distinct="accounts")
    sprayer, clumsy = place.at("192.0.2.17"), place.at("192.0.2.18")
    fail(guard, wrong(clumsy, 2 * N))
    assert guard.blocks() == set()
    fail(guard, [partial(sprayer.imap_guess, f"user{number}@example.org", ["winter"]) for number in range(N)])
    guard.becomes({("guesses", "imap", sprayer.source)})


def test_guessing_one_account_from_everywhere_leaves_its_owner_in(place: Place, guard: Live) -> None:
    rule(guard, by="account", hold="30s")
    owner, stranger, carol = place.at("203.0.113.20"), place.at("192.0.2.40"), ("carol@example.org", "secret-c")
    assert logs_in(owner, *carol)
    fail(guard, [guess for number in range(N) for guess in wrong(place.at(f"192.0.2.{30 + number}"), 1, carol[0])])
    guard.becomes({("guesses", "imap", carol[0])})
    assert not logs_in(stranger, *carol), "a stranger with the right password"
    assert logs_in(owner, *carol)
    assert logs_in(stranger), "another account"


def test_a_delay_is_waited_for(place: Place, guard: Live) -> None:
    rule(guard, action="delay", delay="2s")
    client = place.at("192.0.2.19")
    fail(guard, wrong(client, N))
    wait_until(lambda: guard.held(client.source), 10, "it is delayed")
    began = time.monotonic()
    assert logs_in(client)
    assert time.monotonic() - began >= 2


def test_what_is_told_while_nobody_listens_counts_from_the_log(place: Place, guard: Live) -> None:
    rule(guard)
    client = place.at("192.0.2.21")
    fail(guard, wrong(client, 2))
    guard.quiet()
    guard.stop()
    together(wrong(client, 3, guess="later"))
    guard.start()
    guard.becomes({("guesses", "imap", client.source)})
    guard.stop()
    try:
        assert guard.journaled("AuthFailed", [client.source]) == {client.source: 3}, "the store keeps what came since the last start but one"
    finally:
        guard.start()


def _slowly(guard: Live) -> bool:
    """A daemon that stood still answers after a second."""
    time.sleep(1)
    guard.go_on()
    return True


@pytest.mark.parametrize("how", ["stopped", "hung", "slow"])
def test_without_us_log_ins_go_on(place: Place, guard: Live, how: str) -> None:
    rule(guard)
    held, friend = place.at("192.0.2.22"), place.at("192.0.2.23")
    fail(guard, wrong(held, N))
    guard.becomes({("guesses", "imap", held.source)})
    if how == "stopped":
        guard.stop()
    else:
        guard.tell(signal.SIGSTOP)
    began = time.monotonic()
    try:
        found = together([partial(logs_in, friend), partial(_slowly, guard) if how == "slow" else partial(logs_in, held)])
        print(f"{how}: {len(found)} log-ins took {time.monotonic() - began:.2f} s")
        assert all(found), "Dovecot goes on without an answer"
    finally:
        if how == "stopped":
            guard.start()
        else:
            guard.go_on()
    wait_until(lambda: not logs_in(held), 20, "it is refused again")
    assert logs_in(friend)


def test_what_fails_while_we_hang_counts_once(place: Place, guard: Live) -> None:
    rule(guard)
    client = place.at("192.0.2.24")
    fail(guard, wrong(client, 1))
    guard.tell(signal.SIGSTOP)
    try:
        together(wrong(client, 2, guess="hung"))
    finally:
        guard.go_on()
    guard.quiet()
    fail(guard, wrong(client, N - 4, guess="after"))
    guard.quiet()
    assert guard.blocks() == set(), "one before, two meanwhile, one after"
    fail(guard, wrong(client, 1, guess="last"))
    guard.becomes({("guesses", "imap", client.source)})


def test_who_logs_in_from_another_country_is_refused_and_its_mail_comes_in(place: Place, guard: Live) -> None:
    rule(guard)
    here, abroad = place.at("192.0.2.80"), place.at("203.0.113.80")
    assert logs_in(abroad)
    wait_until(lambda: "Netherlands" in guard.cli("access", "country", "show"), 10, "the account is known from there")
    refused = guard.machine.start(*guard.program("access", "country", "allow", "DE"), said=guard.said).wait(30)
    assert (refused, "Netherlands (NL)" in guard.words()) == (2, True)
    assert "refused" in guard.cli("access", "country", "allow", "DE", "--known", "refuse", "--even-mine")
    before = len(log(place))
    assert not logs_in(abroad), "the password is right, and the account known there"
    assert abroad.smtp_guess(USER, SECRET, 587) == 535
    wait_until(lambda: "policy server refusal" in log(place)[before:], 10, "Dovecot says why")
    said = [line for lines in sessions(log(place)[before:], abroad.source).values() for line in lines]
    assert not [line for line in said if "passwd-file(" in line], "nobody looked the password up"
    assert logs_in(here)
    assert abroad.deliver([USER]) == {}, "mail comes in from everywhere"
    wait_until(lambda: "country: NL" in guard.cli("why", abroad.source), 20, "the history tells of it")
    assert "login refuse (country)" in guard.cli("why", abroad.source)
    assert "(country)" in next(line for line in guard.cli("why", abroad.source).splitlines() if "times turned away" in line)
    guard.cli("access", "country", "allow", "DE", "--even-mine")
    assert logs_in(abroad), "the account is known there"
    assert not logs_in(abroad, BOB, "secret-b")
    guard.cli("access", "country", "off")
    assert logs_in(abroad, BOB, "secret-b")


def test_a_reload_takes_up_other_data_of_countries_and_keeps_the_old_where_there_is_none(place: Place, guard: Live) -> None:
    def reloaded(path: str) -> list[str]:
        before = guard.words().count("event=reloaded")
        guard.configure(configured(path))
        guard.tell(signal.SIGHUP)
        wait_until(lambda: guard.words().count("event=reloaded") > before, 20, "it has reloaded")
        return [each for each in guard.status()["problems"] if each.startswith("country.database")]

    rule(guard)
    abroad, other = place.at("203.0.113.81"), COUNTRIES.replace("countries", "others")
    guard.cli("access", "country", "allow", "DE", "--known", "refuse", "--even-mine")
    assert not logs_in(abroad)
    (problem,) = reloaded(other)
    assert problem == f"country.database: {other} cannot be read: No such file or directory; the data of {COUNTRIES} stays in force"
    assert problem in guard.words()
    assert not logs_in(abroad)
    countries(place, other, here="NL", abroad="DE")
    assert reloaded(other) == []
    assert logs_in(abroad)
    machine(place).path(other).write_bytes(b"")  # where it is, as cp does it
    assert "others.mmdb stays in force" in reloaded(other)[0]
    assert logs_in(abroad)
    assert not logs_in(place.at("192.0.2.81"))
    assert reloaded(COUNTRIES) == []
    guard.cli("access", "country", "off")


def test_dovecot_24_asks_from_another_host_and_tells_why(place: Place, guard: Live, world: net.World) -> None:
    _need("trixie")
    rule(guard)
    there = MailHost(world, root=str(TRIXIE), dovecot="dovecot24", name=("mx24", 34))
    for one, another in ((there.machine, machine(place)), (machine(place), there.machine)):
        one.ip("route", "add", f"{another.v4}/32", "via", net.GATEWAY_V4)
    config = there.machine.path("/etc/dovecot/dovecot.conf")
    wiring = NEW.format(url=f"http://{machine(place).v4}:4001/", timeout=2000) + SHOWN.format(key=KEY, nonce="a-nonce-of-theirs")
    config.write_text(config.read_text("ascii") + wiring, "ascii")
    assert "mech = %{mechanism}" in there.machine.run("doveconf", "-n")
    there.machine.run("doveadm", "reload")
    guesser, clumsy = (Client(world.internet, source, there) for source in ("192.0.2.50", "192.0.2.51"))
    assert logs_in(guesser)
    fail(guard, wrong(guesser, N))
    guard.becomes({("guesses", "imap", guesser.source)})
    assert not logs_in(guesser)
    rule(guard, reason="unknown_user")
    fail(guard, wrong(clumsy, 2 * N))
    assert not guard.held(clumsy.source)
    fail(guard, wrong(clumsy, N, "nobody@example.org"))
    guard.becomes({("guesses", "imap", clumsy.source)})


def call(client: Client, command: str, key: str = KEY, **body: Any) -> tuple[int, Any]:
    """What weakforced's API answers: HTTP status and body."""
    data = json.dumps(body).encode()
    head = f"POST /?command={command} HTTP/1.0\r\nAuthorization: Basic {base64.b64encode(f'wforce:{key}'.encode()).decode()}\r\n"
    with client.wire(4001) as wire:
        wire.send(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        status = int(wire.line().split()[1])
        while wire.line():
            pass
        return status, json.loads(wire.line())


def test_the_rest_of_weakforceds_api_does_the_same_deeds(place: Place, guard: Live) -> None:
    rule(guard)
    admin, client, other = (place.at(f"192.0.2.{number}") for number in (60, 61, 62))
    ok = (200, {"status": "ok"})
    assert call(admin, "ping") == ok
    assert call(admin, "addBLEntry", key="another key, of theirs", ip=client.source)[0] == 401
    assert call(admin, "addBLEntry", ip=client.source, expire_secs=60, reason="scripted") == ok
    assert not logs_in(client)
    (entry,) = call(admin, "getBL")[1]["bl_entries"]
    assert (entry["ip"], entry["reason"], 0 < entry["expire_secs"] <= 60) == (client.source, "scripted", True)
    assert call(admin, "delBLEntry", ip=client.source) == ok
    assert logs_in(client)
    assert call(admin, "addBLEntry", netmask="192.0.2.61/32") == ok
    assert not logs_in(client)
    assert call(admin, "delBLEntry", netmask="192.0.2.61/32") == ok
    assert call(admin, "getBL") == (200, {"bl_entries": []})
    assert call(admin, "addBLEntry", login=BOB, expire_secs=60) == ok
    assert not logs_in(other, BOB, "secret-b")
    assert call(admin, "reset", login=BOB) == ok
    assert logs_in(other, BOB, "secret-b")
    assert call(admin, "addWLEntry", ip=client.source, reason="ours") == ok
    assert {"ip": client.source, "reason": "ours"} in call(admin, "getWL")[1]["wl_entries"]
    fail(guard, wrong(client, N))
    assert logs_in(client)
    assert call(admin, "delWLEntry", ip=client.source) == ok
    host, stranger = {"ip": machine(place).v4}, {"ip": "203.0.113.1"}
    for command, body in (("addBLEntry", host), ("delWLEntry", stranger), ("addWLEntry", {"login": BOB}), ("reset", {})):
        status, told = call(admin, command, **body)
        assert (status, told["status"]) == (400, "failure"), told
    assert "weakforced API, 192.0.2.60" in {line["who"] for line in guard.ask("GET", "audit")["lines"]}
