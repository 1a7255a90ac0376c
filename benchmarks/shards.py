"""What a corpus of very many shards costs the driver, step by step, beside the mere cost of os.scandir over its files.

    python benchmarks/shards.py [--shards 100000] [--keys 10] [--cpu] [--folder DIR]

The corpus is sparse files, the sidecars are empty ones: the driver lists them and opens none. Indexes and cluster sets
are written by the real writers; that their entries have the form of a tag stage's is looked at first, by tagging a few
shards. The tasks of a plan are replaced by ones that answer at once with results of the real shape, which travel
pickled: what is measured is the driver's own time. Each group of steps is a process of its own, whose peak memory is
shown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import resource
import shutil
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).absolute().parents[1]
sys.path[0] = str(ROOT)  # this folder has a taggers.py of its own

import numpy as np  # noqa: E402
import zstandard  # noqa: E402

from jobs import plan as plan_job  # noqa: E402
from jobs import tag as tag_job  # noqa: E402
from jobs.dedup import dedup  # noqa: E402
from jobs.engine import Engine  # noqa: E402
from jobs.tagging import Order, Settings, tag_shard  # noqa: E402
from mixer import attributes, clusters, corpus, index, lock, packing, plan, rows, selection  # noqa: E402
from mixer.clusters import ClusterSet  # noqa: E402
from mixer.corpus import Corpus  # noqa: E402
from mixer.index import Entry, Index  # noqa: E402
from mixer.recipe import Recipe  # noqa: E402
from mixer.recipe_parser import parse  # noqa: E402

SOURCES = {"web": 0.7, "book": 0.1, "wiki": 0.1, "code": 0.1}
IN_FOLDER = 1000
DOCS = 10  # a shard
KEEP = {
    3: {"words.count": {"min": 0}},
    10: {"words.count": {"min": 0}, "lines.count": {"min": 0}, "paragraphs.count": {"min": 0},
         "ngrams.top_2": {"max": 1}, "language.en": {"max": 1}, "sizes.bytes": {"min": 0}},
}
DEDUP = {3: [{"use": "text@1"}],
         10: [{"use": "text@1"}, {"use": "text@1", "normalise": ["lower"]}, {"use": "text@1", "normalise": ["nfc"]}]}

Steps = list[tuple[str, float, str]]  # (what, seconds, remark)
clock = time.perf_counter


def hexes(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def recipe_text(keys: int) -> str:
    return json.dumps({
        "name": "many", "version": "1.0.0", "seed": 1, "corpus": "corpus", "unit": "docs", "keep": KEEP[keys],
        "policy": {"kind": "proportional"}, "dedup": DEDUP[keys],
        "sources": {source: {"shards": [f"{source}/**/*.jsonl", f"{source}/*/*.jsonl.zst"]} for source in SOURCES},
    })


def opened(folder: Path, keys: int) -> tuple[Recipe, Corpus]:
    file = folder / f"recipe-{keys}.yaml"
    recipe = parse(file.read_bytes(), str(file))
    return recipe, corpus.find(recipe, str(file), str(folder / "work"))


def paths_of(shards: int) -> Iterator[tuple[str, str]]:
    for source, share in SOURCES.items():
        for number in range(round(shards * share)):
            end = "jsonl" if number % 2 else "jsonl.zst"
            yield source, f"{source}/{number // IN_FOLDER:04d}/{number:06d}.{end}"


# ---- the corpus


def make(folder: Path, shards: int, keys: int) -> Steps:
    generator = np.random.default_rng(1)
    for _, path in paths_of(shards):
        file = folder / "corpus" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        os.truncate(file, int(generator.lognormal(14, 2)))
    for count in {3, keys}:
        (folder / f"recipe-{count}.yaml").write_text(recipe_text(count))
    recipe, found = opened(folder, keys)
    place = found.workspace
    uses = {attributes.key_of(use): use for use in recipe.uses()}
    steps: Steps = []
    for key in (rows.KEY, *uses):
        for parent in {Path(place.sidecar(key, shard.path)).parent for shard in found.shards}:
            parent.mkdir(parents=True, exist_ok=True)
        for shard in found.shards:
            os.close(os.open(place.sidecar(key, shard.path), os.O_CREAT | os.O_WRONLY))
        entries = Index.of([entry_of(shard, key, uses.get(key)) for shard in found.shards])
        began = clock()
        index.write(place.index(key), entries)
        steps.append((f"index write, {key}", clock() - began,
                      f"{os.path.getsize(place.index(key)) / 1e6:.1f} MB"))
        del entries
    known = {key: index.read(place.index(key)) for key in (rows.KEY, *uses)}
    for related in clusters.relations(recipe):
        name = clusters.name_of(related, found, known[related.sidecar])
        repeated = [] if related.method.use == "id@1" else [shard.path for shard in found.shards[::2]]
        members: dict[str, dict[str, object]] = {
            path: {"rows": 2, "digest": hexes(name, path)} for path in repeated}
        for path in repeated:
            file = Path(clusters.member_uri(place, name, path))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        clusters.put_set(place, ClusterSet(name, related.method.use, related.method.finds_by, len(members),
                                           2 * len(members), members))
    return steps


def entry_of(shard: corpus.Shard, key: str, use: Any) -> Entry:
    if use is None:
        info: dict[str, Any] = {"bad": 0, "blank_lines": 0, "text_bytes": 10_000 + len(shard.path) * 7 % 999,
                                "chars": 10_000, "broken": None}
    else:
        info = {"parameters": dict(use.parameters), "model_sha256": attributes.model_sha256(use),
                "unicode": unicodedata.unidata_version}
    of_rows = hexes(shard.path, rows.KEY)
    return Entry(shard.path, shard.stat.bytes, shard.stat.token, hexes(shard.path), DOCS, hexes(shard.path, key),
                 of_rows, info)


def check(folder: Path) -> Steps:
    """Nothing; an error where what is made here has another form than what a tag stage makes."""
    for _, path in paths_of(20):
        file = folder / "checked" / "corpus" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"id": path, "text": "a text of a few words", "source": "x"}).encode() + b"\n"
        file.write_bytes(zstandard.compress(line) if path.endswith(".zst") else line)
    (folder / "checked" / "recipe-10.yaml").write_text(recipe_text(10))
    recipe, found = opened(folder / "checked", 10)
    uses = {attributes.key_of(use): use for use in recipe.uses()}
    for shard in found.shards:
        order = Order(shard.path, shard.stat.bytes, frozenset([rows.KEY, *uses]))
        for key, entry in tag_shard(Settings(found.workspace, uses), order).entries.items():
            ours = entry_of(shard, key, uses.get(key))
            assert (ours.shard, ours.bytes, ours.token) == (entry.shard, entry.bytes, entry.token)
            assert [len(each) for each in (ours.sha256, ours.digest, ours.rows_digest)] == \
                [len(each) for each in (entry.sha256, entry.digest, entry.rows_digest)]
            assert ours.info.keys() == entry.info.keys() and (key == rows.KEY or ours.info == entry.info)
    shutil.rmtree(folder / "checked")
    return []


# ---- the steps of a driver


def scan(folder: str) -> int:
    """The cost below which no listing can be: every name and its kind."""
    count = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            count += scan(entry.path) if entry.is_dir() else 1
    return count


def steps_of(folder: Path, keys: int) -> Steps:
    found: Steps = []

    @contextmanager
    def step(name: str) -> Iterator[list[str]]:
        remark: list[str] = []
        began = clock()
        yield remark
        found.append((name, clock() - began, " ".join(remark)))

    with step("os.scandir over corpus and sidecars") as said:
        said.append(f"{scan(str(folder / 'corpus')) + scan(str(folder / 'work')):,} files")
    with step("listing: corpus.find"):
        recipe, made = opened(folder, keys)
    place = made.workspace
    names = [rows.KEY, *(attributes.key_of(use) for use in recipe.uses())]
    with step(f"presence: {len(names)} sidecar folders"):
        for name in names:
            index.present(place.sidecars(name))
    with step(f"index read: {len(names)} keys"):
        known = {key: index.read(place.index(key)) for key in names}
    with step(f"index write: {len(names)} keys") as said:
        for name in names:
            index.write(str(folder / "again.parquet"), known[name])
    with step("tag: index, presence and staleness") as said:
        said.append(f"{len(tag_job._orders(made, *index.survey(place, names), False))} stale")
    with step("plan: current_indexes (index, presence, staleness)"):
        indexes = plan_job.current_indexes(recipe, made)
    with step("bin-packing by bytes, 2 slots") as said:
        sizes = [shard.stat.bytes for shard in made.shards]
        said.append(f"{len(packing.pack(made.shards, sizes, packing.bin_count(sizes, 2))):,} bins")
    with step("bin-packing by bytes, 512 slots") as said:
        said.append(f"{len(packing.pack(made.shards, sizes, packing.bin_count(sizes, 512))):,} bins")
    with step("cluster sets: names, reading, presence"):
        sets = plan_job.current_sets(recipe, made, indexes)
    with step("lock.make"):
        locked = lock.make(recipe, made, indexes, sets)
    with step("lock.encode") as said:
        text = lock.encode(locked)
        said.append(f"{len(text) / 1e6:.1f} MB")
    with step("lock.digest"):
        lock.digest(text)
    with step("lock.decode (as build and audit do)"):
        lock.decode(text, "recipe.lock")
    del locked
    return found


# ---- a plan, whose tasks answer at once


class Fake:
    """Stands for the pool or Spark: answers for each bin what its tasks would, and counts the time of its own."""

    def __init__(self, recipe: Recipe, made: Corpus) -> None:
        self.recipe, self.made, self.out = recipe, made, 0.0
        self.sent: dict[str, tuple[int, int, float]] = {}  # phase -> bins, bytes sent to all tasks, seconds to load one
        self.came: dict[str, int] = {}
        self.load = 0.0

    def answer(self, name: str, last: bool, numbers: list[int]) -> Any:
        by_source: dict[str, int] = {}
        for number in numbers:
            source = self.made.slices[number].source
            by_source[source] = by_source.get(source, 0) + DOCS
        rules = [rule.text for rule in self.recipe.rules_for("web")]

        def three(source: str) -> Any:
            return np.array([by_source[source], by_source[source], 1000 * by_source[source]], np.int64)

        def none() -> Any:
            return np.zeros(3, np.int64)

        tallies: dict[tuple[str, str, str], Any] = {}
        if name == "judge":
            for source in by_source:
                tallies |= {(source, what, ""): three(source) for what in ("read", "kept")}
                tallies |= {(source, what, rule): none() for what in ("first", "own", "only", "missing")
                            for rule in rules}
        histograms = {}
        for source, held in by_source.items():
            buckets = np.unique(np.random.default_rng(numbers[0]).integers(0, 1 << 16, held))
            histograms[source] = selection.Histogram(buckets, np.ones(len(buckets), np.int64))
        if name in ("judge", "drop_losers"):
            tallies |= {(source, "pool", ""): three(source) for source in by_source} if last else {}
            return selection.Part(tallies, {numbers[0]: len(numbers)}, histograms if last else {})
        assert name == "select"
        for source in by_source:
            tallies |= {(source, what, ""): three(source) for what in ("selected", "emitted")}
            tallies[source, selection.NOT_DRAWN, ""] = none()
        about = {number: {"digest": hexes(number), "rows": DOCS, "docs": DOCS, "bytes": 1000 * DOCS, "max_copies": 1,
                          "edits": None}
                 for number in numbers}
        return tallies, about

    def through(self, name: str, work: Callable[[], list[Any]]) -> list[Any]:
        began = clock()
        packed = [pickle.dumps(each, 5) for each in work()]
        self.out += clock() - began
        self.came[name] = self.came.get(name, 0) + sum(map(len, packed))
        began = clock()
        answers = [pickle.loads(each) for each in packed]
        self.load += clock() - began
        return answers


def planning(folder: Path, keys: int, slots: int) -> Steps:
    for found in (folder / "work").glob("*/plans/*/plan.json"):
        found.unlink()
    began = clock()
    recipe, made = opened(folder, keys)
    indexes = plan_job.current_indexes(recipe, made)
    sets = plan_job.current_sets(recipe, made, indexes)
    fake = Fake(recipe, made)

    def run(phase: Any, parts: Any, label: str) -> list[Any]:
        from pyspark.cloudpickle import dumps

        name = getattr(phase, "func", phase).__name__
        last = name == "drop_losers" and phase.args[0] == len(recipe.dedup) - 1  # after it the pools are known
        packed = [dumps((phase, part), 5) for part in parts]  # as they go to the tasks
        at = clock()
        pickle.loads(packed[0])
        seconds = clock() - at
        sent = fake.sent.get(name, (0, 0, 0.0))
        fake.sent[name] = sent[0] + len(parts), sent[1] + sum(map(len, packed)), max(seconds, sent[2])
        del packed
        return fake.through(name, lambda: [fake.answer(name, last, list(part.paths)) for part in parts])

    bins = plan.bins_of(made, indexes[rows.KEY], slots)
    plan.make(recipe, made, indexes, sets, bins, run, lambda context, method, shards: None)
    seconds = clock() - began - fake.out
    steps = [(f"the whole of planning, {slots} slots", seconds, f"{fake.load:.2f} s of it to load what tasks say")]
    for name, (count, sent, load) in fake.sent.items():
        steps.append((f"  {name}: {count:,} tasks; the largest loads its context", load,
                      f"{sent / 1e6:,.1f} MB sent to all, {fake.came[name] / 1e6:,.1f} MB come back"))
    return steps


def again(folder: Path, keys: int) -> Steps:
    """What `solera run` does when nothing has changed, but for looking into the mixture."""
    steps: Steps = []
    began = clock()
    recipe, made = opened(folder, keys)
    with_none = Engine("nosuch://master", {}, "none.log")
    last = clock()
    steps.append(("listing", last - began, ""))
    tagged = tag_job.tag(recipe, made, with_none)
    assert not tagged.redone
    steps.append(("tag", clock() - last, ""))
    last = clock()
    assert tagged.current is not None
    found = dedup(recipe, made, tagged.current, with_none)
    steps.append(("dedup", clock() - last, ""))
    last = clock()
    plan_job.plan_from(recipe, made, tagged.current, found.sets, with_none, "pool")
    steps.append(("plan", clock() - last, ""))
    return [*steps, ("nothing changed: all of these", clock() - began, "")]


# ---- real ones: what one tiny shard costs each stage


def real(folder: Path, shards: int, where: str) -> Steps:
    """Tags, deduplicates and plans really, with 3 kinds of sidecars and 10 documents a shard."""
    from jobs.engine import engine

    folder = folder / "real"
    for source, path in paths_of(shards):
        file = folder / "corpus" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        records = [{"id": f"{path}:{row}", "source": source, "text": f"{path} {row // 2} says a few words"}
                   for row in range(DOCS)]
        data = "".join(json.dumps(record) + "\n" for record in records).encode()
        file.write_bytes(zstandard.compress(data) if path.endswith(".zst") else data)
    (folder / "recipe-3.yaml").write_text(json.dumps({**json.loads(recipe_text(3)), "budget": shards * DOCS // 3}))
    recipe, made = opened(folder, 3)
    steps: Steps = []

    def step(name: str, work: Callable[[], Any]) -> Any:
        began = clock()
        done = work()
        seconds = clock() - began
        steps.append((name, seconds, f"{1000 * seconds / shards:.2f} ms a shard"))
        return done

    with engine(None, {}, str(folder / "spark.log"), quiet=True) as runner:
        runner.spark  # noqa: B018 - its start is not what is measured
        step("tag", lambda: tag_job.tag(recipe, made, runner))
        indexes = plan_job.current_indexes(recipe, made)
        found = step("dedup", lambda: dedup(recipe, made, indexes, runner))

        class Timed(Engine):
            def on_spark(self, function: Any, items: Any, label: str, **more: Any) -> Any:
                return step(f"{label}, {len(items)} tasks", lambda: runner.on_spark(function, items, label, **more))

            def in_pool(self, function: Any, items: Any, label: str, *more: Any, **named: Any) -> Any:
                return step(f"{label}, {len(items)} tasks",
                            lambda: runner.in_pool(function, items, label, *more, **named))

        timed = Timed(None, {}, runner.log_file, _spark=runner.spark)
        step(f"plan in all, {where}", lambda: plan_job.plan_from(recipe, made, indexes, found.sets, timed, where))
    shutil.rmtree(folder)
    return steps


# ---- reporting


def process(work: Callable[..., Steps], *arguments: Any) -> tuple[Steps, float]:
    """The steps, and the process's peak memory in GB."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_measured, clock, work, *arguments).result()


def _measured(chosen: Callable[[], float], work: Callable[..., Steps], *arguments: Any) -> tuple[Steps, float]:
    global clock
    clock = chosen
    return work(*arguments), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=100_000)
    parser.add_argument("--keys", type=int, choices=sorted(KEEP), default=10, help="kinds of sidecars")
    parser.add_argument("--real", type=int, help="instead, so many real tiny shards, tagged and planned")
    parser.add_argument("--cpu", action="store_true", help="seconds of CPU, for a machine that others use too")
    parser.add_argument("--folder", type=Path, help="make it here and leave it, or use what is there")
    options = parser.parse_args()
    global clock
    clock = time.process_time if options.cpu else time.perf_counter
    folder = options.folder or Path(tempfile.mkdtemp())
    try:
        base = 0.0
        groups: list[tuple[str, Callable[..., Steps], tuple[Any, ...]]] = []
        if options.real:
            groups = [(where, real, (folder, options.real, where)) for where in ("pool", "spark")]
        elif not (folder / "corpus").exists():
            groups = [("that the form is right", check, (folder,)),
                      ("making it", make, (folder, options.shards, options.keys))]
        groups += [] if options.real else [
                   ("step by step", steps_of, (folder, options.keys)), ("step by step", steps_of, (folder, 3)),
                   ("planning", planning, (folder, options.keys, 2)),
                   ("planning", planning, (folder, options.keys, 512)),
                   ("run again", again, (folder, options.keys))]
        for title, work, arguments in groups:
            steps, peak = process(work, *arguments)
            base = base or next((seconds for name, seconds, _ in steps if name.startswith("os.scandir")), 0.0)
            keys = f", {arguments[1]} keys" if title == "step by step" else ""
            print(f"{title}{keys}: peak {peak:.2f} GB")
            for name, seconds, remark in steps:
                ratio = f"{seconds / base:7.1f}" if base else f"{'':7}"
                print(f"  {name:56} {seconds:8.2f} s {ratio}  {remark}", flush=True)
    finally:
        if options.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
