"""Files for as long as one is read, that no folder names.

What is unpacked or transcoded of a delivery is full of personal numbers and not locked. A file
without a name goes with the process that holds it open, however that ends: `kill -9` leaves nothing
to find, and nothing to sweep away.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OPEN_FILES = Path("/proc/self/fd")


class UnnamedFiles:
    """Makes them below one folder. Each is reached by the path of its open descriptor."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._descriptors = folder, []

    def make(self, name: str) -> Path:
        """An empty file, to be written and read by its path until `close`.

        Where the system has no such paths the file keeps its name, for its owner only.
        """
        place = self._folder / name
        place.unlink(missing_ok=True)
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        if not OPEN_FILES.is_dir():
            os.close(descriptor)
            return place
        place.unlink(missing_ok=True)  # or another command has swept it away
        self._descriptors.append(descriptor)
        return OPEN_FILES / str(descriptor)

    def close(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.pop())


@contextmanager
def unnamed_files(folder: Path) -> Iterator[UnnamedFiles]:
    """Unnamed files that go with the block."""
    files = UnnamedFiles(folder)
    try:
        yield files
    finally:
        files.close()
