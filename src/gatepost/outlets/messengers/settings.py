"""A ``[[channel]]`` of gatepost.toml.

Job: declare who is told, of what, how often and by which way. Promise: a field that does not belong to the channel's kind is refused with the cure;
secrets can stand in files of their own, and never show in what is printed. Limits: whether anybody answers is what `gatepost alerts test` asks.
"""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from msgspec import Meta, Struct, field, structs

from gatepost.core.faults import BadInputError
from gatepost.core.spans import MINUTE, Span

ChannelKind = Literal["mail", "apprise", "webhook"]
Tell = Literal["block", "delay", "watched", "hand", "ended"]
Security = Literal["", "starttls", "tls", "none"]

_ADDRESS = re.compile(r"[A-Za-z0-9_.+=&'*/?^%!#$~{}|-]{1,64}(?:@[A-Za-z0-9.\[\]:-]{1,253})?")
_OWN = {
    "mail": ("to", "sender", "server", "port", "security", "user", "password", "password_file", "ca_file"),
    "apprise": ("url", "url_file"),
    "webhook": ("url", "url_file", "secret", "secret_file", "ca_file"),
}
_MOST_SECRET = 4096


class ChannelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told what happens, and by which way."""

    kind: Annotated[ChannelKind, Meta(description="`mail`; `apprise` (chat, push, SMS: any Apprise URL); `webhook` (signed JSON).")]
    name: Annotated[
        str, Meta(description="How it is called: lower-case letters, digits, hyphens.", pattern="^[a-z0-9][a-z0-9-]{0,31}$", examples=["admins"])
    ]
    tell: Annotated[
        tuple[Tell, ...],
        Meta(
            description="What is told: `block`, `delay`, `watched` (would have been held), `hand` (held by an administrator), `ended`. "
            "Alerts, the brake and problems of the guard are always told."
        ),
    ] = ("block", "delay")
    rules: Annotated[tuple[str, ...], Meta(description="Of holds, only those of these rules are told; empty: of all. Alerts are always told.")] = ()
    every: Annotated[
        Span | None,
        Meta(description="At most one message in so long; the rest is collected for the next. Not set: `15m`, for a webhook `0s`: each at once."),
    ] = None
    to: Annotated[tuple[str, ...], Meta(description="mail: whom it goes to; an address without a domain is a mailbox of this host.")] = ()
    sender: Annotated[str, Meta(description="mail: whom it comes from; empty: `gatepost` at this host.", max_length=320)] = field(
        name="from", default=""
    )
    server: Annotated[
        str,
        Meta(description="mail: the SMTP server; empty: this host's own, through sendmail or port 25.", max_length=253, examples=["mx.example.org"]),
    ] = ""
    port: Annotated[int, Meta(description="mail: its port; 0: 25 on this host, 465 with `tls`, else 587.", ge=0, le=65535)] = 0
    security: Annotated[
        Security, Meta(description="mail: `starttls`, `tls` (from the first byte) or `none`; empty: `none` on this host, else `starttls`.")
    ] = ""
    user: Annotated[str, Meta(description="mail: the log-in at the server; empty: none.", max_length=255)] = ""
    password: Annotated[str, Meta(description="mail: its password; better in `password_file`.", max_length=_MOST_SECRET)] = ""
    password_file: Annotated[str, Meta(description="mail: a file whose first line is the password.", max_length=_MOST_SECRET)] = ""
    url: Annotated[str, Meta(description="apprise, webhook: where it goes.", max_length=_MOST_SECRET, examples=["ntfy://ntfy.sh/alerts"])] = ""
    url_file: Annotated[
        str, Meta(description="apprise, webhook: a file whose first line is the URL: it often holds a token.", max_length=_MOST_SECRET)
    ] = ""
    secret: Annotated[str, Meta(description="webhook: signs each request; better in `secret_file`.", max_length=_MOST_SECRET)] = ""
    secret_file: Annotated[str, Meta(description="webhook: a file whose first line is the secret.", max_length=_MOST_SECRET)] = ""
    ca_file: Annotated[
        str, Meta(description="mail, webhook: trust the certificates in this file (PEM) instead of the system's.", max_length=_MOST_SECRET)
    ] = ""

    def __post_init__(self) -> None:
        for each in structs.fields(self):
            foreign = all(each.name not in own for kind, own in _OWN.items() if kind == self.kind) and any(each.name in own for own in _OWN.values())
            if foreign and getattr(self, each.name) != each.default:
                kinds = " or ".join(kind for kind, own in _OWN.items() if each.name in own)
                raise ValueError(f"{each.encode_name}: belongs to a channel of kind {kinds}; leave it out")
        for name in ("password", "url", "secret"):
            if getattr(self, name) and getattr(self, f"{name}_file"):
                raise ValueError(f"{name}: is given twice, here and in {name}_file; leave one of them out")
        check = {"mail": self._check_mail, "apprise": self._check_url, "webhook": self._check_url}[self.kind]
        check()

    def _check_mail(self) -> None:
        if not self.to:
            raise ValueError('to: is missing; say who is told, like to = ["postmaster@example.org"]')
        for name, address in [("to", each) for each in self.to] + ([("from", self.sender)] if self.sender else []):
            if not _ADDRESS.fullmatch(address) or address.startswith("-"):
                raise ValueError(f"{name}: {address!r} is no plain mail address; write it like postmaster@example.org")
        if (self.password or self.password_file) and not self.user:
            raise ValueError("user: is missing; a password needs one")
        if self.user and not (self.password or self.password_file):
            raise ValueError("password_file: is missing; a user needs a password")
        if not self.server and (self.port or self.security or self.user or self.ca_file):
            raise ValueError('server: is missing; name it (server = "127.0.0.1" for this host), or leave port, security, user and ca_file out')
        if self.user and self.security == "none" and not is_here(self.server):
            raise ValueError('security: a password is never sent unprotected to another host; use "starttls" or "tls"')

    def _check_url(self) -> None:
        if not (self.url or self.url_file):
            raise ValueError("url: is missing; say where it goes, or name a url_file")
        if self.url:
            self._check_form(self.url)
        if self.kind == "webhook" and not (self.secret or self.secret_file):
            raise ValueError("secret_file: is missing; each request is signed, so that the receiver knows who sent it")

    def _check_form(self, url: str) -> None:
        if self.kind == "webhook":
            split_url(url)
        elif "://" not in url or not url.isprintable():
            raise ValueError("url: is no Apprise URL; write it like ntfy://ntfy.sh/alerts")

    # --- what follows from it

    @property
    def interval(self) -> int:
        """The least time between two messages, in microseconds."""
        if self.every is not None:
            return self.every.us
        return 0 if self.kind == "webhook" else 15 * MINUTE

    def masked(self) -> "ChannelSettings":
        """The same, to be shown: without what is secret."""
        hidden = {name: "***" for name in ("password", "secret") if getattr(self, name)}
        if self.url and self.kind == "apprise":
            hidden["url"] = f"{self.url.partition('://')[0]}://***"
        elif self.url:
            hidden["url"] = shown_url(self.url)
        return structs.replace(self, **hidden)

    def read(self, name: Literal["password", "url", "secret"]) -> str:
        """A secret, from the settings or from its file. Raises BadInputError where the file cannot be read or holds none."""
        file = getattr(self, f"{name}_file")
        found = _first_line(file, f"channel.{name}_file") if file else getattr(self, name)
        if file and name == "url":
            try:
                self._check_form(found)
            except ValueError as wrong:
                raise BadInputError(f"channel.url_file: {file} holds no good URL: {str(wrong).partition(': ')[2]}") from None
        return str(found)


def _first_line(file: str, where: str) -> str:
    try:
        with Path(file).open(encoding="utf-8") as opened:
            found = opened.read(_MOST_SECRET).split("\n")[0].strip()
    except OSError as wrong:
        raise BadInputError(f"{where}: {file} cannot be read: {wrong.strerror}") from None
    except UnicodeDecodeError:
        raise BadInputError(f"{where}: {file} is no UTF-8 text") from None
    if not found or not found.isprintable():
        raise BadInputError(f"{where}: the first line of {file} is " + ("no plain text" if found else "empty"))
    return found


def split_url(url: str) -> SplitResult:
    """A webhook's URL in its parts. Raises ValueError where it is none, or where it would go unprotected to another host."""
    try:
        found = urlsplit(url)
        _ = found.port
    except ValueError as wrong:
        raise ValueError(f"url: {wrong}") from None
    plain = url.isascii() and url.isprintable() and " " not in url
    if not plain or found.scheme not in ("http", "https") or not found.hostname or found.username is not None or found.fragment:
        raise ValueError("url: is no web address; write it like https://hooks.example.org/gatepost, without user, password or fragment")
    if found.scheme == "http" and not is_here(found.hostname):
        raise ValueError("url: http is for this host alone; use https")
    return found


def shown_url(url: str) -> str:
    """A webhook's URL as it may be printed: paths and queries often hold a token."""
    found = urlsplit(url)
    port = f":{found.port}" if found.port else ""
    return f"{found.scheme}://{found.hostname}{port}/***" if found.path.strip("/") or found.query else url


def is_here(host: str) -> bool:
    """Whether a name or address is this host's loopback."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_channels(channels: tuple[ChannelSettings, ...]) -> None:
    """Raises BadInputError where two channels bear one name."""
    names = [each.name for each in channels]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise BadInputError(f"channel[{index}].name: {name!r} stands twice; give one of them another name")
