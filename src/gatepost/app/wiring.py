"""Whether the mail server really asks, as its own configuration says: for the doctor.

Job: read Postfix's files and `postconf`, and Exim's files, where they are to ask us. Promise: changes nothing, runs off the loop, and what cannot be
read is told. Limits: what the files say; whether the server was reloaded since, the time of its last question tells.
"""

from collections.abc import Callable, Iterator, Sequence

from gatepost import config
from gatepost.admin.desk import Wired
from gatepost.aid.setup import near
from gatepost.aid.setup_exim import Exim, plan_exim
from gatepost.aid.setup_postfix import CONTEXTS, Postfix, plan_postfix
from gatepost.core.faults import BadInputError
from gatepost.inlets.postfix_policy import PostfixPolicySettings


def listeners(settings: Sequence[PostfixPolicySettings]) -> dict[str, str]:
    """For each context, where Postfix is to ask: a socket for it alone, else the first for all. Raises BadInputError where there is none."""
    found = {}
    for context in CONTEXTS.values():
        fitting = [each for each in settings if each.context in (context, "")]
        if not fitting:
            raise BadInputError(f"postfix_policy.context: no socket is for {context}; add a [[postfix_policy]] for it, or one without a context")
        found[context] = max(fitting, key=lambda each: bool(each.context)).listen
    return found


def wiring(settings: Callable[[], config.Settings]) -> Callable[[], Sequence[Wired]]:
    """Looks at the mail servers that are to ask."""

    def look() -> list[Wired]:
        there = settings()
        return [*_postfix(there), *_milter(there), *_exim(there)]

    return look


def _postfix(settings: config.Settings) -> Iterator[Wired]:
    if not settings.postfix_policy:
        return
    cure = "gatepost setup postfix shows the lines; --apply writes them"
    try:
        server = Postfix()
        closed = any(each.when_away == "closed" for each in settings.postfix_policy)
        plan = plan_postfix(server, listeners(settings.postfix_policy), closed, settings.postfix_cidr.path)
    except BadInputError as wrong:
        yield Wired(what="postfix", verdict="look", said=f"its configuration is not known: {wrong}", cure="is Postfix on another host? look there")
        return
    missing = sum(len(change.lines) for change in plan.changes)
    if missing:
        yield Wired(what="postfix", verdict="bad", said=f"{missing} lines are missing in main.cf or master.cf: it does not ask everything", cure=cure)
    else:
        yield Wired(what="postfix", verdict="well", said="main.cf and master.cf ask at each smtpd who may go on, who may relay, and tell what came")
    for said in plan.by_hand:
        yield Wired(what="postfix", verdict="look", said=said, cure="change it by hand, then postfix reload")
    nets = " ".join(server.value("mynetworks").replace(",", " ").split()) or "none that is known"
    yield Wired(what="relaying", verdict="well", said=f"besides our list, Postfix lets relay: mynetworks ({nets}), and who logged in")


def _milter(settings: config.Settings) -> Iterator[Wired]:
    """Whether Postfix has our milter, and goes on without it; a Sendmail is not looked at."""
    for each in settings.milter:
        try:
            server = Postfix()
        except BadInputError:
            return
        where = f"unix:{each.listen}" if each.listen.startswith("/") else f"inet:{near(each.listen)}"
        milters = server.value("smtpd_milters")
        cure = "docs/milter.md has the line for main.cf"
        if where not in milters:
            yield Wired(what="milter", verdict="bad", said=f"{where} is not among smtpd_milters in main.cf: Postfix does not ask", cure=cure)
        elif "default_action=accept" not in milters.replace(" ", "") and server.value("milter_default_action") != "accept":
            yield Wired(what="milter", verdict="look", said="milter_default_action is not accept: mail stops while we are away", cure=cure)
        else:
            yield Wired(what="milter", verdict="well", said="smtpd_milters has it, and Postfix goes on without it")


def _exim(settings: config.Settings) -> Iterator[Wired]:
    if not settings.exim:
        return
    try:
        plan = plan_exim(Exim(), settings.exim[0].listen)
    except BadInputError as wrong:
        cure = "is it on another host, or asked about in lists of your own? docs/exim.md"
        yield Wired(what="exim", verdict="look", said=f"its configuration is not known: {wrong}", cure=cure)
        return
    for said in plan.by_hand:
        yield Wired(what="exim", verdict="look", said=said, cure="change it by hand, then update-exim4.conf")
    if plan.changes:
        cure = "gatepost setup exim shows the lines; --apply writes them"
        yield Wired(what="exim", verdict="bad", said="lines are missing: it does not ask everything", cure=cure)
    elif not plan.by_hand:
        yield Wired(what="exim", verdict="well", said="its lists ask who may connect, log in and relay, and tell what came")
