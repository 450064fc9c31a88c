"""Where an address is registered.

Job: look a client's country up in a database of the MaxMind DB format that the administrator has. Promise: without a database, or for an address that
it does not know, the answer is empty; nothing is ever fetched. Limits: a country is where an address is said to be, not where a person is.
"""

from pathlib import Path
from typing import Annotated

import maxminddb
from msgspec import Meta, Struct

from gatepost.core.faults import BadInputError

FOLDERS = ("/usr/share/GeoIP", "/var/lib/GeoIP", "/usr/local/share/GeoIP")
NAMES = ("GeoLite2-Country.mmdb", "GeoIP2-Country.mmdb", "dbip-country-lite.mmdb", "GeoLite2-City.mmdb", "GeoIP2-City.mmdb", "dbip-city-lite.mmdb")


class CountrySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where countries are looked up."""

    database: Annotated[
        str, Meta(description="A country or city database in MaxMind DB format (.mmdb); empty: looked for in the usual folders.", max_length=4096)
    ] = ""


class Countries:
    """The country of an address, as an ISO 3166-1 code; empty where it is not known."""

    def __init__(self, database: str = "", folders: tuple[str, ...] = FOLDERS) -> None:
        """Raises BadInputError where a database that was named cannot be read."""
        path = Path(database) if database else _usual(folders)
        self.database = str(path) if path else ""
        self._reader: maxminddb.Reader | None = None
        if path is None:
            return
        try:
            self._reader = maxminddb.open_database(path)
        except (OSError, maxminddb.InvalidDatabaseError, ValueError) as wrong:
            if database:
                raise BadInputError(f"country.database: cannot be read: {getattr(wrong, 'strerror', None) or wrong}", database) from None
            self.database = ""  # one that was only found is no reason to stop

    def of(self, subject: str) -> str:
        """The country of a client, or of the network that a prefix spells."""
        if self._reader is None:
            return ""
        try:
            found = self._reader.get(subject.rpartition(" from ")[2].partition("/")[0])
        except (ValueError, maxminddb.InvalidDatabaseError):
            return ""
        for name in ("country", "registered_country"):
            entry = found.get(name) if isinstance(found, dict) else None
            code = entry.get("iso_code") if isinstance(entry, dict) else None
            if isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha():
                return code.upper()
        return ""


def _usual(folders: tuple[str, ...]) -> Path | None:
    return next((path for folder in folders for name in NAMES if (path := Path(folder) / name).is_file()), None)
