"""Which files below a folder are read, by whatever library: the kernel tells (inotify)."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ACCESSED = 0x00000001
EVENT = struct.Struct("iIII")  # watch, what happened, cookie, length of the name


@contextmanager
def files_read(root: Path) -> Iterator[set[Path]]:
    """The files that were there before the block and had bytes read from them in it, told when it
    has ended. Linux only."""
    kernel = ctypes.CDLL(None, use_errno=True)
    watching = kernel.inotify_init1(os.O_NONBLOCK)
    folders = {}
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        watch = kernel.inotify_add_watch(watching, os.fsencode(folder), ACCESSED)
        if watch < 0:
            raise OSError(ctypes.get_errno(), f"{folder} cannot be watched")
        folders[watch] = folder
    found: set[Path] = set()
    try:
        yield found
        for watch, name in _events(watching):
            found.add(folders[watch] / name)
    finally:
        os.close(watching)


def _events(watching: int) -> Iterator[tuple[int, str]]:
    while True:
        try:
            told = os.read(watching, 1 << 16)
        except BlockingIOError:
            return
        while told:
            watch, what, _, length = EVENT.unpack_from(told)
            assert what & ACCESSED or length == 0, "no event was lost"
            if length:
                yield watch, told[EVENT.size : EVENT.size + length].rstrip(b"\0").decode()
            told = told[EVENT.size + length :]
