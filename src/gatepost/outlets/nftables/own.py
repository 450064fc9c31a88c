"""What no block may cover.

Job: say why a block is refused. Promise: pure; the reason names what would be hit and what to do instead. Limits: it is asked before a block is
made by hand; rules never count the clients that it protects.
"""

from collections.abc import Iterable

from gatepost.core.access import OWN_RANGES, Entry
from gatepost.core.subjects import network, prefix_text


def covers_own(prefix: str, own: Iterable[str], gateways: Iterable[str], entries: Iterable[Entry], at: int = 0) -> str | None:
    """Why a block of a prefix is refused: it covers an address of this host, a gateway, or what an allow entry allows; None where it may be made.

    Raises ValueError where the text is no prefix.
    """
    block = network(prefix)
    for what, addresses in (("this host's own address", own), ("the gateway", gateways)):
        for text in addresses:
            other = network(text)
            if other.version == block.version and other.overlaps(block):
                return f"{prefix_text(block)} covers {what} {prefix_text(other)}; block a smaller prefix"
    for entry in entries:
        if entry.verb != "allow" or not (entry.detection or entry.logins) or not entry.in_force(at):
            continue
        for net in entry.networks:
            if net.version == block.version and net.overlaps(block):
                return _allowed(prefix_text(block), prefix_text(net), net.prefixlen <= block.prefixlen, entry)
    return None


def _allowed(block: str, allowed: str, inside: bool, entry: Entry) -> str:
    whose = "own network" if entry.own or allowed in OWN_RANGES else "allow entry"
    if inside:
        return f"{block} lies in the {whose} {allowed}, which goes before blocks; remove that entry, or deny {block}: the longer prefix goes first"
    return f"{block} covers the {whose} {allowed}; block a smaller prefix, or remove that entry"
