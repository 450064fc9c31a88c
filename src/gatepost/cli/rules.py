"""``gatepost rules``: what is too much?

Job: show rules and presets, play stories, and ask the daemon to change rules. Promise: what needs no daemon works without one. Limits: what a rule
may say is declared in core/rules.py.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec
from rich.table import Table

from gatepost import config
from gatepost.aid.stories import differences
from gatepost.cli import options
from gatepost.cli.client import ask, is_running
from gatepost.cli.show import console, plain, print_json, safe
from gatepost.core.faults import BadInputError
from gatepost.core.rules import PRESETS, Mode, Preset, Rule, sentence
from gatepost.core.spans import decode_span
from gatepost.wire.toml_files import write_rules


@click.group()
def rules() -> None:
    """Show, change and test abuse detection rules."""


def _chosen(preset: Preset | None, rules_path: str | None, config_path: str | None) -> tuple[Rule, ...]:
    """The rules that are meant: those of a preset or file where one is named, else those in force, else what a new installation has."""
    if preset is None and rules_path is None and is_running(config_path):
        listed = ask("GET", "/api/v1/rules", config_path=config_path)["rules"]
        return tuple(msgspec.convert(each["rule"], Rule, dec_hook=decode_span) for each in listed)
    return options.chosen_rules(preset, rules_path)[0]


@rules.command("list")
@options.preset
@options.rules_file
@options.config_file
@options.as_json
def list_rules(preset: Preset | None, rules_path: str | None, config_path: str | None, as_json: bool) -> None:
    """List the rules in force, or those of a preset or file, each in a sentence."""
    found = _chosen(preset, rules_path, config_path)
    if as_json:
        print_json({"rules": [_as_object(rule) for rule in found]})
        return
    table = Table("rule", "mode", "what it does", box=None, pad_edge=False)
    for rule in found:
        table.add_row(plain(rule.name, "bold"), rule.mode, plain(sentence(rule)))
    console().print(table)


@rules.command()
@click.argument("name")
@options.preset
@options.rules_file
@options.config_file
@options.as_json
def show(name: str, preset: Preset | None, rules_path: str | None, config_path: str | None, as_json: bool) -> None:
    """Show one rule: its sentence, and its TOML."""
    found = _chosen(preset, rules_path, config_path)
    rule = next((rule for rule in found if rule.name == name), None)
    if rule is None:
        raise BadInputError(f"there is no rule {safe(name)!r}; one of {', '.join(rule.name for rule in found)}")
    if as_json:
        print_json(_as_object(rule))
        return
    click.echo(f"{sentence(rule)}\n\n{write_rules((rule,))}", nl=False)


@rules.command()
@options.preset
@options.rules_file
@options.config_file
def export(preset: Preset | None, rules_path: str | None, config_path: str | None) -> None:
    """Print the rules in force, or those of a preset or file, as TOML, to be changed and given to --rules or imported."""
    found = _chosen(preset, rules_path, config_path)
    click.echo(write_rules(found), nl=False)


@rules.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@options.as_json
def test(files: tuple[str, ...], as_json: bool) -> None:
    """Play stories; where one goes otherwise than written, print the difference."""
    results = {name: differences(config.read_text(Path(name)), name) for name in files}
    failed = [name for name, lines in results.items() if lines]
    if as_json:
        print_json({"stories": [{"file": name, "passed": not lines, "diff": lines} for name, lines in results.items()]})
    else:
        for name, lines in results.items():
            click.echo(f"{'differs' if lines else 'passed '}  {safe(name)}")
            click.echo("".join(f"{safe(line)}\n" for line in lines), nl=False)
        click.echo(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    if failed:
        raise click.exceptions.Exit(1)


def _as_object(rule: Rule) -> dict[str, object]:
    return {"sentence": sentence(rule), "rule": rule}


# --- changing what is in force


@rules.command("set")
@click.argument("name")
@click.option("--threshold", help="How many are too many.")
@click.option("--window", metavar="SPAN", help="The time over which they are counted.")
@click.option("--for", "for_", metavar="SPAN", help="How long it lasts.")
@click.option("--action", help="block, delay or alert.")
@click.option("--on", metavar="PROTOCOLS", help="The protocols that it watches, as smtp,imap.")
@click.option("--field", "fields", multiple=True, metavar="NAME=VALUE", help="Any other field; can be given more than once.")
@options.config_file
@options.as_json
def set_rule(name: str, for_: str | None, fields: tuple[str, ...], config_path: str | None, as_json: bool, **asked: str | None) -> None:
    """Change fields of a rule, or add a rule."""
    changes: dict[str, object] = {key: value for key, value in (asked | {"for": for_}).items() if value is not None}
    for each in fields:
        key, equals, value = each.partition("=")
        if not equals:
            raise BadInputError(f"--field: {each!r}: write NAME=VALUE")
        changes[key] = value
    if not changes:
        raise BadInputError("nothing to change; name a field, as --threshold 80")
    _changed(ask("PATCH", f"/api/v1/rules/{quote(name, safe='')}", changes, config_path=config_path), name, as_json)


def _mode(verb: str, mode: Mode, text: str) -> None:
    @rules.command(verb, help=text)
    @click.argument("name")
    @options.config_file
    @options.as_json
    def command(name: str, config_path: str | None, as_json: bool) -> None:
        _changed(ask("POST", f"/api/v1/rules/{quote(name, safe='')}/mode", {"mode": mode}, config_path=config_path), name, as_json)


_mode("enable", "enforce", "Have a rule enforce.")
_mode("observe", "observe", "Have a rule decide and record, but hold nothing; what it held is released.")
_mode("disable", "off", "Switch a rule off; what it held is released.")


@rules.command()
@click.argument("name")
@options.config_file
@options.as_json
def reset(name: str, config_path: str | None, as_json: bool) -> None:
    """Give a rule back the numbers that it came with."""
    _changed(ask("POST", f"/api/v1/rules/{quote(name, safe='')}/reset", config_path=config_path), name, as_json)


@rules.command("preset")
@click.argument("name", type=click.Choice(list(PRESETS)))
@options.config_file
@options.as_json
def adopt_preset(name: str, config_path: str | None, as_json: bool) -> None:
    """Replace all rules by those of a preset."""
    _changed(ask("POST", f"/api/v1/presets/{name}", config_path=config_path), "", as_json)


@rules.command("import")
@click.argument("file")
@options.config_file
@options.as_json
def import_rules(file: str, config_path: str | None, as_json: bool) -> None:
    """Replace all rules by those of a TOML file."""
    text = config.read_text(Path(file))
    _changed(ask("PUT", "/api/v1/rules", text.encode(), {"name": file}, config_path), "", as_json)


def _changed(listed: dict[str, Any], name: str, as_json: bool) -> None:
    if as_json:
        print_json(listed)
        return
    for each in listed["rules"]:
        if not name or each["rule"]["name"] == name:
            click.echo(f"{safe(each['rule']['name'])}: {each['sentence']}")
