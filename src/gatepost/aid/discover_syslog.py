"""Where a syslog daemon writes the lines of the mail facility.

Job: find in the configuration of rsyslog or syslog-ng the files that get mail's lines from level info up. Promise: pure; odd and hostile text
yields less, never an error, in linear time. Limits: a reader of the usual forms (selectors, `action(type="omfile")`, `if` on the facility;
file destinations with a filter on the facility), not of the languages: what is written by templates or through rulesets is not seen.
"""

import re
from collections.abc import Callable
from itertools import islice

from msgspec import Struct

LEVELS = ("debug", "info")
"""Levels that let info through."""
MOST_LINES = 20_000
MOST_BLOCKS = 2_000
DEEPEST = 5
"""How deep files may include each other."""

_INCLUDE = re.compile(r"""\$IncludeConfig[ \t]+(\S+)|include\([^)]{0,200}\bfile=["']([^"']{1,400})["']""", re.IGNORECASE)
_SELECTOR = re.compile(r"([A-Za-z0-9*,.;=!]{3,400})[ \t]+(\S.{0,1000})")
_PLAIN = re.compile(r"-?(/[^\s;]{1,400})")
_OMFILE = re.compile(r"""action\([^)]{0,800}\bfile=["'](/[^"']{1,400})["']""", re.IGNORECASE)
_FACILITY = re.compile(r"""if[ \t(]+\$syslogfacility-text[ \t]*==[ \t]*["']mail["'][ \t)]*then[ \t]+(\S.{0,1000})""", re.IGNORECASE)


class Written(Struct, frozen=True):
    """A file that mail's lines are written to."""

    path: str
    where: str
    """File and line of the configuration."""
    text: str
    """What stands there."""
    only_mail: bool
    """Whether nothing else is written to it, as far as this line tells."""


def rsyslog(path: str, read: Callable[[str], str], matching: Callable[[str], list[str]]) -> list[Written]:
    """What rsyslog writes mail's lines to, in the order of its configuration. ``read`` gives a file's text (empty where there is none),
    ``matching`` the files of a pattern."""
    return _rsyslog(path, read, matching, [])


def _rsyslog(path: str, read: Callable[[str], str], matching: Callable[[str], list[str]], above: list[str]) -> list[Written]:
    found: list[Written] = []
    if path in above or len(above) >= DEEPEST:
        return found
    for number, raw in enumerate(read(path).split("\n")[:MOST_LINES], 1):
        line = raw.strip()[:2_000]
        if not line or line[0] == "#":
            continue
        included = _INCLUDE.match(line)
        if included is not None:
            for each in matching(included[1] or included[2])[:100]:
                found += _rsyslog(each, read, matching, [*above, path])
            continue
        target, only_mail = _rule(line)
        if target:
            found.append(Written(target, f"{path}:{number}", " ".join(line.split())[:200], only_mail))
    return found


def _rule(line: str) -> tuple[str, bool]:
    """The file that a line of rsyslog's writes mail to, or nothing, and whether mail alone."""
    of_mail = _FACILITY.match(line)
    if of_mail is not None:
        return _target(of_mail[1].lstrip("{ \t")), True
    selected = _SELECTOR.match(line)
    if selected is None or not _selects_mail(selected[1]):
        return "", False
    facilities = {name for part in selected[1].split(";") for name in part.rpartition(".")[0].split(",")}
    return _target(selected[2]), facilities == {"mail"}


def _target(action: str) -> str:
    found = _PLAIN.match(action) or _OMFILE.match(action)
    return found[1] if found is not None and not found[1].startswith("/dev/") else ""


def _selects_mail(selector: str) -> bool:
    """Whether a selector (``*.*;auth.none``) lets mail's lines of level info through."""
    chosen = False
    for part in selector.split(";"):
        names, _, level = part.rpartition(".")
        if not {"mail", "*"} & set(names.lower().split(",")):
            continue
        level = level.lower()
        if level in ("none", "!*", "!info", "!debug", "!=info"):
            chosen = False
        elif level == "*" or level in LEVELS or level == "=info":
            chosen = True
    return chosen


_BLOCK = re.compile(r"\b(destination|filter|log)\b[ \t]*([A-Za-z0-9_.-]{0,100})\s*\{")
_FILE = re.compile(r"""\bfile\(\s*["']?(/[^"')\s]{1,400})["']?""")
_PART = re.compile(r"\b(filter|destination)\(\s*([A-Za-z0-9_.-]{1,100})\s*\)")
_OF_MAIL = re.compile(r"\bfacility\([^)]{0,300}\bmail\b")
_LEVEL = re.compile(r"\b(?:level|priority)\(([^)]{0,300})\)")


def syslog_ng(path: str, text: str) -> list[Written]:
    """What syslog-ng writes mail's lines to."""
    files: dict[str, str] = {}
    mail: set[str] = set()
    found: list[Written] = []
    for kind, name, body, number in _blocks(text):
        if kind == "destination" and (file := _FILE.search(body)) is not None:
            files[name] = file[1]
        elif kind == "filter" and _is_of_mail(body):
            mail.add(name)
        elif kind == "log":
            parts = _PART.findall(body)
            filters = [of for what, of in parts if what == "filter"]
            if filters and all(of in mail for of in filters):
                targets = [files[to] for what, to in parts if what == "destination" and to in files]
                found += [Written(target, f"{path}:{number}", " ".join(body.split())[:200], True) for target in targets if "$" not in target]
    return found


def _is_of_mail(body: str) -> bool:
    level = _LEVEL.search(body)
    return _OF_MAIL.search(body) is not None and "not " not in body and (level is None or re.search(r"\binfo\b|\bdebug\b", level[1]) is not None)


def _blocks(text: str) -> list[tuple[str, str, str, int]]:
    """The blocks of a configuration of syslog-ng: kind, name, what stands in their braces, and the line. Those that others refer to come first."""
    lines = [line.partition("#")[0] for line in text.split("\n")[:MOST_LINES]]
    text = "\n".join(lines)
    found = []
    number, at = 1, 0
    for start in islice(_BLOCK.finditer(text), MOST_BLOCKS):
        number += text.count("\n", at, start.start())
        at = start.start()
        body = text[start.end() : start.end() + 4_000].partition("};")[0]
        found.append((start[1], start[2], body, number))
    return sorted(found, key=lambda block: block[0] == "log")
