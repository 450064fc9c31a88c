"""CrowdSec's decisions as a list."""

import pytest

from gatepost.aid.crowdsec import as_list, is_crowdsec
from gatepost.core.spans import SECOND

NOW = 1_800_000_000 * SECOND
HEAD = "id,source,ip,reason,action,country,as,events_count,expiration,simulated,alert_id\n"


def row(ip: str = "Ip:203.0.113.7", expiration: str = "3h59m50.5s", action: str = "ban", simulated: str = "false") -> str:
    """A line as cscli writes it."""
    return f'276009,crowdsec,{ip},crowdsecurity/dovecot-spam,{action},CN,"4134 Chinanet, Inc.",7,{expiration},{simulated},33459\n'


@pytest.mark.parametrize(
    ("text", "is_"),
    [(HEAD, True), ("\ufeff" + HEAD.replace("\n", ",machine\r\n"), True), ("", False), ("203.0.113.7\n", False), ("list,prefix,expires\n", False)],
)
def test_its_first_line_tells_it(text: str, is_: bool) -> None:
    assert is_crowdsec(text) is is_


def test_bans_of_addresses_and_ranges() -> None:
    text, left = as_list(HEAD + row() + row("Range:203.0.114.0/24", "168h0m0s") + row("Ip:2001:db8::7", "1ms"), NOW)
    assert text.splitlines() == [
        "prefix,expires,note",
        "203.0.113.7,2027-01-15T11:59:51Z,CrowdSec: crowdsecurity/dovecot-spam",
        "203.0.114.0/24,2027-01-22T08:00:00Z,CrowdSec: crowdsecurity/dovecot-spam",
        "2001:db8::7,2027-01-15T08:00:01Z,CrowdSec: crowdsecurity/dovecot-spam",
    ]
    assert left == []


@pytest.mark.parametrize(
    ("line", "because"),
    [
        (row("Country:CN"), "a decision about 'Country:CN'; only those of scope Ip and Range name addresses"),
        (row("Username:bob"), "a decision about 'Username:bob'"),
        ("1,crowdsec\n", "a decision about 'nobody'"),
        (row(action="captcha"), "a decision to 'captcha'"),
        (row(simulated="true"), "a simulated decision"),
        (row(expiration="-2m3s"), "it has run out"),
        (row(expiration="0s"), "it has run out"),
    ],
)
def test_what_is_no_ban_of_an_address_is_told_and_keeps_its_line(line: str, because: str) -> None:
    text, left = as_list(HEAD + line + row(), NOW)
    assert text.split("\n")[1] == ""
    assert text.split("\n")[2].startswith("203.0.113.7,")
    (told,) = left
    assert told.startswith(f"line 2: {because}")


def test_of_several_decisions_about_an_address_the_longest_is_kept() -> None:
    lengths = ("2h", "1h", "3h", "3h")
    text, left = as_list(HEAD + "".join(row(expiration=each) for each in lengths) + row("Ip:203.0.113.8"), NOW)
    assert [line[:31] for line in text.split("\n")[1:6]] == ["", "", "203.0.113.7,2027-01-15T11:00:00", "", "203.0.113.8,2027-01-15T11:59:51"]
    assert left == [f"line {line}: another decision about 203.0.113.7 lasts as long" for line in (2, 3, 5)]


@pytest.mark.parametrize("expiration", ["soon", "", "5 fortnights", "1d"])
def test_a_length_that_is_none_is_left_for_the_list_to_refuse(expiration: str) -> None:
    text, left = as_list(HEAD + row(expiration=expiration), NOW)
    assert text.splitlines()[1] == f"203.0.113.7,{expiration or 'none'},CrowdSec: crowdsecurity/dovecot-spam"
    assert left == []
