"""``gatepost why``: the story of a client, a network or an account.

Job: print what the daemon knows of a subject, in the order in which a tired person asks: is it held, by what, on which lines, what else did it do,
how near is it to a rule, what happens next. Promise: whatever a peer wrote stays text. Limits: needs a daemon; without a history it says so.
"""

from typing import Any

import click

from gatepost.cli import options
from gatepost.cli.client import ask
from gatepost.cli.show import here, left, number, print_json, safe

NOUNS = {
    "connected": "connections",
    "session_ended": "sessions ended",
    "auth_failed": "failed log-ins",
    "auth_succeeded": "good log-ins",
    "message_accepted": "messages accepted",
    "rejected": "commands rejected",
    "message_bounced": "messages bounced",
    "protocol_abused": "abuses of the protocol",
    "refused": "times turned away",
}
NEWEST = 8
"""Log lines that are shown of what it did last."""
DEEDS = {
    "hold": "blocked by hand",
    "lift": "unblocked",
    "retime": "given another end",
    "forget": "forgotten",
    "pause": "paused",
    "adopt_rules": "rules changed",
}


@click.command()
@click.argument("subject", metavar="CLIENT|NETWORK|ACCOUNT")
@options.config_file
@options.as_json
def why(subject: str, config_path: str | None, as_json: bool) -> None:
    """Tell the story of a client, network or account. What it did, what was decided, and on which evidence."""
    found = ask("GET", "/api/v1/why", query={"subject": subject}, config_path=config_path)
    if as_json:
        print_json(found)
        return
    for line in _story(found):
        click.echo(line)


def _story(found: dict[str, Any]) -> list[str]:
    parts = (_now(found), _lists(found), _counted(found), _decided(found), _did(found), _deeds(found), _next(found), _limits(found))
    return [line for part in parts if part for line in (*part, "")][:-1]


def _now(found: dict[str, Any]) -> list[str]:
    """What holds it, with the lines that are the reason."""
    now, name = found["now"], safe(found["subject"])
    if not found["standing"]:
        return [f"{name} is not held now."]
    lines = []
    for at, block in enumerate(found["standing"]):
        what = "would be held (watched)" if block["watched"] else f"is held ({block['action']})"
        by = f"by the rule {safe(block['rule'])}: {safe(block['reason'])}" if block["rule"] else f"by hand: {safe(block['reason'])}"
        lines.append(f"{safe(block['subject'])} {what} on {_where(block)} since {here(block['start'])}, {left(block['until'] - now)} more, {by}")
        evidence = found["past"]["evidence"][at : at + 1]
        lines += _evidence(evidence[0] if evidence else [], block["count"])
    return lines


def _where(block: dict[str, Any]) -> str:
    return "log-ins" if block["logins"] else "everything" if len(block["protocols"]) == 5 else ", ".join(block["protocols"])


def _evidence(events: list[dict[str, Any]], count: int) -> list[str]:
    lines = [f"    {_told(event)}" for event in events]
    if count > len(events) > 1:
        lines.insert(len(events) // 2, f"    ... {number(count - len(events), 'more', 'more')} between")
    return lines


def _told(event: dict[str, Any]) -> str:
    """A fact: its log line, or what is known of it."""
    if event["line"]:
        return safe(event["line"])
    words = [
        here(event["at"]),
        event["kind"].replace("_", " "),
        event["protocol"],
        event["client"],
        event["account"],
        event["detail"].get("reason", ""),
        f"country: {event['detail']['country']}" if event["detail"].get("country") else "",
    ]
    return safe(" ".join(word for word in words if word))


def _lists(found: dict[str, Any]) -> list[str]:
    lines = []
    for each in found["entries"]:
        entry = each["entry"]
        on = f" on {', '.join(entry['protocols'])}" if entry.get("protocols") else ""
        note = f" ({safe(entry['note'])})" if entry.get("note") else ""
        lines.append(f"    {entry['verb']} {safe(entry['prefix'])}{on}{note}{'' if each['in_force'] else ', expired'}")
    found_lines = ["On the lists, the most specific first:", *lines] if lines else []
    if found["grace_until"] > found["now"]:
        found_lines.append(f"In grace for {left(found['grace_until'] - found['now'])} more: no rule counts or holds it.")
    if found["by"] == "client" and found["known"]:
        found_lines.append("It logged in well or delivered mail in the last 7 days.")
    if found["by"] == "account" and found["known"]:
        found_lines.append(f"It logs in well from {', '.join(map(safe, found['known']))}.")
    return found_lines


def _counted(found: dict[str, Any]) -> list[str]:
    lines = []
    for fill in found["fills"]:
        mode = "" if fill["mode"] == "enforce" else f" ({fill['mode']} only)"
        what = f"{safe(fill['counts'])} on {'+'.join(fill['protocols'])}"
        lines.append(f"    {safe(fill['rule'])}: {fill['count']} of {fill['threshold']} in {fill['window']}, {what}{mode}")
    return ["Counted now:", *lines] if lines else ["No rule counts anything of it now."]


def _decided(found: dict[str, Any]) -> list[str]:
    standing = {block["number"] for block in found["standing"]}
    lines = []
    for told in found["past"]["told"]:
        detail = told["decision"]["detail"]
        if detail["number"] in standing:
            continue
        lines.append(f"    {here(detail['start'])}  {safe(detail['rule'] or 'by hand')}: {safe(detail['said'])} {_ended(told)}")
        lines += [f"    {line}" for line in _evidence(told["evidence"], detail["count"])]
    return ["Decided before, newest first:", *lines] if lines else []


def _ended(told: dict[str, Any]) -> str:
    detail, ended = told["decision"]["detail"], told["ended"]
    what = "watched" if detail["watched"] else detail["action"]
    if ended and ended["kind"] == "released":
        return f"({what}; released {here(ended['at'])}: {safe(ended['detail']['why'])})"
    return f"({what} until {here(detail['until'])})"


def _did(found: dict[str, Any]) -> list[str]:
    past = found["past"]
    lines = []
    for group in past["groups"]:
        span = f"{here(group['first'])} to {here(group['last'])}" if group["count"] > 1 else here(group["first"])
        why_not = ", not counted" if group["evidence_only"] else ""
        reason = f" ({safe(group['reason'])})" if group["reason"] else ""
        lines.append(f"    {group['count']:>8,} {NOUNS.get(group['kind'], group['kind'])}{reason} on {group['protocol']}, {span}{why_not}")
    for title, table in (("from", past["clients"]), ("accounts tried", past["accounts"])):
        if table:
            lines.append(f"    {title}: " + ", ".join(f"{_account(name)} {count:,}" for name, count in table.items()))
    if not lines:
        return [] if found["no_past"] else ["Nothing is known of what it did."]
    # A line can tell several facts; it is shown once.
    newest = list(dict.fromkeys(f"    {_told(event)}" for event in past["newest"]))[:NEWEST]
    return [f"What it did since {here(past['since'])}:", *lines, *(["Newest first:", *newest] if newest else [])]


def _account(name: str) -> str:
    return f"(a name of {name.rpartition(':')[2]} characters, not known as an account)" if name.startswith("masked:") else safe(name)


def _deeds(found: dict[str, Any]) -> list[str]:
    events = [event for event in found["past"]["deeds"] if event["detail"].get("who")]
    lines = [f"    {here(event['at'])}  {DEEDS.get(event['kind'], event['kind'])} by {_by(event)}".rstrip() for event in events]
    if not lines:
        lines = [f"    {here(a['at'])}  {safe(a['action'])} by {safe(a['who'])} {safe(a['reason'])}".rstrip() for a in found["audits"]]
    return ["Done by administrators, newest first:", *lines] if lines else []


def _by(event: dict[str, Any]) -> str:
    return f"{safe(event['detail']['who'])} {safe(event['detail']['reason'])}"


def _next(found: dict[str, Any]) -> list[str]:
    """What would happen now, protocols with the same answers together."""
    same: dict[str, list[str]] = {}
    for protocol in dict.fromkeys(each["protocol"] for each in found["answers"]):
        said = [each for each in found["answers"] if each["protocol"] == protocol]
        words = "; ".join(f"{each['stage']} {each['verdict']}" + (f" ({safe(each['reason'])})" if each["reason"] else "") for each in said)
        same.setdefault(words, []).append(protocol)
    return ["What would happen now:", *(f"    {', '.join(protocols)}: {words}" for words, protocols in same.items())] if same else []


def _limits(found: dict[str, Any]) -> list[str]:
    lines = [f"No history: {safe(found['no_past'])}"] if found["no_past"] else []
    missing = found["past"]["missing"]
    return [*lines, *([f"{number(missing, 'entry', 'entries')} of the order are missing from the history."] if missing else [])]
