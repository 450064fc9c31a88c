"""What Postfix is told: an action for each of its questions.

Job: read a question by its context, ask the guard, and say it in actions of access(5). Promise: OK is said to the relay question alone, at RCPT, for
an address that lies within the very prefix of an entry with the relay box; to everything else the most that is said is DUNNO, so that the rest of the
list decides. A message counts once, however often it is asked about. Limits: never waits; a delay is Postfix's to sit out, only so many at once.
"""

from collections import Counter, deque
from collections.abc import Callable
from ipaddress import ip_address

from gatepost.core.access import Entry
from gatepost.core.decisions import Allow, Delay, Question, Refuse
from gatepost.core.facts import MessageAccepted, Refused
from gatepost.core.subjects import Client, client
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.witness import Logs
from gatepost.wire.maillog.recent import Recent
from gatepost.wire.postfix_policy import DEFERRED, DENIED, DUNNO, HELD, HOLD, OK, Request, sleep

CLIENTS = 65_536
"""Addresses and accounts whose canonical form is remembered."""
MESSAGES = 65_536
"""Messages, twice, whose answer is remembered."""
INSTANCE = 128
"""Bytes of a message's name; Postfix's has about 30."""
SERVICES = {25: "smtp", 465: "smtps", 587: "submission"}


class Answers:
    """Answers questions. ``account`` makes names canonical, ``now`` is the time in microseconds."""

    def __init__(
        self,
        guard: Guard,
        now: Callable[[], int],
        account: Callable[[str], str],
        *,
        inlet: str,
        host: str,
        context: str,
        hosts: tuple[str, ...],
        hold: bool,
        delay: int,
        delays: int,
    ) -> None:
        """``context`` is what a socket is for, empty where questions say it themselves; ``hosts``: whose logs it is the witness for; ``hold``:
        messages of an account that an alert rule caught go on hold; ``delay``: seconds that a client waits at most; ``delays``: how many wait at
        once."""
        self._guard, self._now, self._account = guard, now, account
        self._inlet, self._host, self._context = inlet, host, context.encode()
        self._logs = Logs(hosts)
        self._hold, self._delay, self._delays = hold, delay, delays
        self._clients: dict[bytes, Client | None] = {}
        self._accounts: dict[bytes, str] = {}
        self._messages: Recent[bytes, bytes] = Recent(MESSAGES)
        """By the instance and the moment, what was answered where it must not be counted again."""
        self._sleeping: deque[int] = deque()
        self._of = {b"access": self._access, b"relay": self._relay, b"data": self._data}
        self.requests = 0
        self.facts = 0
        self.last = dict.fromkeys([context] if context else [name.decode() for name in self._of], 0)
        """When each context was asked about last."""
        self.given: Counter[str] = Counter()
        """How often something else than DUNNO was said."""
        self.odd: Counter[str] = Counter()
        """Questions that were let pass unread, by the reason."""

    def __call__(self, request: Request) -> bytes:
        """The answer to a question, ready to be sent."""
        self.requests += 1
        at = self._now()
        context = self._meant(request)
        asked = self._of.get(context)
        if asked is None:
            return DUNNO
        self.last[context.decode()] = at
        address = request.client
        found = self._clients[address] if address in self._clients else self._client(address)
        if found is None:
            self.odd["no address"] += 1
            return DUNNO
        answer = asked(request, at, found)
        if answer is not DUNNO:
            self.given[answer[7:].split(None, 1)[0].decode()] += 1
        return answer

    def _meant(self, request: Request) -> bytes:
        """The context of a question. Relaying is asked about by name alone; empty where two names contradict each other, or one is not known."""
        said, ours = request.context, self._context
        if ours and said in (ours, b""):
            return ours
        if not ours and not said:
            self.odd["no policy_context"] += 1
            return b"data" if request.state == b"END-OF-MESSAGE" else b"access"
        if ours or said not in self._of:
            self.odd["another policy_context"] += 1
            return b""
        return said

    # --- the questions

    def _access(self, request: Request, at: int, of: Client) -> bytes:
        account = self._named(request.account) if request.account else ""
        # Who has logged in is asked about as one who logs in: a hold of log-ins alone is for him too.
        verdict = self._guard.judge(Question(at, of, "smtp", "login" if account else "connect", account))
        return DUNNO if isinstance(verdict, Allow) else self._objection(request, at, of, verdict, account, HELD)

    def _relay(self, request: Request, at: int, of: Client) -> bytes:
        if request.state != b"RCPT":
            return DUNNO
        verdict = self._guard.judge(Question(at, of, "smtp", "relay", self._named(request.account)))
        return OK if isinstance(verdict, Allow) and verdict.grants_relay and _within(verdict.entry, of) else DUNNO

    def _data(self, request: Request, at: int, of: Client) -> bytes:
        if request.state != b"END-OF-MESSAGE":
            return DUNNO
        message = b"data " + request.instance[:INSTANCE]
        if request.instance and (before := self._messages.get(message)) is not None:
            return before
        account = self._named(request.account)
        question = Question(at, of, "smtp", "message", account)
        verdict = self._guard.judge(question)
        if account and not isinstance(verdict, Refuse):
            service = SERVICES.get(request.port, "smtp")
            fact = MessageAccepted(at, self._host, "smtp", service, of, False, account, max(1, request.recipients), request.size)
            verdict = self._guard.admit(question, fact, self._inlet, logs=self._logs)
            self.facts += 1
        if not isinstance(verdict, Allow):
            answer = self._objection(request, at, of, verdict, account, DEFERRED)
        else:
            answer = HOLD if self._hold and account and self._guard.standing.alerted(account, at) is not None else DUNNO
        if request.instance:
            self._messages.put(message, answer)
        return answer

    def _objection(self, request: Request, at: int, of: Client, verdict: Delay | Refuse, account: str, held: bytes) -> bytes:
        """What is said to who may not go on, or not yet. Told and slowed down once a message: there is a question for each of its recipients."""
        again = b"no " + request.instance[:INSTANCE]
        told = bool(request.instance) and self._messages.get(again) is not None
        if request.instance and not told:
            self._messages.put(again, b"")
        if isinstance(verdict, Delay):
            return DUNNO if told else self._sleep(at, verdict.us)
        if not told:
            stage = "message" if held is DEFERRED else "connect"
            self._guard.hear([Refused(at, self._host, "smtp", "smtp", of, False, stage, verdict.reason, account, verdict.country)], self._inlet, ())
        return held if verdict.decision is not None else DENIED

    def _sleep(self, at: int, us: int) -> bytes:
        """A delay, while not too many wait: each takes one of Postfix's processes."""
        while self._sleeping and self._sleeping[0] <= at:
            self._sleeping.popleft()
        if not self._delay:
            return DUNNO
        if len(self._sleeping) >= self._delays:
            self.odd["too many delayed"] += 1
            return DUNNO
        self._sleeping.append(at + min(us, self._delay * 1_000_000))
        return sleep(us, self._delay)

    # --- names

    def _client(self, text: bytes) -> Client | None:
        if len(self._clients) >= CLIENTS:
            self._clients.clear()
        try:
            found = client(text.decode("ascii")) if len(text) < 64 else None
        except ValueError:
            found = None
        if len(text) < 64:
            self._clients[text] = found
        return found

    def _named(self, text: bytes) -> str:
        found = self._accounts.get(text)
        if found is None:
            if len(self._accounts) >= CLIENTS:
                self._accounts.clear()
            found = self._account(text[:4096].decode("utf-8", "replace"))
            if len(text) < 256:
                self._accounts[text] = found
        return found


def _within(entry: Entry | None, of: Client) -> bool:
    """Whether an address lies within an entry's own prefix: looked at here once more, since an open relay is a disaster."""
    address = ip_address(of)
    return entry is not None and entry.verb == "allow" and not entry.name and any(address in net for net in entry.networks)
