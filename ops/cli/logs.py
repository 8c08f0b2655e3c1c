"""Follows the children's log files and picks the lines that a person should see at once."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# Our own services' lines (see tradepit.protocol.log), and the last words of PostgreSQL and NATS.
IMPORTANT = re.compile(r"^\S+ (?:WARNING|ERROR|CRITICAL) |PANIC:|\[FTL\]")
LINES_PER_WINDOW_MAX = 5
WINDOW_S = 5.0
READ_BYTES_MAX = 2**20
LINE_LENGTH_MAX = 300


class LogFollower:
    """Repeats important new lines of some logs through `show`, at most a few per log and window."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._files: dict[Path, _File] = {}

    def follow(self, path: Path) -> None:
        """From the end of what is there now."""
        self._files[path] = _File(path)

    def poll(self) -> None:
        now = time.monotonic()
        for file in self._files.values():
            for line in file.new_lines():
                if IMPORTANT.search(line):
                    file.show(line, now, self._show)


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0
        self._rest = b""
        self._window_from = 0.0
        self._shown = 0

    def new_lines(self) -> Iterator[str]:
        try:
            size = self._path.stat().st_size
            if size == self._offset:
                return
            with self._path.open("rb") as log:
                # Behind by more than we read: skip to the end, the file has it all.
                self._offset = max(
                    self._offset if size > self._offset else 0, size - READ_BYTES_MAX
                )
                log.seek(self._offset)
                data = log.read(READ_BYTES_MAX)
        except OSError:
            return
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-READ_BYTES_MAX:]
        for line in lines:
            yield line.decode(errors="replace")

    def show(self, line: str, now: float, show: Callable[[str], None]) -> None:
        if now > self._window_from + WINDOW_S:
            self._window_from, self._shown = now, 0
        self._shown += 1
        if self._shown <= LINES_PER_WINDOW_MAX:
            show(line[:LINE_LENGTH_MAX])
        elif self._shown == LINES_PER_WINDOW_MAX + 1:
            show(f"... more in {self._path}")
