"""What a configuration cannot carry out of what the store holds.

Job: read rules and the policy of countries from the store, and say which of them no inlet of a configuration feeds or enforces. Promise: the daemon's
`status` says it in the same words, by the same functions; nothing is changed, and a daemon may be at work. Limits: what only a running guard knows
(whether an inlet really listens, on which other protocols somebody logs in) is not said.
"""

from gatepost import config
from gatepost.admin.actions.country import unenforced
from gatepost.admin.actions.status import unfed_rules
from gatepost.aid.country import Countries
from gatepost.app.feeds import planned
from gatepost.core.engine import Engine
from gatepost.core.faults import BadInputError
from gatepost.pipeline.recovery import recover
from gatepost.stores.contract import StoreError
from gatepost.stores.sqlite import SqliteStore


def gaps(settings: config.Settings) -> list[str]:
    """What is held and nobody feeds or enforces, each with its cure."""
    problems, engine, data = [], Engine(), ""
    try:
        engine = _held(settings)
    except StoreError as wrong:
        problems.append(f"state: rules and policies in it were not looked at: {wrong}")
    try:
        if settings.country.database or engine.countries.mode != "off":  # reading data takes a second
            data = Countries(settings.country.database).database
    except BadInputError as wrong:
        problems.append(str(wrong))
    sources = planned(settings)
    return [*problems, *unenforced(engine.countries, data, sources), *unfed_rules(engine.rules, sources)]


def _held(settings: config.Settings) -> Engine:
    """The engine that the store remembers; a new one where there is no store yet. Raises StoreError."""
    path = settings.paths().state / "gatepost.db"
    if not config.is_there(path):
        return Engine()
    store = SqliteStore(path, create=False)
    try:
        return recover(store).engine
    finally:
        store.close()
