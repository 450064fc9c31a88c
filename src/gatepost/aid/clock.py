"""Does anybody keep this host's clock right?

Job: ask the kernel, as `timedatectl` does. Promise: nothing is changed and nobody on the network is asked. Limits: Linux; where adjtimex(2) is
forbidden, as in our own unit, nothing is known: who asks must do so from outside.
"""

import ctypes

_ERROR, _UNSYNCHRONISED = 5, 0x40
"""TIME_ERROR and STA_UNSYNC of adjtimex(2)."""


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    )


def synchronised() -> bool | None:
    """Whether the kernel knows that something steers its clock; None where it does not say."""
    libc = ctypes.CDLL(None, use_errno=True)
    told = _Timex(modes=0)
    try:
        state = libc.adjtimex(ctypes.byref(told))
    except AttributeError:  # no such function
        return None
    return None if state < 0 else state != _ERROR and not told.status & _UNSYNCHRONISED


def words(steered: bool | None) -> tuple[str, str, str]:
    """A verdict (``well`` or ``look``), what it means, and the cure."""
    if steered:
        return "well", "something keeps this host's clock right", ""
    if steered is None:
        return "look", "the kernel does not say whether anything keeps this host's clock right", "timedatectl tells it"
    said = "nothing keeps this host's clock right: when it is set, blocks end too early or too late, and lines from other hosts do not fit"
    return "look", said, "timedatectl set-ntp true, or install chrony"
