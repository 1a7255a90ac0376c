"""One plan in a process of its own, as the driver of `solera plan` is one; says as JSON what it took.

    python benchmarks/plan_worker.py RECIPE WORK pool|spark [SHARE]

The clock starts when the pool's processes, or Spark with its Python workers, are there and have imported what a task
imports. No plan is found again: what the work folder has of plans is removed first. With a share the plan is of a
sample (`solera plan --sample`), made the first time and found the second: both are timed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

ROOT = Path(__file__).absolute().parents[1]
sys.path[0] = str(ROOT)  # this folder has a taggers.py of its own

from jobs.engine import INLINE_ROWS, Engine, engine  # noqa: E402
from jobs.plan import make_plan  # noqa: E402
from mixer import corpus, storage  # noqa: E402
from mixer.models import resolve  # noqa: E402
from mixer.recipe_parser import parse  # noqa: E402


def main() -> None:
    recipe_uri, work, where, *share = sys.argv[1:]
    recipe = resolve(parse(storage.read(recipe_uri), recipe_uri), recipe_uri)
    began = time.perf_counter()
    found = corpus.find(recipe, recipe_uri, work)
    listed = time.perf_counter() - began
    for made in ("plans", "samples"):
        shutil.rmtree(Path(found.workspace.folder, made), ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder, engine(
            None, {"spark.local.dir": folder}, os.path.join(folder, "spark.log"), quiet=True) as started:
        began = time.perf_counter()
        warm(started, where)
        start = time.perf_counter() - began
        steps = timed(started)
        watch = Watch()
        before = resident(os.getpid())
        watch.start()
        began, spent = time.perf_counter(), processor_seconds()
        answer: dict[str, Any]
        if share:
            answer = sampled(recipe, found, started, where, share[0])
        else:
            plan = make_plan(recipe, found, started, where)
            answer = {"counts": plan.body["counts"]}
        seconds, spent = listed + time.perf_counter() - began, processor_seconds() - spent
        watch.over.set()
        watch.join()
        print(json.dumps({"seconds": seconds, "processors": spent, "start": start, "steps": steps,
                          "before": before, **watch.most, "load": os.getloadavg()[0], **answer}))


def sampled(recipe: Any, found: Any, started: Engine, where: str, share: str) -> dict[str, Any]:
    from jobs.plan_sample import make_sample_plan

    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        made = make_sample_plan(recipe, found, started, Fraction(share), where)
        seconds.append(time.perf_counter() - began)
        storage.remove_below(storage.join(made.place.folder, "plans"))
    return {"first": seconds[0], "again": seconds[1], "sampled": made.body["sample"]["documents"],
            "counts": made.body["counts"]}


def warm(started: Engine, where: str) -> None:
    """Has each worker import what tasks import."""
    if where == "spark":
        started.on_spark(imported, list(range(started.slots)), "warm")
    else:
        started.in_pool(imported, list(range(started.slots)), "warm", INLINE_ROWS)


def imported(number: int) -> int:
    import jobs.keepers
    import mixer.selection

    time.sleep(0.5)  # so that another process gets the other one
    return number + (jobs.keepers is None) + (mixer.selection is None)


def timed(started: Engine) -> dict[str, float]:
    """Seconds by the names of the steps, from now on."""
    found: dict[str, float] = {}
    step = started.progress.step

    @contextmanager
    def counted(label: str, *more: Any) -> Any:
        began = time.perf_counter()
        with step(label, *more) as inside:
            yield inside
        found[label] = found.get(label, 0.0) + time.perf_counter() - began

    changed: Callable[..., Any] = counted
    started.progress.step = changed  # type: ignore[method-assign]
    return found


class Watch(threading.Thread):
    """The most memory that this process, the JVM below it, and each of the Python processes below it hold, in bytes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.most = {"driver": 0, "java": 0, "worker": 0}

    def run(self) -> None:
        while not self.over.wait(0.05):
            self.look("driver", os.getpid())
            for pid in below(os.getpid()):
                name = command(pid)
                if "java" in name or "python" in name:
                    self.look("java" if "java" in name else "worker", pid)

    def look(self, what: str, pid: int) -> None:
        self.most[what] = max(self.most[what], resident(pid))


def below(pid: int) -> list[int]:
    """All processes below this one."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(path.name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        todo += children
        found += children
    return found


def processor_seconds() -> float:
    """Of this process, those below it, and those below them that have ended."""
    ticks = 0
    for pid in (os.getpid(), *below(os.getpid())):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(value) for value in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def command(pid: int) -> str:
    try:
        return os.path.basename(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode(errors="replace"))
    except OSError:
        return ""


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


if __name__ == "__main__":
    main()
