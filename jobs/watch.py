"""Watch: plan a recipe again at each save of its file, and show what became of it, until Ctrl-C.

The process, its pool and what is loaded stay, so that a save costs the plan alone. Mistakes and stages that have not
been run are told, and the next save is waited for.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from jobs import changes, figures, page, rates, report, tables
from jobs.engine import Engine
from jobs.plan import current_indexes, current_sets, plan_from
from jobs.stopping import stop_of
from mixer import storage
from mixer.corpus import Corpus
from mixer.errors import BadInput, NotDone, SoleraError
from mixer.plan import Plan
from mixer.recipe import Recipe

POLL = 0.1  # seconds between two looks at the file
REREAD = 1.0  # seconds after which it is read even if it looks the same
AGAIN = 3.0  # seconds after which a plan is tried again whose stages had not been run

Open = Callable[[bytes], tuple[Recipe, Corpus]]


@dataclass
class Watch:
    """What was shown last, of which the next is told apart."""

    uri: str
    where: str
    json: bool
    html: str | None = None  # the page that is drawn anew for each plan
    out: Any = field(default_factory=lambda: sys.stdout)
    before: list[figures.Table] | None = None
    said: str = ""

    def plan(self, recipe: Recipe, corpus: Corpus, engine: Engine) -> None:
        """Plans and shows it; a SoleraError is shown by who calls."""
        began = time.monotonic()
        indexes = current_indexes(recipe, corpus)
        made = plan_from(recipe, corpus, indexes, current_sets(recipe, corpus, indexes), engine, self.where)
        engine.progress.display.clear()
        self._show(made, corpus, time.monotonic() - began)

    def tell(self, error: SoleraError) -> None:
        """What is wrong; once, however often it is tried again."""
        if self.json:
            text = _line({"error": type(error).__name__, "message": str(error)})
        else:
            text = f"{self._head()}{error}\n\nwaiting for the next save of {self.uri}; Ctrl-C ends\n"
        if str(error) != self.said:
            self._write(text)
        self.said = str(error)

    def _show(self, made: Plan, corpus: Corpus, seconds: float) -> None:
        rate = rates.read(corpus.workspace).get("build")
        found = figures.tables(made)
        if self.html is not None:
            page.write(made, self.html, rate)
        if self.json:
            text = _line(report.plan_json(made, rate) | {"seconds_shown": round(seconds, 3)})
        else:
            text = self._text(made, found, corpus, seconds, rate)
        self._write(text)
        self.before, self.said = found, ""

    def _text(self, made: Plan, found: list[figures.Table], corpus: Corpus, seconds: float,
              rate: rates.Rate | None) -> str:
        differs = changes.changes(found if self.before is None else self.before, found)
        width = shutil.get_terminal_size((tables.WIDTH, 40)).columns if self._is_terminal else tables.WIDTH
        lines = [report.plan_title(made), self._summary(differs), ""]
        for change in differs:
            lines += [*changes.lines(change, width, self._is_terminal), ""]
        lines += [f"warning: {tables.visible(warning)}" for warning in report.findings(made)]
        lines += [f"lock {made.body['lock_sha256'][:16]}, planned in {seconds:.1f} s without reading text",
                  report.build_estimate(made, rate), f"next: solera build {corpus.arguments} --out DIR",
                  f"waiting for the next save of {self.uri}; Ctrl-C ends"]
        return self._head() + "\n".join(lines) + "\n"

    def _summary(self, differs: list[changes.Change]) -> str:
        if self.before is None:
            return "the first plan"
        funnel = next((change for change in differs if change.table.name == "funnel"), None)
        said = [f"+ {name}" for name in funnel.came] + [f"- {name}" for name in funnel.went] if funnel else []
        cells = sum(was != now for change in differs for old, new in change.pairs if old and new
                    for was, now in zip(old, new, strict=True))
        return tables.visible(", ".join([*said, f"{cells:,} figures changed" if cells else "no figure changed"]))

    def _head(self) -> str:
        """What sets one plan apart from the one before: a clear screen, or a line."""
        if self._is_terminal:
            return "\x1b[H\x1b[2J"
        return f"---- {time.strftime('%H:%M:%S')}\n"

    @property
    def _is_terminal(self) -> bool:
        return bool(self.out.isatty())

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()


def watch(
    uri: str, where: str, as_json: bool, html: str | None, opened: Open,
    engine_of: Callable[[Corpus], AbstractContextManager[Engine]],
) -> int:
    """Plans at each save of the recipe at `uri` until it is stopped; 0 for Ctrl-C, which is how it ends.

    `opened` makes recipe and corpus of the file's text; `engine_of` is asked once, for the first that holds together.
    """
    if not storage.is_local(uri):
        raise BadInput(f"{uri}: only a local file can be watched; copy the recipe to this machine")
    if not storage.exists(uri):
        raise BadInput(f"{uri}: there is no such file; check the path")
    shown = Watch(uri, where, as_json, html)
    try:
        saves = contents(uri.removeprefix("file://"))
        text, corpus = _first(saves, opened, shown)
        with engine_of(corpus) as engine:
            _follow(saves, opened, shown, engine, text)
    except KeyboardInterrupt as error:
        stopped = stop_of(error)
        if stopped is None or stopped.by != "Ctrl-C":
            raise
    return 0


def _first(saves: Iterator[bytes | None], opened: Open, shown: Watch) -> tuple[bytes, Corpus]:
    """The first text of a recipe that holds together, and its corpus."""
    for text in saves:
        if text is not None:
            try:
                return text, opened(text)[1]
            except SoleraError as error:
                shown.tell(error)
    raise AssertionError("contents() does not end")


def _follow(saves: Iterator[bytes | None], opened: Open, shown: Watch, engine: Engine, text: bytes) -> None:
    """Plans the first and what is saved after it. What was not done is tried again: it may be done elsewhere."""
    due: float | None = 0.0
    while True:
        if due is not None and time.monotonic() >= due:
            due = None
            try:
                shown.plan(*opened(text), engine)
            except NotDone as error:
                shown.tell(error)
                due = time.monotonic() + AGAIN
            except SoleraError as error:
                shown.tell(error)
        saved = next(saves)
        if saved is not None:
            text, due = saved, 0.0


def contents(path: str) -> Iterator[bytes | None]:
    """The text of a file, and again whenever it is another; None at each look that finds nothing new. Never ends.

    A file that is gone for a moment, as editors make it, is waited for; one that is being written is read when it has
    been the same for one look.
    """
    known: bytes | None = None
    stood: Any = None
    read_at = 0.0
    while True:
        found = _token(path)
        if found is not None and found == stood and time.monotonic() - read_at >= REREAD:
            read_at = time.monotonic()
            text = _text_of(path)
            if text is not None and text != known and _token(path) == found:
                known = text
                yield text
                continue
        elif found != stood:
            stood, read_at = found, 0.0
            time.sleep(POLL / 2)
            continue
        yield None
        time.sleep(POLL)


def _token(path: str) -> Any:
    """What changes with each save of a file; None where there is none now."""
    found = storage.stat(path)
    return None if found is None else (found.token, found.bytes)


def _text_of(path: str) -> bytes | None:
    try:
        return storage.read(path)
    except SoleraError:  # gone again; the next look will tell
        return None


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, default=str) + "\n"
