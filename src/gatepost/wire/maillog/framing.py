"""Where a log line comes from: its stamp, host, tag, process id and message.

Job: tell the forms apart in which mail logs reach us, line by line, by their first characters. The forms: RFC 3164 and ISO stamps (with or
without a leading priority), RFC 5424, journald's JSON, Dovecot's and Exim's own files, and container output without any prefix.
Promise: no text, however hostile, raises or takes more than linear time; what fits no form is None. A line in a form of syslog is split only
at its front, where the logging system writes and the peer cannot.
Limits: a form is chosen by its shape alone; a program that is no mail daemon and writes a daemon's very form is taken for it.
"""

import re
from datetime import timedelta

import msgspec
from msgspec import Struct

from gatepost.wire.maillog.stamps import EPOCH, ISO


class Framed(Struct, gc=False):
    """The parts of a line. ``stamp`` is text, or microseconds where the form has them, or empty where the line tells no time."""

    stamp: str | int
    host: str
    tag: str
    pid: str
    message: str
    edge: int = 0
    """Where the stamp ends, if all between it and the first ``: `` names the process; else 0."""


class _Journal(Struct, gc=False):
    MESSAGE: str | list[int] | None = None
    SYSLOG_IDENTIFIER: str = ""
    SYSLOG_PID: str = ""
    PID: str = msgspec.field(default="", name="_PID")
    COMM: str = msgspec.field(default="", name="_COMM")
    HOSTNAME: str = msgspec.field(default="", name="_HOSTNAME")
    SOURCE: str = msgspec.field(default="", name="_SOURCE_REALTIME_TIMESTAMP")
    REALTIME: str = msgspec.field(default="", name="__REALTIME_TIMESTAMP")


_JOURNAL = msgspec.json.Decoder(_Journal)
_PRIORITY = re.compile(r"<[0-9]{1,3}>")
_RFC3164 = re.compile(r"[A-Z][a-z]{2} [ 0-9]?[0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?")
_RFC5424 = re.compile(r"1 ([^ ]{1,40}) ([^ ]{1,255}) ([^ ]{1,128}) ([^ ]{1,128}) [^ ]{1,64} ")
_ELEMENT = re.compile(r'\[[^ =\]"]{1,64}(?: [^ =\]"]{1,64}="(?:[^"\\]|\\.)*")*\]')
_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,255}")
_TAG = re.compile(r"([^\s\[\]:]{1,128})(?:\[([0-9]{1,10})\])?")
_TAGGED = re.compile(r"[A-Za-z0-9._:%-]{1,255} [A-Za-z0-9._/-]{1,128}\[[0-9]{1,10}\]: ")
_LAST_REPEATED = re.compile(r"last message repeated [0-9]{1,9} times?")
_LEVEL = re.compile(r"(Info|Warning|Error|Fatal|Panic|Debug): ")
_EXIM_PID = re.compile(r"\[([0-9]{1,10})\] ")

_LAST = 253_402_300_799_999_999
"""The end of the year 9999, the last that has a date."""

REPEATED = "last message repeated"
"""The tag of a line that tells of the line before it again."""


def frame(line: str, daemon: str = "") -> Framed | None:
    """The parts of a line, or None. ``daemon`` is the tag of a line that has none."""
    first = line[:1]
    if first == "{":
        return _journald(line)
    if first == "<":
        priority = _PRIORITY.match(line)
        if priority is None:
            return _bare(line, daemon)
        line = line[priority.end() :]
        first = line[:1]
        found = frame(line, daemon) if first != "<" else None
        if found is not None:
            found.edge = 0
        return found
    if first.isdigit():
        return _rfc5424(line) if line[1:2] == " " else _iso(line, daemon)
    stamp = _RFC3164.match(line)
    return _bare(line, daemon) if stamp is None else _after_stamp(line, stamp.end(), daemon)


def _after_stamp(line: str, edge: int, daemon: str) -> Framed | None:
    """What follows a stamp of syslog's or of Dovecot's own file: ``host tag[pid]: message``, ``tag: message``, or a repetition."""
    stamp = line[:edge]
    head, colon, message = line[edge:].partition(": ")
    where = head.strip()
    host, space, tag = where.partition(" ")
    if not space or _HOST.fullmatch(host) is None:
        # Without a host there is no space but within a user name, and then it stands in parentheses.
        return _own_file(stamp, line[edge:].lstrip(), daemon, edge) if not space or "(" in host else None
    if _LAST_REPEATED.fullmatch(tag.strip()):
        return Framed(stamp, host, REPEATED, "", tag.strip())
    if not colon and tag.endswith(":"):
        tag, colon = tag[:-1], ":"
    named = _TAG.fullmatch(tag.strip())
    if not colon or named is None:
        return Framed(stamp, host, daemon, "", line[edge:].strip().partition(" ")[2]) if daemon else None
    return Framed(stamp, host, named[1], named[2] or "", message, edge)


def _own_file(stamp: str, rest: str, daemon: str, edge: int = 0) -> Framed | None:
    """A line without a host: Dovecot's own file (``service: Level: message``), or a container's ``tag[pid]: message``."""
    head, colon, message = rest.partition(": ")
    named = _TAG.fullmatch(head) if colon else None
    if named is not None and (not daemon or named[2] or "/" in head or _LEVEL.match(message)):
        return Framed(stamp, "", named[1], named[2] or "", message, edge)
    return Framed(stamp, "", daemon, "", rest) if daemon else None


def _iso(line: str, daemon: str) -> Framed | None:
    """``2026-11-24T10:00:01.123456+00:00 host tag[pid]: message``, or Exim's ``2026-11-24 10:00:01 message``."""
    stamp = ISO.match(line)
    if stamp is None:
        return _bare(line, daemon)
    edge = stamp.end()
    if line[10] == "T" or _TAGGED.match(line, edge + 1):
        nested = _RFC3164.match(line, edge + 1)  # a container's runtime has put its own stamp before syslog's
        return _after_stamp(line, edge, daemon) if nested is None else frame(line[edge + 1 :], daemon)
    rest = line[edge:].lstrip(" ")
    _, colon, message = rest.partition(": ")
    if colon and _LEVEL.match(message):
        return _own_file(stamp[0], rest, daemon, edge)
    pid = _EXIM_PID.match(rest)
    if pid is not None:
        rest = rest[pid.end() :]
    return Framed(stamp[0], "", daemon or "exim", pid[1] if pid is not None else "", rest)


def _rfc5424(line: str) -> Framed | None:
    """``1 STAMP HOST APP-NAME PROCID MSGID STRUCTURED-DATA message`` (RFC 5424, 6): ``-`` stands for what is not told."""
    found = _RFC5424.match(line)
    if found is None:
        return None
    stamp, host, tag, pid = ("" if text == "-" else text for text in found.groups())
    at = found.end()
    if line[at : at + 1] == "-":
        at += 1
    else:
        while (element := _ELEMENT.match(line, at)) is not None:
            at = element.end()
    # rsyslog keeps the space that followed the old form's tag, so there can be two.
    message = line[at:].lstrip(" ").removeprefix("\ufeff")
    named = _TAG.fullmatch(tag)
    if named is None:
        return None
    if message.startswith(tag + "[") or message.startswith(tag + ": "):
        # Some relays repeat the old form's tag in the text.
        message = message.partition(": ")[2]
    return Framed(stamp, host, named[1], pid if pid.isdigit() else named[2] or "", message)


def _journald(line: str) -> Framed | None:
    """A line of ``journalctl -o json``; a message with odd bytes is an array of numbers."""
    try:
        entry = _JOURNAL.decode(line)
        text = entry.MESSAGE
        if isinstance(text, list):
            text = bytes(text).decode("utf-8", "replace")
        at = int(entry.SOURCE or entry.REALTIME)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    tag = _TAG.fullmatch(entry.SYSLOG_IDENTIFIER or entry.COMM)
    if text is None or tag is None or not 0 <= at < 1 << 60:
        return None
    return Framed(at, entry.HOSTNAME, tag[1], entry.SYSLOG_PID or entry.PID, text)


def readable(line: str) -> str:
    """A line as a person reads it: an entry of the journal as syslog would have written it, any other as it is."""
    framed = _journald(line) if line[:1] == "{" else None
    if framed is None or not isinstance(framed.stamp, int):
        return line
    stamp = (EPOCH + timedelta(microseconds=min(framed.stamp, _LAST))).isoformat()
    process = f"{framed.tag}[{framed.pid}]" if framed.pid else framed.tag
    return f"{stamp} {framed.host} {process}: {framed.message}"


def _bare(line: str, daemon: str) -> Framed | None:
    """A line that tells no time: a container's output."""
    found = _own_file("", line, daemon)
    return None if found is None or not found.message else found
