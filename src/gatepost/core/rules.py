"""What is too much: the abuse detection rules.

Job: declare what a rule can say, once, for files, forms, API and reference; hold the presets. Promise: a `Rule` that exists is one that can be
carried out; whatever contradicts itself raises ValueError, naming the field and the cure.
Limits: how facts are counted is in windows.py, what follows is in engine.py.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field, structs

from gatepost.core.facts import REASONS, Protocol, Stage
from gatepost.core.spans import DAY, HOUR, MINUTE, SECOND, Span
from gatepost.core.subjects import By

Counts = Literal[
    "connected",
    "open_connections",
    "bad_session",
    "auth_failed",
    "auth_succeeded",
    "message_accepted",
    "recipients",
    "rejected",
    "message_bounced",
    "protocol_abused",
    "held",
]
Distinct = Literal["", "accounts", "secrets", "clients"]
Action = Literal["block", "delay", "alert"]
Scope = Literal["protocol", "logins", "everything"]
Mode = Literal["enforce", "observe", "off"]
Preset = Literal["standard", "relaxed", "strict"]

MAIL: tuple[Protocol, ...] = ("smtp", "imap", "pop3")
MOST_RULES = 500

PLURALS = {
    "connected": "connections",
    "open_connections": "connections open at one time",
    "bad_session": "sessions without a message",
    "auth_failed": "failed log-ins",
    "auth_succeeded": "log-ins",
    "message_accepted": "messages",
    "recipients": "recipients",
    "rejected": "rejected commands",
    "message_bounced": "bounces",
    "protocol_abused": "protocol violations",
    "held": "holds",
}
_WITH_ACCOUNT = ("auth_failed", "auth_succeeded", "message_accepted", "recipients", "rejected", "message_bounced", "held")
_SMTP_ONLY = ("bad_session", "message_accepted", "recipients", "rejected", "message_bounced")


class Where(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Narrows what a rule counts; what is left empty matches everything."""

    reason: Annotated[str, Meta(title="Reason", description="The reason that the fact carries.", examples=["unknown_user"])] = ""
    stage: Annotated[Stage | Literal[""], Meta(title="Stage", description="The SMTP stage of a rejection.")] = ""
    code: Annotated[
        int, Meta(title="Reply code", description="4 or 5 for a class of SMTP replies, or one code; 0: any.", ge=0, le=599, examples=[550])
    ] = 0


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An abuse detection rule: what to count, over which window, how many are too many, and what follows."""

    name: Annotated[
        str, Meta(title="Name", description="Lower-case letters, digits and hyphens.", pattern="^[a-z0-9][a-z0-9-]{0,63}$", examples=["dos"])
    ]
    counts: Annotated[Counts, Meta(title="Counts", description="What is counted: a kind of fact.")]
    where: Annotated[Where, Meta(title="Where", description="Counts only facts with this reason, stage or reply code.")] = Where()
    on: Annotated[tuple[Protocol, ...], Meta(title="On", description="The protocols that it watches.", min_length=1)] = MAIL
    together: Annotated[bool, Meta(title="Together", description="Counts its protocols in one sum instead of each apart.")] = False
    by: Annotated[
        By, Meta(title="By", description="Whose facts are added up: client, network (/24, /48), account, or pair of account and client.")
    ] = "client"
    distinct: Annotated[Distinct, Meta(title="Distinct", description="Counts different accounts, secrets or clients instead of facts.")] = ""
    threshold: Annotated[int, Meta(title="Threshold", description="How many are too many.", ge=1, le=10_000)]
    min_clients: Annotated[
        int,
        Meta(title="From clients", description="Fires only when the facts came from at least this many clients; 0 asks for none.", ge=0, le=10_000),
    ] = 0
    window: Annotated[
        Span,
        Meta(title="Window", description="The time over which they are counted: 1s to 400d. open_connections have none.", examples=["5m"]),
    ] = Span(0)
    action: Annotated[Action, Meta(title="Action", description="What follows: block, delay the answers, or alert only.")] = "block"
    delay: Annotated[Span, Meta(title="Delay", description="How long each answer is delayed, up to 5m.", examples=["5s"])] = Span(5 * SECOND)
    hold_for: Annotated[Span, Meta(title="For", description="How long it lasts: 1s to 400d.", examples=["30m"])] = field(name="for")
    scope: Annotated[Scope, Meta(title="Scope", description="What is held: the protocol on which it fired, log-ins everywhere, or everything.")] = (
        "protocol"
    )
    mode: Annotated[Mode, Meta(title="Mode", description="enforce; observe (decide and record, hold nothing); off.")] = "enforce"
    forgive_known: Annotated[
        bool, Meta(title="Forgive known", description="Failures of accounts that logged in well from there within 30 days are not counted.")
    ] = False

    def __post_init__(self) -> None:
        for wrong in _faults(self):
            raise ValueError(wrong)

    @property
    def counting(self) -> tuple[object, ...]:
        """What a window depends on: two rules with the same counting can hand their windows on."""
        return (
            self.counts,
            self.where,
            self.on,
            self.together,
            self.by,
            self.distinct,
            self.threshold,
            self.min_clients,
            self.window,
            self.forgive_known,
        )

    @property
    def holds(self) -> bool:
        """Whether what it imposes turns anything away or slows it down."""
        return self.mode == "enforce" and self.action != "alert"

    @property
    def limit(self) -> str:
        """How many are too many, and within which time: ``50 in 5m``, ``20 at one time``."""
        return f"{self.threshold} at one time" if self.counts == "open_connections" else f"{self.threshold} in {self.window}"

    def __str__(self) -> str:
        return f"{self.name}: {self.limit}"


def _faults(rule: Rule) -> list[str]:
    """What a rule says that cannot be carried out: each names the field and the cure."""
    found = []
    if rule.counts == "open_connections":
        found += _open_faults(rule)
    elif not rule.window.us >= SECOND:
        found.append("window: must be 1s or longer")
    if not rule.hold_for.us >= SECOND:
        found.append("for: must be 1s or longer")
    if rule.action == "delay" and not SECOND <= rule.delay.us <= 5 * MINUTE:
        found.append("delay: must lie between 1s and 5m")
    if len(set(rule.on)) != len(rule.on):
        found.append("on: names a protocol twice")
    if rule.by in ("account", "pair") and rule.counts not in _WITH_ACCOUNT:
        found.append(f"by: {PLURALS[rule.counts]} name no account; count by client or network, or count one of {', '.join(_WITH_ACCOUNT)}")
    if rule.distinct == "secrets" and rule.counts != "auth_failed":
        found.append('distinct: only failed log-ins have secrets; set counts = "auth_failed"')
    if rule.distinct == "accounts" and (rule.counts not in _WITH_ACCOUNT or rule.by in ("account", "pair")):
        found.append("distinct: different accounts are counted by client or network, of facts that name an account")
    if rule.distinct == "clients" and rule.by in ("client", "pair"):
        found.append('distinct: different clients are counted by account or network; set by = "account" or by = "network"')
    if rule.min_clients and rule.by in ("client", "pair"):
        found.append('min_clients: one client is one client; set by = "account" or by = "network"')
    if rule.min_clients and rule.distinct:
        found.append("min_clients: cannot be combined with distinct; leave one of them out")
    if rule.min_clients > rule.threshold:
        found.append("min_clients: must not exceed the threshold")
    return found + _where_faults(rule)


def _open_faults(rule: Rule) -> list[str]:
    """What has no meaning where a fact itself says how many there are."""
    found = []
    if rule.window.us:
        found.append("window: open connections are looked at in one moment; leave it out")
    if rule.by != "client":
        found.append('by: open connections are those of one address; set by = "client"')
    if rule.together:
        found.append('together: each gateway looks at its own open connections; leave it out, and set scope = "everything" to hold more')
    return found


def _where_faults(rule: Rule) -> list[str]:
    where, found = rule.where, []
    known = REASONS.get(rule.counts, ())
    if where.reason and where.reason not in known:
        found.append(f"where.reason: {where.reason!r} is no reason of {rule.counts}; " + (f"one of {', '.join(known)}" if known else "leave it out"))
    if rule.counts != "rejected" and (where.stage or where.code):
        found.append('where: stage and code belong to rejections; set counts = "rejected" or leave them out')
    if where.code and not (where.code in (4, 5) or 400 <= where.code <= 599):
        found.append("where.code: 4, 5, or a code from 400 to 599")
    if rule.counts in _SMTP_ONLY and "smtp" not in rule.on:
        found.append(f'on: {PLURALS[rule.counts]} exist on smtp only; add "smtp"')
    return found


def sentence(rule: Rule) -> str:
    """A rule as an administrator would say it, for the rule's page, list and log."""
    what = f"different {rule.distinct} in {PLURALS[rule.counts]}" if rule.distinct else PLURALS[rule.counts]
    narrowed = [f"{name} {value}" for name, value in (("reason", rule.where.reason), ("stage", rule.where.stage), ("code", rule.where.code)) if value]
    what += f" ({', '.join(narrowed)})" if narrowed else ""
    whose = {"client": "from one address", "network": "from one network", "account": "on one account", "pair": "by one account from one address"}[
        rule.by
    ]
    many = f" and at least {rule.min_clients} addresses" if rule.min_clients else ""
    where = f"on {', '.join(rule.on)}" + ("" if len(rule.on) == 1 else " together" if rule.together else " (each apart)")
    target = {"protocol": "that protocol", "logins": "its log-ins", "everything": "everything"}[rule.scope]
    deed = {"block": f"block {target}", "delay": f"delay {target} by {rule.delay}", "alert": "alert the administrator, and stay silent"}[rule.action]
    mode = {"enforce": "", "observe": " (observed only)", "off": " (off)"}[rule.mode]
    within = "" if rule.counts == "open_connections" else f" within {rule.window}"
    return f"{rule.threshold} {what} {whose}{many}{within} {where} {deed} for {rule.hold_for}{mode}."


_STANDARD = (
    Rule(name="dos", counts="connected", threshold=50, window=Span(5 * MINUTE), hold_for=Span(5 * MINUTE)),
    Rule(name="harvesting", counts="bad_session", on=("smtp",), threshold=20, window=Span(5 * MINUTE), hold_for=Span(5 * MINUTE)),
    Rule(name="password-brute-force", counts="auth_failed", threshold=50, window=Span(10 * MINUTE), hold_for=Span(30 * MINUTE)),
)
_RELAXED = (structs.replace(_STANDARD[0], threshold=200), _STANDARD[1], structs.replace(_STANDARD[2], threshold=100))
_STRICT = (
    *_STANDARD,
    Rule(
        name="unknown-recipients",
        counts="rejected",
        where=Where(reason="unknown_user"),
        on=("smtp",),
        threshold=25,
        window=Span(10 * MINUTE),
        hold_for=Span(30 * MINUTE),
    ),
    Rule(
        name="password-spraying",
        counts="auth_failed",
        distinct="accounts",
        threshold=10,
        window=Span(10 * MINUTE),
        hold_for=Span(30 * MINUTE),
    ),
    Rule(
        name="account-guessing",
        counts="auth_failed",
        by="account",
        threshold=30,
        min_clients=10,
        window=Span(HOUR),
        action="delay",
        hold_for=Span(HOUR),
    ),
    Rule(
        name="internal-spammer",
        counts="recipients",
        on=("smtp",),
        by="account",
        threshold=200,
        window=Span(HOUR),
        action="alert",
        hold_for=Span(HOUR),
    ),
    Rule(name="bounces", counts="message_bounced", on=("smtp",), by="account", threshold=25, window=Span(HOUR), action="alert", hold_for=Span(HOUR)),
    Rule(name="dos-network", counts="connected", by="network", threshold=500, window=Span(5 * MINUTE), hold_for=Span(5 * MINUTE)),
    Rule(name="repeat-offender", counts="held", together=True, threshold=3, window=Span(30 * DAY), hold_for=Span(7 * DAY), scope="everything"),
    Rule(
        name="bad-neighbourhood",
        counts="held",
        together=True,
        by="network",
        distinct="clients",
        threshold=5,
        window=Span(DAY),
        hold_for=Span(DAY),
        scope="everything",
    ),
)
PRESETS: dict[Preset, tuple[Rule, ...]] = {"standard": _STANDARD, "relaxed": _RELAXED, "strict": _STRICT}
"""The rules that come with the program. ``standard`` is what a new installation has."""


def check_rules(rules: tuple[Rule, ...]) -> None:
    """Raises ValueError where rules cannot stand together: a name twice, or too many of them."""
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"rule {name!r} stands twice; give one of them another name")
    if len(rules) > MOST_RULES:
        raise ValueError(f"{len(rules)} rules; {MOST_RULES} at most")
