"""Where the lines go that have Exim ask, and what is left alone."""

from pathlib import Path

import pytest

from gatepost.aid.setup import apply
from gatepost.aid.setup_exim import LISTS, MAIN, Exim, plan_exim
from gatepost.core.faults import BadInputError

WHERE = "127.0.0.1:8097"
TEMPLATE = ".ifndef MAIN_ACL_CHECK_RCPT\nMAIN_ACL_CHECK_RCPT = acl_check_rcpt\n.endif\nbegin acl\n\nacl_check_rcpt:\n  accept\n"


def debian(folder: Path, split: bool) -> Path:
    """Debian's configuration, in short."""
    (folder / "update-exim4.conf.conf").write_text(f"dc_eximconfig_configtype='internet'\ndc_use_split_config='{str(split).lower()}'\n")
    for name in ("conf.d/main", "conf.d/acl"):
        (folder / name).mkdir(parents=True)
    (folder / "conf.d/main/02_exim4-config_options").write_text(TEMPLATE.partition("begin")[0])
    (folder / "exim4.conf.template").write_text(TEMPLATE)
    return folder


def well(_: object) -> tuple[int, str]:
    return 0, ""


@pytest.mark.parametrize("split", [True, False])
def test_the_lines_go_in_once_and_move_with_the_listener(tmp_path: Path, split: bool) -> None:
    folder = debian(tmp_path, split)
    first = plan_exim(Exim(str(folder)), WHERE)
    names = {Path(change.path).relative_to(folder).as_posix() for change in first.changes}
    assert names == ({"conf.d/main/000_gatepost", "conf.d/acl/10_gatepost"} if split else {"exim4.conf.localmacros", "exim4.conf.template"})
    assert apply(first, lambda: plan_exim(Exim(str(folder)), WHERE), well).done
    assert plan_exim(Exim(str(folder)), WHERE).changes == ()
    main = (folder / ("conf.d/main/000_gatepost" if split else "exim4.conf.localmacros")).read_text()
    assert main == MAIN.format(where=f"inet:{WHERE}")
    lists = (folder / ("conf.d/acl/10_gatepost" if split else "exim4.conf.template")).read_text()
    assert LISTS.rstrip() in lists
    moved = plan_exim(Exim(str(folder)), "/run/gatepost/exim")
    assert [change.lines for change in moved.changes] == [["GATEPOST = /run/gatepost/exim"]]


def test_the_lists_stand_behind_begin_acl_and_before_debians_own(tmp_path: Path) -> None:
    folder = debian(tmp_path, split=False)
    (change,) = [each for each in plan_exim(Exim(str(folder)), WHERE).changes if each.path.endswith("template")]
    assert change.after.index("begin acl") < change.after.index("gatepost_ask:") < change.after.index("\nacl_check_rcpt:")
    assert change.after.replace(f"\n\n{LISTS.rstrip()}\n", "") == TEMPLATE


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("acl_smtp_connect = acl_mine\n", "acl_smtp_connect"),
        ("  acl_smtp_auth=acl_mine\n", "acl_smtp_auth"),
        ("MAIN_ACL_CHECK_RCPT = acl_mine\n", "MAIN_ACL_CHECK_RCPT"),
        ("event_action = ${if eq{a}{b}}\n", "event_action"),
    ],
)
@pytest.mark.parametrize("split", [True, False])
def test_a_list_of_the_administrators_own_is_left_alone(tmp_path: Path, line: str, what: str, split: bool) -> None:
    folder = debian(tmp_path, split)
    (folder / ("conf.d/main/000_local" if split else "exim4.conf.localmacros")).write_text(f"# mine\n{line}")
    plan = plan_exim(Exim(str(folder)), WHERE)
    assert plan.changes == ()
    assert len(plan.by_hand) == 1
    assert what in plan.by_hand[0]


def test_what_is_not_debians_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="--folder"):
        Exim(str(tmp_path))
    folder = debian(tmp_path, split=False)
    (folder / "exim4.conf.template").write_text("begin routers\n")
    with pytest.raises(BadInputError, match="begin acl"):
        plan_exim(Exim(str(folder)), WHERE)
    (folder / "exim4.conf").write_text("")
    with pytest.raises(BadInputError, match="of your own"):
        Exim(str(folder))
