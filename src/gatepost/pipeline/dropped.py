"""What a mirror counted as dropped.

Job: the form of a count. Promise: it costs no import, for a mirror's helper needs it too. Limits: words and numbers only.
"""

from msgspec import Struct


class Dropped(Struct, frozen=True, array_like=True, gc=False):
    """What a kernel dropped, as it counted."""

    why: str
    """``deny``, or what holds: ``hand``, ``rule``, ``login`` (a rule about failed log-ins)."""
    ports: str
    """A group of ports: a protocol, ``logins``, ``submission`` or ``all``."""
    packets: int
    bytes: int
