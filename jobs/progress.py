"""What the stages of a command do and have done, told to whoever follows: a display on stderr, and an event log.

A stage (tag, dedup, plan, build) has one or more steps; a step is what is run on Spark or in the pool at one go. Each
step passes over the same documents, so a stage counts what the fullest of its steps did.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any, TextIO

from jobs.events import EventLog

_REDRAW = 0.2  # seconds between two drawings of the bar
_LINE = 60.0  # seconds between two lines where nothing can be redrawn, as in a CI log
_EVENT = 5.0  # seconds between two progress events of a step
_BAR = 24  # columns of the bar, and where room is short as few as:
_LEAST_BAR = 8


@dataclass(frozen=True)
class Counts:
    """Amounts of work: good documents, the UTF-8 bytes of their text, stored bytes read, records put in quarantine."""

    documents: int = 0
    bytes: int = 0
    stored: int = 0
    quarantined: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(mine + theirs for mine, theirs in zip(_values(self), _values(other), strict=True)))

    def __sub__(self, other: Counts) -> Counts:
        return Counts(*(mine - theirs for mine, theirs in zip(_values(self), _values(other), strict=True)))

    def most(self, other: Counts) -> Counts:
        """The greater of each amount."""
        return Counts(*map(max, _values(self), _values(other)))


NOTHING = Counts()


def total(counts: Any) -> Counts:
    """The sum of any number of Counts."""
    return sum(counts, Counts())


@dataclass(frozen=True)
class Tasks:
    """Tasks by state. `failed` are attempts that failed, each of which was tried again or ended the step."""

    done: int = 0
    total: int = 0
    running: int = 0
    failed: int = 0


@dataclass(frozen=True)
class State:
    """How far a step is. `share` is the part of it that is done, from 0 to 1; None where that is not known."""

    counts: Counts = Counts()
    totals: Counts = Counts()  # 0 where it is not known beforehand
    tasks: Tasks = Tasks()
    share: float | None = None


@dataclass
class Stage:
    """One row of the closing table. What was done is told by `done`, from what the stage's own summary says."""

    name: str
    did: str = ""
    counts: Counts = Counts()
    tasks: int = 0
    retried: int = 0
    seconds: float = 0.0

    def done(self, did: str, counts: Counts) -> None:
        self.did, self.counts = did, counts

    def as_json(self) -> dict[str, Any]:
        return {"stage": self.name, "did": self.did, "documents": self.counts.documents, "bytes": self.counts.bytes,
                "quarantined": self.counts.quarantined, "tasks": self.tasks, "retried": self.retried,
                "seconds": round(self.seconds, 3)}


@dataclass
class Step:
    """A step under way. Whoever runs it calls `update`, from any thread."""

    stage: Stage
    label: str
    began: float
    _progress: Progress
    state: State = State()
    moved: float = 0.0  # when something was last counted
    logged: float = 0.0
    first: tuple[float, State] | None = None  # when, and what: a task's first batch waits for models and compilers

    def update(self, state: State) -> None:
        self._progress.update(self, state)

    def left(self, now: float) -> float | None:
        """Seconds left, if the rest goes as fast as all since the first count; None before there is a second."""
        if self.first is None or self.moved <= self.first[0]:
            return None
        share = self.state.share or 0.0
        gained = share - (self.first[1].share or 0.0)
        return max(0.0, (self.moved - self.first[0]) / gained * (1 - share) - (now - self.moved)) if gained else None

    def rate(self) -> str:
        """How fast it has gone since the first count; "" before there is a second."""
        return "" if self.first is None else rate(self.state.counts - self.first[1].counts, self.moved - self.first[0])


@dataclass
class Progress:
    """What a command's stages do: kept for the closing table, shown as it happens, and written to the event log."""

    display: Display = field(default_factory=lambda: Display(quiet=True))
    events: EventLog = field(default_factory=lambda: EventLog(None))
    clock: Callable[[], float] = time.monotonic
    stages: list[Stage] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)  # what the event "finished" says
    _stage: Stage | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """A stage, for the steps of this block; it is one of `stages` once the block has ended well."""
        stage, began = Stage(name), self.clock()
        self.events.write("stage started", stage=name)
        self._stage = stage
        try:
            yield stage
        finally:
            self._stage = None
            self.display.clear()
        stage.seconds = self.clock() - began
        self.stages.append(stage)
        self.events.write("stage ended", **stage.as_json())
        self.display.ended(stage)

    @contextmanager
    def step(self, label: str, totals: Counts = NOTHING) -> Iterator[Step]:
        """A step of the stage under way, of which `label` says what it does."""
        stage = self._stage or Stage(label)
        now = self.clock()
        step = Step(stage, label.removeprefix(stage.name).lstrip(": "), now, self, State(totals=totals), now, now)
        self.display.begin(step, now)
        self.display.show(step, now)
        try:
            yield step
        finally:
            with self._lock:
                stage.counts = stage.counts.most(step.state.counts)
                stage.tasks += step.state.tasks.done
                stage.retried += step.state.tasks.failed

    def update(self, step: Step, state: State) -> None:
        """Takes what is known now. A bar that is ahead stays there: the tasks of a step are not all known at first."""
        with self._lock:
            now, before = self.clock(), step.state.share
            if state.share is not None:
                state = replace(state, share=min(1.0, max(state.share, before or 0.0)))
            if state.counts != step.state.counts or state.share != before:
                step.moved = now
                if step.first is None and (state.counts != Counts() or state.share):
                    step.first = now, state
            step.state = state
            self.display.show(step, now)
            if now - step.logged >= _EVENT:
                step.logged = now
                self.events.write("progress", **_progress_event(step, now))

    def say(self, line: str) -> None:
        """A line on stderr that stays."""
        with self._lock:
            self.display.say(line)

    def warn(self, text: str) -> None:
        self.events.write("warning", **({"stage": self._stage.name} if self._stage else {}), message=text)
        self.say(f"warning: {text}")


class Display:
    """Progress on stderr: a bar that is redrawn on a terminal, a line a minute elsewhere, nothing when quiet.

    Of each stage that has ended, one line stays. What is said beside progress is said unless silent.
    """

    def __init__(
        self, quiet: bool = False, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic,
        silent: bool = False,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._quiet, self._silent = quiet, silent
        self._redraws = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._shown = clock()
        self._drawn = False

    def begin(self, step: Step, now: float) -> None:
        """A step has begun. Elsewhere than on a terminal its first line comes a minute after the last one."""
        if self._redraws:
            self._shown = now - _REDRAW

    def show(self, step: Step, now: float) -> None:
        if self._quiet or now - self._shown < (_REDRAW if self._redraws else _LINE):
            return
        self._shown = now
        if not self._redraws:
            self._write(line(step, now) + "\n")
            return
        width = self._width() - 1  # a full line would wrap, and could not be redrawn
        self._write("\r" + bar_line(step, now, width, _glyphs(self._stream)) + "\x1b[K")
        self._drawn = True

    def ended(self, stage: Stage) -> None:
        """The line of a stage that stays."""
        if not self._quiet:
            self.say(ended_line(stage, padded=self._redraws))

    def say(self, line: str) -> None:
        if not self._silent:
            self.clear()
            self._write(line + "\n")

    def clear(self) -> None:
        """Takes the bar off the terminal, for what is printed next."""
        if self._drawn:
            self._write("\r\x1b[K")
            self._drawn = False

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # a terminal that has gone is no reason to stop
            self._stream.write(text)
            self._stream.flush()

    def _width(self) -> int:
        try:
            width = os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError):
            width = 0
        return width or shutil.get_terminal_size().columns


# ---- what the lines say


def line(step: Step, now: float) -> str:
    """How far a step is, as one line of a log."""
    name = f"{step.stage.name}: {step.label}" if step.label else step.stage.name
    return ", ".join([name, *(text.strip() for _, text in _parts(step, now))])


def bar_line(step: Step, now: float, width: int, glyphs: tuple[str, str, str]) -> str:
    """The same with a bar, in so many columns: what matters least goes first where it does not fit."""
    parts = _parts(step, now)
    label = step.label
    name = f"{step.stage.name:<5}"

    def text(bar: int) -> str:
        drawn = [] if step.state.share is None or not bar else [_bar(step.state.share, bar, glyphs)]
        return "  ".join([name + (f"  {label}" if label else ""), *drawn, *(text for _, text in parts)])

    while len(text(_LEAST_BAR)) > width and (label or parts):
        worst = max(parts, default=(0, ""))
        if worst[0] < _LABEL and label:
            label = ""
        elif parts:
            parts.remove(worst)
        else:
            break
    return text(max(_LEAST_BAR, min(_BAR, width - len(text(_LEAST_BAR)) + _LEAST_BAR)))[:width]


def ended_line(stage: Stage, padded: bool = False) -> str:
    """What a stage did, in one line."""
    counts = stage.counts
    parts = [stage.did, *([f"{counts.documents:,} docs"] if counts.documents else []),
             *([f"{megabytes(counts.bytes)} of text"] if counts.bytes else []), brief(stage.seconds),
             *([rate(counts, stage.seconds)] if rate(counts, stage.seconds) else []),
             *([f"{counts.quarantined:,} quarantined"] if counts.quarantined else []),
             *([_retried(stage.retried)] if stage.retried else [])]
    texts = [text for text in parts if text]
    return f"{stage.name:<5}  " + "  ".join(texts) if padded else f"{stage.name}: " + ", ".join(texts)


_LABEL = 4  # how soon the label goes, among the parts below


def _parts(step: Step, now: float) -> list[tuple[int, str]]:
    """(how soon it goes where room is short, text) of what is known of a step, in order."""
    state, counts, totals, tasks = step.state, step.state.counts, step.state.totals, step.state.tasks
    parts = []
    if state.share is not None:
        # A step that is not over is not at 100%.
        parts.append((0, f"{min(99, int(state.share * 100)):3}%"))
    if counts.documents:
        parts.append((3, f"{counts.documents:,} docs"))
    elif tasks.total and not counts.bytes:
        parts.append((3, f"{tasks.done:,} of {tasks.total:,} tasks"))
    if counts.bytes:
        parts.append((5, f"{counts.bytes / 1e6:,.1f} of {megabytes(totals.bytes)}" if totals.bytes
                      else megabytes(counts.bytes)))
    if fast := step.rate():
        parts.append((6, fast))
    left = step.left(now)
    if left:
        parts.append((1, f"{clock_time(left)} left"))
    elif tasks.total:
        parts.append((7, f"{clock_time(now - step.began)} so far"))
    if counts.quarantined:
        parts.append((2, f"{counts.quarantined:,} quarantined"))
    if tasks.failed:
        parts.append((2, _retried(tasks.failed)))
    return parts


def _bar(share: float, width: int, glyphs: tuple[str, str, str]) -> str:
    full, half, rest = glyphs
    halves = int(share * 2 * width)
    drawn = full * (halves // 2) + half * (halves % 2)
    return drawn + rest * (width - len(drawn))


def _glyphs(stream: TextIO) -> tuple[str, str, str]:
    try:
        "━╸─".encode(stream.encoding or "ascii")
    except (UnicodeError, LookupError):
        return "=", "-", " "
    return "━", "╸", "─"


def _retried(count: int) -> str:
    return f"{count:,} task{'s' if count > 1 else ''} retried"


def _progress_event(step: Step, now: float) -> dict[str, Any]:
    state, left = step.state, step.left(now)
    named = {name.name for name in fields(Counts)}
    return {
        "stage": step.stage.name, "step": step.label,
        "share": None if state.share is None else round(state.share, 4), "seconds": round(now - step.began, 3),
        "seconds_left": None if left is None else round(left, 1),
        **{name: getattr(state.counts, name) for name in sorted(named)},
        **{f"{name}_total": getattr(state.totals, name) or None for name in sorted(named - {"quarantined"})},
        "tasks": state.tasks.done, "tasks_total": state.tasks.total, "tasks_running": state.tasks.running,
        "retried": state.tasks.failed,
    }


def rate(counts: Counts, seconds: float) -> str:
    """Text a second, or documents where no text was read; "" where neither is known."""
    if seconds <= 0 or (counts.bytes <= 0 and counts.documents <= 0):
        return ""
    return f"{counts.bytes / 1e6 / seconds:,.1f} MB/s" if counts.bytes else f"{counts.documents / seconds:,.0f} docs/s"


def megabytes(size: float) -> str:
    return f"{size / 1e6:,.1f} MB"


def brief(seconds: float) -> str:
    """Seconds as a person reads them, with a tenth below ten."""
    return duration(seconds) if seconds >= 10 else f"{seconds:.1f} s"


def duration(seconds: float) -> str:
    """Seconds as a person reads them: 42 s, 3:07 min, 2:05 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"


def clock_time(seconds: float) -> str:
    """Seconds as a clock shows them: 0:42, 3:07, 2:05:09."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def _values(counts: Counts) -> tuple[int, int, int, int]:
    return counts.documents, counts.bytes, counts.stored, counts.quarantined
