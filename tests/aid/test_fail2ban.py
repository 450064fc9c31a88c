"""From a fail2ban's files to a plan."""

from pathlib import Path

import pytest

from gatepost.aid.fail2ban import Left, Plan, RuleWish, Wish, read
from gatepost.core.faults import BadInputError
from gatepost.core.spans import DAY, SECOND
from tests.aid.fail2bans import configured, database

NOW = 1_800_000_000
BOTH = "[postfix]\nenabled = true\n[dovecot]\nenabled = true\n"
SMTP = ("smtp",)
MAIL = ("smtp", "imap", "pop3", "sieve")


def planned(folder: Path, local: str, *rows: tuple[object, object, object, object]) -> Plan:
    """The plan for this jail.local and these bans."""
    return read(configured(folder / "etc", local), str(database(folder / "db", rows)), NOW * SECOND)


def told(wishes: list[Wish]) -> list[tuple[object, ...]]:
    """What wishes say, in short; times in seconds."""
    return [(each.verb, each.prefix, each.protocols, each.until // SECOND) for each in wishes]


class TestJails:
    """Which jails guard mail, and where."""

    @pytest.mark.parametrize(
        ("local", "protocols"),
        [
            ("[postfix]\nenabled = true\n", SMTP),
            ("[dovecot]\nenabled = yes\n", MAIL),
            ("[sieve]\nenabled = on\n", ("smtp", "sieve")),
            ("[mine]\nenabled = 1\nfilter = my-dovecot-login\nport = imap\n", ("imap",)),
            ("[mine]\nenabled = 1\nfilter = dovecot\nport = imap3,110\n", ("imap", "pop3")),
            ("[mine]\nenabled = 1\nfilter = whatever\nport = 25,http\n", ("smtp", "http")),
            ("[mine]\nenabled = 1\nfilter = whatever\nport = 4190,100:120\n", ("pop3", "sieve")),
            ("[mine]\nenabled = 1\nfilter = mysmtpd.smtp\nport = 9999\n", SMTP),
            ("[exim]\nenabled = 1\nport = 0:65535\n", ()),
            ("[exim]\nenabled = 1\nbanaction = nftables-allports\n", ()),
        ],
    )
    def test_a_mail_jail_holds_on_its_ports(self, tmp_path: Path, local: str, protocols: tuple[str, ...]) -> None:
        name = local[1:].partition("]")[0]
        found = planned(tmp_path, local, (name, "203.0.113.7", NOW - 10, 600))
        assert told(found.wishes) == [("hold", "203.0.113.7", protocols, NOW + 590)]
        assert found.jails == [name]

    @pytest.mark.parametrize(
        ("local", "because"),
        [
            ("[sshd]\nenabled = true\n", "it guards no mail service (filter sshd, port ssh)"),
            ("[mine]\nenabled = true\nport = 20:30\n", "it guards no mail service (filter mine, port 20:30)"),
            ("[mine]\nenabled = true\nport = http,https\n", "it guards no mail service"),
            ("[recidive]\nenabled = true\n", "it counts what other jails banned; the rule repeat-offender does that"),
            ("[dovecot]\nenabled = true\nbantime = soon\n", "its configuration cannot be read: 'soon' is no length of time"),
            ("[dovecot]\nenabled = true\nmaxretry = many\n", "its configuration cannot be read: [dovecot] maxretry: 'many' is no whole number"),
            ("[dovecot]\nenabled = true\nport = %(x)s\n", "its configuration cannot be read: [dovecot] port: %(x)s is set nowhere"),
        ],
    )
    def test_any_other_is_named_with_the_reason(self, tmp_path: Path, local: str, because: str) -> None:
        name = local[1:].partition("]")[0]
        found = planned(tmp_path, local, (name, "203.0.113.7", NOW, 600), (name, "203.0.113.8", NOW, -1), (name, "203.0.113.9", NOW - 700, 600))
        assert (found.wishes, found.rules, found.jails) == ([], [], [])
        assert [each.what for each in found.left] == [f"jail {name} (2 banned)"]
        assert found.left[0].because.startswith(because)

    def test_extras_are_named_once_for_all_jails(self, tmp_path: Path) -> None:
        extras = "[DEFAULT]\naction = %(action_mw)s\n         abuseipdb[key=x]\nbantime.increment = true\nignorecommand = /bin/true\n"
        left = {each.what: each.because for each in planned(tmp_path, extras + BOTH).left}
        whats = ("bantime.increment", "ignorecommand", "action sendmail-whois", "action abuseipdb")
        assert list(left) == [f"{what} (postfix, dovecot)" for what in whats]
        assert "repeat-offender" in left["bantime.increment (postfix, dovecot)"]

    def test_an_action_that_cannot_be_read_is_no_reason_to_leave_its_jail(self, tmp_path: Path) -> None:
        found = planned(tmp_path, "[dovecot]\nenabled = true\naction = %(action_x)s\n", ("dovecot", "203.0.113.7", NOW, 600))
        assert told(found.wishes) == [("hold", "203.0.113.7", MAIL, NOW + 600)]
        assert found.left == [Left("action (dovecot)", "it cannot be read: [dovecot] action: %(action_x)s is set nowhere")]


class TestBans:
    """Who is banned."""

    def test_what_runs_what_stays_and_what_ran_out(self, tmp_path: Path) -> None:
        found = planned(
            tmp_path,
            BOTH,
            ("dovecot", "203.0.113.1", NOW - 600, 600),
            ("dovecot", "203.0.113.2", NOW - 599, 600),
            ("dovecot", "203.0.113.3", NOW - 10, -1),
            ("postfix", "203.0.113.3", NOW - 20, -1),
            ("postfix", "203.0.113.4", NOW, -1),
            ("postfix", "203.0.113.5", NOW - 10, -2),
            ("postfix", "2001:DB8::0:7", NOW, 60),
            ("postfix", "::ffff:203.0.113.6", NOW, 60),
            ("postfix", "203.0.113.77/28", NOW, 60),
            ("postfix", "203.0.113.8", NOW, 401 * DAY // SECOND),
            ("postfix", "203.0.113.9", NOW, 2**62),
            ("postfix", "203.0.113.10", 2**62, 90),
        )
        assert told(found.wishes) == [
            ("deny", "203.0.113.3", MAIL, 0),
            ("deny", "203.0.113.4", SMTP, 0),
            ("deny", "203.0.113.9", SMTP, 0),
            ("deny", "203.0.113.8", SMTP, NOW + 401 * DAY // SECOND),
            ("hold", "203.0.113.5", SMTP, NOW + 590),
            ("hold", "203.0.113.10", SMTP, NOW + 90),
            ("hold", "2001:db8::7", SMTP, NOW + 60),
            ("hold", "203.0.113.64/28", SMTP, NOW + 60),
            ("hold", "203.0.113.6", SMTP, NOW + 60),
            ("hold", "203.0.113.2", MAIL, NOW + 1),
        ]
        assert (found.wishes[0].origin, found.wishes[0].note) == ("postfix, dovecot: permanent ban of 203.0.113.3", "fail2ban: postfix, dovecot")

    def test_what_is_no_address_and_who_is_not_guarded_any_more(self, tmp_path: Path) -> None:
        rows = [("dovecot", "bob", NOW, 60), ("old", "203.0.113.1", NOW, 60), ("dovecot", 7, "x", 60), ("dovecot", "", NOW, 60)]
        found = planned(tmp_path, BOTH, *rows)
        assert found.wishes == []
        assert found.left == [
            Left("dovecot: ban of ", "it is no address"),
            Left("dovecot: ban of bob", "it is no address"),
            Left("jail old (1 banned)", "it is not enabled, so fail2ban does not enforce them either"),
        ]

    def test_the_database_is_the_one_that_the_configuration_names(self, tmp_path: Path) -> None:
        etc = configured(tmp_path / "etc", BOTH, fail2ban__conf=f"[DEFAULT]\ndbfile = {tmp_path}/it is here?.sqlite3\n[Definition]\n")
        database(tmp_path / "it is here?.sqlite3", [("dovecot", "203.0.113.1", NOW, 60)])
        assert len(read(etc, "", NOW * SECOND).wishes) == 1
        (etc / "fail2ban.local").write_text("[DEFAULT]\ndbfile = None\n")
        found = read(etc, "", NOW * SECOND)
        assert (found.wishes, found.left) == ([], [Left("bans", "fail2ban keeps no database here (dbfile = None)")])

    @pytest.mark.parametrize(
        ("text", "words"),
        [(None, "is not there; name fail2ban's database with --database"), (b"", "has no table bips"), (b"x" * 5000, "cannot be read")],
    )
    def test_a_database_that_is_none(self, tmp_path: Path, text: bytes | None, words: str) -> None:
        if text is not None:
            (tmp_path / "db").write_bytes(text)
        with pytest.raises(BadInputError) as wrong:
            read(configured(tmp_path / "etc", BOTH), str(tmp_path / "db"), NOW * SECOND)
        assert words in str(wrong.value)

    def test_reading_changes_nothing(self, tmp_path: Path) -> None:
        planned(tmp_path, BOTH, ("dovecot", "203.0.113.1", NOW, 60))
        before = (tmp_path / "db").read_bytes()
        (tmp_path / "db").chmod(0o400)
        read(tmp_path / "etc", str(tmp_path / "db"), NOW * SECOND)
        assert (tmp_path / "db").read_bytes() == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["db", "etc"]


class TestIgnored:
    """Whom it never bans."""

    @pytest.mark.parametrize(
        ("local", "wishes"),
        [
            ("[DEFAULT]\nignoreip = 127.0.0.1/8 ::1, 192.0.2.0/255.255.255.0\n", ["127.0.0.0/8", "::1", "192.0.2.0/24"]),
            ("[DEFAULT]\nignoreip = 192.0.2.1\n  Office.example.org\n", ["192.0.2.1", "office.example.org"]),
            ("", []),
        ],
    )
    def test_by_all_is_everywhere(self, tmp_path: Path, local: str, wishes: list[str]) -> None:
        for jails in ("", BOTH):
            (tmp_path / "db").unlink(missing_ok=True)
            assert told(planned(tmp_path, local + jails).wishes) == [("allow", prefix, (), 0) for prefix in wishes]

    def test_by_one_is_only_where_no_other_counts(self, tmp_path: Path) -> None:
        found = planned(tmp_path, "[postfix]\nenabled = true\n[dovecot]\nenabled = true\nignoreip = 192.0.2.1\n")
        assert told(found.wishes) == [("allow", "192.0.2.1", ("imap", "pop3", "sieve"), 0)]
        assert found.wishes[0].origin == "ignoreip 192.0.2.1 (dovecot)"

    def test_where_others_count_everywhere_it_is_left(self, tmp_path: Path) -> None:
        ignored = f"ignoreip = 192.0.2.1 192.0.2.7/99\n         {'x' * 254}\n"
        found = planned(tmp_path, f"[dovecot]\nenabled = true\n[postfix]\nenabled = true\n{ignored}")
        assert found.wishes == []
        left = {each.what: each.because for each in found.left}
        assert list(left) == ["ignoreip 192.0.2.1 (postfix)", "ignoreip 192.0.2.7/99 (postfix)", f"ignoreip {'x' * 254} (postfix)"]
        assert list(left.values())[1:] == ["it is no address, prefix or host name"] * 2
        assert found.left[0].because.startswith("dovecot count")


class TestRules:
    """When it bans."""

    def test_the_rule_that_counts_the_same(self, tmp_path: Path) -> None:
        local = f"{BOTH}maxretry = 3\nfindtime = 3600\n[postfix-rbl]\nenabled = true\nbantime = 1d 12h\n"
        assert planned(tmp_path, local).rules == [
            RuleWish(
                origin="postfix: maxretry 5, findtime 10m, bantime 10m",
                name="rejections",
                changes={"counts": "rejected", "on": ["smtp"], "threshold": 5, "window": "10m", "for": "10m"},
            ),
            RuleWish(
                origin="postfix-rbl: maxretry 1, findtime 10m, bantime 1d12h",
                name="rejections-dnsbl",
                changes={"counts": "rejected", "on": ["smtp"], "where.reason": "dnsbl", "threshold": 1, "window": "10m", "for": "1d12h"},
            ),
            RuleWish(
                origin="dovecot: maxretry 3, findtime 1h, bantime 10m",
                name="password-brute-force",
                changes={"threshold": 3, "window": "1h", "for": "10m"},
            ),
        ]

    @pytest.mark.parametrize(
        ("mode", "names"),
        [
            ("more", ["rejections"]),
            ("auth", ["password-brute-force"]),
            ("rbl", ["rejections-dnsbl"]),
            ("aggressive", ["password-brute-force", "rejections"]),
            ("extra", ["password-brute-force", "rejections"]),
            ("ddos", ["harvesting"]),
            ("errors", []),
        ],
    )
    def test_the_modes_of_postfix(self, tmp_path: Path, mode: str, names: list[str]) -> None:
        assert [rule.name for rule in planned(tmp_path, f"[postfix]\nenabled = true\nmode = {mode}\n").rules] == names

    def test_of_several_jails_the_strictest(self, tmp_path: Path) -> None:
        local = "[dovecot]\nenabled = true\n[postfix-sasl]\nenabled = true\nmaxretry = 3\n[sieve]\nenabled = true\nmaxretry = 3\n"
        found = planned(tmp_path, local)
        assert [rule.origin for rule in found.rules] == ["postfix-sasl, sieve: maxretry 3, findtime 10m, bantime 10m"]
        because = "the rule password-brute-force takes the numbers of postfix-sasl, which fire first"
        assert found.left == [Left("dovecot: maxretry 5, findtime 10m, bantime 10m", because)]

    def test_for_good_is_the_longest_that_there_is(self, tmp_path: Path) -> None:
        found = planned(tmp_path, "[dovecot]\nenabled = true\nbantime = -1\nfindtime = 10y\n")
        assert found.rules[0].changes == {"threshold": 5, "window": "400d", "for": "400d"}
        assert found.rules[0].origin == "dovecot: maxretry 5, findtime 3652d, bantime for good"

    @pytest.mark.parametrize(
        ("local", "because"),
        [
            ("[mine]\nenabled = true\nport = smtp\n", "no rule is known to count what the filter mine finds; write one"),
            ("[dovecot]\nenabled = true\nmaxretry = 0\n", "a rule counts 1 to 10,000, over 1s at least"),
            ("[dovecot]\nenabled = true\nfindtime = 0\n", "a rule counts 1 to 10,000, over 1s at least"),
        ],
    )
    def test_what_is_no_rule(self, tmp_path: Path, local: str, because: str) -> None:
        found = planned(tmp_path, local)
        assert found.rules == []
        assert [each.because for each in found.left] == [because]
