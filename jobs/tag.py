"""Tag: read each shard that is not up to date, measure its documents, write its sidecars, record them in the index."""

from __future__ import annotations

import functools
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobs.engine import Engine
from jobs.live import Report
from jobs.progress import Counts
from jobs.tagging import Order, Outcome, Settings, tag_shard
from mixer import attributes, index, models, packing, rows, storage
from mixer.corpus import Corpus
from mixer.errors import JobFailed
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


def tag(
    recipe: Recipe,
    corpus: Corpus,
    engine: Engine,
    *,
    keep_broken: bool = False,
    verify: bool = False,
    max_bad_share: float = MAX_BAD_SHARE,
    warn: Callable[[str], None] = lambda text: None,
) -> TagSummary:
    """Brings every sidecar that the recipe needs up to date. What is current, by its index, is not touched."""
    began = time.monotonic()
    place = corpus.workspace
    uses = {attributes.key_of(use): use for use in recipe.uses() if not use.tagger.is_imported}
    keys = [rows.KEY, *uses]
    known = {key: index.read(place.index(key)) for key in keys}
    orders = _orders(corpus, known, verify)
    warnings = []
    if orders:
        for use in uses.values():
            models.local(use)  # one that cannot be used is told before Spark starts
        engine.spark  # noqa: B018 - the number of slots is known once Spark is there
    slow = packing.straggler([order.bytes for order in orders], engine.slots)
    if slow is not None:
        warnings.append(f"{orders[slow].shard} alone holds {orders[slow].bytes / 1e6:,.0f} MB of the "
                        f"{sum(order.bytes for order in orders) / 1e6:,.0f} MB to read: one task reads it while others "
                        "wait; split it into smaller shards")
        warn(warnings[-1])
    settings = Settings(place, uses, keep_broken, verify)
    outcomes: list[Outcome] = []
    if orders:
        sizes = [order.bytes for order in orders]
        bins = packing.pack(orders, sizes, packing.bin_count(sizes, engine.slots))
        stored = [Counts(stored=sum(order.bytes for order in part)) for part in bins]
        for part in engine.on_spark(functools.partial(tag_bin, settings), bins, f"tag {len(orders):,} shards",
                                    counts=counts, sizes=stored, reports=True):
            outcomes.extend(part)
    _record(corpus, known, keys, outcomes)
    broken = sorted((outcome for outcome in outcomes if outcome.broken is not None), key=lambda outcome: outcome.shard)
    if broken:
        raise JobFailed(_broken_text(broken, place.corpus))
    entries = [known[rows.KEY][shard.path] for shard in corpus.shards]
    made = counts(outcomes)
    documents, bad = sum(entry.rows for entry in entries), sum(entry.info["bad"] for entry in entries)
    cut = [entry.shard for entry in entries if entry.info["broken"]]
    if cut:  # by this run or an earlier one
        warnings.append(f"{len(cut):,} shard(s) are used only up to where their stream breaks, as --keep-broken said: "
                        f"{', '.join(cut[:3])}" + (" and others" if len(cut) > 3 else ""))
        warn(warnings[-1])
    if bad > max_bad_share * (documents + bad):
        raise JobFailed(_bad_text(recipe, corpus, known[rows.KEY], documents, bad, max_bad_share))
    return TagSummary(
        shards=len(entries), redone=sum(bool(outcome.made) for outcome in outcomes),
        sidecars=sum(len(outcome.made) for outcome in outcomes),
        documents=documents, bad=bad, text_bytes=sum(entry.info["text_bytes"] for entry in entries),
        read_bytes=sum(outcome.read_bytes for outcome in outcomes),
        redone_documents=made.documents, redone_text_bytes=made.bytes, redone_bad=made.quarantined,
        seconds=time.monotonic() - began, warnings=tuple(warnings),
    )


def tag_bin(settings: Settings, orders: Sequence[Order], report: Report) -> list[Outcome]:
    """What one task does: its shards, one after another."""
    return [tag_shard(settings, order, report) for order in orders]


def counts(outcomes: Sequence[Outcome]) -> Counts:
    """What was measured: the shards of which a sidecar was made."""
    infos = [(outcome.entries[rows.KEY].rows, outcome.entries[rows.KEY].info) for outcome in outcomes if outcome.made]
    return Counts(documents=sum(count for count, _ in infos), bytes=sum(info["text_bytes"] for _, info in infos),
                  quarantined=sum(info["bad"] for _, info in infos))


def _orders(corpus: Corpus, known: dict[str, dict[str, index.Entry]], verify: bool) -> list[Order]:
    """Shards with a sidecar that is not known to be current: new, changed, deleted, or out of step with its rows."""
    place = corpus.workspace
    present = {key: index.present(place.sidecars(key)) for key in known}
    stale: defaultdict[str, set[str]] = defaultdict(set)
    for shard in corpus.shards:
        row_entry = known[rows.KEY].get(shard.path)
        for key, entries in known.items():
            entry = entries.get(shard.path)
            aligned = entry and row_entry and entry.rows_digest == row_entry.rows_digest
            if verify or not (entry and aligned and shard.path in present[key] and entry.unchanged(shard.stat)):
                stale[shard.path].add(key)
    return [Order(shard.path, shard.stat.bytes, frozenset(stale[shard.path]))
            for shard in corpus.shards if shard.path in stale]


def _record(
    corpus: Corpus, known: dict[str, dict[str, index.Entry]], keys: Sequence[str], outcomes: Sequence[Outcome]
) -> None:
    """Writes the index of each key that has news; `known` is brought up to date with it."""
    for key in keys:
        news = {outcome.shard: outcome.entries[key] for outcome in outcomes if key in outcome.entries}
        if any(known[key].get(shard) != entry for shard, entry in news.items()):
            known[key].update(news)
            index.write(corpus.workspace.index(key), known[key].values())


def _broken_text(broken: Sequence[Outcome], corpus: str) -> str:
    lines = [f"{storage.join(corpus, outcome.shard)}: {outcome.broken}" for outcome in broken[:20]]
    more = [f"… and {len(broken) - 20} more"] if len(broken) > 20 else []
    return "\n".join([*lines, *more, f"{len(broken)} shard(s) could not be read to the end; the other shards are done. "
                      "Fetch them again, or keep what stands before each break with --keep-broken"])


def _bad_text(
    recipe: Recipe, corpus: Corpus, entries: dict[str, index.Entry], documents: int, bad: int, limit: float
) -> str:
    worst = sorted((entries[shard.path] for shard in corpus.shards), key=lambda entry: -entry.info["bad"])[:3]
    places = ", ".join(f"{entry.shard} ({entry.info['bad']:,})" for entry in worst if entry.info["bad"])
    return (f"{bad:,} of {documents + bad:,} records are bad ({bad / (documents + bad):.2%}), over the limit of "
            f"{limit:.2%}: most in {places}; their reasons and bytes are in "
            f"{corpus.workspace.quarantine(worst[0].shard)}; mend the shards, or raise --max-bad-share")


if __name__ == "__main__":
    from jobs.cli import main

    sys.exit(main(["tag", *sys.argv[1:]]))
