"""What the mirror and its helper say to each other.

Job: three verbs (apply, read, stop), their answers, and their frames: four bytes of length, then MessagePack. Promise: an address travels as its
4 or 16 bytes, all else as a number or one of a few words, so that no text of a peer's can reach a command. Limits: who breaks the form is not
answered: the helper ends.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from gatepost.pipeline.dropped import Dropped

Kind = Literal["own", "allow", "shield", "deny", "hand", "grace", "rule", "login"]
"""What an element does: accept (own, allow, grace), shield from shorter deny entries and from holds for failed log-ins, deny; or hold: by an
administrator's hand, by a rule, by a rule about failed log-ins."""
Group = Literal["all", "logins", "submission", "smtp", "imap", "pop3", "sieve", "http"]
Action = Literal["drop", "reject"]
Port = Annotated[int, Meta(ge=1, le=65535)]
TableName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,30}$")]
Packed = Annotated[bytes, Meta(min_length=4, max_length=16)]
"""The bytes of an address, or of a prefix with the rest zero."""

MOST_FRAME = 256 * 1024 * 1024
"""A longer frame is a fault: a list of a million entries needs 20 MB."""


class Key(Struct, frozen=True, array_like=True, gc=False, cache_hash=True):
    """Names a set: what its elements do, their family and prefix length, and on which ports."""

    kind: Kind
    family: Literal[4, 6]
    length: Annotated[int, Meta(ge=0, le=128)]
    group: Group


class Layout(Struct, frozen=True, array_like=True):
    """How the table is built. What else stands in it is removed; elements of its sets stay."""

    action: Action
    ports: dict[Group, tuple[Port, ...]]
    keys: tuple[Key, ...]
    table: TableName = "gatepost"
    lift_at_end: bool = False
    """Whether the helper removes the table when the main process is gone."""


class Put(Struct, frozen=True, array_like=True):
    """Elements to be in force for so many milliseconds; 0: until taken."""

    key: Key
    elements: list[tuple[Packed, Annotated[int, Meta(ge=0)]]]


class Take(Struct, frozen=True, array_like=True):
    """Elements that shall not be in force, whether or not they are."""

    key: Key
    elements: list[Packed]


class Scope(Struct, frozen=True, array_like=True, gc=False):
    """A prefix and ports."""

    prefix: Packed
    length: Annotated[int, Meta(ge=0, le=128)]
    ports: tuple[Port, ...]


class End(Struct, frozen=True, array_like=True):
    """This host's own sockets to end: those whose peer and local port lie in ``of`` and not in any of ``spare``."""

    of: Scope
    spare: tuple[Scope, ...] = ()


class Probe(Struct, frozen=True, array_like=True):
    """A proof that our table drops: packets on loopback from an address of 127.0.0.0/8 to a port, which nobody else uses, are to be dropped now, or
    no more."""

    address: Annotated[bytes, Meta(min_length=4, max_length=4)]
    port: Port
    drop: bool


class Apply(Struct, frozen=True, array_like=True, tag=1):
    """All of it in one transaction; then the sockets are ended, of which the answer does not wait. ``fresh``: the sets are known to be empty.
    ``probe`` comes alone."""

    layout: Layout | None = None
    put: list[Put] = []
    take: list[Take] = []
    fresh: bool = False
    ends: list[End] = []
    probe: Probe | None = None


class Read(Struct, frozen=True, array_like=True, tag=2):
    """What stands? A cheap look first: did anybody but us change anything? ``deep`` asks for elements, by slices: ask again until done."""

    deep: bool = False
    table: TableName = "gatepost"


class Stop(Struct, frozen=True, array_like=True, tag=3):
    """End; with ``lift`` the table is removed first."""

    lift: bool
    table: TableName = "gatepost"


class Done(Struct, frozen=True, array_like=True, tag=1):
    """A change is in force. ``fresh``: there was no table before."""

    us: int = 0
    fresh: bool = False


Code = Literal["library", "rights", "kernel", "missing", "refused"]


class Failed(Struct, frozen=True, array_like=True, tag=2):
    """Nothing was changed. ``missing``: the table or a set is not there any more."""

    code: Code
    said: str


class Seen(Struct, frozen=True, array_like=True, tag=3):
    """The answer to a look. ``touched``: somebody committed a change to some table since the last look; ``intact``: our chains, rules and sets
    are as we left them. Of a deep look, a slice: elements with the milliseconds that they have left (0: no end)."""

    touched: bool
    intact: bool
    key: Key | None = None
    elements: list[tuple[Packed, int]] = []
    torn: bool = False
    """Something changed while the elements were read: some may be left out."""
    done: bool = True
    keys: tuple[Key, ...] = ()
    """Before the first layout: the sets that an earlier run left."""
    dropped: tuple[Dropped, ...] = ()


Request = Apply | Read | Stop
Reply = Done | Failed | Seen

_ENCODER = msgspec.msgpack.Encoder()
_REQUESTS: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_REPLIES: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def frame(message: Request | Reply) -> bytes:
    """A message with its length before it."""
    body = _ENCODER.encode(message)
    return len(body).to_bytes(4, "big") + body


def request(body: bytes | bytearray) -> Request:
    """The request in a frame. Raises msgspec.DecodeError where it is none."""
    return _REQUESTS.decode(body)


def reply(body: bytes | bytearray) -> Reply:
    """The reply in a frame. Raises msgspec.DecodeError where it is none."""
    return _REPLIES.decode(body)
