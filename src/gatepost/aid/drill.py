"""A drill: one client goes too far against this host's own mail servers, so that an administrator sees his own wiring work.

Job: have the daemon count one address of loopback for a while, attack, and tell what was sent, what arrived, when the rule fired and what the guard
answers then. Promise: it connects to loopback or to this host's own addresses alone, from one that only it uses; it makes as many attempts as the
rule counts and two more, within a time limit; whatever happens, the hold is lifted and the exception taken back, and the exception ends by itself
even if the drill is killed. Limits: the kernel never filters loopback, so what bites is seen as the guard's answer, and on a server that asks it.
"""

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, Protocol

from gatepost.aid.drill_attempt import SERVER_ERRORS, Target, act
from gatepost.core.faults import BadInputError
from gatepost.core.rules import MAIL

RULES = {"dos": "imap", "harvesting": "smtp", "password-brute-force": "imap"}
"""The rules that can be drilled, and the protocol that each is drilled on where none is named."""
PORTS = {"smtp": 25, "imap": 143, "pop3": 110, "sieve": 4190}
SOURCE = "127.0.0.66"
EXTRA = 2
"""Attempts beyond what the rule counts."""
MOST = 200
"""The largest threshold that is drilled."""
A_CONNECTION = 5
"""Failed log-ins in one connection, so that its connections are too few for `dos`."""
AT_ONCE = 8
LONGEST = 180.0
"""Seconds that the attack may take."""
ARRIVE = 15.0
"""Seconds that the rule has to fire, once all was sent."""
FOR = "10m"
"""When the exception ends, should nobody be there to take it back."""


class Asking(Protocol):
    """Asks the daemon's API."""

    def __call__(self, method: str, path: str, body: Any = None, query: dict[str, str] | None = None) -> Any:
        """One request, and the JSON of its answer."""


def target(rule: str, protocol: str, host: str, port: int, source: str, own: Iterable[str]) -> Target:
    """What is to be attacked. Raises BadInputError where it is not this host's own, or no drill is known for the rule."""
    if rule not in RULES:
        raise BadInputError(f"{rule!r} has no drill; one of {', '.join(RULES)}")
    protocol = protocol or RULES[rule]
    if (rule, protocol) == ("dos", "smtp"):
        raise BadInputError("dos on smtp: its connections would be sessions without a message, which harvesting blocks first; name another protocol")
    if rule == "harvesting" and protocol != "smtp":
        raise BadInputError("harvesting watches smtp alone")
    there, here = _own("--host", host, own), _own("--from", source, own)
    if there.version != here.version:
        raise BadInputError("--from: must be of the same family as --host")
    if source in ("127.0.0.1", "::1", host):
        raise BadInputError(f"--from: {source} is what this host's own programs come from; name one that nobody uses, like {SOURCE}")
    return Target(rule=rule, protocol=protocol, host=str(there), port=port or PORTS[protocol], source=str(here))


def _own(field: str, text: str, own: Iterable[str]) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise BadInputError(f"{field}: {text!r} is no address") from None
    if not (found.is_loopback or str(found) in set(own)):
        raise BadInputError(f"{field}: {text} is neither loopback nor one of this host's own addresses; a drill attacks nobody else")
    return found


class Drill:
    """One drill. ``say`` is told each step."""

    def __init__(self, target: Target, ask: Asking, say: Callable[[str], None]) -> None:
        self.target = target
        self._ask = ask
        self._say = say
        self._stop = threading.Event()
        self._sent = 0
        self._errors: list[str] = []
        self._begun = False
        """Whether an exception may stand."""

    def run(self) -> bool:
        """Whether the rule fired, and something turns the client away. Raises BadInputError where the daemon does not let it begin."""
        rule = self._rule()
        before = self._facts()
        try:
            self._begin()
            self._attack(rule["threshold"])
            return self._look(before, rule)
        finally:
            self._stop.set()
            if self._begun:
                self._clean()

    # --- before

    def _rule(self) -> dict[str, Any]:
        """The rule, once it is known that a drill can show it."""
        asked = self.target
        rules = {each["rule"]["name"]: each for each in self._ask("GET", "/api/v1/rules")["rules"]}
        if asked.rule not in rules:
            raise BadInputError(f"there is no rule {asked.rule!r} in force; gatepost rules list shows them all")
        shown = rules[asked.rule]
        rule: dict[str, Any] = shown["rule"]
        if rule.get("mode", "enforce") != "enforce":
            raise BadInputError(f"{asked.rule} does not enforce; gatepost rules enable {asked.rule}")
        on = rule.get("on", MAIL)
        if asked.protocol not in on:
            cure = f"gatepost rules set {asked.rule} --on {','.join((*on, asked.protocol))} has it do so"
            raise BadInputError(f"{asked.rule} does not watch {asked.protocol}; {cure}")
        if rule["threshold"] > MOST:
            raise BadInputError(f"{asked.rule} counts to {rule['threshold']}; a drill makes {MOST} attempts at most")
        self._say(f"rule: {shown['sentence']}")
        if self._answer()["verdict"] == "refuse":
            raise BadInputError(f"{asked.source} is turned away already; gatepost unblock {asked.source}, or name another --from")
        return rule

    def _begin(self) -> None:
        asked = self.target
        with socket.create_connection((asked.host, asked.port), 5, (asked.source, 0)):
            pass
        entry = {"verb": "allow", "prefix": asked.source, "detection": False, "expires": FOR, "note": f"drill of {asked.rule}"}
        self._begun = True
        try:
            self._ask("POST", "/api/v1/access", entry)
        except BadInputError:
            self._begun = False
            raise
        self._say(f"exception: {asked.source} is counted like anybody for a while, though this host's own addresses are trusted")

    def _clean(self) -> None:
        """Each step is tried whatever becomes of the other."""
        source = self.target.source
        entries = [each for each in self._ask("GET", "/api/v1/access", query={"text": source})["entries"] if each["prefix"] == source]
        try:
            if any(each.get("note", "").startswith("drill of ") for each in entries):
                self._ask("DELETE", "/api/v1/access", query={"prefix": source})
        finally:
            released = self._ask("POST", "/api/v1/unblock", {"subject": source})["released"]
        self._say(f"cleaned up: {len(released)} hold{'' if len(released) == 1 else 's'} lifted, the exception is gone")

    # --- the attack

    def _attack(self, threshold: int) -> None:
        asked = self.target
        size = A_CONNECTION if asked.rule == "password-brute-force" else 1
        # As many as the rule counts at once, then two more, one by one: these meet a guard that has decided.
        sizes = [min(size, threshold - start) for start in range(0, threshold, size)]
        self._say(f"sending {threshold} {_WORDS[asked.rule]} from {asked.source} to {asked.host} port {asked.port} ({asked.protocol})")
        workers = ThreadPoolExecutor(AT_ONCE, "drill")
        try:
            wait([workers.submit(self._one, each) for each in sizes], LONGEST)
        finally:
            self._stop.set()
            workers.shutdown(wait=False, cancel_futures=True)
        self._stop.clear()
        self._say(f"sent {self._sent} of {threshold}" + (f"; {len(self._errors)} went wrong, the first: {self._errors[0]}" if self._errors else ""))

    def _one(self, size: int) -> None:
        if self._stop.is_set():
            return
        try:
            act(self.target, size)
            self._sent += size
        except SERVER_ERRORS as wrong:
            self._errors.append(str(wrong) or type(wrong).__name__)

    # --- after

    def _look(self, before: int, rule: dict[str, Any]) -> bool:
        asked = self.target
        until = time.monotonic() + ARRIVE
        while not (held := self._held()) and time.monotonic() < until:
            time.sleep(0.2)
        came = self._facts() - before
        self._say(f"{came} facts that {asked.rule} counts arrived on {asked.protocol} meanwhile, from all clients")
        if not held:
            self._say(f"NOT FIRED: {asked.rule} holds nobody." + _cure(came, rule["threshold"]))
            return False
        self._say(f"fired: {asked.rule} holds {asked.source} on {', '.join(held['protocols'])} for {(held['until'] - held['start']) // 1_000_000} s")
        answer = self._answer()
        refuses: bool = answer["verdict"] == "refuse"
        self._say(
            f"the guard's answer to {asked.source} on {asked.protocol}: {answer['verdict']}"
            + (f" ({answer['rule'] or 'the deny list'})" if refuses else "")
        )
        bites = False
        for _ in range(EXTRA):
            away, said = self._knock()
            bites |= away
            self._say(f"another connection: {said}")
        for mirror in self._ask("GET", "/api/v1/status")["mirrors"]:
            bites |= mirror["working"]
            state = f"{mirror['enforced']} elements stand" if mirror["working"] else f"does NOT enforce: {mirror['problem']}"
            self._say(f"{mirror['name']}: {state}")
        self._say("the kernel never filters loopback, whomever else it blocks" if bites else "NOT ENFORCED: decided, but nothing acts on it")
        return refuses and bites

    def _held(self) -> dict[str, Any] | None:
        asked = self.target
        found: list[dict[str, Any]] = self._ask("GET", "/api/v1/blocks", query={"text": asked.source, "rule": asked.rule})["blocks"]
        return next((each for each in found if each["subject"] == asked.source and each["rule"] == asked.rule), None)

    def _answer(self) -> dict[str, Any]:
        asked = {"client": self.target.source, "protocol": self.target.protocol}
        found: dict[str, Any] = self._ask("GET", "/api/v1/access/check", query=asked)["answers"][0]
        return found

    def _facts(self) -> int:
        feeds = self._ask("GET", "/api/v1/status")["feeds"]
        return sum(each["facts"] for each in feeds if (each["rule"], each["protocol"]) == (self.target.rule, self.target.protocol))

    def _knock(self) -> tuple[bool, str]:
        """Whether a connection is turned away, and how."""
        asked = self.target
        try:
            with socket.create_connection((asked.host, asked.port), 5, (asked.source, 0)) as link:
                link.settimeout(5)
                said = link.recv(200).decode("ascii", "replace").strip()
        except OSError as wrong:
            return True, f"turned away ({wrong})"
        if said.startswith(("421", "554", "* BYE", "-ERR", "BYE")) or not said:
            return True, f"turned away by the server ({said or 'closed at once'})"
        return False, "the server answers: it does not ask the guard"


_WORDS = {"dos": "connections", "harvesting": "sessions without a message", "password-brute-force": "failed log-ins"}


def _cure(came: int, threshold: int) -> str:
    if came == 0:
        return " Nothing arrived: does the guard read this server's log? gatepost status shows what it reads."
    if came < threshold:
        return f" {threshold - came} are missing: the server may log less, or later; gatepost doctor tells which settings it should have."
    return " They came from others, or were not counted; gatepost access check shows who is trusted."
