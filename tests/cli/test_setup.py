"""``gatepost setup``: what it prints."""

from pathlib import Path

from tests.cli.command import refused, run


def test_the_lines_are_printed_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n")
    (tmp_path / "master.cf").write_text("smtp inet n - y - - smtpd\n")
    shown = run("setup", "postfix", "--folder", tmp_path)
    assert shown.code == 0
    assert "+smtpd_relay_restrictions = permit_mynetworks, $gatepost_relay, reject_unauth_destination" in shown.out
    assert "Nothing was written" in shown.out
    told = run("setup", "postfix", "--folder", tmp_path, "--json").json
    assert (told["server"], told["applied"], told["by_hand"]) == ("postfix", False, [])
    ours, main = (change["lines"] for change in told["changes"])
    assert ours == ["[[postfix_policy]]", 'listen = "127.0.0.1:8094"']
    assert "smtpd_end_of_data_restrictions = $gatepost_data" in main
    assert told["then"] == ["systemctl reload gatepost", "postfix reload"]
    assert (tmp_path / "main.cf").read_text() == "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"


def test_a_folder_without_configuration_is_told(tmp_path: Path) -> None:
    refused(run("setup", "postfix", "--folder", tmp_path), "main.cf", "--folder")


def test_exims_lines_come_with_ours(tmp_path: Path) -> None:
    (tmp_path / "conf.d/main").mkdir(parents=True)
    (tmp_path / "update-exim4.conf.conf").write_text("dc_use_split_config='true'\n")
    config = tmp_path / "gatepost.toml"
    config.write_text("")
    told = run("setup", "exim", "--folder", tmp_path, "--config", config, "--json").json
    assert [Path(change["path"]).name for change in told["changes"]] == ["gatepost.toml", "000_gatepost", "10_gatepost"]
    assert told["changes"][0]["lines"] == ["[[exim]]", 'listen = "127.0.0.1:8097"']
    config.write_text('[[exim]]\nlisten = "/run/gatepost/exim"\n')
    told = run("setup", "exim", "--folder", tmp_path, "--config", config, "--json").json
    assert "GATEPOST = /run/gatepost/exim" in told["changes"][0]["lines"]
    assert told["then"] == ["update-exim4.conf", "systemctl reload exim4"]


def test_a_folder_that_no_file_system_can_hold_is_told() -> None:
    for server in ("postfix", "dovecot", "exim"):
        refused(run("setup", server, "--folder", "x" * 5000), "gatepost: xxx", "File name too long")
