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
from gatepost.core.texts import Text, say

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


def _faults(rule: Rule) -> list[Text]:
    """What a rule says that cannot be carried out: each names the field and the cure."""
    found = []
    if rule.counts == "open_connections":
        found += _open_faults(rule)
    elif not rule.window.us >= SECOND:
        found.append(say("window: must be 1s or longer"))
    if not rule.hold_for.us >= SECOND:
        found.append(say("for: must be 1s or longer"))
    if rule.action == "delay" and not SECOND <= rule.delay.us <= 5 * MINUTE:
        found.append(say("delay: must lie between 1s and 5m"))
    if len(set(rule.on)) != len(rule.on):
        found.append(say("on: names a protocol twice"))
    if rule.by in ("account", "pair") and rule.counts not in _WITH_ACCOUNT:
        found.append(
            say(
                "by: {counts} name no account; count by client or network, or count one of {known}",
                counts=say(PLURALS[rule.counts]),
                known=_WITH_ACCOUNT,
            )
        )
    if rule.distinct == "secrets" and rule.counts != "auth_failed":
        found.append(say('distinct: only failed log-ins have secrets; set counts = "auth_failed"'))
    if rule.distinct == "accounts" and (rule.counts not in _WITH_ACCOUNT or rule.by in ("account", "pair")):
        found.append(say("distinct: different accounts are counted by client or network, of facts that name an account"))
    if rule.distinct == "clients" and rule.by in ("client", "pair"):
        found.append(say('distinct: different clients are counted by account or network; set by = "account" or by = "network"'))
    if rule.min_clients and rule.by in ("client", "pair"):
        found.append(say('min_clients: one client is one client; set by = "account" or by = "network"'))
    if rule.min_clients and rule.distinct:
        found.append(say("min_clients: cannot be combined with distinct; leave one of them out"))
    if rule.min_clients > rule.threshold:
        found.append(say("min_clients: must not exceed the threshold"))
    return found + _where_faults(rule)


def _open_faults(rule: Rule) -> list[Text]:
    """What has no meaning where a fact itself says how many there are."""
    found = []
    if rule.window.us:
        found.append(say("window: open connections are looked at in one moment; leave it out"))
    if rule.by != "client":
        found.append(say('by: open connections are those of one address; set by = "client"'))
    if rule.together:
        found.append(say('together: each gateway looks at its own open connections; leave it out, and set scope = "everything" to hold more'))
    return found


def _where_faults(rule: Rule) -> list[Text]:
    where, found = rule.where, []
    known = REASONS.get(rule.counts, ())
    if where.reason and where.reason not in known:
        cure = say("one of {known}", known=known) if known else say("leave it out")
        found.append(say("where.reason: {reason!r} is no reason of {counts}; {cure}", reason=where.reason, counts=rule.counts, cure=cure))
    if rule.counts != "rejected" and (where.stage or where.code):
        found.append(say('where: stage and code belong to rejections; set counts = "rejected" or leave them out'))
    if where.code and not (where.code in (4, 5) or 400 <= where.code <= 599):
        found.append(say("where.code: 4, 5, or a code from 400 to 599"))
    if rule.counts in _SMTP_ONLY and "smtp" not in rule.on:
        found.append(say('on: {counts} exist on smtp only; add "smtp"', counts=say(PLURALS[rule.counts])))
    return found


_WHOSE = {
    "client": say("from one address"),
    "network": say("from one network"),
    "account": say("on one account"),
    "pair": say("by one account from one address"),
}
_TARGETS = {"protocol": say("that protocol"), "logins": say("its log-ins"), "everything": say("everything")}


def sentence(rule: Rule) -> Text:
    """A rule as an administrator would say it, for the rule's page, list and log."""
    return say("{rule}.", rule=clause(rule))


def clause(rule: Rule) -> Text:
    """The same within a longer sentence."""
    parts = {
        "threshold": rule.threshold,
        "what": _what(rule),
        "whose": _WHOSE[rule.by],
        "where": _where(rule),
        "deed": _deed(rule),
        "span": rule.hold_for,
    }
    if rule.counts == "open_connections":
        said = say("{threshold} {what} {whose} {where} {deed} for {span}", **parts)
    elif rule.min_clients:
        parts |= {"clients": rule.min_clients, "window": rule.window}
        said = say("{threshold} {what} {whose} and at least {clients} addresses within {window} {where} {deed} for {span}", **parts)
    else:
        said = say("{threshold} {what} {whose} within {window} {where} {deed} for {span}", window=rule.window, **parts)
    if rule.mode == "enforce":
        return said
    return say("{rule} (observed only)", rule=said) if rule.mode == "observe" else say("{rule} (off)", rule=said)


def _what(rule: Rule) -> Text:
    what = say(PLURALS[rule.counts])
    if rule.distinct == "accounts":
        what = say("different accounts in {what}", what=what)
    elif rule.distinct == "secrets":
        what = say("different secrets in {what}", what=what)
    elif rule.distinct:
        what = say("different clients in {what}", what=what)
    where = rule.where
    narrowed = (
        say("reason {value}", value=where.reason) if where.reason else "",
        say("stage {value}", value=where.stage) if where.stage else "",
        say("code {value}", value=where.code) if where.code else "",
    )
    told = tuple(each for each in narrowed if each)
    return say("{what} ({narrowed})", what=what, narrowed=told) if told else what


def _where(rule: Rule) -> Text:
    if len(rule.on) == 1:
        return say("on {protocols}", protocols=rule.on)
    return say("on {protocols} together", protocols=rule.on) if rule.together else say("on {protocols} (each apart)", protocols=rule.on)


def _deed(rule: Rule) -> Text:
    if rule.action == "alert":
        return say("alert the administrator, and stay silent")
    target = _TARGETS[rule.scope]
    return say("delay {target} by {delay}", target=target, delay=rule.delay) if rule.action == "delay" else say("block {target}", target=target)


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
            raise ValueError(say("rule {name!r} stands twice; give one of them another name", name=name))
    if len(rules) > MOST_RULES:
        raise ValueError(say("{many} rules; {most} at most", many=len(rules), most=MOST_RULES))
