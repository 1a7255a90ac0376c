"""The relational part of fuzzy dedup: from MinHash bands to cluster sets, at 1, 3 and 10 million documents.

    python benchmarks/dedup_relational.py [--millions 1 3] [--near 0.3] [--work FOLDER]

Signatures are synthetic: sidecars are written as the tag stage writes them, without any text. Of the documents a share
`near` are near-duplicates of others: each has the bands of another one but for those that a similarity drawn between
0.5 and 1 would have changed, and which others have many of them is given by a Zipf law, so that buckets are of all
sizes. One document in twenty is an exact copy. Nothing is verified, which takes texts.

Printed for each size: seconds without Spark's start, those that all processors spent on it, the bytes that were
shuffled, the largest resident set of a Python worker; then the exponents of the growth.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).absolute().parents[1]))

import itertools

import numpy as np
import pyarrow as pa

from jobs import fuzzy
from jobs.engine import engine
from jobs.finding import Finding
from mixer import clusters, rows, sidecars
from mixer.recipe_parser import parse
from mixer.workspace import open_workspace

BANDS, ROWS = 14, 8
SHARD = 100_000  # documents
RECIPE = json.dumps({"name": "bench", "version": "1.0.0", "seed": 1, "corpus": "corpus", "unit": "tokens",
                     "policy": {"kind": "proportional"}, "dedup": [{"use": "minhash@1"}],
                     "sources": {"web": {"shards": "web/*.jsonl"}}}).encode()


def make(folder: Path, documents: int, near: float) -> Finding:
    """Sidecars of so many documents, and the set that is to be found of them."""
    (related, *_) = clusters.relations(parse(RECIPE, "bench.yaml"))
    place = open_workspace(str(folder), str(folder / "corpus"))
    shards, digests, row_digests = [], [], []
    choose = np.random.default_rng(documents)
    for number in range(-(-documents // SHARD)):
        count = min(SHARD, documents - number * SHARD)
        names, bands = signatures(choose, number * SHARD, count, documents, near)
        shard = f"web/{number:05d}.jsonl"
        listed = pa.ListArray.from_arrays(np.arange(0, count * BANDS + 1, BANDS, dtype=np.int32), bands.ravel())
        shards.append(shard)
        digests.append(sidecars.write(place.sidecar(related.sidecar, shard), pa.table(
            {"minhash.bands": listed, "minhash.text": names.view(np.int64)}), {})["digest"])
        row_digests.append(sidecars.write(place.sidecar(rows.KEY, shard), pa.table(
            {"chars": np.full(count, 3000)}), {})["digest"])
    sizes = [min(SHARD, documents - number * SHARD) for number in range(len(shards))]
    return Finding(related, f"minhash@1-{documents}", place, tuple(shards), tuple(sizes), tuple(digests),
                   tuple(row_digests), slots=2)


def signatures(
    choose: np.random.Generator, first: int, count: int, documents: int, near: float
) -> tuple[np.ndarray, np.ndarray]:
    """Names, and bands by document."""
    kind = choose.random(count)
    is_near, is_copy = kind < near, kind > 0.95
    popular = np.minimum(choose.zipf(1.5, count).astype(np.float64) * 1000, documents - 1) \
        + choose.integers(0, 1000, count)
    of = np.arange(first, first + count, dtype=np.uint64)
    of = np.where(is_near, popular.astype(np.uint64), of)
    of = np.where(is_copy, choose.integers(0, documents, count, np.uint64), of)
    own = choose.integers(0, 1 << 64, count, np.uint64, endpoint=False)
    similarity = 0.5 + 0.5 * choose.random(count)
    changed = is_near[:, None] & (choose.random((count, BANDS)) > (similarity**ROWS)[:, None])
    band = np.arange(BANDS, dtype=np.uint64)[None, :]
    bands = np.where(changed, mixed(own[:, None] + band), mixed(of[:, None] * np.uint64(BANDS) + band))
    return np.where(is_near, own, mixed(of + np.uint64(1 << 50))), bands


def mixed(values: np.ndarray) -> np.ndarray:
    """splitmix64."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return values ^ values >> np.uint64(31)


class Workers(threading.Thread):
    """Looks at the resident sets of the Python workers below this process, until told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.most = 0

    def run(self) -> None:
        while not self.over.wait(0.2):
            self.most = max([self.most, *(resident(pid) for pid, _ in below(os.getpid()) if is_python(pid))])


def below(pid: int) -> list[tuple[int, list[str]]]:
    """(pid, fields of /proc/pid/stat after the name) of all processes below this one."""
    found: dict[int, list[tuple[int, list[str]]]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found.setdefault(int(fields[1]), []).append((int(path.name), fields))
    all_below, todo = [], [pid]
    while todo:
        children = found.get(todo.pop(), [])
        todo += [child for child, _ in children]
        all_below += children
    return all_below


def processor_seconds() -> float:
    """Of all processes below this one, and of those below them that have ended."""
    ticks = sum(int(value) for _, fields in below(os.getpid()) for value in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def is_python(pid: int) -> bool:
    try:
        return b"python" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    except OSError:
        return False


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def shuffled_bytes(spark) -> int:
    """What all stages of this session have written for shuffles, by Spark's own count."""
    store = spark.sparkContext._jsc.sc().statusStore()
    stages = store.stageList(None, False, False, spark.sparkContext._gateway.new_array(
        spark.sparkContext._jvm.double, 0), None)
    return sum(stages.apply(number).shuffleWriteBytes() for number in range(stages.size()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 3, 10])
    parser.add_argument("--near", type=float, default=0.3)
    parser.add_argument("--work", help="where sidecars and shuffles go; a temporary folder unless given")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(dir=options.work))
    measured: list[tuple[float, float, float]] = []
    try:
        began = time.perf_counter()
        with engine(None, {"spark.local.dir": str(work)}, str(work / "spark.log"), quiet=True) as made:
            made.spark.sparkContext.parallelize([0], 1).map(str).collect()
            print(f"Spark's start {time.perf_counter() - began:.1f} s, apart")
            for millions in options.millions:
                finding = make(work / str(millions), int(millions * 1e6), options.near)
                before = shuffled_bytes(made.spark)
                workers = Workers()
                workers.start()
                began, spent = time.perf_counter(), processor_seconds()
                found = fuzzy.find(finding, made)
                seconds, spent = time.perf_counter() - began, processor_seconds() - spent
                workers.over.set()
                measured.append((millions, seconds, spent))
                shuffled = shuffled_bytes(made.spark) - before
                print(f"{millions:4} million: {seconds:6.1f} s, {spent:6.1f} s of processors, "
                      f"{shuffled / 1e6:8,.0f} MB shuffled, {workers.most / 1e6:6,.0f} MB in the largest worker; "
                      f"{found.clusters:,} clusters of {found.documents:,} documents; {json.dumps(dict(found.about))}",
                      flush=True)
                shutil.rmtree(work / str(millions))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for (small, *before), (large, *after) in itertools.pairwise(measured):
        by_wall, by_processors = (math.log(slow / fast) / math.log(large / small)
                                  for fast, slow in zip(before, after, strict=True))
        print(f"{small} to {large} million: exponent {by_wall:.2f}, of processors {by_processors:.2f}")


if __name__ == "__main__":
    main()
