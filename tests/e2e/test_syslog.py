"""A real rsyslogd sends: over UDP, TCP with both framings, and TLS, in the forms of RFC 3164 and RFC 5424."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gatepost.core.facts import Connected
from tests.e2e.hosts import lacking
from tests.inlets.following import Desk, until
from tests.inlets.listening import messages, running
from tests.inlets.test_syslog import inlet, pems, tls

__all__ = ["pems"]

FORMS = {
    "old": ("RSYSLOG_TraditionalForwardFormat", "smtp"),
    "iso": ("RSYSLOG_ForwardFormat", "smtp"),
    # rsyslog cuts the program's name at the slash there, and the service with it.
    "new": ("RSYSLOG_SyslogProtocol23Format", "smtp"),
}
OWN = """\
global(workDirectory="{folder}" {tls})
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{folder}/in")
action(type="omfwd" target="127.0.0.1" port="{port}" template="{template}" {how} action.resumeRetryCount="-1" action.resumeInterval="1")
"""
TLS = 'DefaultNetstreamDriverCAFile="{ca}"'
OVER_TLS = 'protocol="tcp" TCP_Framing="octet-counted" StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/certvalid"'
WAYS = {
    "udp": 'protocol="udp"',
    "counted": 'protocol="tcp" TCP_Framing="octet-counted"',
    "newlines": 'protocol="tcp" TCP_Framing="traditional"',
    "tls": OVER_TLS,
}


@dataclass
class Rsyslog:
    """A rsyslogd of our own, with no rights over this machine's logs."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self, port: int, template: str, how: str, tls: str = "") -> None:
        """Starts it, to send what it gets to a port here."""
        config = self.folder / "rsyslog.conf"
        config.write_text(OWN.format(folder=self.folder, port=port, template=template, how=how, tls=tls))
        with (self.folder / "said").open("wb") as said:
            command = ["rsyslogd", "-n", "-i", str(self.folder / "pid"), "-f", str(config)]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    def log(self, lines: list[str]) -> None:
        """Hands it lines, as Postfix's smtpd would."""
        command = ["logger", "-u", str(self.folder / "in"), "-p", "mail.info", "-t", "postfix/smtpd", "--id=10"]
        subprocess.run(command, input="".join(f"{line}\n" for line in lines), text=True, check=True, timeout=60)

    def close(self) -> None:
        """Ends it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)


@pytest.fixture
def rsyslog(tmp_path: Path) -> Iterator[Rsyslog]:
    """One that is not started yet."""
    if missing := lacking("rsyslog", "rsyslog-openssl", "openssl") or ("" if shutil.which("logger") else "missing: logger"):
        pytest.skip(missing)
    made = Rsyslog(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", WAYS)
def test_rsyslog_sends(rsyslog: Rsyslog, pems: Path, way: str, form: str) -> None:
    desk = Desk()
    made = tls(desk, pems) if way == "tls" else inlet(desk, "udp" if way == "udp" else "tcp")
    template, service = FORMS[form]

    async def doing() -> None:
        await until(lambda: made.state().listening)
        secured = TLS.format(ca=pems / "ours.pem") if way == "tls" else ""
        rsyslog.start(made.port, template, WAYS[way], secured)
        await until((rsyslog.folder / "in").exists)
        rsyslog.log(messages(0, 100))
        await until(lambda: len(desk.facts) == 100)

    running(made, doing)
    assert desk.numbers == list(range(100))
    assert {(type(fact), fact.service) for fact in desk.facts} == {(Connected, service)}
    assert made.state().dropped == {}
    assert made.state().coverage.understood == 100


def test_rsyslog_waits_while_we_are_down(rsyslog: Rsyslog) -> None:
    desk = Desk()
    first = inlet(desk)

    async def doing() -> None:
        await until(lambda: first.state().listening)
        rsyslog.start(first.port, FORMS["iso"][0], WAYS["counted"])
        await until((rsyslog.folder / "in").exists)
        rsyslog.log(messages(0, 10))
        await until(lambda: len(desk.facts) == 10)

    running(first, doing)
    second = inlet(desk, listen=f"127.0.0.1:{first.port}")
    # The first line after the end is lost where rsyslog has not seen yet that nobody is there: plain TCP has no receipt.
    rsyslog.log(messages(10, 11))

    async def again() -> None:
        await until(lambda: second.state().listening)
        rsyslog.log(messages(11, 21))
        await until(lambda: desk.numbers[-10:] == list(range(11, 21)))

    running(second, again)
