"""``gatepost rules``: what is too much?

Job: show rules and presets, and play stories. Promise: what needs no daemon works without one. Limits: it changes no rule.
"""

from pathlib import Path

import click
from rich.table import Table

from gatepost import config
from gatepost.aid.stories import differences
from gatepost.cli import options
from gatepost.cli.show import console, plain, print_json, safe
from gatepost.core.faults import BadInputError
from gatepost.core.rules import Preset, Rule, sentence
from gatepost.wire.toml_files import write_rules


@click.group()
def rules() -> None:
    """Show abuse detection rules, and test them with stories."""


@rules.command("list")
@options.preset
@options.rules_file
@options.as_json
def list_rules(preset: Preset | None, rules_path: str | None, as_json: bool) -> None:
    """List the rules of a preset or file, each in a sentence."""
    found, _ = options.chosen_rules(preset, rules_path)
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
@options.as_json
def show(name: str, preset: Preset | None, rules_path: str | None, as_json: bool) -> None:
    """Show one rule: its sentence, and its TOML."""
    found, _ = options.chosen_rules(preset, rules_path)
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
def export(preset: Preset | None, rules_path: str | None) -> None:
    """Print the rules of a preset or file as TOML, to be changed and given to --rules."""
    found, _ = options.chosen_rules(preset, rules_path)
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
