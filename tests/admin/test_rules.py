"""Rules as administrators change them: whole or not at all, and never over one another's heads."""

import pytest

from gatepost.admin.actions.rules import (
    adopt_preset,
    export_rules,
    import_rules,
    list_rules,
    remove_rule,
    reset_rule,
    set_mode,
    set_rule,
)
from gatepost.admin.faults import StaleError, UnknownError
from gatepost.core.faults import BadInputError
from gatepost.core.rules import PRESETS, Rule
from tests.admin.desks import ADMIN, Bench, do


def _rule(made: Bench, name: str = "dos") -> Rule:
    return next(shown.rule for shown in list_rules(made.desk).rules if shown.rule.name == name)


def _names(made: Bench) -> list[str]:
    return [shown.rule.name for shown in list_rules(made.desk).rules]


class TestSet:
    """Fields of a rule."""

    def test_a_field_is_changed_and_audited(self, made: Bench) -> None:
        found = do(set_rule(made.desk, ADMIN, "dos", {"threshold": "80", "for": "1h", "on": "smtp, imap"}))
        assert (_rule(made).threshold, str(_rule(made).hold_for), _rule(made).on) == (80, "1h", ("smtp", "imap"))
        assert found.rules[0].sentence.startswith("80 connections")
        before, after = made.before_after()
        assert (before["threshold"], after["threshold"], after["for"]) == (50, 80, "1h")
        assert (made.audit()[0].action, made.audit()[0].subject) == ("rules.set", "dos")
        made.connect(many=79)
        assert made.lets_in()
        made.connect(many=1)
        assert not made.lets_in()

    def test_a_rule_is_added(self, made: Bench) -> None:
        fields = {
            "counts": "rejected",
            "threshold": 5,
            "window": "1m",
            "for": "5m",
            "on": "smtp",
            "where.reason": "unknown_user",
            "where.code": "550",
        }
        do(set_rule(made.desk, ADMIN, "mine", fields))
        assert (_rule(made, "mine").where.reason, _rule(made, "mine").where.code) == ("unknown_user", 550)
        do(set_rule(made.desk, ADMIN, "mine", {"where.code": 5}))
        assert (_rule(made, "mine").where.reason, _rule(made, "mine").where.code) == ("unknown_user", 5)
        assert made.before_after()[0]["where"] == {"reason": "unknown_user", "code": 550}

    def test_what_has_no_window_drops_the_one_of_before(self, made: Bench) -> None:
        do(set_rule(made.desk, ADMIN, "dos", {"counts": "open_connections"}))
        assert _rule(made).window.us == 0
        with pytest.raises(BadInputError, match="window: must be 1s or longer"):
            do(set_rule(made.desk, ADMIN, "dos", {"counts": "connected"}))
        with pytest.raises(BadInputError, match="looked at in one moment; leave it out"):
            do(set_rule(made.desk, ADMIN, "dos", {"counts": "open_connections", "window": "5m"}))

    @pytest.mark.parametrize(
        ("name", "fields", "words"),
        [
            ("dos", {"threshod": 5}, "threshod: unknown field; did you mean threshold?"),
            ("dos", {"where.reasn": "x"}, "where.reasn: unknown field; did you mean reason?"),
            ("dos", {"threshold": 0}, "threshold: 0 is not allowed; a whole number from 1 to 10000"),
            ("dos", {"threshold": "many"}, "threshold: 'many' is not allowed; a whole number"),
            ("dos", {"window": "5 parsecs"}, "window: '5 parsecs' is no length of time"),
            ("dos", {"window": "0s"}, "window: must be 1s or longer"),
            ("dos", {"on": "ftp"}, "on: 'ftp' is not allowed; one of"),
            ("dos", {"action": "kill"}, "action: 'kill' is not allowed; one of 'alert', 'block', 'delay'"),
            ("dos", {"by": "account"}, "by: connections name no account"),
            ("dos", {"name": "harvesting"}, "name: there is a rule 'harvesting' already"),
            ("new", {"counts": "connected"}, "threshold: is missing; a whole number from 1 to 10000"),
            ("X y", {"counts": "connected", "threshold": 5, "window": "1m", "for": "1m"}, "name: 'X y' is not allowed; "),
        ],
    )
    def test_bad_input_names_the_field_and_changes_nothing(self, made: Bench, name: str, fields: dict[str, object], words: str) -> None:
        before = list_rules(made.desk)
        with pytest.raises(BadInputError) as refused:
            do(set_rule(made.desk, ADMIN, name, fields))
        assert str(refused.value).startswith(words)
        assert (list_rules(made.desk), made.audit()) == (before, [])

    def test_a_rule_is_renamed(self, made: Bench) -> None:
        do(set_rule(made.desk, ADMIN, "dos", {"name": "flood"}))
        assert _names(made)[0] == "flood"


class TestVersion:
    """Two administrators at once."""

    def test_a_change_of_what_one_has_not_seen_is_refused(self, made: Bench) -> None:
        seen = list_rules(made.desk).version
        do(set_rule(made.desk, ADMIN, "dos", {"threshold": 80}, seen))
        text = export_rules(made.desk)
        for change in (
            set_rule(made.desk, ADMIN, "dos", {"threshold": 90}, seen),
            set_mode(made.desk, ADMIN, "dos", "off", seen),
            reset_rule(made.desk, ADMIN, "dos", seen),
            remove_rule(made.desk, ADMIN, "dos", seen),
            adopt_preset(made.desk, ADMIN, "strict", seen),
            import_rules(made.desk, ADMIN, text, "rules", seen),
        ):
            with pytest.raises(StaleError, match=r"^version: the rules were changed meanwhile"):
                do(change)
        assert _rule(made).threshold == 80
        do(set_rule(made.desk, ADMIN, "dos", {"threshold": 90}, list_rules(made.desk).version))
        assert _rule(made).threshold == 90

    def test_it_depends_on_the_rules_alone(self, made: Bench) -> None:
        seen = list_rules(made.desk).version
        do(set_rule(made.desk, ADMIN, "dos", {"threshold": 80}))
        assert list_rules(made.desk).version != seen
        do(reset_rule(made.desk, ADMIN, "dos"))
        assert list_rules(made.desk).version == seen


class TestMode:
    """Observing, switching off, taking away."""

    @pytest.mark.parametrize("mode", ["observe", "off"])
    def test_what_no_longer_enforces_lets_go(self, made: Bench, mode: str) -> None:
        made.connect()
        assert list_rules(made.desk).rules[0].standing == 1
        do(set_mode(made.desk, ADMIN, "dos", mode))  # type: ignore[arg-type]
        assert made.lets_in()
        assert made.mirror.names() == ["Impose", "Release"]
        assert made.audit()[0].action == f"rules.{mode}"
        do(set_mode(made.desk, ADMIN, "dos", "enforce"))
        made.connect(many=100)
        assert not made.lets_in()

    def test_a_rule_is_removed_and_comes_back(self, made: Bench) -> None:
        made.connect()
        do(remove_rule(made.desk, ADMIN, "dos"))
        assert made.lets_in()
        assert _names(made) == ["harvesting", "password-brute-force"]
        do(reset_rule(made.desk, ADMIN, "dos"))
        assert _names(made) == ["harvesting", "password-brute-force", "dos"]

    def test_who_is_not_there_gets_a_near_name(self, made: Bench) -> None:
        with pytest.raises(UnknownError, match=r"there is no rule 'harvestng'; did you mean harvesting\?"):
            do(set_mode(made.desk, ADMIN, "harvestng", "off"))
        with pytest.raises(UnknownError, match=r"one of dos, harvesting, password-brute-force"):
            do(remove_rule(made.desk, ADMIN, "x"))
        with pytest.raises(UnknownError, match=r"came with no preset"):
            do(reset_rule(made.desk, ADMIN, "x"))


class TestWhole:
    """Presets, import and export."""

    def test_a_preset(self, made: Bench) -> None:
        do(adopt_preset(made.desk, ADMIN, "strict"))
        assert _names(made) == [rule.name for rule in PRESETS["strict"]]
        with pytest.raises(UnknownError, match=r"one of standard, relaxed, strict"):
            do(adopt_preset(made.desk, ADMIN, "strickt"))  # type: ignore[arg-type]

    def test_what_is_exported_is_imported_the_same(self, made: Bench) -> None:
        do(adopt_preset(made.desk, ADMIN, "strict"))
        text, before = export_rules(made.desk), list_rules(made.desk)
        do(adopt_preset(made.desk, ADMIN, "relaxed"))
        assert do(import_rules(made.desk, ADMIN, text)).rules == before.rules

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("rule = \n", "r.toml:1: this is no TOML"),
            ('[[rule]]\nname = "x"\nthreshod = 5\n', "r.toml:3: rule.threshod: unknown field; did you mean threshold?"),
            ('[[allow]]\nprefix = "192.0.2.1"\n', "r.toml: allow, deny: this imports rules alone"),
        ],
    )
    def test_a_bad_file_changes_nothing(self, made: Bench, text: str, words: str) -> None:
        with pytest.raises(BadInputError) as refused:
            do(import_rules(made.desk, ADMIN, text, "r.toml"))
        assert str(refused.value).startswith(words)
        assert made.audit() == []
