"""Dovecot's messages (2.3 and 2.4, and what 2.2 wrote): who connected, who logged in, who failed to.

Job: read the one line that a login process writes when the log-in phase ends, and the lines of ``auth`` that repeat it.
Promise: the client is the ``rip=`` that Dovecot itself wrote. Behind it stand only Dovecot's own fields, so a line is read from its end; what
a client could write before it (a user name, a certificate's name) or behind it (a certificate's name within a TLS error, a server name) is
held against the shape of the whole line, and a line that can be read in two ways names nobody.
Limits: Dovecot writes nothing when a client connects, so `Connected` comes with the line that ends the log-in phase; failures of a session that
succeeds in the end are told by ``auth`` alone, and so are evidence only. A log cannot tell port 993 from STARTTLS on 143: the service is ``imap``.
Other orders of ``login_log_format_elements`` than user, method, rip and the rest are not understood.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import ClassVar

from gatepost.core.facts import AuthFailed, AuthSucceeded, Connected, Protocol
from gatepost.wire.maillog.grammar import NOBODY, NOTHING, Host, Process, Yield

LOGINS: dict[str, tuple[Protocol, str]] = {
    "imap-login": ("imap", "imap"),
    "pop3-login": ("pop3", "pop3"),
    "managesieve-login": ("sieve", "sieve"),
    "submission-login": ("smtp", "submission"),
}
"""The login processes, and the protocol and service that each speaks."""

QUIET = frozenset(
    name
    for line in (
        "aggregator anvil config deliver dict director dns-client dns_client doveadm dsync-local dsync-server health-check imap imap-hibernate",
        "imap-urlauth imap-urlauth-login imap-urlauth-worker indexer indexer-worker ipc lda lmtp log managesieve master old-stats pop3",
        "quota-status replicator script sieve ssl-params stats submission tcpwrap welcome",
    )
    for name in line.split()
)
"""Processes whose lines tell nothing of a log-in."""

AUTHS = ("auth", "auth-worker")
ENDS = {"Disconnected:": False, "Login:": True, "Aborted": False}
"""First words of the line that ends the log-in phase, as they mostly are, and whether it ended well."""
LEVELS = ("Info:", "Warning:", "Error:", "Fatal:", "Panic:", "Debug:")

USER_LENGTH = 83
"""Dovecot cuts a user name at 80 bytes and adds three dots."""

CANDIDATES = 16
"""Places of ``, rip=`` that a line is tried at, from its end. A user name has room for eleven."""

# Dovecot's own fields. Which of them a client can fill: TLS (behind a colon stands OpenSSL's error, which can quote the name in the client's
# certificate) and local_name (the TLS server name that the client asked for). A TLS error ends the line but for the session, and holds no < or >:
# so neither the end of a user name nor a second session can hide in it.
# No field can be read as another, and no two repetitions stand side by side: a repetition that gives a field back finds nothing there to try
# but the end or a TLS error, so the work is linear in the line's length.
_OWN = (
    r"l(?:ip=[0-9A-Fa-f.:]+|port=\d+)|mpid=\d+|TLS(?: handshaking)?|session=<([^<> ,]*)>|secured|rport=\d+"
    r"|real_[lr](?:ip=[0-9A-Fa-f.:]+|port=\d+)|local_name=[\w.-]*|listener=[\w.-]*"
)
_TAIL = r", rip=([0-9A-Fa-f.:]+)(?:, (?:" + _OWN + r"))*(?:, TLS(?: handshaking)?: [^<>]*(?:, session=<([^<> ,]*)>)?)?$"
_tail = re.compile(_TAIL).match
_fields = re.compile(r": user=<([^<>]{0,83})>(?:, method=([^<> ,]*))?" + _TAIL).match

# auth's lines end with the client, the session and a fixed text. The user name before the client is hostile, and so is a password where the
# administrator has it logged: neither can stand behind this end.
_auth = re.compile(
    r"(?:conn unix:auth-worker \(pid=\d+,uid=\d+\): )?(?:auth-worker<\d+>: )?"
    r"[a-z0-9-]+\((.{0,67}),([0-9A-Fa-f.:]+)(,master)?(?:,<([^<> ,]*)>)?\): "
    r"(?:Password mismatch|pam_authenticate\(\) failed: Authentication failure \(Password mismatch\?\)|([Uu]nknown user))"
    r"(?: \(SHA1 of given password: [0-9a-f]+\))?(?: - trying the next (?:passdb|userdb))?$"
).match
_SAID = {"Password mismatch": "password", "unknown user": "unknown_user", "Unknown user": "unknown_user"}
"""How auth's lines end most."""

# What an end of the log-in phase says of the client, by the words before the first comma within its last parentheses.
_FAILURES = {
    "auth failed": "password",
    "authorization failed": "other",
    "user disabled": "disabled",
    "user is disabled": "disabled",
    "password expired": "disabled",
    "proxy dest authentication failure": "password",
}
_SERVER = (
    "auth process communication failure",
    "auth service reported temporary failure",
    "temporary authentication failure",
    "temporary auth failure",
    "internal failure",
    "proxy dest ",
)
_attempts = re.compile(r", (\d{1,9}) attempts?(?: in |$)").search
_code = re.compile(r"[a-z0-9_]+").fullmatch


@lru_cache(maxsize=4096)
def outcome(reason: str) -> tuple[int, str, bool]:
    """What a session's end tells: how many log-ins failed, why, and whether that was the server's doing. 0 where none did."""
    if reason[-1:] != ")":
        return 0, "", False
    opened = reason.rfind("(")
    said = reason[opened + 1 : -1]
    if _code(said) and reason[opened - 2 : opened] == ") ":
        # 2.4 adds its event's reason in parentheses of its own, behind the sentence.
        said = reason[reason.rfind("(", 0, opened) + 1 : opened - 2]
    cause = _FAILURES.get(said.partition(",")[0])
    if cause is None:
        return (1, "other", True) if said.startswith(_SERVER) else (0, "", False)
    told = _attempts(said)
    return max(1, int(told[1])) if told else 1, cause, False


class Login(Process):
    """A login process: one line when the log-in phase ends."""

    __slots__ = ()

    def other(self, at: int, message: str, word: str, rest: str) -> Yield:
        """Reads what a login process wrote, with or without a level before it."""
        well = ENDS.get(word)
        if well is not None:
            return self._ended(at, message, well)
        if word in LEVELS:
            return NOTHING if word == "Debug:" else self.read(at, rest)
        if message.startswith(("Logged in:", "Logged in ")):
            return self._ended(at, message, True)
        if message.startswith(("Disconnected (", "Login aborted:", "Too many ")):
            return self._ended(at, message, False)
        if message.startswith("proxy("):
            return self._proxied(at, message)
        # All else is said while the session goes on ("ID sent", "Authenticate PLAIN failed"), and its end follows.
        return NOTHING

    def _ended(self, at: int, message: str, well: bool) -> Yield:
        """The line that ends the log-in phase."""
        found = _plainly(message) or _closely(message)
        if found is None:
            return NOTHING if ", rip=" not in message else None
        reason, user, method, rip, session = found
        host, protocol, service = self.host, self.protocol, self.service
        who, name = host.client(rip), host.name
        if who is NOBODY:
            return NOTHING
        connected = Connected(at, name, protocol, service, who)
        if well:
            return connected, AuthSucceeded(at, name, protocol, service, who, False, host.account(user), method, session)
        failed, cause, servers = outcome(reason)
        if not failed:
            return (connected,)
        return connected, AuthFailed(at, name, protocol, service, who, servers, host.account(user), "", failed, method, cause, session)

    def _proxied(self, at: int, message: str) -> Yield:
        """A line of a session that is handed on to another server: ``proxy(user,address:port): `` stands before it."""
        end = message.find(": user=<")
        start = message.rfind("): ", 0, end) if end >= 0 else -1
        if start < 0:
            return NOTHING
        rest = message[start + 3 :]
        if rest.startswith("Started proxying to "):
            return self._ended(at, rest, True)
        return self._ended(at, rest, False) if rest.startswith(("Disconnected: ", "Login aborted: ")) else NOTHING


def _plainly(message: str) -> tuple[str, str, str, str, str] | None:
    """Reason, user, method, client and session of a line with the usual fields and nothing odd in them; None where one must look closer."""
    reason, _, rest = message.partition(": user=<")
    user, _, rest = rest.partition(">, ")
    how, _, rest = rest.partition("rip=")
    rip, _, rest = rest.partition(", lip=")
    fields, _, rest = rest.partition(", session=<")
    session, closed, end = rest.partition(">")
    _, _, more = fields.partition(", ")
    if more[:5] == "mpid=":
        _, _, more = more.partition(", ")
    if "," in rip or (how and not (how[:7] == "method=" and how[-2:] == ", " and how[7:-2].isalnum())):
        return None
    # A user name with a > could hold all that follows its end.
    if end or not closed or more not in ("TLS", "", "TLS handshaking") or "<" in user or message.count(">") != 2:
        return None
    return reason, user, how[7:-2], rip, session


def _closely(message: str) -> tuple[str, str, str, str, str] | None:
    """The same of any line that ends the log-in phase."""
    start = message.find(": user=<")
    found = _fields(message, start) if start >= 0 else None
    last = found.groups() if found is not None else _from_the_end(message, start)
    if last is None:
        return None
    user, method, rip, session, late = last
    return message[:start] if start >= 0 else "", user, method or "", rip, session or late or ""


def _from_the_end(message: str, start: int) -> tuple[str, str, str, str | None, str | None] | None:
    """User, method, client and session of a line with < or > in the user name, found from its end. None where nothing fits."""
    place, several = len(message), message.count(", rip=") > 1
    if several and "local_name=" in message:
        # The name that a client asks for in TLS stands behind the address, and could hold another: such a line can be read in two ways.
        return None
    for _ in range(CANDIDATES):
        place = message.rfind(", rip=", 0, place)
        if place < 0:
            break
        tail = _tail(message, place)
        if tail is None:
            continue
        if start < 0:
            # No user among the fields: nothing of a client's choice stands before the address, if only one does.
            return None if several else ("", "", tail[1], tail[2], tail[3])
        close = message.rfind(">", start, place)
        user, between = message[start + 8 : close], message[close + 1 : place]
        if close < start + 8 or len(user) > USER_LENGTH:
            continue
        if not between or (between.startswith(", method=") and "," not in between[2:]):
            return user, between[9:], tail[1], tail[2], tail[3]
    return None


class Auth(Process):
    """The authentication service: its lines repeat what login processes and mail servers tell, with the reason, and are evidence only.

    They do not name the protocol. One with a session was asked by a login process, and goes as ``imap``; one without by a mail server, as ``smtp``.
    """

    __slots__ = ()

    def other(self, at: int, message: str, word: str, rest: str) -> Yield:
        """Reads what a process named so wrote, mostly behind a level."""
        return self.said(at, rest if word in LEVELS else message)

    def said(self, at: int, message: str) -> Yield:
        """Reads what ``auth`` or one of its workers said."""
        found = _plainly_failed(message) or _closely_failed(message)
        if found is None:
            return NOTHING
        user, rip, session, cause = found
        host = self.host
        who = host.client(rip)
        if who is NOBODY:
            return NOTHING
        protocol: Protocol = "imap" if session else "smtp"
        return AuthFailed(at, host.name, protocol, "auth", who, True, host.account(user), "", 1, "", cause, session)


def _plainly_failed(message: str) -> tuple[str, str, str, str] | None:
    """User, client, session and reason of a worker's line as most are; None where one must look closer: at one comma more, say."""
    worker, _, rest = message.partition(">: ")
    what, _, said = rest.rpartition("): ")
    database, _, fields = what.partition("(")
    cause = _SAID.get(said)
    if cause is None or worker[:27] != "conn unix:auth-worker (pid=" or worker.count("(") > 1 or not database.replace("-", "").isalnum():
        return None
    user, _, place = fields.partition(",")
    rip, _, session = place.partition(",")
    if len(user) > 67 or not (session == "" or (session[0] == "<" and session[-1] == ">" and "," not in session)):
        return None
    return user, rip, session[1:-1], cause


def _closely_failed(message: str) -> tuple[str, str, str, str] | None:
    """The same of any line."""
    level, _, rest = message.partition(" ")
    found = _auth(rest if level in LEVELS else message)
    if found is None:
        return None
    user, rip, _, session, unknown = found.groups("")
    return user, rip, session, "unknown_user" if unknown else "password"


class Quiet(Process):
    """A process that knows nothing of log-ins."""

    __slots__ = ()

    def other(self, at: int, message: str, word: str, rest: str) -> Yield:
        """Understood, and nothing to tell."""
        return NOTHING


def _words(names: Iterable[str]) -> list[str]:
    return [f"{name}:" for name in names]


class Dovecot(Process):
    """All processes of a Dovecot that writes through syslog: the message begins with the name of the process."""

    __slots__ = ("_auth", "_logins")

    def __init__(self, host: Host) -> None:
        super().__init__(host, "imap", "imap")
        self._logins = {f"{name}:": Login(host, *what) for name, what in LOGINS.items()}
        self._auth = Auth(host, "imap", "auth")

    def login(self, at: int, message: str) -> Yield:
        """A login process's message."""
        name, _, said = message.partition(" ")
        word, _, rest = said.partition(" ")
        return self._logins[name].other(at, said, word, rest)

    def auth(self, at: int, message: str) -> Yield:
        """A message of the authentication service."""
        return self._auth.said(at, message.partition(" ")[2])

    def quiet(self, at: int, message: str) -> Yield:
        """A message of a process that knows nothing of log-ins."""
        return NOTHING

    def other(self, at: int, message: str, word: str, rest: str) -> Yield:
        """A process that says more of itself: ``imap(bob)<12><session>: ``, ``auth-worker(12): ``."""
        name = word.partition("(")[0]
        if name in QUIET:
            return NOTHING
        if name in AUTHS:
            return self._auth.said(at, rest)
        return NOTHING if name in LOGINS or name.partition(":")[0] in QUIET else None

    words: ClassVar[Mapping[str, Callable[["Dovecot", int, str], Yield]]] = {
        **dict.fromkeys(_words(LOGINS), login),
        **dict.fromkeys(_words(AUTHS), auth),
        **dict.fromkeys(_words(QUIET), quiet),
        **dict.fromkeys(LEVELS, quiet),
    }


def process(host: Host, tag: str) -> Process | None:
    """The reader of what Dovecot writes under this tag: ``dovecot`` in syslog, else the process's own name. None where it is no Dovecot's."""
    if tag == "dovecot":
        return Dovecot(host)
    if tag in LOGINS:
        return Login(host, *LOGINS[tag])
    name = tag.partition("(")[0]
    if name in AUTHS:
        return Auth(host, "imap", "auth")
    return Quiet(host, "imap", name) if name in QUIET else None
