"""Tag: read each shard that is not up to date, measure its documents, write its sidecars, record them in the index."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.engine import Engine
from jobs.live import Report
from jobs.progress import Counts, total
from jobs.tagging import Order, Settings, tag_shard
from mixer import attributes, clusters, index, models, packing, rows, storage
from mixer.corpus import Corpus
from mixer.errors import JobFailed
from mixer.index import Entry, Index
from mixer.recipe import Recipe

MAX_BAD_SHARE = 0.01


@dataclass(frozen=True)
class TagSummary:
    """What a tag stage did. Documents and bad records are counted of the whole corpus, not only of what was redone."""

    shards: int
    redone: int
    sidecars: int
    documents: int
    bad: int
    text_bytes: int
    read_bytes: int  # stored bytes read by this run
    redone_documents: int
    redone_text_bytes: int
    redone_bad: int
    seconds: float
    warnings: tuple[str, ...]
    current: Mapping[str, Index] | None = None  # the shards' entries by sidecar key, where nothing had to be done

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "current"}


def tag(
    recipe: Recipe,
    corpus: Corpus,
    engine: Engine,
    *,
    also: Sequence[str] = (),
    keep_broken: bool = False,
    verify: bool = False,
    max_bad_share: float = MAX_BAD_SHARE,
    warn: Callable[[str], None] = lambda text: None,
) -> TagSummary:
    """Brings every sidecar that the recipe needs up to date, and those of the columns `also`.

    What is current, by its index, is not touched.
    """
    began = time.monotonic()
    place = corpus.workspace
    uses = {attributes.key_of(use): use for use in recipe.uses(also)
            if not use.tagger.is_imported}
    keys = [rows.KEY, *uses]
    known, there = index.survey(place, keys)
    orders = _orders(corpus, known, there, verify, {key: clusters.measured(recipe, corpus, key) for key in keys})
    warnings = []
    if orders:
        for use in uses.values():
            models.local(use)  # one that cannot be used is told before Spark starts
        engine.spark  # noqa: B018 - the number of slots is known once Spark is there
    sizes = [packing.record_bytes(order.shard, order.bytes) + packing.SHARD_BYTES for order in orders]
    slow = packing.straggler(sizes, engine.slots)
    if slow is not None:
        warnings.append(f"{orders[slow].shard} alone holds {orders[slow].bytes / 1e6:,.0f} MB of the "
                        f"{sum(order.bytes for order in orders) / 1e6:,.0f} MB to read: one task reads it while others "
                        "wait; split it into smaller shards")
        warn(warnings[-1])
    settings = Settings(place, uses, keep_broken, verify)
    done: list[BinOutcome] = []
    if orders:
        bins = packing.pack(orders, sizes, packing.bin_count(sizes, engine.slots))
        stored = [Counts(stored=sum(order.bytes for order in part)) for part in bins]
        done = engine.on_spark(functools.partial(tag_bin, settings), bins, f"tag {len(orders):,} shards",
                               counts=lambda part: part.counts, sizes=stored, reports=True)
    _record(corpus, known, done)
    broken = sorted(each for part in done for each in part.broken)
    if broken:
        raise JobFailed(_broken_text(broken, place.corpus))
    entries = known[rows.KEY].at(corpus.paths)
    made = total(part.counts for part in done)
    documents, bad = entries.sum("rows"), sum(entries.info("bad"))
    breaks = entries.info("broken")
    cut = [shard.path for shard, broke in zip(corpus.shards, breaks, strict=True) if broke]
    if cut:  # by this run or an earlier one
        warnings.append(f"{len(cut):,} shard(s) are used only up to where their stream breaks, as --keep-broken said: "
                        f"{', '.join(cut[:3])}" + (" and others" if len(cut) > 3 else ""))
        warn(warnings[-1])
    if bad > max_bad_share * (documents + bad):
        raise JobFailed(_bad_text(corpus, entries, documents, bad, max_bad_share))
    return TagSummary(
        shards=len(entries), redone=sum(part.redone for part in done), sidecars=sum(part.sidecars for part in done),
        documents=documents, bad=bad, text_bytes=sum(entries.info("text_bytes")),
        read_bytes=sum(part.read_bytes for part in done),
        redone_documents=made.documents, redone_text_bytes=made.bytes, redone_bad=made.quarantined,
        seconds=time.monotonic() - began, warnings=tuple(warnings),
        current=None if done else {key: found.at(clusters.measured(recipe, corpus, key).paths)
                                   for key, found in known.items()},
    )


@dataclass(frozen=True)
class BinOutcome:
    """What became of the shards of one task, small enough that the driver can hold those of all tasks."""

    news: Mapping[str, bytes]  # sidecar key -> entries for its index, packed
    redone: int  # shards with a sidecar that was written anew
    sidecars: int
    counts: Counts  # of the shards with such a sidecar
    read_bytes: int
    broken: tuple[tuple[str, str], ...]  # shard, and how its stream broke


def tag_bin(settings: Settings, orders: Sequence[Order], report: Report) -> BinOutcome:
    """What one task does: its shards, one after another."""
    news: dict[str, list[Entry]] = {}
    broken = []
    redone, sidecars, read_bytes, counts = 0, 0, 0, Counts()
    for order in orders:
        outcome = tag_shard(settings, order, report)
        read_bytes += outcome.read_bytes
        if outcome.broken is not None:
            broken.append((outcome.shard, outcome.broken))
        if outcome.made:
            redone, sidecars = redone + 1, sidecars + len(outcome.made)
            entry = outcome.entries[rows.KEY]
            counts += Counts(documents=entry.rows, bytes=entry.info["text_bytes"], quarantined=entry.info["bad"])
        for key, entry in outcome.entries.items():
            news.setdefault(key, []).append(entry)
    packed = {key: Index.of(entries).packed() for key, entries in news.items()}
    return BinOutcome(packed, redone, sidecars, counts, read_bytes, tuple(broken))


def _orders(
    corpus: Corpus, known: Mapping[str, Index], there: Mapping[str, set[str]], verify: bool,
    measured: Mapping[str, Corpus],
) -> list[Order]:
    """Shards with a sidecar that is not known to be current: new, changed, deleted, or out of step with its rows."""
    keys = list(known)
    stale = np.stack([index.stale(corpus, known[key], known[rows.KEY], there[key]) for key in keys], axis=1) | verify
    is_reference = np.array([shard.is_reference for shard in corpus.shards], bool)
    for column, key in enumerate(keys):
        if measured[key] is not corpus:
            stale[is_reference, column] = False
    wanted: dict[bytes, frozenset[str]] = {}  # of many shards the same
    orders = []
    for number in np.flatnonzero(stale.any(axis=1)).tolist():
        row, shard = stale[number], corpus.shards[number]
        if row.tobytes() not in wanted:
            wanted[row.tobytes()] = frozenset(key for key, is_stale in zip(keys, row, strict=True) if is_stale)
        orders.append(Order(shard.path, shard.stat.bytes, wanted[row.tobytes()]))
    return orders


def _record(corpus: Corpus, known: dict[str, Index], done: Sequence[BinOutcome]) -> None:
    """Writes the index of each key that has news; `known` is brought up to date with it.

    What another run has put there meanwhile stays, but for the shards that this one has looked at.
    """
    for key in known:
        news = Index.unpacked([part.news[key] for part in done if key in part.news])
        if len(news) and not known[key].updated(news).same(known[key]):
            uri = corpus.workspace.index(key)
            known[key] = index.read(uri).updated(news)
            index.write(uri, known[key])


def _broken_text(broken: Sequence[tuple[str, str]], corpus: str) -> str:
    lines = [f"{storage.join(corpus, shard)}: {how}" for shard, how in broken[:20]]
    more = [f"… and {len(broken) - 20} more"] if len(broken) > 20 else []
    return "\n".join([*lines, *more, f"{len(broken)} shard(s) could not be read to the end; the other shards are done. "
                      "Fetch them again, or keep what stands before each break with --keep-broken"])


def _bad_text(corpus: Corpus, entries: Index, documents: int, bad: int, limit: float) -> str:
    counts = entries.info("bad")
    worst = sorted(range(len(counts)), key=lambda number: -counts[number])[:3]
    paths = [corpus.shards[number].path for number in worst]
    places = ", ".join(f"{path} ({counts[number]:,})" for path, number in zip(paths, worst, strict=True)
                       if counts[number])
    return (f"{bad:,} of {documents + bad:,} records are bad ({bad / (documents + bad):.2%}), over the limit of "
            f"{limit:.2%}: most in {places}; their reasons and bytes are in "
            f"{corpus.workspace.quarantine(paths[0])}; mend the shards, or raise --max-bad-share")


if __name__ == "__main__":
    from jobs.cli import main

    sys.exit(main(["tag", *sys.argv[1:]]))
