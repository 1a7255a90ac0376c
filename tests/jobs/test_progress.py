"""What is shown of a command's stages: the bar, the line a minute, and the lines that stay."""

from __future__ import annotations

import io
import os
import pty
import re
import struct
import termios
import threading
from dataclasses import replace
from fcntl import ioctl
from pathlib import Path
from typing import TextIO

import pytest
from mixtures import write_corpus, write_recipe

from jobs.cli import main
from jobs.progress import (
    Counts,
    Display,
    Progress,
    Stage,
    State,
    Tasks,
    bar_line,
    clock_time,
    duration,
    ended_line,
    line,
)

UNICODE, ASCII = ("━", "╸", "─"), ("=", "-", " ")


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def followed(stream: TextIO, quiet: bool = False) -> tuple[Progress, Clock]:
    clock = Clock()
    return Progress(Display(quiet, stream, clock, silent=quiet), clock=clock), clock


HALF = State(Counts(11_204, 98_200_000, 30, 3), Counts(stored=60), Tasks(5, 10, 2, 2), 0.5)


def screen(text: str) -> list[str]:
    """What is left on a terminal of what was written to it: a carriage return goes back, ESC [ K erases the rest."""
    return [re.split(r"\r(?!\n)", row.replace("\x1b[K", ""))[-1].rstrip("\r") for row in text.split("\n")]


def test_a_terminal_has_one_bar_that_is_redrawn_and_a_line_of_each_stage_that_stays(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    progress, clock = followed(stream)
    with progress.stage("tag") as stage:
        with progress.step("tag 16 shards", Counts(stored=60)) as step:
            for share in (0.0, 0.25, 0.5):
                clock.now += 10
                step.update(replace(HALF, share=share))
            drawn = stream.getvalue()
            assert "\n" not in drawn and drawn.count("\r") == 4
            last = screen(drawn)[-1]
            # A half was done in the 20 s since something was first counted.
            assert last == ("tag    16 shards  ━━━━━─────   50%  11,204 docs  98.2 MB  0:20 left  "
                            "3 quarantined  2 tasks retried")
        stage.done("16 of 16 shards", Counts(20_000, 160_000_000, 60, 3))
        clock.now += 10
    assert screen(stream.getvalue()) == [
        "tag    16 of 16 shards  20,000 docs  160.0 MB of text  40 s  4.0 MB/s  3 quarantined  2 tasks retried", ""]
    (row,) = progress.stages
    assert row.as_json() == {"stage": "tag", "did": "16 of 16 shards", "documents": 20_000, "bytes": 160_000_000,
                             "quarantined": 3, "tasks": 5, "retried": 2, "seconds": 40}


def test_a_bar_never_goes_back_and_is_not_full_before_the_end() -> None:
    progress, clock = followed(io.StringIO())
    with progress.step("dedup") as step:
        for share, shown in ((0.6, 0.6), (0.3, 0.6), (1.2, 1.0)):
            step.update(State(share=share))
            assert step.state.share == shown
        assert "  99%" in bar_line(step, clock.now, 80, UNICODE)


@pytest.mark.parametrize("width", range(8, 140))
def test_a_bar_fits_any_width(width: int) -> None:
    progress, clock = followed(io.StringIO())
    with progress.stage("tag"), progress.step("tag 100,000 shards", Counts(bytes=160_100_000)) as step:
        step.update(replace(HALF, totals=step.state.totals, share=0.2))
        clock.now = 10
        step.update(replace(HALF, totals=step.state.totals, counts=HALF.counts + Counts(bytes=1), share=0.61))
        text = bar_line(step, clock.now, width, UNICODE)
        assert len(text) <= width
        kept = [part for part in ("tag", " 61%", "0:10 left", "3 quarantined", "11,204 docs", "100,000 shards",
                                  "98.2 of 160.1 MB", "0.0 MB/s") if part in text]
        assert kept == ["tag", " 61%", "0:10 left", "3 quarantined", "11,204 docs", "100,000 shards",
                        "98.2 of 160.1 MB", "0.0 MB/s"][: len(kept)]  # what matters least goes first
        if width >= 40:
            assert " 61%" in text and "left" in text and "━" in text and "─" in text


def test_a_bar_is_plain_where_the_terminal_has_no_such_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    stream.encoding = "ascii"  # type: ignore[misc]
    progress, clock = followed(stream)
    with progress.step("tag") as step:
        clock.now = 1
        step.update(replace(HALF, share=0.5))
    assert stream.getvalue().isascii() and "======" in stream.getvalue()
    assert bar_line(step, clock.now, 60, ASCII).isascii()


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_elsewhere_there_is_a_line_a_minute_and_one_as_a_stage_ends(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    progress, clock = followed(stream)
    with progress.stage("tag") as stage:
        for step_number in range(2):
            with progress.step(f"tag {step_number}") as step:
                for second in range(100):
                    clock.now = step_number * 100 + second
                    step.update(State(Counts(second, second * 10**6), tasks=Tasks(second, 100), share=second / 100))
        stage.done("all", Counts(99, 99 * 10**6))
    assert stream.getvalue().splitlines() == [
        "tag: 0, 60%, 60 docs, 60.0 MB, 1.0 MB/s, 0:40 left",
        "tag: 1, 20%, 20 docs, 20.0 MB, 1.0 MB/s, 1:20 left",
        "tag: 1, 80%, 80 docs, 80.0 MB, 1.0 MB/s, 0:20 left",
        "tag: all, 99 docs, 99.0 MB of text, 3:19 min, 0.5 MB/s"]


def test_quiet_is_silent() -> None:
    stream = Terminal()
    progress, clock = followed(stream, quiet=True)
    with progress.stage("tag"), progress.step("tag") as step:
        clock.now = 100
        step.update(HALF)
        progress.warn("odd")
    assert stream.getvalue() == ""


def test_a_stage_that_failed_leaves_no_line() -> None:
    stream = io.StringIO()
    progress, _ = followed(stream)
    with pytest.raises(ValueError), progress.stage("tag"), progress.step("tag"):
        raise ValueError
    assert progress.stages == [] and stream.getvalue() == ""


def test_a_terminal_that_has_gone_stops_nothing() -> None:
    stream = io.StringIO()
    progress, _ = followed(stream)
    stream.close()
    progress.warn("odd")


def test_steps_of_a_stage_pass_over_the_same_documents() -> None:
    progress, _ = followed(io.StringIO())
    with progress.stage("plan") as stage:
        for done in (5, 7, 7):
            with progress.step("plan: rules") as step:
                step.update(State(Counts(documents=done), tasks=Tasks(2, 2, 0, 1)))
                assert step.label == "rules"
    assert (stage.counts, stage.tasks, stage.retried) == (Counts(documents=7), 6, 3)


def test_what_the_lines_say() -> None:
    progress, clock = followed(io.StringIO())
    with progress.stage("build"), progress.step("build 3 shards") as step:
        assert line(step, 0) == "build: 3 shards"
        step.update(State(tasks=Tasks(0, 9), share=0.0))
        assert line(step, 65) == "build: 3 shards, 0%, 0 of 9 tasks, 1:05 so far"
        clock.now = 70
        step.update(State(tasks=Tasks(3, 9, failed=1), share=1 / 3))
        assert line(step, 70) == "build: 3 shards, 33%, 3 of 9 tasks, 1:10 so far, 1 task retried"
    assert ended_line(Stage("plan", "nothing", seconds=0.21)) == "plan: nothing, 0.2 s"
    assert [duration(each) for each in (59.4, 59.7, 187, 7500)] == ["59 s", "1:00 min", "3:07 min", "2:05 h"]
    assert [clock_time(each) for each in (0.2, 59.7, 187, 7509)] == ["0:00", "1:00", "3:07", "2:05:09"]


def test_a_real_run_on_a_real_terminal(spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    recipe = write_recipe(tmp_path / "recipe.yaml", write_corpus(tmp_path / "corpus", 20))
    far, near = pty.openpty()
    ioctl(near, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 72, 0, 0))
    seen = bytearray()

    def read() -> None:
        try:
            while data := os.read(far, 4096):
                seen.extend(data)
        except OSError:
            pass  # how a pty says that its other end is closed

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(near, "w", encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stderr", stream)
        assert main(["run", str(recipe), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out"),
                     "--max-bad-share", "0.2"]) == 0
        monkeypatch.undo()
    reader.join(30)
    os.close(far)
    text = seen.decode().replace("\r\n", "\n")
    frames = [frame for row in text.split("\n") for frame in row.replace("\x1b[K", "").split("\r")]
    drawn = [frame for frame in frames if "━" in frame or "─" in frame]
    assert {frame.split()[0] for frame in drawn} >= {"tag", "dedup", "build"}
    assert max(map(len, drawn)) == 71  # which is all there is, but for the last column
    left = [row.split() for row in screen(text)]
    assert [row[0] for row in left if row and row[0] in ("tag", "dedup", "plan", "build")] == \
        ["tag", "dedup", "plan", "build"]
    assert not any("━" in word or "─" in word for row in left for word in row)
