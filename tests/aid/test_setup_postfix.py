"""The lines that have Postfix ask, for main.cf and master.cf as people write them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from gatepost.aid.setup import Plan
from gatepost.aid.setup_postfix import CONTEXTS, Postfix, plan_postfix
from gatepost.core.faults import BadInputError

LISTEN = dict.fromkeys(CONTEXTS.values(), "127.0.0.1:8094")
SMTP = "smtp inet n - y - - smtpd\n"


def no_postconf(_: Sequence[str]) -> None:
    return None


def made(folder: Path, main: str, master: str = SMTP) -> Plan:
    """The plan for two texts."""
    (folder / "main.cf").write_text(main)
    (folder / "master.cf").write_text(master)
    return plan_postfix(Postfix(str(folder), no_postconf), LISTEN)


def texts(folder: Path, main: str, master: str = SMTP) -> tuple[str, str]:
    """The two texts after the plan; a second plan has nothing left to do."""
    plan = made(folder, main, master)
    after = {Path(change.path).name: change.after for change in plan.changes}
    now = after.get("main.cf", main), after.get("master.cf", master)
    assert made(folder, *now).changes == ()
    return now


def test_an_empty_configuration_gets_all_three_questions(tmp_path: Path) -> None:
    main, master = texts(tmp_path, "")
    service = "check_policy_service { inet:127.0.0.1:8094, timeout=2s, try_limit=1, default_action=DUNNO, policy_context=access }"
    assert f"gatepost_access = {service}\n" in main
    assert "\nsmtpd_client_restrictions = $gatepost_access\n" in main
    assert "\nsmtpd_end_of_data_restrictions = $gatepost_data\n" in main
    assert "\nsmtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, $gatepost_relay, defer_unauth_destination\n" in main
    assert main.endswith("\n")
    assert master == SMTP


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("smtpd_relay_restrictions = reject_unauth_destination\n", "smtpd_relay_restrictions = $gatepost_relay, reject_unauth_destination\n"),
        ("smtpd_relay_restrictions=permit_mynetworks defer_unauth_destination", "permit_mynetworks $gatepost_relay, defer_unauth_destination\n"),
        # The last definition is the one that counts.
        (
            "smtpd_relay_restrictions = reject_unauth_destination\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n",
            "smtpd_relay_restrictions = reject_unauth_destination\nsmtpd_relay_restrictions = permit_mynetworks, $gatepost_relay, reject",
        ),
        # Several lines, and comments among them.
        (
            "smtpd_relay_restrictions =\n    permit_mynetworks,\n# not reject_unauth_destination\n\n  reject_unauth_destination\nbiff = no\n",
            "permit_mynetworks,\n# not reject_unauth_destination\n\n  $gatepost_relay, reject_unauth_destination\nbiff = no\n",
        ),
        # An older host's own refusal, further down.
        (
            "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, reject_rbl_client x.example\n",
            "smtpd_recipient_restrictions = permit_mynetworks, $gatepost_relay, reject_unauth_destination, reject_rbl_client x.example\n",
        ),
        # Both refuse: both must ask.
        (
            "smtpd_recipient_restrictions = reject_unauth_destination\n",
            "smtpd_recipient_restrictions = $gatepost_relay, reject_unauth_destination\n",
        ),
        # Under a name of the administrator's.
        (
            "my_relay = permit_mynetworks, reject_unauth_destination\nsmtpd_relay_restrictions = ${my_relay}\n",
            "my_relay = permit_mynetworks, $gatepost_relay, reject_unauth_destination\nsmtpd_relay_restrictions = ${my_relay}\n",
        ),
        (
            "smtpd_client_restrictions = permit_mynetworks\n  reject_unknown_client_hostname\n",
            "smtpd_client_restrictions = $gatepost_access, permit_mynetworks\n  reject_unknown_client_hostname\n",
        ),
        ("smtpd_client_restrictions =\n   permit_mynetworks\n", "smtpd_client_restrictions = $gatepost_access,\n   permit_mynetworks\n"),
        ("smtpd_end_of_data_restrictions=\n", "smtpd_end_of_data_restrictions= $gatepost_data\n"),
    ],
)
def test_main_cf(tmp_path: Path, before: str, after: str) -> None:
    assert after in texts(tmp_path, before)[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  -o smtpd_client_restrictions=\n", "  -o smtpd_client_restrictions=$gatepost_access\n"),
        ("  -o smtpd_client_restrictions=$mua_client_restrictions\n", "  -o smtpd_client_restrictions=$gatepost_access,$mua_client_restrictions\n"),
        ("  -o { smtpd_client_restrictions = a, b }\n", "  -o { smtpd_client_restrictions = $gatepost_access, a, b }\n"),
        (
            " -o syslog_name=x -o smtpd_end_of_data_restrictions= -o smtpd_client_restrictions=a\n",
            " -o syslog_name=x -o smtpd_end_of_data_restrictions=$gatepost_data -o smtpd_client_restrictions=$gatepost_access,a\n",
        ),
        (
            "  -o smtpd_relay_restrictions=permit_mynetworks,reject_unauth_destination\n",
            "  -o smtpd_relay_restrictions=permit_mynetworks,$gatepost_relay,reject_unauth_destination\n",
        ),
        # Who must log in here, must log in.
        ("  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n", "  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n"),
        ("#  -o smtpd_client_restrictions=\n", "#  -o smtpd_client_restrictions=\n"),
        (
            "  -o {smtpd_recipient_restrictions={check_x {a}, reject_unauth_destination}}\n",
            "  -o {smtpd_recipient_restrictions={check_x {a}, $gatepost_relay, reject_unauth_destination}}\n",
        ),
    ],
)
def test_master_cf(tmp_path: Path, before: str, after: str) -> None:
    assert texts(tmp_path, "", f"{SMTP}submission inet n - y - - smtpd\n{before}")[1] == f"{SMTP}submission inet n - y - - smtpd\n{after}"


def test_what_is_no_smtpd_of_the_world_is_left_alone(tmp_path: Path) -> None:
    master = "smtp unix - - y - - smtp\n  -o smtpd_client_restrictions=\n"
    master += "127.0.0.1:10025 inet n - y - - smtpd\n  -o smtpd_client_restrictions=permit\n"
    plan = made(tmp_path, "", master)
    assert [Path(change.path).name for change in plan.changes] == ["main.cf"]
    assert any("127.0.0.1:10025/inet" in note for note in plan.notes)


def test_another_port_replaces_the_old_one(tmp_path: Path) -> None:
    main, _ = texts(tmp_path, "")
    (tmp_path / "main.cf").write_text(main)
    plan = plan_postfix(Postfix(str(tmp_path), no_postconf), LISTEN | {"data": "/run/gatepost/data"}, closed=True)
    assert len(plan.changes[0].lines) == 2
    assert "{ default_action=451 4.3.5 Try again later }, policy_context=access" in plan.changes[0].lines[0]
    assert "unix:/run/gatepost/data, timeout=2s, try_limit=1, default_action=DUNNO, policy_context=data" in plan.changes[0].lines[1]


def test_what_postconf_sees_and_the_plan_does_not_is_told(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("")
    (tmp_path / "master.cf").write_text(SMTP + "  -o\n  smtpd_client_restrictions=reject\n")

    def postconf(command: Sequence[str]) -> str:
        return "smtp/inet/smtpd_client_restrictions = reject\n" if command[-1] == "-P" else ""

    plan = plan_postfix(Postfix(str(tmp_path), postconf), LISTEN)
    assert any("smtp/inet has its own smtpd_client_restrictions" in said for said in plan.by_hand)


def test_relaying_that_nothing_we_know_refuses_is_left_to_the_administrator(tmp_path: Path) -> None:
    plan = made(tmp_path, "smtpd_relay_restrictions = my_class\n")
    assert any("$gatepost_relay" in said for said in plan.by_hand)


def test_a_postfix_that_is_too_old_is_told(tmp_path: Path) -> None:
    for name in ("main.cf", "master.cf"):
        (tmp_path / name).write_text("")
    with pytest.raises(BadInputError, match=r"3\.1 is the first"):
        plan_postfix(Postfix(str(tmp_path), lambda command: "2.11.3\n" if command[-1] == "mail_version" else ""), LISTEN)
    with pytest.raises(BadInputError, match="--folder"):
        Postfix(str(tmp_path / "nowhere"), no_postconf)


def hiding(folder: Path, main: str, master: str) -> Plan:
    """The plan where AUTH is to be hidden."""
    (folder / "main.cf").write_text(main)
    (folder / "master.cf").write_text(master)
    return plan_postfix(Postfix(str(folder), no_postconf), LISTEN, hiding="/var/lib/gatepost/auth.cidr")


def test_auth_is_hidden_on_the_submission_services_alone(tmp_path: Path) -> None:
    services = "submission inet n - y - - smtpd\n  -o syslog_name=x\n192.0.2.1:465 inet n - y - - smtpd\n127.0.0.1:587 inet n - y - - smtpd\n"
    plan = hiding(tmp_path, "", SMTP + services)
    master = next(change for change in plan.changes if change.path.endswith("master.cf"))
    line = "  -o smtpd_discard_ehlo_keyword_address_maps=cidr:/var/lib/gatepost/auth.cidr\n"
    wanted = services.replace("smtpd\n  -o", f"smtpd\n{line}  -o").replace("465 inet n - y - - smtpd\n", f"465 inet n - y - - smtpd\n{line}")
    assert master.after == SMTP + wanted
    main = next(change for change in plan.changes if change.path.endswith("main.cf"))
    assert hiding(tmp_path, main.after, master.after).changes == ()


def test_tables_of_the_administrators_own_are_told(tmp_path: Path) -> None:
    own = "submission inet n - y - - smtpd\n  -o smtpd_discard_ehlo_keyword_address_maps=cidr:/etc/postfix/own\n"
    plan = hiding(tmp_path, "smtpd_discard_ehlo_keyword_address_maps = cidr:/etc/postfix/own\n", SMTP + own)
    assert [change.path for change in plan.changes] == [str(tmp_path / "main.cf")]
    assert [said.partition(":")[0] for said in plan.by_hand] == ["master.cf", "main.cf"]


def test_who_listens_everywhere_is_asked_nearby(tmp_path: Path) -> None:
    for name in ("main.cf", "master.cf"):
        (tmp_path / name).write_text("")
    plan = plan_postfix(Postfix(str(tmp_path), no_postconf), {"access": "0.0.0.0:1", "relay": "[::]:2", "data": "[::1]:3"})
    lines = [line.split()[4] for line in plan.changes[0].lines if line.startswith("gatepost_")]
    assert lines == ["inet:127.0.0.1:1,", "inet:[::1]:2,", "inet:[::1]:3,"]
