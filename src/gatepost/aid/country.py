"""Where an address is registered.

Job: look a client's country up in data that is on this host: a database of the MaxMind DB format, or the two text files of Debian's tor-geoipdb.
Promise: without data, or for an address that it does not know, the answer is empty; nothing is ever fetched; data that changed on disk is taken up,
and a file that cannot be read then leaves the old data in force. Limits: a country is where an address is said to be, not where a person is.
"""

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
    """A database in MaxMind DB format."""

    def __init__(self, path: Path) -> None:
        """Raises OSError or ValueError where it cannot be read."""
        try:
            self._found = maxminddb.open_database(path)
        except maxminddb.InvalidDatabaseError as wrong:
            raise ValueError(str(wrong)) from None

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
        self._named, self._folders = database, folders
        self._reader: Reader | None = None
        self._stamp: tuple[str, int, int] = ("", 0, 0)
        self._memo: dict[str, str] = {}
        self.database = ""
        """The file that is read; empty where there is none."""
        if problem := self.refresh():
            if database:
                raise BadInputError(f"country.database: cannot be read: {problem}", database)
            self._reader = None  # one that was only found is no reason to stop

    @property
    def there(self) -> bool:
        """Whether there is any data."""
        return self._reader is not None

    def refresh(self) -> str:
        """Takes up data that is new or has changed on disk; what is wrong with it. May take a second: call it off the loop."""
        path = Path(self._named) if self._named else _usual(self._folders)
        try:
            stamp = _stamp(path) if path else ("", 0, 0)
            if stamp == self._stamp or path is None:
                return ""
            self._stamp = stamp  # what cannot be read is not tried again before it changes
            self._reader, self._memo = _open(path), {}
            self.database = str(path)
        except (OSError, ValueError) as wrong:
            return str(getattr(wrong, "strerror", None) or wrong)
        return ""

    def of(self, subject: str) -> str:
        """The country of a client, or of the network that a prefix spells."""
        address = subject.rpartition(" from ")[2].partition("/")[0]
        found = self._memo.get(address)
        if found is None:
            reader, memo = self._reader, self._memo
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
        if self._reader is None:
            return ""
        code = self.of(client)
        return code if code in COUNTRIES else UNKNOWN


def _open(path: Path) -> Reader:
    return MmdbReader(path) if path.suffix == ".mmdb" else TextReader(path)


def _stamp(path: Path) -> tuple[str, int, int]:
    seen = path.stat()
    return str(path), seen.st_mtime_ns, seen.st_ino


def _usual(folders: tuple[str, ...]) -> Path | None:
    return next((path for folder in folders for name in NAMES if (path := Path(folder) / name).is_file()), None)
