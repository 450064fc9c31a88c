"""``gatepost import``: take over what another guard holds, trusts and counts.

Job: read another guard's files, ask the daemon to weigh and apply what they say, and print what became what. Promise: the other guard's files are
only read; what is not taken over is named with the reason. Limits: needs a daemon, for a dry run too: it alone knows what stands.
"""

import shlex
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from msgspec import structs

from gatepost.aid import crowdsec
from gatepost.aid.fail2ban import DATABASE, FOLDER, Plan, RuleWish, Wish, read
from gatepost.cli import options
from gatepost.cli.access import list_text, tell_imported
from gatepost.cli.client import ask
from gatepost.cli.show import left, number, print_json, safe, table
from gatepost.core.faults import BadInputError

dry_run_option = click.option("--dry-run", is_flag=True, help="Only say what would happen.")


@click.group("import")
def imports() -> None:
    """Take over bans, lists and rules from another guard."""


# --- lists


@imports.command("list")
@click.argument("file")
@click.option("--deny", "listed", flag_value="deny", help="Deny them, for good or until the time that a row names.")
@click.option("--allow", "listed", flag_value="allow", help="Trust them: no rule about an address counts or holds them.")
@click.option("--for", "hold_for", default="", metavar="SPAN", help="Block them by hand for so long, or until the time that a row names.")
@options.protocols
@dry_run_option
@click.option("--skip-bad", is_flag=True, help="Apply the good rows even where others are bad.")
@click.option("--confirm-relay", is_flag=True, help="Yes, rows with the relay box may relay.")
@options.config_file
@options.as_json
def import_list(
    file: str, listed: str | None, hold_for: str, protocols: tuple[str, ...], config_path: str | None, as_json: bool, **flags: bool
) -> None:
    """Take in a CSV, lines of addresses, or CrowdSec's decisions. All rows or none."""
    if listed and hold_for:
        raise BadInputError(f"--for: blocks end, entries of the {listed} list stay; give --for or --{listed}")
    text, left_out = _as_list(list_text(file))
    query = {"protocols": ",".join(protocols)} | {name: "1" for name, on in flags.items() if on}
    where, more = ("blocks", {"for": hold_for}) if hold_for else ("access", {"list": listed or ""})
    found = ask("POST", f"/api/v1/{where}/import", text, query | more, config_path)
    if as_json and left_out:
        found["left_out"] = left_out
    for row in () if as_json else left_out:
        click.echo(f"{safe(file)}: left out: {safe(row)}", err=True)
    tell_imported(found, file, as_json, flags["dry_run"], flags["skip_bad"])


def _as_list(data: bytes) -> tuple[bytes, list[str]]:
    """A list as the daemon reads it, and what was left out of it."""
    text = data.decode("utf-8", "replace")
    if not crowdsec.is_crowdsec(text):
        return data, []
    found, left_out = crowdsec.as_list(text, time.time_ns() // 1000)
    return found.encode(), left_out


# --- fail2ban


@imports.command()
@click.option("--config-dir", default=FOLDER, show_default=True, metavar="DIR", help="fail2ban's configuration.")
@click.option("--database", default="", metavar="FILE", help=f"fail2ban's database; default: the one that its configuration names, else {DATABASE}.")
@click.option("--rules", "with_rules", is_flag=True, help="Change the rules too, instead of only showing how they would change.")
@dry_run_option
@options.config_file
@options.as_json
def fail2ban(config_dir: str, database: str, with_rules: bool, dry_run: bool, config_path: str | None, as_json: bool) -> None:
    """Take over fail2ban's bans, ignoreip and, with --rules, numbers. Only those of its mail jails."""
    found = read(Path(config_dir), database, time.time_ns() // 1000)
    body = {
        "source": "fail2ban",
        "wishes": [_without_origin(wish) for wish in found.wishes],
        "rules": [{"name": rule.name, "changes": rule.changes} for rule in found.rules],
        "with_rules": with_rules,
        "dry_run": dry_run,
    }
    told = _told(found, ask("POST", "/api/v1/import", body, config_path=config_path), config_dir, with_rules)
    if as_json:
        print_json(told)
    else:
        _show(told, dry_run, with_rules)


_OFF = "[{}]\nenabled = false\n"


def _without_origin(wish: Wish) -> dict[str, Any]:
    fields = structs.asdict(wish)
    del fields["origin"]
    return fields


def _told(plan: Plan, found: dict[str, Any], config_dir: str, with_rules: bool) -> dict[str, Any]:
    """The plan's lines with what became of each; what was refused is among what is left."""
    lines = [_line(wish, outcome) for wish, outcome in zip(plan.wishes, found["wishes"], strict=True)]
    rules = [_rule_line(rule, outcome) for rule, outcome in zip(plan.rules, found["rules"], strict=True)]
    refused = [{"what": each["fail2ban"], "because": each["said"]} for each in (*lines, *rules) if each["state"] == "refused"]
    stop = [f"fail2ban-client stop {shlex.quote(name)}" for name in plan.jails]
    return {
        "applied": found["applied"],
        "rules_applied": found["applied"] and with_rules,
        "lines": [each for each in lines if each["state"] != "refused"],
        "rules": [each for each in rules if each["state"] != "refused"],
        "not_taken_over": [structs.asdict(each) for each in plan.left] + refused,
        "stop": stop,
        "keep_off": {"file": str(Path(config_dir) / "jail.d" / "zz-gatepost.local"), "text": "".join(map(_OFF.format, plan.jails))},
    }


def _line(wish: Wish, outcome: dict[str, Any]) -> dict[str, Any]:
    fields = _without_origin(wish)
    if outcome["state"] == "new":
        fields["protocols"] = outcome["protocols"]
    return {"fail2ban": wish.origin, **fields, "state": outcome["state"], "said": outcome["said"]}


def _rule_line(wish: RuleWish, outcome: dict[str, Any]) -> dict[str, Any]:
    return {"fail2ban": wish.origin, "name": wish.name, "changes": wish.changes} | outcome


def _show(told: dict[str, Any], dry_run: bool, with_rules: bool) -> None:
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    rows = [(each["fail2ban"], _becomes(each, now), _state(each)) for each in told["lines"]]
    rows += [(each["fail2ban"], _rule_becomes(each), _rule_state(each, with_rules)) for each in told["rules"]]
    if rows:
        table(("in fail2ban", "becomes", ""), rows)
    if told["not_taken_over"]:
        click.echo()
        table(("not taken over", "because"), [(each["what"], each["because"]) for each in told["not_taken_over"]])
    click.echo(f"\n{_sum(told, dry_run, with_rules)}")
    if told["stop"]:
        click.echo(_STOP.format(safe(told["keep_off"]["file"])), nl=False)
        for line in (*told["stop"], "", *told["keep_off"]["text"].splitlines()):
            click.echo(f"    {safe(line)}".rstrip())


_STOP = """
fail2ban's own bans stay in its own firewall chains until it lifts them. Once Gatepost does what you want, stop its mail jails, and keep them off with
the lines below in {}:

"""


def _becomes(line: dict[str, Any], now: int) -> str:
    verb = "block" if line["verb"] == "hold" else line["verb"]
    on = f" on {','.join(line['protocols'])}" if line["protocols"] else ""
    return f"{verb} {line['prefix']}{on}" + (f" for {left(line['until'] - now)}" if line["until"] else "")


def _rule_becomes(line: dict[str, Any]) -> str:
    now = f" Now: {line['before']}" if line["before"] and line["state"] == "new" else ""
    return f"{line['name']}: {line['after']}{now}"


def _state(line: dict[str, Any]) -> str:
    return "new" if line["state"] == "new" else f"there already: {line['said']}"


def _rule_state(line: dict[str, Any], with_rules: bool) -> str:
    if line["state"] == "there":
        return "there already"
    return ("changed" if line["before"] else "new") if with_rules else "only with --rules"


def _sum(told: dict[str, Any], dry_run: bool, with_rules: bool) -> str:
    new = [each["verb"] for each in told["lines"] if each["state"] == "new"]
    rules = sum(each["state"] == "new" for each in told["rules"]) if with_rules else 0
    there = len(told["lines"]) - len(new)
    parts = [number(new.count("hold"), "block"), f"{new.count('deny'):,} denied", f"{new.count('allow'):,} allowed", number(rules, "rule")]
    already, not_taken = f"{there:,} there already", f"{len(told['not_taken_over']):,} not taken over"
    return f"{'would take over' if dry_run else 'taken over'}: {', '.join(parts)}; {already}, {not_taken}"
