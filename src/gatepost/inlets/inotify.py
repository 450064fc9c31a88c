"""The kernel's word that a file has changed.

Job: call back when something happens to a file or in a folder. Promise: one descriptor serves any number of files, so that fifty logs do not meet
the limit of 128 instances a user; lost events wake everybody. Limits: Linux; nothing is told of what another machine writes to a network file
system, and each caller looks for itself now and then.

Three functions of libc, called by ctypes, and no package: those that wrap them bring a loop, threads or a watch of their own over whole trees,
where all that is needed here is to be woken. A callback learns nothing of what happened: who is woken looks at the file.
"""

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable

IN_MODIFY, IN_ATTRIB, IN_CLOSE_WRITE = 0x2, 0x4, 0x8
IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x40, 0x80, 0x100, 0x200
IN_DELETE_SELF, IN_MOVE_SELF = 0x400, 0x800
IN_IGNORED = 0x8000
IN_MASK_ADD = 0x2000_0000
IN_NONBLOCK, IN_CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC

FILE = IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF
"""What can happen to a file: it grew or was truncated, changed its rights, was renamed or deleted."""
FOLDER = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
"""What can happen in a folder: names come and go. That other files in it grow is not told."""

_EVENT = struct.Struct("iIII")
_BUFFER = 65_536


class Inotify:
    """An inotify instance on the running loop. Raises OSError where the kernel gives none."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.inotify_add_watch.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]
        self._loop = asyncio.get_running_loop()
        self._wakes: dict[int, list[Callable[[], None]]] = {}
        """Who is to be woken by each watch. The kernel gives one file one watch, however often it is asked."""
        self._fd = self._told(self._libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC), "inotify")
        self._loop.add_reader(self._fd, self._ready)

    def watch(self, path: str, mask: int, wake: Callable[[], None]) -> int:
        """Calls ``wake`` whenever something in ``mask`` happens to a path. Raises OSError: no such file, or the kernel's limit is reached."""
        watch = self._told(self._libc.inotify_add_watch(self._fd, os.fsencode(path), mask | IN_MASK_ADD), path)
        self._wakes.setdefault(watch, []).append(wake)
        return watch

    def unwatch(self, watch: int, wake: Callable[[], None]) -> None:
        """Calls ``wake`` no more for this watch."""
        wakes = self._wakes.get(watch, [])
        if wake in wakes:
            wakes.remove(wake)
            if not wakes:
                del self._wakes[watch]
                self._libc.inotify_rm_watch(self._fd, watch)

    def close(self) -> None:
        """Ends all watches."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._wakes.clear()

    def _ready(self) -> None:
        try:
            events = os.read(self._fd, _BUFFER)
        except BlockingIOError:
            return
        woken: dict[int, int] = {}
        at = 0
        while at < len(events):
            watch, mask, _, length = _EVENT.unpack_from(events, at)
            at += _EVENT.size + length
            woken[watch] = woken.get(watch, 0) | mask
        for watch, mask in woken.items():
            # The queue ran over (watch -1): anything may have happened to anybody.
            wakes = [wake for each in self._wakes.values() for wake in each] if watch < 0 else self._wakes.get(watch, [])
            if mask & IN_IGNORED:
                self._wakes.pop(watch, None)
            for wake in wakes:
                wake()

    @staticmethod
    def _told(result: int, path: str) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
        return result
