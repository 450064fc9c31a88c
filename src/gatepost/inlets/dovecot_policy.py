"""Dovecot asks before it lets a client log in, and tells how it went.

Job: listen on TCP or a unix socket, answer ``allow`` from `judge` alone, and make facts of ``report``. Promise: no answer waits for anything; three
calls for one log-in count once; what we refused, and the server's own faults, accuse nobody; whatever a body holds, Dovecot gets an answer it
understands. Limits: Dovecot 2.3 does not say why a log-in failed; what it does not tell at all (connections) stays the log's to tell.

Dovecot's manual, "Authentication policy"; the rest of weakforced's API is handed in as ``deeds``.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Annotated

from msgspec import Meta, Struct

from gatepost.core.decisions import Allow, Question, Refuse
from gatepost.core.facts import AuthFailed, AuthSucceeded, Fact, Refused
from gatepost.core.subjects import Client, client
from gatepost.inlets.dovecot_policy_http import Doorman, Key, Reply
from gatepost.inlets.listener import SPARE_FILES, Listener, check_listen
from gatepost.inlets.sockets import connections
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.witness import ALL_LOGS, Logs
from gatepost.wire.dovecot_policy import ALLOWED, OK, Asked, Listed, answer, failure, read, read_entry

KINDS = (AuthFailed, AuthSucceeded)
"""What it is the witness for."""
DEEDS = ("reset", "addBLEntry", "delBLEntry", "addWLEntry", "delWLEntry", "getBL", "getWL")
"""The commands of weakforced's API that are handed on; ``ping`` needs nobody."""
KEY_SIZE = 16

Deeds = Callable[[str, Listed, str], Awaitable[bytes]]
"""Does what a command of weakforced's API asks for: the command, what it is about, and the address that asks. Returns the body of the answer; raises
ValueError with the reason where it is not done."""


class DovecotPolicySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Dovecot asks."""

    listen: Annotated[str, Meta(description="Address and port, or a socket's path.", max_length=200, examples=["127.0.0.1:4001"])] = "127.0.0.1:4001"
    key: Annotated[str, Meta(description="API key that requests must show; needed but for a socket's path.", max_length=200, pattern="^[!-~]*$")] = ""
    mode: Annotated[str, Meta(description="Rights of a unix socket.", pattern="^0[0-7]{3}$")] = "0660"
    hosts: Annotated[
        tuple[str, ...],
        Meta(description="Names that the asking servers have in the logs, where logs of others are read too; empty: all.", max_length=1_000),
    ] = ()
    connections: Annotated[int, Meta(description="Connections at most.", ge=1, le=50_000)] = 1_000

    def __post_init__(self) -> None:
        """Raises ValueError where the fields do not fit each other."""
        check_listen(self.listen)
        if not self.listen.startswith("/") and len(self.key) < KEY_SIZE:
            raise ValueError(f"key: a listener on TCP needs one of {KEY_SIZE} characters or more; gatepost setup dovecot makes one")

    @property
    def name(self) -> str:
        """How it is told apart from others."""
        return f"dovecot_policy:{self.listen}"


class DovecotPolicyState(Struct, kw_only=True):
    """How a listener is doing. Times are microseconds since 1970 UTC."""

    listening: bool
    problem: str
    connections: int
    requests: int
    facts: int
    last: dict[str, int]
    """When each command came last."""
    refusals: int
    delays: int
    dropped: dict[str, int]
    """Connections that were ended, and requests that could not be taken, by the reason."""


class Answers:
    """What is answered. ``now`` is the time in microseconds, ``account`` makes names canonical, ``host`` is this host's name."""

    def __init__(
        self, guard: Guard, now: Callable[[], int], account: Callable[[str], str], deeds: Deeds | None, *, inlet: str, host: str, key: bytes
    ) -> None:
        self._guard, self._now, self._account, self._deeds = guard, now, account, deeds
        self._inlet, self._host, self._key = inlet, host, key
        self.logs = ALL_LOGS
        self.requests = self.facts = self.refusals = self.delays = 0
        self.last = {"allow": 0, "report": 0}
        """When each command came last."""
        self.dropped: Counter[str] = Counter()

    def now(self, command: str, body: bytes, peer: str) -> Reply | None:
        """The answer, if it needs no waiting."""
        self.requests += 1
        at = self.last[command if command in _KNOWN else "other"] = self._now()
        if command == "allow" or command == "report":
            return Reply(self._asked(command == "allow", body, peer, at))
        if command == "ping":
            return Reply(OK)
        return None if command in DEEDS else Reply(failure("there is no such command"), 404)

    async def later(self, command: str, body: bytes, peer: str) -> Reply:
        """The answer of a deed."""
        if self._deeds is None:
            return Reply(failure("nobody here does that"), 404)
        try:
            return Reply(await self._deeds(command, read_entry(body), peer or "local"))
        except ValueError as wrong:
            return Reply(failure(str(wrong)), 400)

    def _asked(self, allow: bool, body: bytes, peer: str, at: int) -> bytes:
        try:
            asked = read(body)
        except ValueError:
            self.dropped["unreadable"] += 1
            return ALLOWED if allow else OK
        service = asked.service
        if service is None:
            self.dropped["no log-in of a client"] += 1
            return ALLOWED if allow else OK
        try:
            who = client(asked.remote)
        except ValueError:
            # Without an address there is nobody to refuse: Dovecot itself logs in somewhere, or a service hides the client.
            self.dropped["no address"] += 1
            return ALLOWED if allow else OK
        name = self._account(asked.login)
        if not allow:
            fact = self._fact(asked, at, who, name, peer)
            self.facts += 1
            self._guard.hear((fact,), self._inlet, KINDS, self.logs)
            return OK
        verdict = self._guard.judge(Question(at, who, service[0], "login", name))
        if not isinstance(verdict, Allow):
            if isinstance(verdict, Refuse):
                self.refusals += 1
            else:
                self.delays += 1
        return answer(verdict)

    def _fact(self, asked: Asked, at: int, who: Client, name: str, peer: str) -> Fact:
        """What a report tells."""
        protocol, service = asked.service or ("imap", "imap")
        host = self._host if peer in ("", "127.0.0.1", "::1") else peer
        method, session, outcome = asked.mech, asked.session_id, asked.outcome
        if outcome == "succeeded":
            return AuthSucceeded(at, host, protocol, service, who, False, name, method, session)
        if outcome == "refused":
            # Dovecot brings back that we refused, and not why.
            verdict = self._guard.why(Question(at, who, protocol, "login", name))
            reason, country = (verdict.reason, verdict.country) if isinstance(verdict, Refuse) else ("policy", "")
            return Refused(at, host, protocol, service, who, False, "login", reason, name, country)
        secret = blake2b(asked.secret.encode(), digest_size=8, key=self._key).hexdigest() if asked.secret else ""
        return AuthFailed(at, host, protocol, service, who, outcome == "servers", name, secret, 1, method, asked.reason, session)


_KNOWN = {"allow", "report", "ping", *DEEDS}


class DovecotPolicyInlet:
    """A listener."""

    def __init__(
        self,
        settings: DovecotPolicySettings,
        guard: Guard,
        now: Callable[[], int],
        account: Callable[[str], str],
        host: str,
        deeds: Deeds | None = None,
    ) -> None:
        self.settings = settings
        self.name = settings.name
        self._guard = guard
        self.answers = Answers(guard, now, account, deeds, inlet=self.name, host=host, key=guard.key())
        self.answers.logs = Logs(settings.hosts)
        self.doorman = Doorman(self.answers, Key(settings.key), connections(settings.connections, SPARE_FILES))
        self.door = Listener(settings.listen, settings.mode, self.doorman, self.doorman.sweep)

    async def catch_up(self) -> None:
        """There is nothing to catch up with: Dovecot goes on without us, and its log tells of it."""

    async def run(self) -> None:
        """Answers until it is cancelled."""
        try:
            await self.door.run()
        finally:
            self.doorman.close()
            self._guard.stopped(self.name)

    def state(self) -> DovecotPolicyState:
        """How it is doing."""
        answers, doorman = self.answers, self.doorman
        dropped = answers.dropped + doorman.dropped
        problem = self.door.problem
        if not problem and doorman.dropped["wrong key"]:
            problem = "somebody asks with a wrong API key, and gets no answer: is it the same in Dovecot's auth_policy_server_api_header?"
        return DovecotPolicyState(
            listening=self.door.listening,
            problem=problem,
            connections=len(doorman.open),
            requests=answers.requests,
            facts=answers.facts,
            last=dict(answers.last),
            refusals=answers.refusals,
            delays=answers.delays,
            dropped=dict(dropped),
        )
