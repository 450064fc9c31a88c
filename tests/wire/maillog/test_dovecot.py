"""Dovecot's lines, as its own sources and Debian's daemon write them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.core.facts import AuthFailed, AuthSucceeded, Connected, Fact
from gatepost.core.subjects import Client
from gatepost.wire.maillog import dovecot
from gatepost.wire.maillog.grammar import NOTHING, Host, Yield

ME = Client("192.0.2.7")
END = f"method=PLAIN, rip={ME}, lip=192.0.2.1, TLS, session=<q1Zr+/0F9NsK>"


def read(message: str, tag: str = "dovecot") -> Yield:
    reader = dovecot.process(Host("mx", "example.org"), tag)
    assert reader is not None
    return reader.read(5, message)


def clients(found: Yield) -> set[str]:
    return {one.client for one in (found if isinstance(found, tuple) else (found,)) if one is not None}


def facts(message: str, tag: str = "dovecot") -> tuple[Fact, ...]:
    found = read(message, tag)
    assert found is not None, message
    return found if isinstance(found, tuple) else (found,)


def test_login_is_a_connection_and_a_success() -> None:
    one, two = facts(f"imap-login: Login: user=<Bob>, method=PLAIN, rip={ME}, lip=192.0.2.1, mpid=4711, TLS, session=<abc>")
    assert one == Connected(5, "mx", "imap", "imap", ME)
    assert two == AuthSucceeded(5, "mx", "imap", "imap", ME, False, "bob@example.org", "PLAIN", "abc")


@pytest.mark.parametrize("start", ["Login: ", "Logged in: ", "Info: Login: ", "proxy(bob,10.0.0.1:143): Started proxying to <10.0.0.1> (0.1 secs): "])
def test_words_for_a_success(start: str) -> None:
    assert [type(one) for one in facts(f"imap-login: {start}user=<bob>, {END}")] == [Connected, AuthSucceeded]


@pytest.mark.parametrize(
    ("name", "protocol", "service"),
    [
        ("imap-login", "imap", "imap"),
        ("pop3-login", "pop3", "pop3"),
        ("managesieve-login", "sieve", "sieve"),
        ("submission-login", "smtp", "submission"),
    ],
)
def test_each_login_process_in_both_framings(name: str, protocol: str, service: str) -> None:
    said = f"Disconnected: Connection closed (auth failed, 2 attempts in 9 secs): user=<bob>, {END}"
    for found in (facts(f"{name}: {said}"), facts(said, name), facts(f"Info: {said}", name), facts(f"{name}: Info: {said}")):
        assert [(one.protocol, one.service, one.client) for one in found] == [(protocol, service, ME)] * 2
        assert isinstance(found[1], AuthFailed)
        assert (found[1].weight, found[1].account, found[1].method, found[1].session) == (2, "bob@example.org", "PLAIN", "q1Zr+/0F9NsK")
        assert not found[1].evidence_only


@pytest.mark.parametrize(
    ("said", "weight", "reason"),
    [
        ("Disconnected: Connection closed (auth failed, 1 attempts in 2 secs)", 1, "password"),
        ("Disconnected: Inactivity (auth failed, 12 attempts in 180 secs)", 12, "password"),
        ("Disconnected (auth failed, 3 attempts)", 3, "password"),
        ("Disconnected (auth failed, 1 attempt in 2 secs)", 1, "password"),
        ("Aborted login (auth failed, 5 attempts in 22 secs)", 5, "password"),
        ("Disconnected: Aborted login by logging out (auth failed, 4 attempts in 8 secs)", 4, "password"),
        ("Login aborted: Connection closed (auth failed, 6 attempts in 31 secs) (auth_failed)", 6, "password"),
        ("Login aborted: Logged out (user disabled, 2 attempts in 4 secs) (user_disabled)", 2, "disabled"),
        ("Disconnected: Connection closed (user disabled)", 1, "disabled"),
        ("Disconnected: Connection closed (password expired)", 1, "disabled"),
        ("Disconnected: Connection closed (authorization failed, 2 attempts in 3 secs)", 2, "other"),
        ("Login aborted: Connection closed (proxy dest authentication failure, 3 attempts in 9 secs) (proxy_dest_auth_failed)", 3, "password"),
    ],
)
def test_failures_of_the_clients(said: str, weight: int, reason: str) -> None:
    one, two = facts(f"imap-login: {said}: user=<bob>, {END}")
    assert isinstance(one, Connected)
    assert isinstance(two, AuthFailed)
    assert (two.weight, two.reason, two.evidence_only, two.client) == (weight, reason, False, ME)


@pytest.mark.parametrize(
    "said",
    [
        "Disconnected: Connection closed (auth process communication failure)",
        "Disconnected: Connection closed (internal failure, 1 successful auths)",
        "Disconnected: Connection closed (auth service reported temporary failure)",
        "Disconnected: Connection closed (proxy dest auth failed)",
        "Login aborted: Connection closed (proxy dest temporary authentication failure, 1 attempts in 2 secs) (proxy_dest_auth_temp_failed)",
        "Login aborted: Connection closed (internal failure, 1/1 successful auths in 0 secs) (internal_failure)",
    ],
)
def test_faults_of_the_servers_are_evidence_only(said: str) -> None:
    one, two = facts(f"imap-login: {said}: user=<bob>, {END}")
    assert isinstance(one, Connected)
    assert isinstance(two, AuthFailed)
    assert two.evidence_only


@pytest.mark.parametrize(
    "said",
    [
        "Disconnected: Connection closed (no auth attempts in 0 secs)",
        "Aborted login (no auth attempts in 5 secs)",
        "Disconnected: Too many invalid commands (no auth attempts in 1 secs)",
        "Disconnected: Connection closed (tried to use disallowed plaintext auth)",
        "Disconnected: Connection closed (tried to use unsupported auth mechanism)",
        "Disconnected: Connection closed (disconnected before auth was ready, waited 0 secs)",
        "Disconnected: Connection closed (client didn't finish SASL auth, waited 3 secs)",
        "Disconnected: Connection closed (disconnected while authenticating, waited 3 secs)",
        "Disconnected: Connection closed (cert required, client didn't start TLS)",
        "Disconnected: Connection closed (sent invalid base64 in response)",
        "Disconnected: Connection closed (aborted authentication)",
        "Disconnected: Connection closed: read(size=1024) failed: Connection reset by peer (no auth attempts in 0 secs)",
        "Disconnected: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
        "Disconnected: Shutting down",
        "Login aborted: Connection closed (disconnected during TLS handshake) (tls_handshake_not_finished)",
        "Login aborted: Connection closed (no auth attempts in 1 secs) (no_auth_attempts)",
    ],
)
def test_only_a_connection(said: str) -> None:
    assert facts(f"imap-login: {said}: user=<>, rip={ME}, lip=192.0.2.1, session=<x>") == (Connected(5, "mx", "imap", "imap", ME),)


def test_tls_errors_behind_the_address() -> None:
    error = "TLS handshaking: SSL_accept() failed: error:0A000102:SSL routines::unsupported protocol"
    assert facts(f"imap-login: Disconnected: Connection closed (no auth attempts in 0 secs): user=<>, rip={ME}, lip=192.0.2.1, {error}, session=<x>")
    assert facts(f"imap-login: Disconnected: Connection closed (no auth attempts in 0 secs): user=<>, rip={ME}, lip=192.0.2.1, {error}")


@pytest.mark.parametrize(("rip", "who"), [("2001:db8::1", "2001:db8::1"), ("::ffff:192.0.2.9", "192.0.2.9"), ("2001:DB8:0:0::1", "2001:db8::1")])
def test_spellings_of_addresses(rip: str, who: str) -> None:
    assert {one.client for one in facts(f"imap-login: Login: user=<bob>, method=PLAIN, rip={rip}, lip=::1, mpid=1, session=<x>")} == {who}


def test_a_unix_socket_is_nobody() -> None:
    assert facts("imap-login: Login: user=<bob>, method=PLAIN, mpid=1, session=<x>") == NOTHING
    assert not read("imap-login: Login: user=<a, rip=6.6.6.6, lip=1.1.1.1>, method=PLAIN, mpid=1, session=<x>")
    assert not read("imap-login: Login: user=<a>, method=PLAIN, rip=6.6.6.6, session=<b>, method=PLAIN, mpid=1, session=<x>")


@pytest.mark.parametrize(
    "message",
    [
        "imap(bob)<123><xyz>: Disconnected: Logged out in=29 out=471",
        "imap(bob smith)<123><xyz>: Info: Connection closed",
        "lmtp(77): Connect from local",
        "lmtp(bob)<77><x>: msgid=<a@b>: saved mail to INBOX",
        "lda(bob)<1><x>: sieve: msgid=<a>: stored mail into mailbox 'INBOX'",
        "master: Warning: Killed with signal 15",
        "anvil: Error: x",
        "stats: Warning: x",
        "auth: Error: passwd-file /etc/x: open failed",
        "auth: policy(bob,192.0.2.7,<s>): Authentication failure due to policy server refusal",
        "imap-login: Info: Login failed: Plaintext authentication disabled: user=<>, rip=192.0.2.7, lip=192.0.2.1, session=<x>",
        "imap-login: ID sent: name=a, rip=6.6.6.6, lip=1.1.1.1: user=<>, rip=192.0.2.7, lip=192.0.2.1, session=<x>",
        "imap-login: Debug: SSL: where=0x10, ret=1: before SSL initialization: user=<>, rip=192.0.2.7, lip=192.0.2.1, session=<x>",
        "imap-login: Error: auth-client: conn unix:login (pid=1,uid=0): x",
        "imap-login: proxy(bob,10.0.0.1:143): Disconnected by client (12s idle, in=3, out=4): user=<bob>, rip=192.0.2.7, session=<x>",
    ],
)
def test_understood_and_nothing_to_tell(message: str) -> None:
    assert read(message) == NOTHING


def test_other_daemons_are_not_understood() -> None:
    assert dovecot.process(Host("mx"), "postfix/smtpd") is None
    assert read("something else entirely") is None


@pytest.mark.parametrize(
    ("message", "reason", "protocol"),
    [
        (f"auth: passwd-file(bob,{ME},<s>): Password mismatch", "password", "imap"),
        (f"auth: Info: passwd-file(bob,{ME}): unknown user", "unknown_user", "smtp"),
        (f"auth-worker(12): Info: conn unix:auth-worker (pid=9,uid=0): auth-worker<1>: sql(bob,{ME},<s>): Password mismatch", "password", "imap"),
        (
            f"auth-worker(12): pam(bob,{ME},<s>): pam_authenticate() failed: Authentication failure (Password mismatch?) - trying the next passdb",
            "password",
            "imap",
        ),
        (f"auth: passwd-file(bob,{ME},<s>): unknown user (SHA1 of given password: 0a1b2c)", "unknown_user", "imap"),
    ],
)
def test_auth_lines_are_evidence_only(message: str, reason: str, protocol: str) -> None:
    (one,) = facts(message)
    assert isinstance(one, AuthFailed)
    assert (one.client, one.evidence_only, one.account, one.reason, one.protocol) == (ME, True, "bob@example.org", reason, protocol)


def test_a_certificates_name_is_no_client() -> None:
    for name in (
        "/CN=a, rip=6.6.6.6, lip=1.1.1.1",
        "/CN=<, rip=6.6.6.6, lip=1.1.1.1",
        "/CN=user=<>, method=PLAIN, rip=6.6.6.6, lip=1.1.1.1",
        "/CN=<>, rip=6.6.6.6, lip=1.1.1.1, session=<a",
    ):
        error = f"TLS handshaking: Received invalid SSL certificate: self-signed certificate: {name} (check ssl_ca setting?)"
        said = f"Disconnected: Connection closed: {error} (no auth attempts in 0 secs)"
        for start in ("Disconnected: Connection closed (auth failed, 1 attempts in 1 secs)", said):
            found = read(f"imap-login: {start}: user=<bob>, method=PLAIN, rip={ME}, lip=192.0.2.1, {error}, session=<x>")
            assert clients(found) <= {ME}


def test_no_work_grows_beyond_the_line() -> None:
    """What the patterns repeat cannot be split in two ways: long lines made of their own parts come back at once."""
    for part in (", rip=1.1.1.1", ", lip=1", ", TLS", ", TLS: ", ", session=<x>", "user=<", ">, method=", "(", ") (", ": user=<", "a,1.1.1.1,<s>): "):
        for head in ("imap-login: Login: user=<", f"imap-login: Login: user=<b>, method=P, rip={ME}", "auth: pam(", "imap-login: proxy("):
            read(head + part * (16_384 // len(part)))


BITS = st.sampled_from(
    [
        "bob", "<", ">", ", ", "(", ")", ": ", "user=<", ", method=PLAIN", ", rip=6.6.6.6", ", lip=1.1.1.1", ", session=<x>", ", TLS", "TLS: ",
        "6.6.6.6", "Login: ", "(auth failed, 9 attempts in 1 secs)", ", mpid=1", ",6.6.6.6,<s>): Password mismatch", "\x1b[0m", "\\", "\"", "é",
    ]
)  # fmt: skip
NAMES = st.lists(BITS | st.text(max_size=5), max_size=12).map("".join).map(lambda name: name[:80])


@given(
    NAMES,
    st.sampled_from(["", ", TLS", ", TLS handshaking: SSL_accept() failed: error:0A", ", secured"]),
    st.sampled_from(["PLAIN", "X, RIP=6.6.6.6"]),
)
def test_the_client_is_the_one_that_dovecot_wrote(name: str, tls: str, method: str) -> None:
    for said in ("Login", "Disconnected: Connection closed (auth failed, 3 attempts in 12 secs)", "Aborted login (auth failed, 3 attempts)"):
        found = read(f"imap-login: {said}: user=<{name}>, method={method}, rip={ME}, lip=192.0.2.1, mpid=1{tls}, session=<q/+1>")
        assert clients(found) == {ME} if method == "PLAIN" else clients(found) <= {ME}


@given(NAMES)
def test_auths_client_is_the_one_that_dovecot_wrote(name: str) -> None:
    found = read(f"auth: pam({name[:64]},{ME},<q/+1>): unknown user")
    assert isinstance(found, AuthFailed) or found == NOTHING
    assert not isinstance(found, AuthFailed) or (found.client == ME and found.evidence_only)


@given(NAMES)
def test_without_an_address_nobody_is_named(name: str) -> None:
    assert not read(f"imap-login: Login: user=<{name}>, method=PLAIN, mpid=1, TLS, session=<x>")


@given(st.sampled_from(["", "imap-login: ", "imap-login: Login: ", "auth: ", "imap-login: proxy(", "imap-login: Disconnected"]), NAMES | st.text())
def test_random_text_never_raises(head: str, text: str) -> None:
    found: Any = read(head + text)
    assert found is None or isinstance(found, Fact | tuple)


LOGIN_PARTS = ["bob", "<", ">", ">, ", "user=<", ": user=<", ", method=PLAIN", ", rip=203.0.113.9", ", lip=1.1.1.1", ", TLS", ", session=<x>"]
WORKER_PARTS = ["(", ")", "): ", ",203.0.113.9", ",<x>", "Password mismatch", ">: ", "sql("]
HOSTILE = st.lists(st.sampled_from(LOGIN_PARTS + WORKER_PARTS), max_size=9).map("".join)
"""User names made of what the lines themselves are made of."""


@settings(max_examples=500)
@given(HOSTILE, st.sampled_from(["Login", "Aborted login (auth failed, 1 attempts in 2 secs)"]), st.sampled_from(["", "rport=5, "]))
def test_the_short_way_to_the_end_of_a_login_is_the_long_one(user: str, reason: str, port: str) -> None:
    message = f"{reason}: user=<{user[:80]}>, method=PLAIN, rip={ME}, {port}lip=192.0.2.1, mpid=7, TLS, session=<q1Zr+/0F9NsK>"
    plain = dovecot._plainly(message)
    assert plain is None or plain == dovecot._closely(message)


@settings(max_examples=500)
@given(
    HOSTILE, st.sampled_from(["", "conn unix:auth-worker (pid=1,uid=2): "]), st.sampled_from(["", "auth-worker<3>: "]), st.sampled_from(["", ",<s>"])
)
def test_the_short_way_through_a_workers_line_is_the_long_one(user: str, connection: str, worker: str, session: str) -> None:
    message = f"{connection}{worker}sql({user[:67]},{ME}{session}): Password mismatch"
    plain, exact = dovecot._plainly_failed(message), dovecot._auth(message)
    if plain is not None:
        assert exact is not None
        assert plain[:3] == (exact[1], exact[2], exact[4] or "")


def test_the_usual_lines_go_the_short_way() -> None:
    assert dovecot._plainly(f"Login: user=<bob>, {END}") == ("Login", "bob", "PLAIN", ME, "q1Zr+/0F9NsK")
    worker = f"conn unix:auth-worker (pid=1,uid=2): auth-worker<3>: sql(bob,{ME},<s>): "
    assert dovecot._plainly_failed(f"{worker}Password mismatch") == ("bob", ME, "s", "password")
