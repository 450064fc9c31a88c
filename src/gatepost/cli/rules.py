"""``gatepost rules``: what is too much?

Job: show rules and presets, play stories, and ask the daemon to change rules. Promise: what needs no daemon works without one. Limits: what a rule
may say is declared in core/rules.py.
"""

import os
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table

from gatepost import config
from gatepost.aid.stories import differences
from gatepost.cli import options
from gatepost.cli.client import ask, is_running, quoted
from gatepost.cli.preview import preview
from gatepost.cli.show import console, plain, print_json, safe
from gatepost.core.faults import BadInputError
from gatepost.core.rules import PRESETS, Mode, Preset, Rule, sentence
from gatepost.core.spans import decode_span
from gatepost.wire.toml_files import write_rules


@click.group()
def rules() -> None:
    """Show, change, preview and test abuse detection rules."""


rules.add_command(preview)


def _in_force(preset: Preset | None, rules_path: str | None, config_path: str | None) -> dict[str, Any] | None:
    """What the daemon says, where no preset or file is named and one answers."""
    if preset is not None or rules_path is not None or not is_running(config_path):
        return None
    found: dict[str, Any] = ask("GET", "/api/v1/rules", config_path=config_path)
    return found


def _chosen(preset: Preset | None, rules_path: str | None, config_path: str | None) -> tuple[Rule, ...]:
    """The rules that are meant: those of a preset or file where one is named, else those in force, else what a new installation has."""
    live = _in_force(preset, rules_path, config_path)
    if live is not None:
        return tuple(msgspec.convert(each["rule"], Rule, dec_hook=decode_span) for each in live["rules"])
    return options.chosen_rules(preset, rules_path)[0]


def _say_whose(preset: Preset | None, rules_path: str | None, config_path: str | None) -> None:
    """Says so where what is shown is in force nowhere, though nobody asked for a preset or a file."""
    if preset is None and rules_path is None and not is_running(config_path):
        click.echo("no gatepost answers; these are the rules of a new installation", err=True)


@rules.command("list")
@options.preset
@options.rules_file
@options.config_file
@options.as_json
def list_rules(preset: Preset | None, rules_path: str | None, config_path: str | None, as_json: bool) -> None:
    """List the rules in force, each in a sentence. Or those of a preset or file."""
    live = _in_force(preset, rules_path, config_path)
    if live is not None:
        _show_live(live, as_json)
        return
    found = _chosen(preset, rules_path, config_path)
    _say_whose(preset, rules_path, config_path)
    if as_json:
        print_json({"rules": [_as_object(rule) for rule in found]})
        return
    table = Table("rule", "mode", "what it does", box=None, pad_edge=False)
    for rule in found:
        table.add_row(plain(rule.name, "bold"), rule.mode, plain(sentence(rule)))
    console().print(table)


def _show_live(live: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(live)
        return
    found = Table("rule", "mode", "standing", "what it does", box=None, pad_edge=False)
    for each in live["rules"]:
        rule = each["rule"]
        found.add_row(plain(rule["name"], "bold"), rule.get("mode", "enforce"), str(each["standing"]), plain(each["sentence"]))
    console().print(found)
    click.echo(f"version {live['version']}; brake {'on' if live['brake'] else 'off'}")


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
    _say_whose(preset, rules_path, config_path)
    if as_json:
        print_json(_as_object(rule))
        return
    click.echo(f"{sentence(rule)}\n\n{write_rules((rule,))}", nl=False)


@rules.command()
@options.preset
@options.rules_file
@options.config_file
def export(preset: Preset | None, rules_path: str | None, config_path: str | None) -> None:
    """Print the rules in force, as TOML. Or those of a preset or file: to be changed, and given to --rules or imported."""
    found = _chosen(preset, rules_path, config_path)
    _say_whose(preset, rules_path, config_path)
    click.echo(write_rules(found), nl=False)


@rules.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@options.as_json
def test(files: tuple[str, ...], as_json: bool) -> None:
    """Play stories, and print where one goes otherwise."""
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
@options.rule_fields
@options.if_version
@options.config_file
@options.as_json
def set_rule(
    name: str, for_: str | None, fields: tuple[str, ...], if_version: str, config_path: str | None, as_json: bool, **asked: str | None
) -> None:
    """Change fields of a rule, or add a rule."""
    changes = options.changes_of(asked, for_, fields)
    if not changes:
        raise BadInputError("nothing to change; name a field, as --threshold 80")
    _changed(ask("PATCH", f"/api/v1/rules/{quoted(name)}", changes, None, config_path, _if_match(if_version)), name, as_json)


def _if_match(version: str) -> dict[str, str]:
    return {"If-Match": f'"{version}"'} if version else {}


def _mode(verb: str, mode: Mode, text: str) -> None:
    @rules.command(verb, help=text)
    @click.argument("name")
    @options.config_file
    @options.as_json
    def command(name: str, config_path: str | None, as_json: bool) -> None:
        _changed(ask("POST", f"/api/v1/rules/{quoted(name)}/mode", {"mode": mode}, config_path=config_path), name, as_json)


_mode("enable", "enforce", "Have a rule enforce.")
_mode("observe", "observe", "Have a rule decide and record, but hold nothing. What it held is released.")
_mode("disable", "off", "Switch a rule off; what it held is released.")


@rules.command()
@click.argument("name")
@options.config_file
@options.as_json
def reset(name: str, config_path: str | None, as_json: bool) -> None:
    """Give a rule back the numbers that it came with."""
    _changed(ask("POST", f"/api/v1/rules/{quoted(name)}/reset", config_path=config_path), name, as_json)


@rules.command()
@click.argument("name")
@options.config_file
@options.as_json
def remove(name: str, config_path: str | None, as_json: bool) -> None:
    """Take a rule away; what it held is released."""
    listed = ask("DELETE", f"/api/v1/rules/{quoted(name)}", config_path=config_path)
    if as_json:
        print_json(listed)
    else:
        click.echo(f"removed: {safe(name)}")


@rules.command("preset")
@click.argument("name", type=click.Choice(list(PRESETS)))
@options.if_version
@options.config_file
@options.as_json
def adopt_preset(name: str, if_version: str, config_path: str | None, as_json: bool) -> None:
    """Replace all rules by those of a preset."""
    _changed(ask("POST", f"/api/v1/presets/{name}", config_path=config_path, headers=_if_match(if_version)), "", as_json)


@rules.command("import")
@click.argument("file")
@options.if_version
@options.config_file
@options.as_json
def import_rules(file: str, if_version: str, config_path: str | None, as_json: bool) -> None:
    """Replace all rules by those of a TOML file."""
    text = config.read_text(Path(file))
    found = ask("PUT", "/api/v1/rules", text.encode(), {"name": os.fsencode(file).decode("utf-8", "replace")}, config_path, _if_match(if_version))
    _changed(found, "", as_json)


def _changed(listed: dict[str, Any], name: str, as_json: bool) -> None:
    if as_json:
        print_json(listed)
        return
    for each in listed["rules"]:
        if not name or each["rule"]["name"] == name:
            click.echo(f"{safe(each['rule']['name'])}: {each['sentence']}")
            if each["problem"]:
                click.secho(f"  It {each['problem']}.", fg="yellow")
