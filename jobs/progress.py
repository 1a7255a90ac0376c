"""How far a job is, on stderr: a line that is redrawn on a terminal, one a minute elsewhere, none when quiet."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

_REDRAW = 0.1  # seconds between two drawings of the line
_LINE = 60.0  # seconds between two lines where nothing can be redrawn, as in a CI log


class Display:
    """Shows (label, done, total) whenever it is called. As a context manager it leaves the terminal clean behind it."""

    def __init__(
        self, quiet: bool = False, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._quiet = quiet
        self._clock = clock
        self._redraws = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._label = ""
        self._started = self._shown = clock()
        self._drawn = False

    def __call__(self, label: str, done: int, total: int) -> None:
        now = self._clock()
        if label != self._label:
            self._label, self._started = label, now
            self._shown = now - _REDRAW if self._redraws else now
        if self._quiet or now - self._shown < (_REDRAW if self._redraws else _LINE):
            return
        self._shown = now
        text = line(label, done, total, now - self._started)
        if self._redraws:
            width = shutil.get_terminal_size().columns - 1  # a full line would wrap, and could not be redrawn
            self._stream.write("\r" + text[:width] + "\x1b[K")
            self._drawn = True
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def clear(self) -> None:
        """Nothing; takes the line off the terminal, for what is printed next."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False

    def __enter__(self) -> Display:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.clear()


def line(label: str, done: int, total: int, elapsed: float) -> str:
    """The line that says how far a job is. What is left is estimated from finished tasks, so not before the first."""
    text = f"{label}: {done} of {total} tasks, {duration(elapsed)}"
    if 0 < done < total:
        text += f", about {duration(elapsed / done * (total - done))} left"
    return text


def duration(seconds: float) -> str:
    """Seconds as a person reads them: 42 s, 3:07 min, 2:05 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"
