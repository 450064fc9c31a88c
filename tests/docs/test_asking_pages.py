"""The pages about mail servers that ask hold the very lines that setup writes and that the tests put in."""

import textwrap
from pathlib import Path

from gatepost.aid.setup_exim import LISTS, MAIN
from gatepost.inlets.milter import KINDS
from gatepost.wire.exim_ask import VERBS
from tests.e2e.test_exim_ask import TOLD
from tests.e2e.test_milter import MILTER

DOCS = Path(__file__).parents[2] / "docs"
CONFIG = Path(__file__).parents[1] / "e2e" / "config"


def test_exims_lines() -> None:
    page = (DOCS / "exim.md").read_text("utf-8")
    for text in (MAIN.format(where="inet:127.0.0.1:8097"), LISTS):
        assert textwrap.indent(text.rstrip("\n"), "    ") in page
    assert all(f"| `{verb}` |" in page for verb in VERBS)
    told = TOLD.replace("USER", "$auth2")
    assert told in page.replace("\\\n      ", "")


def test_milters_lines() -> None:
    page = (DOCS / "milter.md").read_text("utf-8")
    assert f"smtpd_milters = {MILTER}" in page
    (line,) = [line for line in (CONFIG / "sendmail" / "sendmail.mc").read_text("ascii").split("\n") if line.startswith("INPUT_MAIL_FILTER")]
    assert line.removesuffix("dnl") in page
    assert all(f"| `{kind}` |" in page for kind in KINDS)
