"""The routes of the REST API, /api/v1: one row each.

Job: say of each route who may, what it takes and answers, and which action does it. Promise: the server reads requests by these rows, and the OpenAPI
document is made from them: there is no second place. Limits: what a deed does is in actions/.
"""

import asyncio
from typing import Annotated, Any, Literal, cast

from msgspec import Meta, Struct, field

from gatepost.admin.actions import access, blocks, channels, country, find, lasting, lists, migrate, rules, trail, undo
from gatepost.admin.actions.doctor import doctor
from gatepost.admin.actions.finding import Finding
from gatepost.admin.actions.metrics import metrics
from gatepost.admin.actions.neighbours import Neighbours, neighbours
from gatepost.admin.actions.preview import AskRules, Begun, begin_preview, cancel_preview, preview
from gatepost.admin.actions.report import FindReport, Report, report, report_csv
from gatepost.admin.actions.status import Status, status
from gatepost.admin.actions.top import Top, top
from gatepost.admin.actions.why import Forgotten, Why, forget, why
from gatepost.admin.api.asked import Asked, Nothing, Plain, Way
from gatepost.admin.api.openapi import document
from gatepost.core.access import Entry, Verb
from gatepost.core.decisions import QuestionStage
from gatepost.core.facts import Protocol
from gatepost.core.rules import Preset
from gatepost.core.spans import Span
from gatepost.pipeline.messengers import ChannelState
from gatepost.pipeline.previews import PreviewState

TEXT, CSV, TOML, METRICS = Plain("text/plain"), Plain("text/csv"), Plain("application/toml"), Plain("text/plain; version=0.0.4")

SkipBad = Annotated[bool, Meta(description="Take the good rows in where others are bad.")]
DryRun = Annotated[bool, Meta(description="Change nothing, and say what would be done.")]
Protocols = Annotated[str, Meta(description="Where rows count that name no protocols: names, parted by blanks.", max_length=100)]


class OfSubject(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom it is about."""

    subject: Annotated[str, Meta(description="An address, a prefix or an account.", max_length=512)] = ""


class OfPrefix(Struct, frozen=True, forbid_unknown_fields=True):
    """Which entries."""

    prefix: Annotated[str, Meta(description="An address, a prefix, a range or a host name.", max_length=253)] = ""


class OfNetwork(Struct, frozen=True, forbid_unknown_fields=True):
    """Which network."""

    prefix: Annotated[str, Meta(description="A prefix.", max_length=100)] = ""


class CheckClient(Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks for what."""

    client: Annotated[str, Meta(description="An address.", max_length=100)] = ""
    protocol: Annotated[Protocol | Literal[""], Meta(description="Without it: all.")] = ""
    stage: Annotated[QuestionStage, Meta(description="What it wants.")] = "connect"


class ImportEntries(Struct, frozen=True, forbid_unknown_fields=True):
    """How a list is taken in."""

    verb: Annotated[Verb | Literal[""], Meta(description="The list of rows that name none.")] = field(name="list", default="")
    protocols: Protocols = ""
    skip_bad: SkipBad = False
    dry_run: DryRun = False
    confirm_relay: Annotated[bool, Meta(description="Yes, rows may give the relay box.")] = False


class ImportBlocks(Struct, frozen=True, forbid_unknown_fields=True):
    """How addresses are held."""

    hold_for: Annotated[Span, Meta(description="How long rows hold that name no end.", examples=["1d"])] = field(name="for")
    protocols: Protocols = ""
    skip_bad: SkipBad = False
    dry_run: DryRun = False


class ImportRules(Struct, frozen=True, forbid_unknown_fields=True):
    """How rules are read."""

    name: Annotated[str, Meta(description="The file that errors name.", max_length=4096)] = "rules"


async def _doctor(ask: Asked) -> Any:
    return await doctor(ask.desk, await asyncio.to_thread(ask.desk.wiring))


async def _import_entries(ask: Asked) -> Any:
    way: ImportEntries = ask.query
    boxes = {"skip_bad": way.skip_bad, "dry_run": way.dry_run, "confirm_relay": way.confirm_relay}
    return await lists.import_entries(ask.desk, ask.who, ask.body, way.verb, protocols=way.protocols, version=ask.version, **boxes)


async def _import_blocks(ask: Asked) -> Any:
    way: ImportBlocks = ask.query
    boxes = {"skip_bad": way.skip_bad, "dry_run": way.dry_run}
    return await migrate.import_blocks(ask.desk, ask.who, ask.body, str(way.hold_for), protocols=way.protocols, **boxes)


async def _resume(ask: Asked) -> Any:
    await blocks.resume(ask.desk, ask.who)
    return Nothing()


def _check(ask: Asked) -> Any:
    return access.check_client(ask.desk, ask.query.client, ask.query.protocol, ask.query.stage)


def _rules_version(ask: Asked) -> str:
    return rules.version_of(ask.desk.guard.order.engine.rules)


def _rule_version(ask: Asked) -> str:
    return rules.version_of_rule(ask.desk, ask.name)


def _countries_version(ask: Asked) -> str:
    return country.version_of(ask.desk.guard.order.engine.countries)


def _lists_version(ask: Asked) -> str:
    return access.version_of(ask.desk)


# fmt: off
ROUTES: tuple[Way, ...] = (
    Way(method="GET", path="/metrics", role="viewer", said="metrics for Prometheus", answer=METRICS, does=lambda ask: metrics(ask.desk)),
    Way(method="GET", path="/api/v1/openapi.json", role="viewer", said="this API, as OpenAPI 3.1", answer=dict[str, Any],
        does=lambda ask: document(ROUTES)),
    Way(method="GET", path="/api/v1/status", role="viewer", said="how the guard is doing", answer=Status, does=lambda ask: status(ask.desk)),
    Way(method="GET", path="/api/v1/top", role="viewer", answer=Top, does=lambda ask: top(ask.desk),
        said="what goes on now: facts so far, who is nearest to a threshold, the newest decisions"),
    Way(method="GET", path="/api/v1/doctor", role="viewer", said="what was looked at, the worst first", answer=list[Finding], does=_doctor),

    Way(method="GET", path="/api/v1/blocks", role="viewer", said="what is held, a page of it", query=find.Find, answer=find.Page,
        does=lambda ask: find.find_blocks(ask.desk, ask.query)),
    Way(method="POST", path="/api/v1/blocks", role="operator", said="holds an address or prefix", body=blocks.AddBlock, answer=blocks.Block,
        does=lambda ask: blocks.add_block(ask.desk, ask.who, ask.body)),
    Way(method="POST", path="/api/v1/blocks/import", role="operator", said="holds the addresses of a CSV or of plain lines",
        query=ImportBlocks, body=TEXT, answer=lists.Imported, does=_import_blocks),
    Way(method="GET", path="/api/v1/blocks/neighbours", role="viewer", said="who else is in a network", query=OfNetwork, answer=Neighbours,
        does=lambda ask: neighbours(ask.desk, ask.query.prefix)),
    Way(method="POST", path="/api/v1/blocks/prolong", role="operator", said="holds longer what is held", body=lasting.Prolong,
        answer=list[blocks.Block], does=lambda ask: lasting.prolong(ask.desk, ask.who, ask.body)),
    Way(method="POST", path="/api/v1/blocks/permanent", role="operator", said="turns blocks into deny entries", body=lasting.Permanent,
        answer=lasting.Denied, does=lambda ask: lasting.make_permanent(ask.desk, ask.who, ask.body)),
    Way(method="POST", path="/api/v1/unblock", role="operator", said="lifts what holds a subject", body=blocks.Unblock, answer=blocks.Lifted,
        does=lambda ask: blocks.unblock(ask.desk, ask.who, ask.body)),
    Way(method="POST", path="/api/v1/pause", role="operator", said="lifts all holds of rules", body=blocks.PauseFor, answer=blocks.Lifted,
        does=lambda ask: blocks.pause(ask.desk, ask.who, ask.body)),
    Way(method="POST", path="/api/v1/resume", role="operator", said="ends a pause", answer=Nothing, does=_resume),

    Way(method="GET", path="/api/v1/access", role="viewer", said="the lists, a page of them", query=find.FindEntries, answer=find.EntryPage,
        does=lambda ask: find.find_entries(ask.desk, ask.query), version=_lists_version),
    Way(method="POST", path="/api/v1/access", role="operator", said="adds an entry", body=access.AddEntry, answer=Entry,
        does=lambda ask: access.add_entry(ask.desk, ask.who, ask.body, ask.version), version=_lists_version),
    Way(method="DELETE", path="/api/v1/access", role="operator", said="removes the entries for a prefix or host name", query=OfPrefix,
        answer=list[Entry], does=lambda ask: access.remove_entry(ask.desk, ask.who, ask.query.prefix, ask.version), version=_lists_version,
        problems=(404,)),
    Way(method="GET", path="/api/v1/access/check", role="viewer", said="what would happen to a client", query=CheckClient, answer=access.Checked,
        does=_check),
    Way(method="POST", path="/api/v1/access/import", role="operator", said="adds the entries of a CSV or of plain lines", query=ImportEntries,
        body=TEXT, answer=lists.Imported, does=_import_entries, version=_lists_version),
    Way(method="GET", path="/api/v1/access/export", role="viewer", said="the lists as CSV", answer=CSV,
        does=lambda ask: lists.export_entries(ask.desk), version=_lists_version),
    Way(method="GET", path="/api/v1/country", role="viewer", said="from which countries one may log in, and who does from where",
        answer=country.Shown, does=lambda ask: country.show_countries(ask.desk), version=_countries_version),
    Way(method="PUT", path="/api/v1/country", role="administrator", said="changes from which countries one may log in", body=country.SetCountries,
        answer=country.Shown, does=lambda ask: country.set_countries(ask.desk, ask.who, ask.body, ask.version), version=_countries_version),
    Way(method="POST", path="/api/v1/import", role="administrator", body=migrate.Migration, answer=migrate.Migrated,
        said="takes over holds, list entries and rules of another guard; what stands stays",
        does=lambda ask: migrate.migrate(ask.desk, ask.who, ask.body)),

    Way(method="GET", path="/api/v1/rules", role="viewer", said="the rules, their sentences and their version", answer=rules.Listed,
        does=lambda ask: rules.list_rules(ask.desk), version=_rules_version),
    Way(method="PUT", path="/api/v1/rules", role="administrator", said="replaces all rules", query=ImportRules, body=TOML, answer=rules.Listed,
        does=lambda ask: rules.import_rules(ask.desk, ask.who, ask.body, ask.query.name, ask.version), version=_rules_version),
    Way(method="GET", path="/api/v1/rules/export", role="viewer", said="the rules as TOML", answer=TOML,
        does=lambda ask: rules.export_rules(ask.desk), version=_rules_version),
    Way(method="GET", path="/api/v1/rules/{name}", role="viewer", said="one rule", answer=rules.Shown,
        does=lambda ask: rules.show_rule(ask.desk, ask.name), version=_rule_version),
    Way(method="PATCH", path="/api/v1/rules/{name}", role="administrator", said="changes fields of a rule, or adds one", body=dict[str, Any],
        answer=rules.Listed, does=lambda ask: rules.set_rule(ask.desk, ask.who, ask.name, ask.body, ask.version), version=_rule_version),
    Way(method="DELETE", path="/api/v1/rules/{name}", role="administrator", said="removes a rule", answer=rules.Listed,
        does=lambda ask: rules.remove_rule(ask.desk, ask.who, ask.name, ask.version), version=_rule_version),
    Way(method="POST", path="/api/v1/rules/{name}/reset", role="administrator", said="gives a rule its shipped numbers back", answer=rules.Listed,
        does=lambda ask: rules.reset_rule(ask.desk, ask.who, ask.name, ask.version), version=_rule_version),
    Way(method="POST", path="/api/v1/rules/{name}/mode", role="administrator", said="has a rule enforce, observe or do nothing",
        body=rules.SetMode, answer=rules.Listed, version=_rule_version,
        does=lambda ask: rules.set_mode(ask.desk, ask.who, ask.name, ask.body.mode, ask.version)),
    Way(method="POST", path="/api/v1/presets/{preset}", role="administrator", said="replaces all rules by a preset", answer=rules.Listed,
        does=lambda ask: rules.adopt_preset(ask.desk, ask.who, cast(Preset, ask.path["preset"]), ask.version), version=_rules_version),
    Way(method="POST", path="/api/v1/previews", role="operator", said="begins a preview of other rules", body=AskRules, answer=Begun,
        does=lambda ask: begin_preview(ask.desk, ask.body)),
    Way(method="GET", path="/api/v1/previews/{number}", role="viewer", answer=PreviewState, does=lambda ask: preview(ask.desk, ask.number),
        said="how far it is, and its result; who does not ask for half a minute loses it"),
    Way(method="DELETE", path="/api/v1/previews/{number}", role="operator", said="stops it", answer=PreviewState,
        does=lambda ask: cancel_preview(ask.desk, ask.number)),

    Way(method="GET", path="/api/v1/channels", role="viewer", said="how each channel is doing", answer=list[ChannelState],
        does=lambda ask: channels.list_channels(ask.desk)),
    Way(method="POST", path="/api/v1/channels/{name}/test", role="operator", answer=channels.Tested,
        said="sends a test message; whether it was taken, and why not", does=lambda ask: channels.test_channel(ask.desk, ask.name)),
    Way(method="GET", path="/api/v1/why", role="viewer", said="all that is known of a client, network or account", query=OfSubject, answer=Why,
        does=lambda ask: why(ask.desk, ask.query.subject)),
    Way(method="GET", path="/api/v1/report", role="viewer", said="how many decisions rules made, by day, rule, country and so on", query=FindReport,
        answer=Report, does=lambda ask: report(ask.desk, ask.query)),
    Way(method="GET", path="/api/v1/report/export", role="viewer", said="the same as CSV", query=FindReport, answer=CSV,
        does=lambda ask: report_csv(ask.desk, ask.query)),
    Way(method="DELETE", path="/api/v1/history", role="administrator", said="forgets a client, network or account", query=OfSubject,
        answer=Forgotten, does=lambda ask: forget(ask.desk, ask.who, ask.query.subject)),
    Way(method="GET", path="/api/v1/audit", role="viewer", said="who did what, the newest first, a page of it", query=trail.FindLines,
        answer=trail.Trail, does=lambda ask: trail.find_lines(ask.desk, ask.query)),
    Way(method="GET", path="/api/v1/audit/{number}", role="viewer", said="one line, and what undoing it would do", answer=undo.LineShown,
        does=lambda ask: undo.show_line(ask.desk, ask.who, ask.number)),
    Way(method="POST", path="/api/v1/audit/{number}/undo", role="operator", said="undoes what a line tells of", answer=undo.Undone, problems=(409,),
        does=lambda ask: undo.undo(ask.desk, ask.who, ask.role, ask.number)),
)
