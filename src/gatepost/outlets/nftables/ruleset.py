"""How the table is written: sets, rules and elements become commands of nftables.

Job: the text that libnftables is given. Promise: pure, and made of nothing but the words of `messages`, numbers, and addresses printed from their
bytes. The order of rules is the law's: own addresses, list entries by prefix length (longest first), administrator's holds, graces, rules' holds.
Limits: it knows one table, its own, and names no other.

The base chain sits at prerouting, priority -250: before connection tracking (-200), so that a flood from a held client fills no table of
connections, and before destination NAT (-100), so that published container ports are seen by the number the client used; behind defragmentation
(-400) and the administrator's own raw rules (-300). A drop there is final; an accept there is not: other tables still have their say. Sets are
plain, one for each prefix length, and matched through a mask: interval sets slow down with their size, and auto-merge corrupts time-outs.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from socket import AF_INET, AF_INET6, inet_ntop

from msgspec import ValidationError, convert

from gatepost.outlets.nftables.messages import Apply, Group, Key, Kind, Layout, Put, Take

PRIORITY = -250
CHAINS = ("prerouting", "lists", "shielded", "by_hand", "graced", "by_rule", "by_login")
PROBE = "probe"
"""The set of `probe`: no key has this name."""
CHAIN_OF: dict[Kind, str] = {
    "own": "prerouting",
    "allow": "lists",
    "shield": "lists",
    "deny": "lists",
    "hand": "by_hand",
    "grace": "graced",
    "rule": "by_rule",
    "login": "by_login",
}
LONGEST_MS = 36_500 * 86_400_000
"""A hundred years: nft reads no longer time-outs than it must."""


def set_name(key: Key) -> str:
    """The name of a set: ``rule_smtp_4_32``."""
    return f"{key.kind}_{key.group}_{key.family}_{key.length}"


def key_named(name: str) -> Key | None:
    """The key that a set's name stands for; None for a name that is not ours."""
    kind, *rest = name.split("_")
    if len(rest) != 3 or not (rest[1].isdecimal() and rest[2].isdecimal()):
        return None
    try:
        return convert((kind, int(rest[1]), int(rest[2]), rest[0]), Key)
    except ValidationError:
        return None


def commands(change: Apply, table: str, *, anew: bool = False, stale: Sequence[str] = ()) -> str:
    """A change as one transaction. ``anew`` removes the table first; ``stale`` are the sets that stand and are no more wanted."""
    lines: list[str] = []
    if change.layout is not None:
        lines += _layout(change.layout, anew, stale)
    for take in change.take:
        lines += _take(take, table)
    for put in change.put:
        lines += _put(put, table, change.fresh)
    return "\n".join(lines)


def probe(table: str, address: bytes, port: int) -> str:
    """The commands that drop what comes on loopback from an address of 127.0.0.0/8 to a port, before all else, for ten seconds at most.

    Raises ValueError for any other address.
    """
    if address[:1] != b"\x7f" or len(address) != 4:
        raise ValueError("a probe is for loopback alone")
    return "\n".join(
        [
            f"add set inet {table} {PROBE} {{ type ipv4_addr; flags timeout; }}",
            f'insert rule inet {table} prerouting iifname "lo" tcp dport {port} ip saddr @{PROBE} counter drop',
            f"add element inet {table} {PROBE} {{ {inet_ntop(AF_INET, address)} timeout 10s }}",
        ]
    )


def probe_removal(table: str, handle: int) -> str:
    """The commands that remove a probe, whose rule has a handle."""
    return f"delete rule inet {table} prerouting handle {handle}\ndelete set inet {table} {PROBE}"


def removal(table: str) -> str:
    """The commands that remove the table, whether or not it is there."""
    return f"add table inet {table}\ndelete table inet {table}"


def _layout(layout: Layout, anew: bool, stale: Sequence[str]) -> Iterator[str]:
    table = f"inet {layout.table}"
    if anew:
        yield removal(layout.table)
    yield f"add table {table}"
    yield f"add chain {table} prerouting {{ type filter hook prerouting priority {PRIORITY}; policy accept; }}"
    for chain in CHAINS[1:]:
        yield f"add chain {table} {chain}"
    if not anew:
        yield from (f"flush chain {table} {chain}" for chain in CHAINS)
        yield from (f"delete set {table} {name}" for name in stale)
    for key in layout.keys:
        yield f"add set {table} {set_name(key)} {{ type ipv{key.family}_addr; flags timeout; }}"
    for chain, rule in rules(layout):
        yield f"add rule {table} {chain} {rule}"


def rules(layout: Layout) -> Iterator[tuple[str, str]]:
    """All rules, each with its chain, in their order."""
    reject = "reject with tcp reset" if layout.action == "reject" else "drop"
    keys = [key for key in layout.keys if layout.ports.get(key.group)]
    of = {chain: [key for key in keys if CHAIN_OF[key.kind] == chain] for chain in CHAINS}
    yield "prerouting", 'iifname "lo" accept'
    yield "prerouting", "meta l4proto != tcp accept"
    if layout.ports.get("all"):
        yield "prerouting", f"tcp dport != {{ {_ports(layout, 'all')} }} accept"
    yield from (("prerouting", f"{_source(key)} accept") for key in of["prerouting"])
    yield from (("prerouting", f"jump {chain}") for chain in ("lists", "by_hand", "graced", "by_rule", "by_login"))
    for key in sorted(of["lists"], key=lambda key: (key.family, -key.length)):
        verdict = {"allow": "accept", "shield": "goto shielded"}.get(key.kind, reject)
        yield "lists", f"{_match(layout, key)} counter {verdict}"
    yield from (("shielded", rule) for rule in ("jump by_hand", "jump graced", "jump by_rule", "accept"))
    yield from (("graced", f"{_match(layout, key)} accept") for key in of["graced"])
    for chain in ("by_hand", "by_rule", "by_login"):
        yield from ((chain, f"{_match(layout, key)} counter {reject}") for key in of[chain])


def _match(layout: Layout, key: Key) -> str:
    return f"tcp dport {{ {_ports(layout, key.group)} }} {_source(key)}"


def _ports(layout: Layout, group: Group) -> str:
    return ", ".join(str(port) for port in sorted(layout.ports[group]))


def _source(key: Key) -> str:
    word, bits = ("ip", 32) if key.family == 4 else ("ip6", 128)
    if key.length == bits:
        return f"{word} saddr @{set_name(key)}"
    mask = IPv4Network((0, key.length)).netmask if key.family == 4 else IPv6Network((0, key.length)).netmask
    return f"{word} saddr & {mask} @{set_name(key)}"


def _put(put: Put, table: str, fresh: bool) -> Iterator[str]:
    """Add, delete, add: before Linux 6.12 adding again renews nothing, and deleting what has just run out would fail alone."""
    if not put.elements:
        return
    name = f"inet {table} {set_name(put.key)}"
    family = AF_INET if put.key.family == 4 else AF_INET6
    texts = [(inet_ntop(family, packed), ms) for packed, ms in put.elements]
    timed = ", ".join([f"{text} timeout {duration(ms)}" if ms else text for text, ms in texts])
    if not fresh:
        bare = ", ".join([text for text, _ in texts])
        yield f"add element {name} {{ {bare} }}"
        yield f"delete element {name} {{ {bare} }}"
    yield f"add element {name} {{ {timed} }}"


def _take(take: Take, table: str) -> Iterator[str]:
    if take.elements:
        family = AF_INET if take.key.family == 4 else AF_INET6
        bare = ", ".join([inet_ntop(family, packed) for packed in take.elements])
        for verb in ("add", "delete"):
            yield f"{verb} element inet {table} {set_name(take.key)} {{ {bare} }}"


def duration(ms: int) -> str:
    """Milliseconds as nft reads them: it refuses long numbers of any one unit."""
    days, rest = divmod(min(ms, LONGEST_MS), 86_400_000)
    return f"{days}d{rest // 1000}s{rest % 1000}ms" if days else f"{rest // 1000}s{rest % 1000}ms"
