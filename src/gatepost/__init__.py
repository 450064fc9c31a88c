"""Gatepost guards mail servers. This is the map of its rooms; docs/architecture.md walks through them.

    cli        the command line, a file a noun                        start here: cli/__init__.py, then cli/run.py
    app        the composition root: settings become objects          app/daemon.py is the running guard, app/past.py a replay
    config     gatepost.toml as frozen settings, declared beside the parts that have them
    aid        help that needs no daemon: replay, stories, setup, drill, what another guard's files say
    admin      every deed of an administrator, once (actions/); api/ and pages/ are two skins over it
    inlets     where facts come in: logs, journal, syslog, what mail servers ask, and the gateway
    keeper     recalls, in a process of its own: history, why, reports, previews
    outlets    where decisions go out: nftables and other mirrors, messengers
    pipeline   the one order of entries, and the only caller of the engine: guard.py, order.py
    stores     what remembers: a journal and a snapshot
    wire       pure codecs: log grammars, protocols, TOML, stories
    core       decides, pure and synchronous: engine.py

The main flow: an inlet has wire make facts of what it hears (core/facts.py); ``Guard.report`` or ``Guard.admit`` (pipeline/guard.py) gives them to
``Engine.apply`` (core/engine.py); its effects go to the mirrors and the journal, and are announced. Rooms look down only, in the order
cli, app, config, (aid, admin, keeper, inlets, outlets), pipeline, stores, wire, core; a test and import-linter hold it.
"""
