from __future__ import annotations

import io

import pytest

from jobs.progress import Display, duration, line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line_that_is_redrawn_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    now = [0.0]
    stream = Terminal()
    with Display(stream=stream, clock=lambda: now[0]) as show:
        for done in range(3):
            show("tag", done, 4)
            now[0] += 10
    text = stream.getvalue()
    assert "\n" not in text
    assert "\rtag: 2 of 4 tasks, 20 s, about 20 s left\x1b[K" in text
    assert text.endswith("\r\x1b[K")


def test_elsewhere_there_is_a_line_a_minute_and_none_when_quiet() -> None:
    now = [0.0]
    stream, silent = io.StringIO(), io.StringIO()
    shows = [Display(stream=stream, clock=lambda: now[0]), Display(True, silent, lambda: now[0])]
    for second in range(200):
        now[0] = second
        for show in shows:
            show("tag", second, 200)
    assert [text.split(",")[1] for text in stream.getvalue().splitlines()] == [" 1:00 min", " 2:00 min", " 3:00 min"]
    assert silent.getvalue() == ""


def test_what_progress_says() -> None:
    assert line("tag", 0, 9, 3) == "tag: 0 of 9 tasks, 3 s"
    assert line("tag", 3, 9, 60) == "tag: 3 of 9 tasks, 1:00 min, about 2:00 min left"
    assert line("tag", 9, 9, 7500) == "tag: 9 of 9 tasks, 2:05 h"
    assert duration(59.7) == "1:00 min"
