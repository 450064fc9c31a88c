"""fail2ban's configuration, as fail2ban itself merges it (jail.conf(5)).

Job: read `NAME.conf`, `NAME.d/*.conf`, `NAME.local`, `NAME.d/*.local` in that order, each between what its `[INCLUDES]` name before and after it, and
answer what an option of a section is, references filled in. Promise: files are only read; what cannot be read is told with file and line.
Limits: the options that a migration asks for; filters and actions are not opened.
"""

import configparser
import re
from pathlib import Path

from gatepost.core.faults import BadInputError

DEFAULT, INCLUDES = "DEFAULT", "INCLUDES"
DEEPEST = 10
"""References within references, as Python's configparser has it."""
LONGEST = 20_000
"""Characters of a value with its references filled in."""

_REFERENCE = re.compile(r"%%|%\(([^()]+)\)s")
_LENGTH = re.compile(r"\s*(?:([-+*])\s*)?(\d{1,12}(?:\.\d{1,6})?)\s*([a-z]*)", re.ASCII | re.IGNORECASE)
_YEAR = 86_400 * 365.25
_UNITS = {
    **dict.fromkeys(("", "s", "ss", "se", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "mm", "mi", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hh", "ho", "hou", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "dd", "da", "day", "days"), 86_400),
    **dict.fromkeys(("w", "ww", "we", "wee", "week", "weeks"), 7 * 86_400),
    **dict.fromkeys(("mo", "mon", "month", "months"), _YEAR / 12),
    **dict.fromkeys(("y", "yy", "ye", "yea", "year", "years"), _YEAR),
}


def seconds(text: str) -> int:
    """The seconds that a length of time spells: ``600``, ``10m``, ``1d 12h``, ``1h30m``, ``60*60``; ``-1`` is for good. Raises BadInputError."""
    total, product, at = 0.0, 0.0, 0
    bare = text.strip()
    while at < len(bare):
        part = _LENGTH.match(bare, at)
        unit = _UNITS.get(part[3].lower()) if part else None
        if part is None or unit is None or (part[1] == "*" and not at):
            break
        number = float(part[2]) * unit
        if part[1] == "*":
            product *= number
        else:
            total, product = total + product, -number if part[1] == "-" else number
        at = part.end()
    if not bare or at < len(bare) or abs(total + product) > 1e12:
        raise BadInputError(f"{text!r} is no length of time; fail2ban writes 600, 10m or 1d 12h")
    return int(total + product)


class Config:
    """The merged sections of a configuration. Options are lower case, as fail2ban has them."""

    def __init__(self, folder: Path, name: str) -> None:
        """Reads it. Raises BadInputError where there is none, or a file of it cannot be read."""
        self.folder = folder
        self.sections: dict[str, dict[str, str]] = {DEFAULT: {"fail2ban_confpath": str(folder), "fail2ban_version": ""}}
        self._earlier: dict[str, dict[str, str]] = {}
        base = folder / name
        pieces = [base.with_suffix(".conf"), *_inside(base, "conf"), base.with_suffix(".local"), *_inside(base, "local")]
        found = [self._read(path, ()) for path in pieces]
        if not any(found):
            raise BadInputError(f"{base}.conf: is not there; name fail2ban's folder with --config-dir")

    def _read(self, path: Path, seen: tuple[Path, ...]) -> bool:
        """Takes in a file and what it includes; False where there is none, which fail2ban passes over too."""
        parser = None if path in seen else _parsed(path)
        if parser is None:
            return False
        around = dict(parser[INCLUDES]) if INCLUDES in parser else {}
        for included in around.get("before", "").split("\n"):
            self._include(path, included, seen)
        for section in parser.sections():
            if section != INCLUDES:
                self._merge(section, dict(parser[section]))
        for included in around.get("after", "").split("\n"):
            self._include(path, included, seen)
        return True

    def _include(self, path: Path, included: str, seen: tuple[Path, ...]) -> None:
        if included.strip():
            named = path.parent / included.strip()
            for each in dict.fromkeys((named, named.with_suffix(".local"))):
                self._read(each, (*seen, path))

    def _merge(self, section: str, options: dict[str, str]) -> None:
        there = self.sections.setdefault(section, {})
        self._earlier.setdefault(section, {}).update({key: there[key] for key in options if key in there})
        there |= options

    def names(self) -> list[str]:
        """The sections, but for the defaults."""
        return [name for name in self.sections if name != DEFAULT]

    def get(self, section: str, option: str, default: str = "") -> str:
        """The value of an option, with its references filled in. Raises BadInputError where one leads nowhere."""
        raw = self._raw(section, option)
        return default if raw is None else self._filled(raw, section, option, 0).strip()

    def _raw(self, section: str, option: str) -> str | None:
        return self.sections.get(section, {}).get(option, self.sections[DEFAULT].get(option))

    def _filled(self, text: str, section: str, option: str, depth: int) -> str:
        if depth > DEEPEST:
            raise BadInputError(f"[{section}] {option}: its references go round in a circle")

        def fill(reference: re.Match[str]) -> str:
            name = reference[1]
            if name is None:
                return "%"
            found = self._referred(section, name.lower() if "/" not in name else name)
            if found is None:
                raise BadInputError(f"[{section}] {option}: %({name})s is set nowhere")
            return self._filled(found, section, option, depth + 1)

        filled = _REFERENCE.sub(fill, text)
        if len(filled) > LONGEST:
            raise BadInputError(f"[{section}] {option}: is longer than {LONGEST} characters with its references filled in")
        return filled

    def _referred(self, section: str, name: str) -> str | None:
        """What a reference stands for: ``option``, ``section/option``, ``default/option``, or ``known/option``, the value before this one."""
        where, slash, option = name.rpartition("/")
        option = option.lower()
        if not slash:
            return section if name == "__name__" else self._raw(section, option)
        if where.lower() == "known":
            return self._earlier.get(section, {}).get(option, self.sections[DEFAULT].get(option))
        return self._raw(DEFAULT if where.lower() == "default" else where, option)


def _inside(base: Path, ending: str) -> list[Path]:
    """The files of a configuration's folder, in the order of their names; none where there is no folder."""
    folder = base.with_suffix(".d")
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == f".{ending}" and not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as wrong:
        raise _unreadable(folder, wrong) from None


def _unreadable(path: Path, wrong: OSError) -> BadInputError:
    return BadInputError(f"{path}: cannot be read ({wrong.strerror}); root can, with sudo")


def _parsed(path: Path) -> configparser.ConfigParser | None:
    """A file by itself; None where there is none. Raises BadInputError."""
    # The defaults are a section like others here: what a section says itself is told apart from what it inherits.
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";",), default_section="\0")
    try:
        if not path.is_file():
            return None
        parser.read_string(path.read_text("utf-8"), str(path))
    except configparser.Error as wrong:
        raise BadInputError(" ".join(str(wrong).split())) from None  # it names file and line
    except UnicodeDecodeError:
        raise BadInputError(f"{path}: is no UTF-8 text") from None
    except OSError as wrong:
        raise _unreadable(path, wrong) from None
    return parser
