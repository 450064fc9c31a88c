"""Where an address is registered.

Job: look a client's country up in data that is on this host: a database of the MaxMind DB format, or the two text files of Debian's tor-geoipdb.
Promise: without data, or for an address that it does not know, the answer is empty; nothing is ever fetched; data that changed on disk is taken up,
and a file that cannot be read then leaves the old data in force, whatever happens to its own file. Limits: a country is where an address is said to
be, not where a person is.
"""

import os
import shutil
import threading
from pathlib import Path
from typing import Annotated, Protocol

import maxminddb
from msgspec import Meta, Struct

from gatepost.aid.country_text import TextReader
from gatepost.core.countries import UNKNOWN
from gatepost.core.faults import BadInputError
from gatepost.core.iso3166 import NAMES as COUNTRIES

FOLDERS = ("/usr/share/GeoIP", "/var/lib/GeoIP", "/usr/local/share/GeoIP", "/usr/share/tor")
NAMES = (
    "GeoLite2-Country.mmdb",
    "GeoIP2-Country.mmdb",
    "dbip-country-lite.mmdb",
    "GeoLite2-City.mmdb",
    "GeoIP2-City.mmdb",
    "dbip-city-lite.mmdb",
    "geoip",
)
MOST = 65_536
"""Answers that are remembered."""
Stamp = tuple[str, int, int, int]
NOTHING: Stamp = ("", 0, 0, 0)


class CountrySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where countries are looked up."""

    database: Annotated[
        str,
        Meta(
            description="A country or city database in MaxMind DB format (.mmdb), or the file geoip of Debian's tor-geoipdb; "
            "empty: looked for in the usual folders.",
            max_length=4096,
        ),
    ] = ""


class Reader(Protocol):
    """Finds the country of an address."""

    def code(self, address: str) -> str:
        """Its code, or nothing. Raises ValueError where it is no address."""


class MmdbReader:
    """A database in MaxMind DB format, copied into memory: of a file that is mapped and then written over, the next look-up would end the process."""

    def __init__(self, path: Path) -> None:
        """Raises OSError or ValueError where it cannot be read."""
        copy = os.memfd_create("countries")
        try:
            with path.open("rb") as file, open(copy, "wb", closefd=False) as memory:
                shutil.copyfileobj(file, memory)
            self._found = maxminddb.open_database(f"/proc/self/fd/{copy}")
        except maxminddb.InvalidDatabaseError as wrong:
            raise ValueError(str(wrong).replace(f"/proc/self/fd/{copy}", path.name)) from None
        finally:
            os.close(copy)

    def code(self, address: str) -> str:
        """The country of an address, else that of whoever registered it. Raises ValueError where it is no address."""
        try:
            found = self._found.get(address)
        except maxminddb.InvalidDatabaseError:
            return ""
        for name in ("country", "registered_country"):
            entry = found.get(name) if isinstance(found, dict) else None
            code = entry.get("iso_code") if isinstance(entry, dict) else None
            if isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha():
                return code.upper()
        return ""


class Countries:
    """The country of an address, as an ISO 3166-1 code; empty where it is not known."""

    def __init__(self, database: str = "", folders: tuple[str, ...] = FOLDERS) -> None:
        """Raises BadInputError where a database that was named cannot be read."""
        self._data: tuple[Reader | None, dict[str, str]] = None, {}
        """Who finds countries, and what he found."""
        self._looked: tuple[Stamp, str] = NOTHING, ""
        """What was looked at last, and what was wrong with it: it is not read again before it changes."""
        self._looking = threading.Lock()
        self.database = ""
        """The file that was read; empty where there is none."""
        self.problem = ""
        """What is wrong with the file that should be read; empty where all is well."""
        if (problem := self.look_in(database, folders)) and database:  # one that was only found is no reason to stop
            raise BadInputError(problem)

    @property
    def there(self) -> bool:
        """Whether there is any data."""
        return self._data[0] is not None

    def look_in(self, database: str, folders: tuple[str, ...] = FOLDERS) -> str:
        """Has another database read from now on, or what is in the usual folders where none is named; as `refresh`."""
        self._named, self._folders = database, folders
        return self.refresh()

    def refresh(self) -> str:
        """Takes up data that is new or has changed on disk. What is wrong with it, unless that was said before.

        May take a second: call it off the loop, which goes on asking meanwhile.
        """
        with self._looking:
            before, self.problem = self.problem, self._look()
            return self.problem if self.problem != before else ""

    def _look(self) -> str:
        path = Path(self._named) if self._named else _usual(self._folders)
        if path is None:
            return self._wrong("nothing is in the usual folders any more") if self.database else ""
        try:
            stamp = _stamp(path)
        except OSError as wrong:
            self._looked = NOTHING, self._wrong(f"{path} cannot be read: {wrong.strerror}")
        else:
            if stamp != self._looked[0]:
                self._looked = stamp, self._read(path)
        return self._looked[1]

    def _read(self, path: Path) -> str:
        try:
            self._data = _open(path), {}
        except (OSError, ValueError) as wrong:
            return self._wrong(f"{path} cannot be read: {getattr(wrong, 'strerror', None) or wrong}")
        self.database = str(path)
        return ""

    def _wrong(self, what: str) -> str:
        return f"country.database: {what}" + (f"; the data of {self.database} stays in force" if self.database else "")

    def of(self, subject: str) -> str:
        """The country of a client, or of the network that a prefix spells."""
        address = subject.rpartition(" from ")[2].partition("/")[0]
        reader, memo = self._data
        found = memo.get(address)
        if found is None:
            if reader is None:
                return ""
            try:
                found = reader.code(address)
            except ValueError:
                found = ""
            if len(memo) >= MOST:
                memo.clear()
            memo[address] = found
        return found

    def place(self, client: str) -> str:
        """What a question about a client says: its country, ``unknown`` where the data knows none, empty where there is no data."""
        if not self.there:
            return ""
        code = self.of(client)
        return code if code in COUNTRIES else UNKNOWN


def _open(path: Path) -> Reader:
    return MmdbReader(path) if path.suffix == ".mmdb" else TextReader(path)


def _stamp(path: Path) -> Stamp:
    """What changes with a file, and with the second one of tor's two, were it only its rights. Raises OSError where there is none."""
    seen, beside = path.stat(), path.with_name(path.name + "6")
    second = beside.stat().st_ctime_ns if path.suffix != ".mmdb" and beside.is_file() else 0
    return str(path), seen.st_ctime_ns, seen.st_ino, second


def _usual(folders: tuple[str, ...]) -> Path | None:
    return next((path for folder in folders for name in NAMES if (path := Path(folder) / name).is_file()), None)
