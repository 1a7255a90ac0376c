"""MB/s of each tagger on real text, beside what reading that text costs.

    python benchmarks/taggers.py [FOLDER ...] [--rounds 5] [--taggers words,c4 | --sets] [--processes 2]

FOLDER holds shards at any depth; the default is web, book and wiki of $SOLERA_CORPORA. Every round times everything
once, in turn, so that a slow spell of the machine falls on all alike; the median counts. Decoding is what ShardReader
does with the same shards: what every stage that reads text pays at the least. Each tagger is timed alone on fresh
batches, with the words or lines that it needs; a set shares them. With --processes each process does everything at once
with the others on all the shards, and MB/s are those of one. Taggers that need a file have the small one of the tests,
which says little.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).absolute().parents[1]
for folder in (ROOT, ROOT / "tests" / "taggers"):
    sys.path.insert(0, str(folder))  # so that it runs from a checkout, and finds the small files

from mixer import rows  # noqa: E402
from mixer.documents import SUFFIXES, Batch, ShardReader  # noqa: E402
from taggers.declare import Use  # noqa: E402
from taggers.registry import TAGGERS  # noqa: E402
from taggers.run import run  # noqa: E402
from taggers.text import TextBatch  # noqa: E402

DEFAULT = os.environ.get("SOLERA_CORPORA", str(ROOT.parent / "shared" / "corpora"))
DECODE = "decode"
SETS = {
    "Gopher": ("words", "lines", "paragraphs", "ngrams"),
    "Gopher + C4 + FineWeb + repetition": ("words", "lines", "paragraphs", "ngrams", "c4", "fineweb", "repetition"),
}
# Other parameters than the defaults that change what a tagger costs.
VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "language, asked for one": ("language", {"languages": ["en"]}),
    "text_hash, all normalisations": (
        "text_hash", {"normalise": ["lower", "nfc", "punctuation", "whitespace"]}
    ),
}


class Texts:
    """The texts of some shards in the batches that tagging has, in memory."""

    def __init__(self, uris: Sequence[str]) -> None:
        self.uris = uris
        batches = [batch for uri in uris for batch in ShardReader(uri) if batch.documents]
        self.texts = [rows.texts_of(batch) for batch in batches]
        self.about = [_about(batch) for batch in batches]
        self.megabytes = sum(len(batch.data) for batch in self) / 1e6

    def __iter__(self) -> Iterator[TextBatch]:
        for texts, about in zip(self.texts, self.about, strict=True):
            yield TextBatch.of_arrow(texts, *about)

    def decode(self) -> None:
        for uri in self.uris:
            for _ in ShardReader(uri):
                pass

    def decode_to_arrow(self) -> None:
        for uri in self.uris:
            for batch in ShardReader(uri):
                rows.texts_of(batch)


def main() -> None:
    options = _options()
    uris = sorted(str(path) for folder in options.folder for path in Path(folder).rglob("*")
                  if str(path).endswith(SUFFIXES))
    if not uris:
        sys.exit(f"no shards below {', '.join(options.folder)}; SOLERA_CORPORA says where real data is")
    context = get_context("spawn")
    results = context.Queue()
    barrier = context.Barrier(options.processes)
    workers = [context.Process(target=_measure, args=(uris, options, barrier, results, number == 0))
               for number in range(options.processes)]
    for worker in workers:
        worker.start()
    found = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    megabytes, documents, _ = found[0]
    medians = {name: statistics.median(seconds for *_, times in found for seconds in times[name])
               for name in found[0][2]}
    print(f"{len(uris)} shards, {documents:,} documents, {megabytes:.1f} MB of text, median of {options.rounds} "
          f"rounds, {options.processes} process{'es at once' if options.processes > 1 else ''}")
    print(f"{'':36} {'MB/s a core':>12} {'of decoding':>12} {'with it':>8}")
    for name, seconds in medians.items():
        ratio = seconds / medians[DECODE]
        both = "" if name.startswith(DECODE) else f"{ratio + 1:7.2f}x"
        print(f"{name:36} {megabytes / seconds:12.1f} {ratio:11.2f}x {both:>8}")


def _measure(uris: Sequence[str], options: argparse.Namespace, barrier: Any, results: Any, tells: bool) -> None:
    texts = Texts(uris)
    tasks = _tasks(texts, options, tells)
    for task in tasks.values():
        task()  # compiles, loads models and warms caches
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(options.rounds):
        for name, task in tasks.items():
            barrier.wait()
            start = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - start)
    results.put((texts.megabytes, sum(map(len, texts.texts)), times))


def _tasks(texts: Texts, options: argparse.Namespace, tells: bool) -> dict[str, Callable[[], Any]]:
    def tag(uses: Sequence[Use]) -> Callable[[], None]:
        def task() -> None:
            for batch in texts:
                run(uses, batch)

        return task

    use_of: Callable[..., Use] = importlib.import_module("tagger_uses").use_of
    wanted = options.taggers.split(",") if options.taggers else [tagger.name for tagger in TAGGERS]
    uses: dict[str, Use] = {}
    for tagger in TAGGERS:
        try:
            uses[tagger.name] = use_of(tagger)
        except (KeyError, OSError) as error:
            if tells:
                print(f"{tagger.name} is left out: its file is missing ({error})", file=sys.stderr)
    tasks: dict[str, Callable[[], Any]] = {DECODE: texts.decode, "decode to Arrow": texts.decode_to_arrow}
    if not options.sets:
        tasks |= {name: tag([use]) for name, use in uses.items() if name in wanted}
        for variant, (name, parameters) in VARIANTS.items():
            if name in wanted and not options.taggers:
                tasks[variant] = tag([Use(uses[name].tagger, {**uses[name].parameters, **parameters})])
    return tasks | {name: tag([uses[each] for each in names]) for name, names in SETS.items()}


def _about(batch: Batch) -> tuple[list[str], list[Any]]:
    return [document.id for document in batch.documents], [document.metadata for document in batch.documents]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="*", default=[f"{DEFAULT}/{name}" for name in ("web", "book", "wiki")])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--taggers", default="", help="names, with commas; the default is all")
    parser.add_argument("--sets", action="store_true", help="the sets alone, which are what recipes use")
    parser.add_argument("--processes", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
