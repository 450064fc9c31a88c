"""Rights, given away for good.

Job: leave a process with the capabilities that it needs and no other. Promise: what is dropped cannot come back, by an exec neither: the bounding
set and the ambient set go too, and no_new_privs is set. Limits: Linux keeps capabilities by thread: call it before other threads start; it
changes no user.
"""

import ctypes
import os
from collections.abc import Collection
from enum import IntEnum

_PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 23, 24, 38, 47, 4
_VERSION_3 = 0x20080522


class Capability(IntEnum):
    """Those that a part of Gatepost may need, by their numbers in linux/capability.h."""

    DAC_READ_SEARCH = 2
    """Reading logs that belong to others."""
    NET_BIND_SERVICE = 10
    NET_ADMIN = 12


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def drop_capabilities(keep: Collection[Capability] = ()) -> None:
    """Drops every capability of this thread but these, for good. One that it does not hold is not gained. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    number = 0
    while libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) >= 0:
        if number not in keep:
            # Fails without CAP_SETPCAP: then there is little to lose, and no_new_privs holds.
            libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
        number += 1
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    header, data = _Header(_VERSION_3, 0), (_Data * 2)()
    if libc.capget(ctypes.byref(header), data):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    wanted = sum(1 << int(one) for one in keep)
    for half, word in enumerate(data):
        left = word.permitted & (wanted >> 32 * half & 0xFFFFFFFF)
        word.effective, word.permitted, word.inheritable = left, left, 0
    if libc.capset(ctypes.byref(header), data):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def effective() -> int:
    """The capabilities in force in this thread, as a mask: what /proc/self/status shows as CapEff."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = _Header(_VERSION_3, 0), (_Data * 2)()
    if libc.capget(ctypes.byref(header), data):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(data[0].effective) | int(data[1].effective) << 32
