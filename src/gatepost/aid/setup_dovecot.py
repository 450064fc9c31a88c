"""Has Dovecot ask: the lines for its configuration, for 2.3 and for 2.4, and the listener in ours.

Job: plan three files: the settings that have Dovecot ask, the API key and the nonce that only root may read, and our own listener with the same key.
Promise: Dovecot goes on without us, two seconds after a question at most; a second plan finds nothing left to do; a policy server that is there
already is told, not replaced. Limits: one host; several that share accounts need the same nonce. Dovecot's manual, "Authentication policy", and
"Upgrading 2.3 to 2.4".
"""

import re
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from gatepost.aid.discover import ask
from gatepost.aid.setup import Change, Plan, added, read
from gatepost.core.faults import BadInputError

LISTEN = "127.0.0.1:4001"
HEAD = "# Gatepost: Dovecot asks before it lets a client log in, and tells how it went (gatepost setup dovecot).\n"
TIMEOUT_MS = 2_000
OLD = """\
auth_policy_server_url = {url}
auth_policy_server_timeout_msecs = {timeout}
auth_policy_request_attributes = login=%{{requested_username}} pwhash=%{{hashed_password}} remote=%{{rip}} device_id=%{{client_id}} protocol=%s \
session_id=%{{session}} mech=%m
"""
NEW = """\
auth_policy_server_url = {url}
auth_policy {{
  http_client_request_absolute_timeout = {timeout}ms
}}
auth_policy_request_attributes {{
  mech = %{{mechanism}}
}}
"""
SHOWN = """\
auth_policy_server_api_header = X-API-Key: {key}
auth_policy_hash_nonce = {nonce}
"""
PENALTY = """\
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
"""
LISTENER = '[[dovecot_policy]]\nlisten = "{listen}"\nkey = "{key}"\n'
_FOLDER = re.compile(r"^\s*!include(?:_try)?\s+conf\.d/\*\.conf\s*$", re.MULTILINE)
_KEY = re.compile(r"^auth_policy_server_api_header = X-API-Key: ([!-~]{16,200})$", re.MULTILINE)
_NONCE = re.compile(r"^auth_policy_hash_nonce = ([!-~]{8,200})$", re.MULTILINE)
_NEW_FORM = re.compile(r"^\s*dovecot_config_version\s*=", re.MULTILINE)


class Listener(Protocol):
    """Our listener, as it is configured."""

    @property
    def listen(self) -> str:
        """Address and port, or a socket's path."""

    @property
    def key(self) -> str:
        """The API key."""


class Where(NamedTuple):
    """Where Dovecot asks, and what it shows."""

    listen: str
    key: str

    @property
    def url(self) -> str:
        """As Dovecot writes it; a listener on every address is asked on this host's own."""
        host, _, port = self.listen.rpartition(":")
        here = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - it is replaced
        return f"http://{here.get(host, host)}:{port}/"


class Dovecot:
    """Dovecot's configuration in a folder, as text and as ``doveconf`` understands it where it is installed."""

    def __init__(self, folder: str = "", ask: Callable[[Sequence[str]], str | None] = ask) -> None:
        """Raises BadInputError where there is none."""
        self._ask = ask
        self.folder = Path(folder or "/etc/dovecot")
        self.path = self.folder / "dovecot.conf"
        self.main = read(self.path)
        self.ours = self.folder / "conf.d" / "95-gatepost.conf"
        self.secret = self.folder / "gatepost-secrets.conf.ext"

    @property
    def new_form(self) -> bool:
        """Whether it is 2.4 or later, which writes its settings otherwise."""
        if _NEW_FORM.search(self.main):
            return True
        told = re.match(r"(\d{1,3})\.(\d{1,3})", self._ask(["dovecot", "--version"]) or "")
        return told is not None and (int(told[1]), int(told[2])) >= (2, 4)

    @property
    def url(self) -> str:
        """The policy server that it asks now; empty where there is none, or nobody can say."""
        return (self._ask(["doveconf", "-c", str(self.path), "-h", "auth_policy_server_url"]) or "").strip()

    @property
    def has_folder(self) -> bool:
        """Whether it reads every file of conf.d, as Debian has it."""
        return _FOLDER.search(self.main) is not None


def plan_dovecot(server: Dovecot, toml: Path, listener: Listener | None, end_penalty: bool = False) -> Plan:
    """What is missing so that Dovecot asks; ``toml`` is our own configuration and ``listener`` what it says already. Raises BadInputError."""
    kept = read(server.secret) if server.secret.exists() else ""
    where = _where(listener, kept)
    nonce = _NONCE.search(kept)
    secret = HEAD + SHOWN.format(key=where.key, nonce=nonce[1] if nonce else secrets.token_urlsafe(24))
    lines = (NEW if server.new_form else OLD).format(url=where.url, timeout=TIMEOUT_MS)
    lines = f"{HEAD}{lines}!include_try {server.secret}\n"
    changes = [_settings(server, lines, end_penalty)]
    changes.append(Change(str(server.secret), kept or None, secret, 0o600))
    if listener is None:
        made = added(toml, LISTENER.format(listen=where.listen, key=where.key))
        changes.append(Change(made.path, made.before, made.after, 0o640))
    others = server.url
    by_hand = [f"Dovecot asks {others} now: take that out first, if Gatepost is to be asked instead"] if others not in ("", where.url) else []
    new = tuple(change for change in changes if change.before != change.after)
    readable = (f"chgrp gatepost {toml}",) if listener is None and not toml.exists() else ()
    return Plan(
        server="dovecot",
        changes=() if by_hand else new,
        by_hand=tuple(by_hand),
        notes=tuple(_notes(server, end_penalty)),
        check=("doveconf", "-c", str(server.path), "-n"),
        then=(*readable, "systemctl reload gatepost", "doveadm reload"),
    )


def _where(listener: Listener | None, kept: str) -> Where:
    """Where we listen, with the key that is known already, or a new one."""
    if listener is None:
        known = _KEY.search(kept)
        return Where(LISTEN, known[1] if known else secrets.token_urlsafe(24))
    if listener.listen.startswith("/"):
        raise BadInputError(f'dovecot_policy.listen: Dovecot asks over TCP alone, not at {listener.listen}; write listen = "{LISTEN}" and a key')
    return Where(listener.listen, listener.key)


def _settings(server: Dovecot, lines: str, end_penalty: bool) -> Change:
    """The file that has Dovecot ask: one of its own where Dovecot reads a folder, else the end of dovecot.conf."""
    if server.has_folder:
        before = read(server.ours) if server.ours.exists() else None
        penalty = PENALTY if end_penalty or (before is not None and PENALTY in before) else ""
        return Change(str(server.ours), before, lines + penalty)
    lines += PENALTY if end_penalty and PENALTY not in server.main else ""
    if HEAD in server.main:
        head, _, rest = server.main.partition(HEAD)
        last = f"\n!include_try {server.secret}\n"
        if last not in rest:
            raise BadInputError("holds Gatepost's lines, but not as setup wrote them; take them out, and run setup again", str(server.path))
        return Change(str(server.path), server.main, head + lines + rest.partition(last)[2])
    return added(server.path, lines)


def _notes(server: Dovecot, end_penalty: bool) -> list[str]:
    """What is good to know."""
    found = ["without Gatepost log-ins go on at once; where it hangs, after two seconds for each question: four for a log-in that succeeds"]
    if not server.new_form:
        found.append("Dovecot 2.3 does not tell why a log-in failed: while its user database is out of order, good passwords count as failures")
    if not end_penalty:
        found.append("Dovecot's own penalty slows guessers down to one try in 15 s, so that few rules ever fire on them; --end-penalty ends it")
    found.append("several hosts with the same accounts need the same auth_policy_hash_nonce")
    return found
