"""gatepost.toml: how this installation is wired.

Job: read the file into frozen settings. Promise: whatever is wrong is told with file, line, field and cure, before anything starts; a missing
default file means the defaults. Limits: rules and lists are no wiring, they live in files of their own or in the store.
"""

import os
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from gatepost.admin.settings import ConsoleSettings
from gatepost.aid.country import CountrySettings
from gatepost.core.faults import BadInputError
from gatepost.inlets.dovecot_policy import DovecotPolicySettings
from gatepost.inlets.exim_ask import EximSettings
from gatepost.inlets.gateway.settings import Gateways, check_gateway
from gatepost.inlets.journal import JournalSettings
from gatepost.inlets.logfile import LogFileSettings
from gatepost.inlets.milter import MilterSettings
from gatepost.inlets.postfix_policy import PostfixPolicySettings
from gatepost.inlets.syslog import SyslogSettings
from gatepost.keeper.files import HistorySettings
from gatepost.outlets.messengers.settings import ChannelSettings, check_channels
from gatepost.outlets.nftables.wanted import NftablesSettings
from gatepost.outlets.postfix_cidr import PostfixCidrSettings
from gatepost.wire.maillog.grammar import Host
from gatepost.wire.maillog.reader import GRAMMARS
from gatepost.wire.toml_files import line_of, read

SYSTEM_FILE = Path("/etc/gatepost/gatepost.toml")
LOCAL_TIME = Path("/etc/localtime")


class Accounts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How names that log in are made canonical."""

    default_domain: Annotated[str, Meta(description="Added to a name without a domain.", max_length=253, examples=["example.org"])] = ""
    domains: Annotated[dict[str, str], Meta(description="For DOMAIN\\user: the mail domain that each DOMAIN stands for.")] = {}


class Logs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How log lines are read."""

    timezone: Annotated[str, Meta(description="Zone of stamps that name none; empty: the host's.", examples=["Europe/Berlin", "+02:00"])] = ""
    daemon: Annotated[str, Meta(description="Daemon of lines that name none; empty: told by their form.", examples=["dovecot"])] = ""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of gatepost.toml."""

    accounts: Accounts = Accounts()
    logs: Logs = Logs()
    country: CountrySettings = CountrySettings()
    logfile: Annotated[tuple[LogFileSettings, ...], Meta(description="Mail logs to follow, a [[logfile]] each; none: those that are found.")] = ()
    journal: JournalSettings = JournalSettings()
    syslog: Annotated[tuple[SyslogSettings, ...], Meta(description="Listeners for syslog, a [[syslog]] each.")] = ()
    dovecot_policy: Annotated[tuple[DovecotPolicySettings, ...], Meta(description="Where Dovecot asks, a [[dovecot_policy]] each.")] = ()
    postfix_policy: Annotated[tuple[PostfixPolicySettings, ...], Meta(description="Where Postfix asks, a [[postfix_policy]] each.")] = ()
    milter: Annotated[tuple[MilterSettings, ...], Meta(description="Where Postfix or Sendmail ask as their milter, a [[milter]] each.")] = ()
    exim: Annotated[tuple[EximSettings, ...], Meta(description="Where Exim asks, an [[exim]] each.")] = ()
    gateway: Gateways = Gateways()
    nftables: NftablesSettings = NftablesSettings()
    postfix_cidr: PostfixCidrSettings = PostfixCidrSettings()
    channel: Annotated[tuple[ChannelSettings, ...], Meta(description="Who is told what happens, a [[channel]] each; none: nobody.")] = ()
    history: HistorySettings = HistorySettings()
    console: ConsoleSettings = ConsoleSettings()
    state: Annotated[str, Meta(description="Folder of the state; empty: /var/lib/gatepost for root, else the XDG folder.")] = ""
    socket: Annotated[str, Meta(description="Control socket; empty: /run/gatepost/api.sock for root, else in the XDG folder.")] = ""

    def paths(self) -> "Paths":
        """Where state and socket are."""
        given = os.environ.get
        root = os.geteuid() == 0
        # systemd names its folders (systemd.exec(5)); a user without root has those of the XDG specification.
        state = given("STATE_DIRECTORY") or (
            "/var/lib/gatepost" if root else f"{given('XDG_STATE_HOME') or os.path.expanduser('~/.local/state')}/gatepost"
        )
        run = given("RUNTIME_DIRECTORY") or (f"{given('XDG_RUNTIME_DIR')}/gatepost" if given("XDG_RUNTIME_DIR") and not root else "/run/gatepost")
        return Paths(state=Path(self.state or state), socket=Path(self.socket or f"{run}/api.sock"))

    def warnings(self) -> list[str]:
        """What is allowed, and yet probably not meant."""
        found = []
        if self.journal.follow == "yes" and self.logfile:
            said = "a mail daemon whose lines are in both is counted twice"
            found.append(f'[journal] follow = "yes" beside [[logfile]] {self.logfile[0].path}: {said}')
        policy = [each for each in self.postfix_policy if each.context in ("", "data")]
        for each in self.milter:
            if "message_accepted" in each.counts and any(not (each.hosts and other.hosts) or set(each.hosts) & set(other.hosts) for other in policy):
                said = "a message that Postfix tells to both is counted twice; take message_accepted out of counts"
                found.append(f"[[milter]] {each.listen} beside [[postfix_policy]] {policy[0].listen}: {said}")
        return found


class Paths(NamedTuple):
    """Where things are on this host."""

    state: Path
    socket: Path


def default_file() -> Path:
    """Where the settings are looked for: in /etc for root, else first in the user's XDG folder."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):  # the XDG specification: a relative one is to be ignored
        base = os.path.expanduser("~/.config")
    home = Path(base) / "gatepost" / "gatepost.toml"
    return home if os.geteuid() != 0 and is_there(home) else SYSTEM_FILE


def is_there(file: Path) -> bool:
    """Whether there is such a file. One that may not even be looked at is: reading it tells why."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def load(path: str | None = None) -> Settings:
    """The settings in a file; without a path those in the default file, or the defaults where there is none. Raises BadInputError."""
    file = Path(path) if path else default_file()
    if not path and not is_there(file):
        return Settings()
    text = read_text(file)
    settings = read(Settings, text, str(file))
    try:
        check_channels(settings.channel)
    except BadInputError as wrong:
        raise BadInputError(wrong.said, str(file), line_of(text, wrong.said.partition(":")[0])) from None
    for field, check, value in (("logs.timezone", zone, settings.logs.timezone), ("logs.daemon", check_daemon, settings.logs.daemon)):
        try:
            check(value)
        except BadInputError as wrong:
            raise BadInputError(f"{field}: {wrong.said}", str(file), line_of(text, field)) from None
    for service, gateway in settings.gateway.items():
        try:
            check_gateway(service, gateway)
        except ValueError as wrong:
            field = str(wrong).partition(":")[0]
            raise BadInputError(f"gateway.{service}.{wrong}", str(file), line_of(text, f"gateway.{service}.{field}")) from None
    listeners = (settings.syslog, settings.dovecot_policy, settings.postfix_policy, settings.milter, settings.exim)
    names = [each.name for part in listeners for each in part]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        part, _, where = twice.partition(":")
        raise BadInputError(f"{part}.listen: {where} stands twice; a listener is named once", str(file))
    settings = msgspec.structs.replace(
        settings,
        accounts=msgspec.structs.replace(settings.accounts, domains={name.lower(): to.lower() for name, to in settings.accounts.domains.items()}),
    )
    return settings


def read_text(file: Path) -> str:
    """A text file that an administrator wrote. Raises BadInputError where it cannot be read or is no UTF-8 text."""
    try:
        return file.read_text("utf-8")
    except OSError as wrong:
        raise BadInputError(f"cannot be read: {wrong.strerror}", str(file)) from None
    except UnicodeDecodeError as wrong:
        raise BadInputError(f"is no UTF-8 text (byte {wrong.start})", str(file)) from None


def check_daemon(name: str) -> None:
    """Raises BadInputError where no grammar knows a daemon of this name; an empty one is none."""
    if name and not any(grammar(Host("", ""), name) for grammar in GRAMMARS):
        raise BadInputError(f"{name!r} is not known; write postfix/smtpd, dovecot or exim")


def zone(name: str) -> tzinfo:
    """The time zone of a name (``Europe/Berlin``), an offset (``+02:00``) or ``UTC``; the host's where it is empty. Raises BadInputError."""
    if not name:
        return _host_zone()
    if name[0] in "+-":
        try:
            return timezone(datetime.strptime(name, "%z").utcoffset() or timedelta(0))
        except ValueError:
            raise BadInputError(f"{name!r} is no offset; write it like +02:00") from None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInputError(f"{name!r} is no time zone; write a name like Europe/Berlin, an offset like +02:00, or UTC") from None


def _host_zone() -> tzinfo:
    """The host's own zone with its summer times, as TZ or /etc/localtime name it; that may be a link or, in a container, a copy."""
    named = os.environ.get("TZ", "").lstrip(":")
    try:
        if named:
            return ZoneInfo(named)
        if linked := str(LOCAL_TIME.resolve()).partition("zoneinfo/")[2]:
            return ZoneInfo(linked)
        with LOCAL_TIME.open("rb") as copy:
            return ZoneInfo.from_file(copy, "local time")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return datetime.now(UTC).astimezone().tzinfo or UTC
