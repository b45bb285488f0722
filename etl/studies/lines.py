"""On which line of a TOML text a section, an entry or a key stands. Pure; tomllib does not tell."""

import re

HEADING = re.compile(r"\s*(\[\[?)\s*([\w.-]+)\s*\]")
KEY = re.compile(r"""\s*["']?([\w -]+?)["']?\s*=""")


class Lines:
    """Lines, from 1, of a text that need not be valid."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, int, str | None], int] = {}
        section, nth, entries = "", 0, dict[str, int]()
        for number, line in enumerate(text.splitlines(), 1):
            if heading := HEADING.match(line):
                section, nth = heading[2], 0
                if heading[1] == "[[":
                    nth = entries[section] = entries.get(section, -1) + 1
                self._lines.setdefault((section, nth, None), number)
            elif key := KEY.match(line):
                self._lines.setdefault((section, nth, key[1]), number)

    def of(self, section: str, nth: int = 0, key: str | None = None) -> int | None:
        """The line of a key, else of the nth entry (from 0) of its section; None where neither."""
        return self._lines.get((section, nth, key)) or self._lines.get((section, nth, None))
