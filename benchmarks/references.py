"""Checks that every column of every tagger equals its plain Python reference on real text.

    python benchmarks/references.py [FOLDER ...] [--every 1] [--taggers words,c4] [--processes 2]

FOLDER holds shards at any depth; the default is web, book and wiki of $SOLERA_CORPORA. Integers, text, flags and spans
have to be equal, other numbers to 1e-9 (float32: to its precision; scores of models: to what the tests allow).
--every 20 reads each twentieth document. Prints the values compared by tagger and each mismatch; exits with 1 if there
is one.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

ROOT = Path(__file__).absolute().parents[1]
for folder in (ROOT, ROOT / "tests" / "taggers"):
    sys.path.insert(0, str(folder))  # so that it runs from a checkout, and finds the references

import msgspec  # noqa: E402
import pyarrow as pa  # noqa: E402
import test_taggers_equal_reference  # noqa: E402

from mixer.documents import SUFFIXES, Document, ShardReader  # noqa: E402
from taggers.declare import Use  # noqa: E402
from taggers.registry import TAGGERS  # noqa: E402
from taggers.run import run  # noqa: E402
from taggers.text import TextBatch  # noqa: E402

DEFAULT = os.environ.get("SOLERA_CORPORA", str(ROOT.parent / "shared" / "corpora"))
# As the tests use the taggers: parameters with which they show more than with their defaults, and how far the scores of
# models may be from those of the libraries.
PARAMETERS: Mapping[str, Mapping[str, Any]] = test_taggers_equal_reference.PARAMETERS
TOLERANCES: Mapping[str, float] = getattr(test_taggers_equal_reference, "TOLERANCES", {})
BATCH = 200
SHOWN = 200  # mismatches
BOOK = 30_000  # code points; longer documents count for several in the order of work


def main() -> int:
    options = _options()
    uris = sorted(str(path) for folder in options.folder for path in Path(folder).rglob("*")
                  if str(path).endswith(SUFFIXES))
    if not uris:
        print(f"no shards below {', '.join(options.folder)}", file=sys.stderr)
        return 2
    names = options.taggers.split(",") if options.taggers else [tagger.name for tagger in TAGGERS]
    _uses(names)  # says once, and not in each process, what is left out
    compared: Counter[str] = Counter()
    documents, mismatches, began = 0, 0, time.monotonic()
    with ProcessPoolExecutor(options.processes) as pool:
        tasks = [pool.submit(check_shard, uri, names, options.every) for uri in uris]
        for done, task in enumerate(as_completed(tasks), 1):
            uri, read, values, wrong = task.result()
            documents += read
            compared.update(values)
            for text in wrong[: max(0, SHOWN - mismatches)]:
                print(f"MISMATCH {uri}: {text}")
            mismatches += len(wrong)
            print(f"{done}/{len(uris)} shards, {documents:,} documents, {time.monotonic() - began:.0f} s: {uri}",
                  file=sys.stderr, flush=True)
    print(f"{documents:,} documents of {len(uris)} shards, {time.monotonic() - began:.0f} s")
    for name, count in compared.items():
        print(f"  {name:16} {count:12,} values compared")
    print(f"{sum(compared.values()):,} values, {mismatches:,} mismatches")
    return 1 if mismatches else 0


def check_shard(uri: str, names: list[str], every: int) -> tuple[str, int, Counter[str], list[str]]:
    """(uri, documents compared, values compared by tagger, what does not match)."""
    uses = _uses(names, quiet=True)
    compared: Counter[str] = Counter()
    wrong: list[str] = []
    read = 0
    for documents in _batches(uri, every):
        read += len(documents)
        texts = pa.array([document.text for document in documents], pa.large_string())
        batch = TextBatch.of_arrow(texts, [document.id for document in documents],
                                   [bytes(document.metadata) for document in documents])
        columns = run(uses, batch)
        for use in uses:
            given = {name: column.to_pylist() for name, column in columns[use.key].items()}
            for place, document in enumerate(documents):
                expected = _measure(use, document)
                if expected.keys() != given.keys():
                    wrong.append(f"{use.key}: columns {sorted(expected.keys() ^ given.keys())}")
                    break
                for name, value in expected.items():
                    compared[use.tagger.name] += 1
                    tolerance = TOLERANCES.get(use.tagger.name, 0.0)
                    if not test_taggers_equal_reference.alike(given[name][place], value, tolerance):
                        wrong.append(f"{document.id} {name}: {given[name][place]!r:.300}, reference {value!r:.300}")
    return uri, read, compared, wrong


def _measure(use: Use, document: Document) -> dict[str, Any]:
    """The reference's values; references that look at more than the text take what else there is of a document."""
    import tagger_reference

    about = {"id": document.id, "metadata": msgspec.json.decode(document.metadata)}
    measured: dict[str, Any] = tagger_reference.measure(use.tagger.name, document.text, use.parameters, about)
    return measured


def _uses(names: Iterable[str], quiet: bool = False) -> list[Use]:
    """The taggers that can run here; says of the others why they are left out."""
    use_of: Callable[..., Use] = importlib.import_module("tagger_uses").use_of
    uses = []
    for tagger in TAGGERS:
        if tagger.name not in names:
            continue
        try:
            uses.append(use_of(tagger, **PARAMETERS.get(tagger.name, {})))
        except (KeyError, OSError) as error:
            if not quiet:
                print(f"{tagger.name} is left out: its file is missing ({error})", file=sys.stderr)
    return uses


def _batches(uri: str, every: int) -> Iterator[list[Document]]:
    held: list[Document] = []
    count = size = 0
    for batch in ShardReader(uri):
        for document in batch.documents:
            count += 1
            if count % every:
                continue
            held.append(document)
            size += 1 + len(document.text) // BOOK
            if size >= BATCH:
                yield held
                held, size = [], 0
    if held:
        yield held


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="*", default=[f"{DEFAULT}/{name}" for name in ("web", "book", "wiki")])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--taggers", default="", help="names, with commas; the default is all")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
