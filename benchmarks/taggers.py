"""MB/s of each tagger on real web pages, one core, beside what reading them costs. Run: python benchmarks/taggers.py

Every round times everything once, in turn, so that a slow spell of the machine falls on all alike; the median counts.
A tagger is timed alone on a fresh batch, with the words or lines it needs, and all together share theirs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).absolute().parents[1]
sys.path.insert(0, str(ROOT))  # so that it runs from a checkout, without installing

import msgspec  # noqa: E402
import pyarrow as pa  # noqa: E402
import zstandard  # noqa: E402

from taggers.declare import Use  # noqa: E402
from taggers.registry import TAGGERS  # noqa: E402
from taggers.run import run  # noqa: E402
from taggers.text import TextBatch  # noqa: E402


class Document(msgspec.Struct):
    text: str


def main() -> None:
    beside = os.environ.get("SOLERA_CORPORA") or ROOT.parent / "shared" / "corpora"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(beside) / "web", help="of .jsonl.zst shards")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    shards = [path.read_bytes() for path in sorted(arguments.folder.glob("*.jsonl.zst"))]
    if not shards:
        parser.error(f"no .jsonl.zst in {arguments.folder}; SOLERA_CORPORA says where real data is")
    lines = [line for shard in shards for line in decompress(shard).splitlines()]
    texts = pa.array([decode(line) for line in lines], pa.large_string())
    megabytes = len(TextBatch.of_arrow(texts).data) / 1e6

    tasks = benchmarks(shards, lines, texts)
    for task in tasks.values():
        task()  # compiles, loads models and warms caches
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(arguments.rounds):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - start)
    print(f"{len(texts):,} documents, {megabytes:.1f} MB of text, median of {arguments.rounds} rounds")
    for name, seconds in times.items():
        print(f"{name:32} {megabytes / statistics.median(seconds):8.1f} MB/s")


def benchmarks(
    shards: Sequence[bytes], lines: Sequence[bytes], texts: pa.LargeStringArray
) -> dict[str, Callable[[], Any]]:
    def tag(*uses: Use) -> Callable[[], Any]:
        return lambda: run(uses, TextBatch.of_arrow(texts))

    uses = [Use(tagger, tagger.parameters) for tagger in TAGGERS if not tagger.needs_file]
    kernels = [use for use in uses if use.tagger.name not in ("language", "text_hash")]
    every_step = {"normalise": ["lower", "nfc", "punctuation", "whitespace"]}
    return {
        "read: zstd": lambda: [decompress(shard) for shard in shards],
        "read: JSON to Arrow": lambda: pa.array([decode(line) for line in lines], pa.large_string()),
        **{use.tagger.name: tag(use) for use in uses},
        "language, asked for one": tag(with_parameters("language", languages=["en"])),
        "language, whole texts": tag(with_parameters("language", max_chars=0)),
        "text_hash, all normalisations": tag(with_parameters("text_hash", **every_step)),
        "all kernels, one batch": tag(*kernels),
        "all taggers, one batch": tag(*uses),
    }


def with_parameters(name: str, **parameters: Any) -> Use:
    tagger = next(tagger for tagger in TAGGERS if tagger.name == name)
    return Use(tagger, {**tagger.parameters, **parameters})


def decompress(shard: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(shard)


_decoder = msgspec.json.Decoder(Document)


def decode(line: bytes) -> str:
    return _decoder.decode(line).text


if __name__ == "__main__":
    main()
