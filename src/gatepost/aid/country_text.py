"""Countries from two text files, as Debian's package tor-geoipdb ships them.

Job: read ``geoip`` (``first,last,CC``, IPv4 addresses as numbers) and ``geoip6`` beside it (``first,last,CC``, IPv6 addresses), and find the country
of an address. Promise: 660,000 lines become some 15 MB and are found by halving; lines that are none are passed over, and a file without any good one
is refused. Limits: the files are sorted and their ranges do not overlap, as tor's own manual has it; what is not so is refused.
"""

from array import array
from bisect import bisect_right
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET6, inet_pton

_LARGEST = 256 * 1024 * 1024


class TextReader:
    """The two files."""

    def __init__(self, path: Path) -> None:
        """Raises OSError or ValueError where they cannot be read; ``geoip6`` may be missing."""
        self._four = _Ranges(path, six=False)
        beside = path.with_name(path.name + "6")
        self._six = _Ranges(beside, six=True) if beside.is_file() else None

    def code(self, address: str) -> str:
        """The country of an address, or nothing. Raises ValueError where it is no address."""
        found = ip_address(address)
        ranges = self._four if found.version == 4 else self._six
        return ranges.find(int(found)) if ranges is not None else ""


class _Ranges:
    """Ranges of one family. IPv6 addresses are kept by their first 64 bits: finer ranges than that have no country of their own."""

    def __init__(self, path: Path, six: bool) -> None:
        self._shift = 64 if six else 0
        read = _six if six else _four
        self._firsts, self._lasts, self._codes = array("Q"), array("Q"), array("H")
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"{path.name}: longer than {_LARGEST >> 20} MiB")
        names: dict[str, int] = {}
        before = -1
        with path.open(encoding="ascii", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                words = line.rstrip().split(",")
                if len(words) != 3 or len(words[2]) != 2 or not words[2].isalpha():
                    continue
                try:
                    first, last = read(words[0]), read(words[1])
                except (ValueError, OSError):
                    continue
                if first < before or last < first:
                    raise ValueError(f"{path.name}: line {number}: the ranges are not sorted")
                before = last
                self._firsts.append(first)
                self._lasts.append(last)
                self._codes.append(names.setdefault(words[2].upper(), len(names)))
        self._names = list(names)
        if not names:
            raise ValueError(f"{path.name}: holds no line first,last,CC")

    def find(self, number: int) -> str:
        number >>= self._shift
        at = bisect_right(self._firsts, number) - 1
        return self._names[self._codes[at]] if at >= 0 and number <= self._lasts[at] else ""


def _four(text: str) -> int:
    found = int(text)
    if not 0 <= found < 1 << 32:
        raise ValueError("no IPv4 address")
    return found


def _six(text: str) -> int:
    return int.from_bytes(inet_pton(AF_INET6, text)[:8])
