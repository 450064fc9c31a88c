"""``gatepost setup``: has a mail server ask Gatepost.

Job: print the lines that the server's configuration needs, or put them in. Promise: without ``--apply`` nothing is written; with it the diff is shown
first, and what the server does not accept is taken back. Exit 1 where something is left to be done by hand, or was taken back. Limits: this host.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from msgspec import structs

from gatepost import config
from gatepost.aid.setup import Applied, Change, Plan, added, apply
from gatepost.aid.setup_dovecot import Dovecot, plan_dovecot
from gatepost.aid.setup_exim import Exim, plan_exim
from gatepost.aid.setup_postfix import Postfix, plan_postfix
from gatepost.app.wiring import listeners
from gatepost.cli import options
from gatepost.cli.show import print_json, safe
from gatepost.inlets.postfix_policy import PostfixPolicySettings
from gatepost.outlets.postfix_cidr import HEADING

EXIM = "127.0.0.1:8097"
"""Where Exim is to ask while gatepost.toml does not say."""
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.group()
def setup() -> None:
    """Have a mail server ask Gatepost. The lines that it needs are printed, or put in."""


folder = click.option("--folder", default="", metavar="DIR", help="The folder of the server's configuration; default: as the server says.")
applying = click.option("--apply", "applying", is_flag=True, help="Write the lines, have the server check them, and take them back if it objects.")


@setup.command()
@folder
@applying
@options.config_file
@options.as_json
def postfix(folder: str, applying: bool, config_path: str | None, as_json: bool) -> None:
    """Have Postfix ask who may connect and relay. It tells what it accepted, too."""
    carry_out(lambda: _plan_postfix(folder, config_path), applying, as_json)


def _plan_postfix(folder: str, config_path: str | None) -> Plan:
    """Postfix's files, and ours: it asks where we listen."""
    settings = config.load(config_path)
    ours, then = [], []
    sockets: Sequence[PostfixPolicySettings] = settings.postfix_policy
    if not sockets:
        sockets = (PostfixPolicySettings(),)
        ours.append(added(Path(config_path or config.default_file()), f'[[postfix_policy]]\nlisten = "{sockets[0].listen}"\n'))
        then.append("systemctl reload gatepost")
    hiding = settings.postfix_cidr.path
    if hiding and not Path(hiding).exists():
        ours.append(Change(hiding, None, HEADING))  # Postfix refuses everybody where a table is missing
    closed = any(each.when_away == "closed" for each in sockets)
    plan = plan_postfix(Postfix(folder), listeners(sockets), closed, hiding)
    return structs.replace(plan, changes=(*ours, *plan.changes), then=(*then, *plan.then))


@setup.command()
@folder
@applying
@options.config_file
@options.as_json
def exim(folder: str, applying: bool, config_path: str | None, as_json: bool) -> None:
    """Have Debian's Exim ask who may connect, log in and relay. It tells what it accepted, too."""
    carry_out(lambda: _plan_exim(folder, config_path), applying, as_json)


def _plan_exim(folder: str, config_path: str | None) -> Plan:
    """Exim's files, and ours: it asks where we listen."""
    sockets = config.load(config_path).exim
    plan = plan_exim(Exim(folder), sockets[0].listen if sockets else EXIM)
    if sockets or plan.by_hand:
        return plan
    ours = added(Path(config_path or config.default_file()), f'[[exim]]\nlisten = "{EXIM}"\n')
    return structs.replace(plan, changes=(ours, *plan.changes), then=("systemctl reload gatepost", *plan.then))


@setup.command()
@folder
@click.option("--end-penalty", is_flag=True, help="Also end Dovecot's own slowing down of guessers, which keeps rules from firing.")
@applying
@options.config_file
@options.as_json
def dovecot(folder: str, end_penalty: bool, applying: bool, config_path: str | None, as_json: bool) -> None:
    """Have Dovecot ask before each log-in, and tell how it went."""
    file = Path(config_path) if config_path else config.default_file()

    def make() -> Plan:
        there = config.load(config_path).dovecot_policy
        return plan_dovecot(Dovecot(folder), file, there[0] if there else None, end_penalty)

    carry_out(make, applying, as_json)


def carry_out(make: Callable[[], Plan], applying: bool, as_json: bool) -> None:
    """Makes a plan, shows it, and applies it where that is asked for."""
    plan = make()
    if not as_json:
        _show(plan)
    done = apply(plan, make) if applying and plan.changes else None
    if as_json:
        print_json(_object(plan, done))
    elif done is not None:
        _tell(plan, done)
    elif plan.changes:
        click.echo(f"Nothing was written. gatepost setup {plan.server} --apply does, and takes it back if {plan.server} objects.")
    if plan.by_hand or (done is not None and not done.done):
        sys.exit(1)


def _show(plan: Plan) -> None:
    for change in plan.changes:
        for line in change.diff.rstrip("\n").split("\n"):
            click.secho(safe(line.replace("\t", "    ")), fg=_COLOURS.get(line[:1]))
    if not plan.changes:
        click.echo(f"{plan.server}: nothing to add, it asks already")
    for said in plan.by_hand:
        click.secho(f"by hand: {safe(said)}", fg="yellow")
    for said in plan.notes:
        click.echo(f"note: {safe(said)}")


def _tell(plan: Plan, done: Applied) -> None:
    if not done.done:
        click.secho(f"taken back, all is as it was: {safe(done.said)}", fg="red")
        return
    for kept in done.backups:
        click.echo(f"kept: {safe(kept)}")
    click.echo(f"written; now: {' && '.join(plan.then)}")


def _object(plan: Plan, done: Applied | None) -> dict[str, object]:
    changes = [{"path": change.path, "lines": change.lines, "diff": change.diff} for change in plan.changes]
    told = {"server": plan.server, "changes": changes, "by_hand": plan.by_hand, "notes": plan.notes, "then": plan.then}
    return told | {"applied": done is not None and done.done, "problem": done.said if done else "", "backups": done.backups if done else ()}
