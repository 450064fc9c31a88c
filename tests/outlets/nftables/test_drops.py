"""The kernel's counters, added up over rules that are made anew."""

from gatepost.outlets.nftables.drops import Drops
from gatepost.pipeline.dropped import Dropped

SMTP = ["__set0", "rule_smtp_4_32"]


def test_counters_are_added_up_by_why_and_ports() -> None:
    drops = Drops()
    drops.see([(b"1", SMTP, 3, 180), (b"2", ["rule_smtp_6_64"], 1, 80), (b"3", ["deny_all_4_24"], 2, 120), (b"4", ["allow_all_4_24"], 9, 900)])
    assert drops.totals() == (Dropped("deny", "all", 2, 120), Dropped("rule", "smtp", 4, 260))
    drops.see([(b"1", SMTP, 5, 300), (b"9", ["login_imap_4_32"], 1, 60), (b"8", ["__set3"], 7, 7), (b"7", ["probe"], 7, 7)])
    assert drops.totals() == (Dropped("deny", "all", 2, 120), Dropped("login", "imap", 1, 60), Dropped("rule", "smtp", 6, 380))


def test_rules_made_anew_begin_at_nothing_and_lose_nothing() -> None:
    drops = Drops()
    drops.see([(b"1", SMTP, 3, 180)])
    drops.see([])
    drops.see([(b"5", SMTP, 0, 0)])
    drops.see([(b"5", SMTP, 2, 120)])
    assert drops.totals() == (Dropped("rule", "smtp", 5, 300),)
    drops.see([(b"5", SMTP, 1, 60)])  # a table that somebody removed: the handle is another rule's
    assert drops.totals() == (Dropped("rule", "smtp", 6, 360),)
