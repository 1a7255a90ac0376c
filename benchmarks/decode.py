"""The baseline of all ratios: what reading, decompressing and decoding shards costs, without measuring anything.

    python benchmarks/decode.py [FOLDER] [--rounds 5]

FOLDER holds shards at any depth; the default is $SOLERA_CORPORA. One core does each step in turn, round after round,
so that a noisy machine is noisy to all of them; medians are printed, in MB of text a second.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from jobs.spark import usable_cores
from mixer.documents import SUFFIXES, LineReader, ShardReader

DEFAULT = os.environ.get("SOLERA_CORPORA", str(Path(__file__).parents[2] / "shared" / "corpora"))


def stored(uri: str) -> int:
    """Reads the stored bytes only."""
    with open(uri, "rb") as stream:
        return sum(len(block) for block in iter(lambda: stream.read(1 << 20), b""))


def lines(uri: str) -> int:
    """Reads, hashes, decompresses and splits into lines."""
    return sum(len(line) if isinstance(line, bytes) else 0 for _, _, line in LineReader(uri))


def documents(uri: str) -> int:
    """All of that, and decodes each line into a document: what every stage that reads text pays at the least."""
    return sum(len(batch.documents) for batch in ShardReader(uri))


def text_bytes(uri: str) -> int:
    return sum(len(document.text.encode()) for batch in ShardReader(uri) for document in batch.documents)


def seconds(step: Callable[[str], int], uris: list[str]) -> float:
    began = time.perf_counter()
    for uri in uris:
        step(uri)
    return time.perf_counter() - began


def on_all_cores(uris: list[str], pool: ProcessPoolExecutor) -> float:
    began = time.perf_counter()
    list(pool.map(documents, uris))
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="*", default=[f"{DEFAULT}/{name}" for name in ("web", "book", "wiki")])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    uris = sorted(str(path) for folder in options.folder for path in Path(folder).rglob("*")
                  if str(path).endswith(SUFFIXES))
    if not uris:
        parser.error(f"no shards below {', '.join(options.folder)}")
    size = sum(map(text_bytes, uris))
    cores = usable_cores()
    times: dict[str, list[float]] = {}
    with ProcessPoolExecutor(cores) as pool:
        on_all_cores(uris, pool)
        for _ in range(options.rounds):
            for name, step in (("read", stored), ("read, decompress, split", lines), ("read to documents", documents)):
                times.setdefault(name, []).append(seconds(step, uris))
            times.setdefault(f"read to documents, {cores} processes", []).append(on_all_cores(uris, pool))
    print(f"{len(uris)} shards, {size / 1e6:.1f} MB of text, median of {options.rounds} rounds")
    for name, found in times.items():
        median = statistics.median(found)
        print(f"  {name:32} {median:7.2f} s  {size / 1e6 / median:9.1f} MB/s  "
              f"({size / 1e6 / max(found):.1f} to {size / 1e6 / min(found):.1f})")


if __name__ == "__main__":
    main()
