"""What the history says of a subject.

Job: answer `AskWhy` from the files, and take a subject out of them. Promise: every answer is bounded, whatever a client did; evidence is looked up by
place, so that the lines are those that the decision names. Limits: what waits must have been written before.
"""

import time
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

import msgspec

from gatepost.core.subjects import address
from gatepost.keeper.history import History
from gatepost.keeper.rows import Row, Rows, net_of
from gatepost.pipeline.recall import AskForget, AskWhy, Event, Group, Past, Told

MOST_TOLD = 20
MOST_NEWEST = 12
MOST_DEEDS = 50
MOST_EVIDENCE = 6
"""Facts of a decision that are shown: the first ones, and the last."""
MOST_CLIENTS = 2_000
"""Clients of a network that are looked at."""

_COLUMNS = 'place, "at", kind, protocol, service, client, account, evidence_only, detail, line, reason'
_SHORT = _COLUMNS.replace(" line,", " '' AS line,")
_OUTCOMES = "('imposed', 'released', 'expired', 'braked')"
_DEEDS = "('hold', 'lift', 'retime', 'forget', 'pause', 'adopt_rules', 'adopt_lists', 'adopt_countries')"


class Answers:
    """Asks a history."""

    def __init__(self, history: History, rows: Rows) -> None:
        self._history = history
        self._rows = rows

    def why(self, asked: AskWhy) -> Past:
        """What is known of a subject."""
        start = time.monotonic_ns()
        try:
            source = self._history.source(asked.since)
        except LookupError:
            return Past(missing=self._history.missing)
        where, values = self._where(source, asked)
        # One way through the files, without the lines; all else is asked of what it found.
        self._history.database.execute(f"CREATE OR REPLACE TEMP TABLE found AS SELECT {_SHORT} FROM {source} WHERE {where}", values)
        facts = f"FROM found WHERE kind NOT IN {_OUTCOMES} AND kind NOT IN {_DEEDS} AND kind <> 'gap'"
        newest = self._events(f'{facts} ORDER BY "at" DESC, place DESC LIMIT {MOST_NEWEST}')
        past = Past(
            since=self._history.begins(),
            groups=self._groups(facts),
            clients=self._top("client", facts) if not asked.client else {},
            accounts=self._top("account", facts) if not asked.account else {},
            told=self._told(),
            evidence=[self._evidence(places) for places in asked.evidence],
            deeds=self._events(f'FROM found WHERE kind IN {_DEEDS} ORDER BY "at" DESC LIMIT {MOST_DEEDS}'),
            newest=self._with_lines(newest),
            missing=self._history.missing,
        )
        self._history.database.execute("DROP TABLE found")
        return msgspec.structs.replace(past, took=(time.monotonic_ns() - start) // 1000)

    def forget(self, asked: AskForget) -> int:
        """Takes a subject out of the files; how many rows went."""
        if asked.account:
            names = [asked.account, self._rows.masked(asked.account)]
            text = "account IN (?, ?) OR (line <> '' AND contains(lower(line), ?)) OR json_extract_string(detail, '$.about') = ?"

            def about(row: Row) -> bool:
                return row.account in names or asked.account in row.line.lower()

            return self._history.forget(text, [*names, asked.account, asked.account], about)
        where, values = self._where_client(self._history_source(), asked.client, asked.network)
        inside = ip_network(asked.client or asked.network)

        def within(row: Row) -> bool:
            return bool(row.client) and _is_in(row.client, inside)

        return self._history.forget(where, values, within)

    # --- which rows

    def _history_source(self) -> str:
        try:
            return self._history.source()
        except LookupError:
            return ""

    def _where(self, source: str, asked: AskWhy) -> tuple[str, list[Any]]:
        """The condition for the rows about a subject."""
        if asked.account:
            of_account, values = "account IN (?, ?)", [asked.account, self._rows.masked(asked.account)]
            if not (asked.client or asked.network):
                return of_account, values
            inside, more = self._where_client(source, asked.client, asked.network)
            return f"{of_account} AND {inside}", [*values, *more]
        if asked.client:
            names = list(dict.fromkeys((asked.client, *asked.prefixes)))
            return f"client IN ({', '.join('?' * len(names))})", list(names)
        return self._where_client(source, "", asked.network)

    def _where_client(self, source: str, client: str, network: str) -> tuple[str, list[Any]]:
        if client:
            return "client = ?", [client]
        inside = ip_network(network)
        around = net_of(network)
        if around == network:
            return "net = ?", [network]
        names = [network]
        if source:
            front = _front(network)
            within, values = ("net = ?", [around]) if around else ("client >= ? AND client < ?", [front, front + "~"])
            rows = self._history.database.execute(
                f"SELECT client, count(*) FROM {source} WHERE {within} GROUP BY client ORDER BY count(*) DESC", values
            )
            while len(names) < MOST_CLIENTS and (found := rows.fetchmany(1000)):
                names += [name for name, _ in found if name != network and _is_in(name, inside)]
        names = names[:MOST_CLIENTS]
        return f"client IN ({', '.join('?' * len(names))})", list(names)

    # --- what of them

    def _groups(self, facts: str) -> list[Group]:
        query = f'SELECT kind, protocol, reason, evidence_only, count(*), min("at"), max("at") {facts} GROUP BY ALL ORDER BY min("at") LIMIT 50'
        return [_group(row) for row in self._history.database.execute(query).fetchall()]

    def _top(self, column: str, facts: str) -> dict[str, int]:
        query = f"SELECT {column}, count(*) {facts} AND {column} <> '' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10"
        return dict(self._history.database.execute(query).fetchall())

    def _events(self, about: str, columns: str = "", values: Sequence[object] = ()) -> list[Event]:
        return [_event(row) for row in self._history.database.execute(f"SELECT {columns or _SHORT} {about}", values).fetchall()]

    def _with_lines(self, events: list[Event]) -> list[Event]:
        """The same facts, with their log lines."""
        whole = {(event.place, event.at): event for event in self._at([event.place for event in events], sorted({event.client for event in events}))}
        return [whole.get((event.place, event.at), event) for event in events]

    def _told(self) -> list[Told]:
        imposed = self._events(f"FROM found WHERE kind = 'imposed' ORDER BY \"at\" DESC, place DESC LIMIT {MOST_TOLD}")
        ended = self._events(f"FROM found WHERE kind IN ('released', 'expired') ORDER BY \"at\" DESC LIMIT {4 * MOST_TOLD}")
        by_number = {event.detail.get("number"): event for event in reversed(ended)}
        return [
            Told(decision=event, evidence=self._evidence(event.detail.get("evidence", ())), ended=by_number.get(event.detail.get("number")))
            for event in imposed
        ]

    def _evidence(self, places: Any) -> list[Event]:
        """The first facts of a decision and the last."""
        half = MOST_EVIDENCE // 2
        unique = sorted({int(place) for place in places})
        found = self._at(unique if len(unique) <= MOST_EVIDENCE else unique[:half] + unique[-half:])
        # Where the store was set back once, a place was given twice: the newer entry counts.
        newest = {event.place: event for event in sorted(found, key=lambda event: event.at)}
        return [newest[place] for place in sorted(newest)]

    def _at(self, places: list[int], clients: Sequence[str] = ()) -> list[Event]:
        """The facts at some places, looked for in the files that have them alone; faster where their clients are known, and few."""
        try:
            source = self._history.source_of(places)
        except LookupError:
            return []
        chosen = f"place IN ({', '.join(map(str, places))}) AND place BETWEEN {min(places)} AND {max(places)}"
        values = list(clients) if len(clients) == 1 else []
        chosen += " AND client = ?" if values else ""
        return self._events(f"FROM {source} WHERE {chosen} AND kind NOT IN {_OUTCOMES} AND kind <> 'gap'", _COLUMNS, values)


def _group(row: tuple[Any, ...]) -> Group:
    kind, protocol, reason, evidence_only, count, first, last = row
    return Group(kind=kind, protocol=protocol, reason=reason, evidence_only=evidence_only, count=count, first=first, last=last)


def _event(row: tuple[Any, ...]) -> Event:
    place, at, kind, protocol, service, client, account, evidence_only, detail, line, reason = row
    found: dict[str, Any] = msgspec.json.decode(detail)
    if reason:
        found.setdefault("reason", reason)
    return Event(
        place=place,
        at=at,
        kind=kind,
        protocol=protocol,
        service=service,
        client=client,
        account=account,
        evidence_only=evidence_only,
        detail=found,
        line=line,
    )


def _front(network: str) -> str:
    """A text with which every address of a network begins."""
    net = ip_network(network)
    if net.version == 4:
        whole = str(net.network_address).split(".")[: net.prefixlen // 8]
        return ".".join(whole) + "." if whole else ""
    return f"{str(net.network_address).split(':')[0]}:" if net.prefixlen >= 16 and not str(net.network_address).startswith(":") else ""


def _is_in(text: str, inside: Any) -> bool:
    """Whether an address or a prefix lies in a network."""
    try:
        found = ip_network(text) if "/" in text else ip_network(address(text))
    except ValueError:
        return False
    return found.version == inside.version and bool(found.subnet_of(inside))
