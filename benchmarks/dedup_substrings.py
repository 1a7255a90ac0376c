"""What substring dedup costs: the tagger on one core, the job apart from Spark's start, and what of the text travels.

    python benchmarks/dedup_substrings.py [FOLDER] [--sources web,book,wiki,code] [--unit bytes] [--length 500]
        [--rounds 3] [--slots 2]

FOLDER (default $SOLERA_CORPORA) has a folder of shards for each source. Each round times the tagger on every source in
turn, so that a slow spell of the machine falls on all alike; medians count. The job is run once by Spark, on sidecars
that were tagged before, and its steps once more one after another in a process of their own, which says what travels
between them, what each takes on one core, and how much memory it has at the most.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).absolute().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from jobs import substrings  # noqa: E402
from jobs.dedup import find_set  # noqa: E402
from jobs.engine import engine  # noqa: E402
from jobs.exchange import part_count  # noqa: E402
from jobs.finding import Finding, finding_of  # noqa: E402
from jobs.tagging import Order, Settings, tag_shard  # noqa: E402
from mixer import attributes, clusters, rows  # noqa: E402
from mixer.corpus import find  # noqa: E402
from mixer.documents import ShardReader  # noqa: E402
from mixer.index import Index  # noqa: E402
from mixer.recipe_parser import parse  # noqa: E402
from taggers.matching import Scheme  # noqa: E402
from taggers.run import run  # noqa: E402
from taggers.text import TextBatch  # noqa: E402

DEFAULT = os.environ.get("SOLERA_CORPORA", str(ROOT.parent / "shared" / "corpora"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=DEFAULT)
    parser.add_argument("--sources", default="web,book,wiki,code")
    parser.add_argument("--unit", default="bytes")
    parser.add_argument("--length", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=2)
    arguments = parser.parse_args()
    names = [name for name in arguments.sources.split(",") if Path(arguments.folder, name).is_dir()]
    method = {"use": "substring@1", "length": arguments.length, "unit": arguments.unit}
    recipe = json.dumps({
        "name": "benchmark", "version": "1.0.0", "seed": 1, "corpus": arguments.folder, "unit": "bytes",
        "policy": {"kind": "proportional"}, "dedup": [method],
        "sources": {name: {"shards": f"{name}/*.jsonl.zst"} for name in names}}).encode()
    with tempfile.TemporaryDirectory() as work:
        finding = tagged(recipe, work, arguments.slots)
        text = sum(finding.text_bytes)
        print(f"{text / 1e6:,.1f} MB of text, {sum(finding.documents):,} documents, {len(finding.shards)} shards")
        tagger(finding, names, arguments.rounds)
        job(finding, arguments.slots)
        with get_context("spawn").Pool(1) as pool:
            pool.apply(in_steps, [finding])


def tagged(recipe: bytes, work: str, slots: int) -> Finding:
    file = Path(work, "recipe.yaml")
    file.write_bytes(recipe)
    parsed = parse(recipe, str(file))
    corpus = find(parsed, str(file), str(Path(work, "work")))
    related = clusters.relations(parsed)[0]
    uses = {attributes.key_of(use): use for use in parsed.uses()}
    done = [tag_shard(Settings(corpus.workspace, uses), Order(shard.path, shard.stat.bytes, frozenset(uses)))
            for shard in corpus.shards]
    indexes = {key: Index.of([each.entries[key] for each in done]) for key in (rows.KEY, related.sidecar)}
    entries = indexes[related.sidecar]
    return finding_of(related, clusters.name_of(related, corpus, entries), corpus, entries, indexes[rows.KEY], slots)


def tagger(finding: Finding, names: Sequence[str], rounds: int) -> None:
    use = finding.related.method.tagger_use
    assert use is not None
    batches: dict[str, list[Any]] = {name: [] for name in names}
    for shard in finding.shards:
        for batch in ShardReader(finding.workspace.shard(shard)):
            if sum(map(len, batches[shard.split("/")[0]])) < 30_000:
                batches[shard.split("/")[0]].append(rows.texts_of(batch))
    times: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, held in batches.items():
            fresh = [TextBatch.of_arrow(texts) for texts in held]
            began = time.process_time()
            for batch in fresh:
                run([use], batch)
            times[name].append(sum(len(batch.data) for batch in fresh) / 1e6 / (time.process_time() - began))
    print("tagger, MB/s of processor time on one core: "
          + ", ".join(f"{name} {statistics.median(each):.0f}" for name, each in times.items()))


def job(finding: Finding, slots: int) -> None:
    with tempfile.TemporaryDirectory() as folder, engine(f"local[{slots}]", {}, f"{folder}/spark.log", True) as made:
        began = time.monotonic()
        made.spark.sparkContext.parallelize(range(slots), slots).map(lambda each: each).collect()
        started = time.monotonic()
        found = find_set(finding, made)
        seconds = time.monotonic() - started
    spans = sum(int(str(member["rows"])) for member in found.members.values())
    print(f"job: {seconds:.1f} s, {sum(finding.text_bytes) / 1e6 / seconds:.0f} MB/s on {slots} cores; Spark's start "
          f"{started - began:.1f} s; {found.clusters:,} stretches, {spans:,} spans")


def in_steps(finding: Finding) -> None:
    """The same without Spark. Of each step: seconds, bytes that it sends, and the most memory there has been."""
    scheme = Scheme.of(finding.related.method.parameters)
    text = sum(finding.text_bytes)
    bins = finding.text_bins(range(len(finding.shards)))
    back = np.zeros(len(finding.shards), np.int64)
    for place, numbers in enumerate(bins):
        back[numbers] = place
    parts = finding.parts(2 * text // scheme.grams, substrings.KEYS.itemsize)
    peak()
    keys = step("1 send keys", text, (substrings.send_keys(finding, parts, numbers) for numbers in bins))
    told = step("2 repeated keys", text, records(keys, substrings.KEYS, lambda part, each:
                                                 substrings.find_repeated(finding, back, part, each)))
    wanted = sum(int(np.frombuffer(block, substrings.KEYS)["times"].sum()) for each in told.values() for block in each)
    many = part_count(wanted, 2 * scheme.length * scheme.width, finding.slots)
    segments = step("4 send segments", text, (
        substrings.send_segments(finding, scheme, many, bin, [(bin, block) for block in blocks])
        for bin, blocks in sorted(told.items())))
    pieces = step("5 find stretches", text, (substrings.send_pieces(scheme, back, part, iter(blocks))
                                             for part, blocks in sorted(segments.items())))
    began = time.process_time()
    for _ in records(pieces, substrings.PIECE, lambda bin, each:
                     substrings.write_members(finding, scheme, bin, each)):
        list(_)
    print(f"  6 write members: {time.process_time() - began:.2f} s, memory {peak():.0f} MB")


def records(blocks: dict[int, list[bytes]], dtype: Any, consume: Callable[[int, Any], Iterable[Any]]) -> Iterator[Any]:
    for part, each in sorted(blocks.items()):
        yield consume(part, np.frombuffer(b"".join(each), dtype))


def step(name: str, text: int, tasks: Iterable[Iterable[tuple[int, bytes]]]) -> dict[int, list[bytes]]:
    sent: defaultdict[int, list[bytes]] = defaultdict(list)
    began = time.process_time()
    for task in tasks:
        for part, block in task:
            sent[part].append(block)
    size = sum(len(block) for blocks in sent.values() for block in blocks)
    print(f"  {name}: {time.process_time() - began:.2f} s, sends {size / 1e6:.1f} MB, {size / text:.1%} of the text, "
          f"memory {peak():.0f} MB", flush=True)
    return sent


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
