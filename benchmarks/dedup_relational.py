"""The relational part of fuzzy dedup: from MinHash bands to cluster sets, at 1, 3 and 10 million documents.

    python benchmarks/dedup_relational.py [--millions 1 3] [--near 0.3] [--work FOLDER]

Signatures are synthetic: sidecars are written as the tag stage writes them, without any text. Of the documents a share
`near` are near-duplicates of others: each has the bands of a true one but for those that a similarity drawn between 0.5
and 1 would have changed, and each true one has as many of them as a Zipf law gives, so that buckets are of all sizes.
One document in twenty is an exact copy. Nothing is verified, which takes texts.

Printed for each size: seconds without Spark's start, the bytes that were shuffled, the largest resident set of a Python
worker, and the exponent of the growth. JVM and two workers on two cores.
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
from mixer.recipe import parse
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
    true = int(documents * (1 - near - 0.05))
    for number in range(-(-documents // SHARD)):
        count = min(SHARD, documents - number * SHARD)
        names, bands = signatures(choose, count, true, near)
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


def signatures(choose: np.random.Generator, count: int, true: int, near: float) -> tuple[np.ndarray, np.ndarray]:
    """Names, and bands by document. Every number that is needed follows from a document's own by a hash."""
    kind = choose.random(count)
    popular = np.minimum(choose.zipf(1.4, count).astype(np.float64) * true / 50_000, true - 1)
    of = np.where(kind < near, popular, choose.integers(0, true, count)).astype(np.uint64)
    own = choose.integers(0, 1 << 63, count, np.uint64)
    similarity = 0.5 + 0.5 * choose.random(count)
    changed = (kind < near)[:, None] & (choose.random((count, BANDS)) > (similarity**ROWS)[:, None])
    band = np.arange(BANDS, dtype=np.uint64)[None, :]
    bands = np.where(changed, mixed(own[:, None] * np.uint64(31) + band), mixed(of[:, None] * np.uint64(BANDS) + band))
    return np.where(kind < near, own, mixed(of + np.uint64(1 << 50))), bands


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
            self.most = max([self.most, *(resident(pid) for pid in descendants(os.getpid()))])


def descendants(pid: int) -> list[int]:
    """Python processes below this one."""
    parent: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parent.setdefault(int(fields[1]), []).append(int(path.name))
    found, todo = [], [pid]
    while todo:
        below = parent.get(todo.pop(), [])
        todo += below
        found += [each for each in below if is_python(each)]
    return found


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
    measured: list[tuple[float, float]] = []
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
                began = time.perf_counter()
                found = fuzzy.find(finding, made)
                seconds = time.perf_counter() - began
                workers.over.set()
                measured.append((millions, seconds))
                print(f"{millions:4} million: {seconds:6.1f} s, {(shuffled_bytes(made.spark) - before) / 1e6:8,.0f} MB "
                      f"shuffled, {workers.most / 1e6:6,.0f} MB in the largest worker; {found.clusters:,} clusters of "
                      f"{found.documents:,} documents; {json.dumps(dict(found.about))}", flush=True)
                shutil.rmtree(work / str(millions))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for (small, fast), (large, slow) in itertools.pairwise(measured):
        print(f"{small} to {large} million: exponent {math.log(slow / fast) / math.log(large / small):.2f}")


if __name__ == "__main__":
    main()
