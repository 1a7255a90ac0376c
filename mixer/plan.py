"""A plan: what a recipe takes of its corpus, decided in fixed phases from sidecars alone."""

from __future__ import annotations

import functools
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow.compute as pc

from mixer import (
    attributes,
    clusters,
    curves,
    draw,
    known,
    lock,
    packing,
    quantiles,
    rows,
    selection,
    sidecars,
    storage,
    tops,
    weights,
)
from mixer.clusters import ClusterSet
from mixer.corpus import Corpus
from mixer.documents import canonical_json
from mixer.errors import BadInput, JobFailed
from mixer.index import Index
from mixer.recipe import Recipe, Source, shown
from mixer.selection import Context, Grant, Tallies

FORMAT = lock.PLAN_FORMAT

# Candidates that are resolved in the memory of one process; above it the keepers are a Spark job.
KEEPERS_CAP = 4_000_000

# (phase, the context of each bin of shards, what the phase is called) -> its results, one for each bin
Runner = Callable[[Callable[[Context], Any], Sequence[Context], str], list[Any]]
# (context of all shards, method number, bins with candidates): tells each of these bins the keepers of its keys
Resolver = Callable[[Context, int, Sequence[int]], None]


@dataclass(frozen=True)
class Plan:
    """A finished plan: `folder` holds plan.json, recipe.yaml, recipe.lock, selection/, edits/ and losers/."""

    folder: str
    recipe: Recipe
    lock: bytes
    body: Mapping[str, Any]  # of plan.json


def make(
    recipe: Recipe,
    corpus: Corpus,
    indexes: Mapping[str, Index],
    sets: Sequence[ClusterSet],
    bins: Sequence[Sequence[int]],
    run: Runner,
    resolve: Resolver,
) -> Plan:
    """Plans a recipe, or finds the plan that was already made from the same lock.

    `indexes` and `sets` are current and complete; `bins` are the numbers of all slices, cut into tasks that have all of
    a shard or nothing; `run` and `resolve` say where the phases are computed.
    """
    check_identities(recipe, corpus, sets)
    locked = lock.make(recipe, corpus, indexes, sets)
    lock_text = lock.encode(locked)
    done = find(corpus, lock_text)
    if done is not None:
        known.put(corpus.workspace, recipe, done.folder, done.body["counts"])
        return done
    folder = corpus.workspace.plan(lock.digest(lock_text))
    unread = _unread(locked["shards"])
    del locked  # which is large where there are many shards
    whole = replace(context_of(recipe, corpus, folder, indexes, sets), run=secrets.token_hex(8))
    tasks = _Tasks(whole, bins, run)
    try:
        made = _make(tasks, unread, lock_text, sets, resolve, corpus.recipe)
    finally:
        storage.remove_below(whole.scratch)
    known.put(corpus.workspace, recipe, made.folder, made.body["counts"])
    return made


def check_identities(recipe: Recipe, corpus: Corpus, sets: Sequence[ClusterSet]) -> None:
    """Nothing; BadInput where documents share an identity and the recipe does not choose among them."""
    repeated = clusters.repeated_identities(recipe, sets)
    if repeated is not None and repeated.documents:
        raise BadInput(_repeated_text(corpus, repeated), file=corpus.recipe)


@dataclass(frozen=True)
class _Tasks:
    """The tasks of one making of a plan. Each is sent what it needs to know of its own shards, and of no others."""

    whole: Context
    bins: Sequence[Sequence[int]]
    runner: Runner

    def measured(self, phase: Callable[[Context], Any], label: str) -> list[Any]:
        """A phase that looks at attributes."""
        return self.runner(phase, [self.whole.part(part, list(self.whole.digests)) for part in self.bins], label)

    def run(self, phase: Callable[[Context], Any], label: str) -> list[Any]:
        """A phase that looks at rows, and at the few columns that dedup, edits and samples look at."""
        return self.runner(phase, self._parts, label)

    @cached_property
    def _parts(self) -> list[Context]:
        recipe = self.whole.recipe
        columns = [recipe.prefer_by.column] if recipe.prefer_by is not None and recipe.dedup else []
        columns += [recipe.unit_column] if recipe.unit_column is not None else []
        for source in recipe.sources:
            columns += [edit.column for edit in recipe.edits_for(source.name)]
            columns += [source.sample.column] if source.sample is not None else []
        keys = list(dict.fromkeys([rows.KEY, *(self.whole.columns[column][0] for column in columns)]))
        return [self.whole.part(part, keys) for part in self.bins]


def _make(
    tasks: _Tasks, unread: Mapping[str, Mapping[str, int]], lock_text: bytes, sets: Sequence[ClusterSet],
    resolve: Resolver, recipe_file: str,
) -> Plan:
    """Makes a plan. Two that are made of one lock at once do not see each other: they share the files of selection/,
    edits/ and losers/ alone, which follow from the lock. The first to put plan.json has made it.
    """
    began = time.monotonic()
    whole = tasks.whole
    recipe, folder, methods = whole.recipe, whole.folder, len(whole.recipe.dedup)
    # Phase 1: keep rules.
    parts = tasks.measured(selection.judge, "plan: keep rules")
    overlap = selection.Overlap.of(part.overlap for part in parts)
    if overlap.documents:
        raise BadInput(_overlap_text(whole, overlap), file=recipe_file)
    tallies = selection.merge_tallies([part.tallies for part in parts])
    # Phase 2: the best shares, each among what those before it leave.
    for step in range(whole.tops):
        totals = tasks.measured(functools.partial(tops.rank, step), f"plan: top {step + 1}")
        ends = quantiles.find(tasks.run, tops.ranked_as(step), tops.targets(recipe, step, totals))
        drop = functools.partial(tops.drop, step, {group: end for group, (end,) in ends.items()})
        parts = tasks.run(drop, f"plan: top {step + 1}")
        tallies = selection.merge_tallies([tallies, *(part.tallies for part in parts)])
    # Phase 3: dedup methods in order, each among the rows still alive.
    losses: Tallies = {}
    links = []
    related = whole.part(list(whole.paths), [])
    for method in range(methods):
        candidates = {number: size for part in parts for number, size in part.candidates.items()}
        resolve(related, method, sorted(candidates))
        links.append({"method": selection.method_text(recipe.dedup[method]), "clusters": sets[method].clusters,
                      "documents": sets[method].documents, "alive": sum(candidates.values())})
        parts = tasks.run(functools.partial(selection.drop_losers, method), f"plan: dedup {method + 1}")
        tallies = selection.merge_tallies([tallies, *(part.tallies for part in parts)])
        losses = selection.merge_tallies([losses, *(part.losses for part in parts)])
    # Phases 4, 5 and 6: the draw and the allocation, and what is cut from the documents that are taken.
    pools = {source.name: int(_tally(tallies, source.name, "pool")[1]) for source in recipe.sources}
    curved = _rank_curves(tasks)
    tallies = selection.merge_tallies([tallies, curved])
    buckets = {source.name: _bucket_pools(curved, source) for source in recipe.sources if source.curve is not None}
    try:
        allocated = allocate(recipe, pools, buckets)
    except BadInput as error:  # a budget or cap of the recipe that these pools cannot meet
        raise BadInput(str(error), file=recipe_file) from None
    histograms = selection.merge_histograms(selection.read_histograms(whole, bin[0]) for bin in tasks.bins)
    grants = _grants(tasks, allocated, pools, histograms)
    fitted = _grant_curves(tasks, allocated, curved, buckets)
    chosen = tasks.run(functools.partial(selection.select, grants), "plan: selection")
    tallies = selection.merge_tallies([tallies, *(part[0] for part in chosen)])
    about = {number: each for part in chosen for number, each in part[1].items()}
    selections = [{"shard": path, "source": whole.sources[number], **about[number]}
                  for number, path in whole.paths.items()]
    most = dict.fromkeys(unread, 0)
    for number, source in whole.sources.items():
        most[source] = max(most[source], about[number]["max_copies"])
    body: dict[str, Any] = {
        "format": FORMAT,
        "lock_sha256": lock.digest(lock_text),
        "read": _three(_tally(tallies, *selection.READ)),
        "counts": counts_of(recipe, tallies, allocated, grants, fitted, unread, most),
        "losses": losses_of(recipe, losses),
        "links": links,
        "references": [{"reference": each.name, "shards": unread[each.name]["shards"],
                        "docs": unread[each.name]["docs"]} for each in recipe.reference],
        "selections": selections,
        "seconds": round(time.monotonic() - began, 3),
    }
    _check_counts(body["counts"])
    storage.put(storage.join(folder, "recipe.yaml"), recipe.text)
    storage.put(storage.join(folder, "recipe.lock"), lock_text)
    uri, text = storage.join(folder, "plan.json"), canonical_json(body)
    if not storage.put_if_absent(uri, text):
        done = read(folder, lock.digest(lock_text))
        if done is not None:  # the same, but for its seconds
            return done
        storage.put(uri, text)
    return Plan(folder, recipe, lock_text, body)


def context_of(
    recipe: Recipe, corpus: Corpus, folder: str, indexes: Mapping[str, Index], sets: Sequence[ClusterSet],
    also: Sequence[str] = (),
) -> Context:
    """What the phases of a plan in this folder need to know. `also` are columns that no rule names; `sets` are none for
    a phase that opens no cluster set.
    """
    return Context(
        workspace=corpus.workspace, folder=folder, recipe=recipe,
        paths={number: each.path for number, each in enumerate(corpus.slices)},
        sources={number: each.source for number, each in enumerate(corpus.slices)},
        columns={name: (attributes.key_of(use), stored) for name, (use, stored) in recipe.stored(also).items()},
        digests={key: _digests(corpus, entries.at(clusters.measured(recipe, corpus, key).paths))
                 for key, entries in indexes.items()},
        sets=tuple(sets[: len(recipe.dedup)]), arguments=corpus.arguments,
        holdouts=clusters.of_splits(recipe, sets) if sets else (),
        shared=frozenset(number for number, each in enumerate(corpus.slices) if each.is_shared),
    )


def _digests(corpus: Corpus, entries: Index) -> dict[int, str]:
    """By the numbers of the slices whose shards have such a sidecar."""
    found = dict(zip(entries.pylist("shard"), entries.pylist("digest"), strict=True))
    return {number: found[each.path] for number, each in enumerate(corpus.slices) if each.path in found}


def find(corpus: Corpus, lock_text: bytes) -> Plan | None:
    """The plan of a lock, or None if it was never finished."""
    digest = lock.digest(lock_text)
    return read(corpus.workspace.plan(digest), digest)


def read(folder: str, lock_sha256: str) -> Plan | None:
    """The plan in a folder, or None if none of FORMAT and of this very lock was finished there."""
    uri = storage.join(folder, "plan.json")
    if not storage.exists(uri):
        return None
    try:
        body = json.loads(storage.read(uri))
    except ValueError:
        return None  # damaged, and as good as absent
    if not isinstance(body, dict) or body.get("format") != FORMAT or body.get("lock_sha256") != lock_sha256:
        return None
    recipe_uri, lock_uri = storage.join(folder, "recipe.yaml"), storage.join(folder, "recipe.lock")
    lock_text = storage.read(lock_uri)
    recipe = lock.recipe_of(lock.decode(lock_text, lock_uri), storage.read(recipe_uri), recipe_uri)
    return Plan(folder, recipe, lock_text, body)


def bins_of(corpus: Corpus, entries: Index, slots: int, sets: Sequence[ClusterSet] = ()) -> list[list[int]]:
    """Slice numbers in bins of about as many rows, and spans of these sets, for so many tasks at a time. All slices of
    a shard are in one.
    """
    sizes = [rows + packing.SHARD_ROWS for rows in entries.at(corpus.paths).pylist("rows")]
    for found in sets:
        if found.kind == "spans":
            for number, shard in enumerate(corpus.shards):
                sizes[number] += int(str(found.members.get(shard.path, {}).get("rows", 0)))
    sizes = [size * len(shard.sources) for size, shard in zip(sizes, corpus.shards, strict=True)]
    slices: list[list[int]] = [[] for _ in corpus.shards]
    for number, each in enumerate(corpus.slices):
        slices[each.shard].append(number)
    packed = packing.pack(slices, sizes, packing.bin_count(sizes, slots, packing.BIN_ROWS))
    return [[number for each in part for number in each] for part in packed]


def allocations(
    recipe: Recipe, pools: Mapping[str, int], buckets: Mapping[str, Sequence[int]]
) -> list[dict[str, Any]]:
    """Requested and allocated units of each source, as the manifest has them."""
    return [asdict(share) for share in allocate(recipe, pools, buckets)]


def allocate(
    recipe: Recipe, pools: Mapping[str, int], buckets: Mapping[str, Sequence[int]]
) -> tuple[weights.Share, ...]:
    """What each source is asked for and given: a function of recipe and pools alone. `buckets` are the pools of the
    buckets that curves take from.
    """
    return weights.allocate(
        policy=recipe.policy, budget=recipe.budget, pools=pools,
        weights={source.name: source.weight for source in recipe.sources},
        max_epochs={source.name: source.max_epochs for source in recipe.sources},
        on_shortfall=recipe.on_shortfall,
        min_weights={source.name: source.min_weight for source in recipe.sources},
        limits={source.name: curves.limit(source.curve, buckets[source.name]) for source in recipe.sources
                if source.curve is not None},
    )


def _rank_curves(tasks: _Tasks) -> Tallies:
    """Ranks what reaches the draw of the sources that have a curve; what is in each bucket, discarded or without a
    score. Empty where no source has a curve.
    """
    recipe = tasks.whole.recipe
    if all(source.curve is None for source in recipe.sources):
        return {}
    ranked = tasks.measured(curves.rank, "plan: curves")
    totals: dict[int, int] = {}
    for part, _ in ranked:
        for group, units in part.items():
            totals[group] = totals.get(group, 0) + units
    ends = quantiles.find(tasks.run, curves.SCORES, curves.targets(recipe, totals))
    found = tasks.run(functools.partial(curves.split, ends), "plan: curves")
    return selection.merge_tallies([*(tallies for _, tallies in ranked), *found])


def _bucket_pools(curved: Tallies, source: Source) -> list[int]:
    """The units of each bucket that a source's curve takes from, the best last."""
    assert source.curve is not None
    taken = source.curve.buckets - curves.discarded(source.curve)
    return [int(_tally(curved, source.name, "curve bucket", str(number))[1]) for number in range(taken)]


def _grant_curves(
    tasks: _Tasks, allocated: Sequence[weights.Share], curved: Tallies, buckets: Mapping[str, Sequence[int]]
) -> dict[str, dict[str, Any]]:
    """What a plan says of each source's curve; writes the copies of each row."""
    if not buckets:
        return {}
    recipe = tasks.whole.recipe
    given = {share.source: share.allocated for share in allocated}
    fits: dict[str, curves.Fit] = {}
    copies: dict[int, int] = {}
    rests: dict[int, list[int]] = {}
    for number, source in enumerate(recipe.sources):
        if source.curve is None:
            continue
        pools = buckets[source.name]
        whole = sum(pools) + int(_tally(curved, source.name, "curve discarded")[1])
        fits[source.name] = curves.fit(source.curve, given[source.name], whole, pools)
        for bucket, (target, pool) in enumerate(zip(fits[source.name].allocated, pools, strict=True)):
            group = curves.group_of(number, bucket)
            copies[group], rest = divmod(target, pool) if pool else (0, 0)
            _check_copies(source.name, target, pool, copies[group])
            if rest:
                rests[group] = [rest]
    ends = quantiles.find(tasks.run, curves.DRAWS, rests)
    grants = {group: Grant(count, _after_first(ends[group][0]) if group in ends else selection.NO_EXTRA)
              for group, count in copies.items()}
    tasks.run(functools.partial(curves.grant, grants), "plan: curves")
    return {source.name: _curve_count(number, source, fits[source.name], curved, grants)
            for number, source in enumerate(recipe.sources) if source.curve is not None}


def _after_first(end: quantiles.Key | None) -> tuple[int, ...]:
    """The place in draw order of a row that was ranked by its draw, which stands there twice. Less than all was asked
    for, so there is one.
    """
    assert end is not None
    return end[1:]


def _curve_count(
    number: int, source: Source, fit: curves.Fit, curved: Tallies, grants: Mapping[int, Grant]
) -> dict[str, Any]:
    assert source.curve is not None
    found = []
    for bucket, target in enumerate(fit.allocated):
        granted = grants[curves.group_of(number, bucket)]
        found.append({**_three(_tally(curved, source.name, "curve bucket", str(bucket))), "allocated": target,
                      "copies": granted.copies, "cutoff": selection.cutoff_text(granted.cutoff)})
    return {"curve": source.curve.text, "power": shown(fit.power), "growth": shown(fit.growth),
            **{what: _three(_tally(curved, source.name, f"curve {what}")) for what in ("discarded", "missing")},
            "buckets": found}


def _repeated_text(corpus: Corpus, found: ClusterSet) -> str:
    place = corpus.workspace
    shard = next(iter(found.members))
    cluster = clusters.read_members(place, found, shard).column("cluster")[0]
    places: list[str] = []
    for member in found.members:
        table = clusters.read_members(place, found, member)
        same = table.filter(pc.equal(table.column("cluster"), cluster))
        same = same.slice(0, selection.SHOWN - len(places)).column("row")
        if len(same):
            named, _ = sidecars.read(place.sidecar(rows.KEY, member), ["line", "source", "id"])
            for about in named.take(same).to_pylist():
                places.append(f"{member} line {about['line']}")
                source, id = about["source"], about["id"]
        if len(places) == selection.SHOWN:
            break
    remedy = "give them ids of their own, or keep one of each by adding `- {use: id@1}` to the recipe's dedup"
    if corpus.mixture is not None:
        name = f"{corpus.mixture['name']} {corpus.mixture['version']}"
        remedy = remedy.replace("give them ids of their own, or",
                                f"the corpus is the mixture {name}, which repeats documents, so")
    return (f"{found.documents:,} documents share their (source, id) with another, such as {source!r}, {id!r} in "
            f"{' and '.join(places)}; {remedy}")


def _overlap_text(context: Context, found: selection.Overlap) -> str:
    places = []
    for path, row, sources in found.examples:
        table, _ = sidecars.read(context.workspace.sidecar(rows.KEY, path), ["line", "source", "id"])
        about, = table.slice(row, 1).to_pylist()
        places.append(f"{path} line {about['line']}, {about['source']!r} {about['id']!r} of "
                      f"{' and '.join(sources)}")
    return (f"{found.documents:,} documents pass the rules of more than one source, such as {'; '.join(places)}; a "
            "document may be in one source only, so narrow the `keep` of one of these, or its `shards`")


def _grants(
    tasks: _Tasks, allocated: Sequence[weights.Share], pools: Mapping[str, int], histograms: Mapping[str, Any]
) -> dict[str, Grant]:
    """Copies and cutoff of each source: T units over a pool of P give T div P copies, and one more to the longest
    prefix that fits T mod P. Where that is 0 nothing has one more, not even documents of no units.
    """
    base, rest, buckets, before = {}, {}, {}, {}
    for share in allocated:
        pool = pools[share.source]
        has_curve = tasks.whole.recipe.source(share.source).curve is not None  # its buckets have grants of their own
        base[share.source], rest[share.source] = divmod(share.allocated, pool) if pool and not has_curve else (0, 0)
        _check_copies(share.source, share.allocated, pool, base[share.source])
        if rest[share.source]:  # less than the pool, so the sums pass it
            sums = np.cumsum(histograms[share.source])
            bucket = int(np.searchsorted(sums, rest[share.source], side="right"))
            buckets[share.source] = bucket
            before[share.source] = int(sums[bucket - 1]) if bucket else 0
    ends = tasks.run(functools.partial(selection.boundary, buckets), "plan: draw") if buckets else []
    grants = {}
    for source in base:
        cutoff = selection.NO_EXTRA
        if source in buckets:
            found = np.concatenate([end[source] for end in ends if source in end])
            cutoff = _cutoff(found, rest[source] - before[source])
        grants[source] = Grant(base[source], cutoff)
    return grants


def _check_copies(source: str, allocated: int, pool: int, copies: int) -> None:
    if copies > selection.MOST_COPIES:
        raise BadInput(f"{source}: {allocated:_} allocated over a pool of {pool:_} is {copies:_} copies of each "
                       "document; set max_epochs, or lower the budget")


def _cutoff(found: Any, room: int) -> tuple[int, ...]:
    """The order key of the first row that no longer fits; what comes before it does."""
    columns = [found[:, number] for number in range(found.shape[1])]
    by = draw.argsort(columns[:7])
    sums = np.cumsum(columns[7][by].astype(np.int64))
    first = int(np.searchsorted(sums, room, side="right"))
    return tuple(int(column[by[first]]) for column in columns[:7])


def counts_of(
    recipe: Recipe, tallies: Tallies, allocated: Sequence[weights.Share], grants: Mapping[str, Grant],
    fitted: Mapping[str, Mapping[str, Any]], unread: Mapping[str, Mapping[str, int]], most: Mapping[str, int],
) -> list[dict[str, Any]]:
    """The counts of each source at each step; every step is the one before less what it names. `most` are copies."""
    counts = []
    by_source = {share.source: share for share in allocated}
    for source in recipe.sources:
        share = by_source[source.name]
        rule_counts = [
            {"rule": rule.text} | {what: _three(_tally(tallies, source.name, what, rule.text))
                                   for what in ("first", "own", "only", "missing")}
            for rule in recipe.rules_for(source.name)
        ]
        dedup_counts = [
            {"method": selection.method_text(method),
             "dropped": _three(_tally(tallies, source.name, "dedup", selection.method_text(method))),
             "edited": _edited(tallies, source.name, selection.method_text(method))}
            for method in recipe.dedup
        ]
        counts.append({
            "source": source.name,
            **{name: unread[source.name][name] for name in ("shards", "broken", "bad")},
            "read": _three(_tally(tallies, source.name, "read")),
            "rules": rule_counts,
            "tops": [{"rule": rule.text, **{what: _three(_tally(tallies, source.name, f"top {what}", rule.text))
                                            for what in ("dropped", "missing")}}
                     for rule in recipe.tops_for(source.name)],
            "kept": _three(_tally(tallies, source.name, "kept")),
            "dedup": dedup_counts,
            "edits": [{"edit": edit.text, "dropped": _three(_tally(tallies, source.name, "edit", edit.text)),
                       "edited": _edited(tallies, source.name, edit.text)}
                      for edit in recipe.edits_for(source.name)],
            "held_out": [{"split": split.name, **_three(_tally(tallies, source.name, "held out", split.name))}
                         for split in recipe.holdout],
            "not_held_out": _three(_tally(tallies, source.name, selection.NOT_HELD_OUT)),
            "sample": None if source.sample is None else {
                "sample": source.sample.text, **{what: _three(_tally(tallies, source.name, f"sample {what}"))
                                                 for what in ("dropped", "missing")}},
            "pool": _three(_tally(tallies, source.name, "pool")),
            "curve": fitted.get(source.name),
            "part": share.part,
            "requested": share.requested,
            "allocated": share.allocated,
            "cap": share.cap,
            "capped": share.capped,
            "copies": grants[source.name].copies,
            "cutoff": selection.cutoff_text(grants[source.name].cutoff),
            "not_drawn": _three(_tally(tallies, source.name, selection.NOT_DRAWN)),
            "selected": _three(_tally(tallies, source.name, "selected")),
            "emitted": _three(_tally(tallies, source.name, "emitted")),
            "edited": _edited(tallies, source.name),
            "max_copies": most[source.name],
        })
    return counts


def _unread(shards: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """By source, and reference, its shards, documents, broken shards and bad records, from the shards as locked."""
    found: dict[str, dict[str, int]] = {}
    for shard in shards:
        for source in lock.sources_of(shard):
            held = found.setdefault(source, {"shards": 0, "docs": 0, "broken": 0, "bad": 0})
            held["shards"] += 1
            held["docs"] += shard["rows"]
            held["broken"] += shard["broken"] is not None
            held["bad"] += shard["bad"]
    return found


def _tally(tallies: Tallies, source: str, what: str, rule: str = "") -> Any:
    return tallies.get((source, what, rule), np.zeros(3, np.int64))


def _three(tally: Any) -> dict[str, int]:
    return {"docs": int(tally[0]), "units": int(tally[1]), "bytes": int(tally[2])}


def _edited(tallies: Tallies, source: str, method: str = "") -> dict[str, int]:
    """What is cut from documents that stay or replaced in them: by one method or edit, or by all in what is emitted."""
    tally = tallies.get((source, "edited", method), np.zeros(5, np.int64))
    return dict(zip(("docs", "spans", "units", "bytes", "added"), map(int, tally), strict=True))


def losses_of(recipe: Recipe, losses: Tallies) -> list[dict[str, Any]]:
    """Who lost to whom by which method: documents, and of those that stay what was cut. In order of the methods."""
    found = []
    for method in map(selection.method_text, recipe.dedup):
        pairs = [(key, value) for key, value in sorted(losses.items()) if key[1] == method]
        found += [{"method": method, "source": key[0], "lost_to": key[2], **_three(value),
                   "cut": dict(zip(("repeats", "units", "bytes"), map(int, value[3:]), strict=True))}
                  for key, value in pairs]
    return found


def left_for_the_draw(count: Mapping[str, Any], what: str) -> int:
    """The documents, units or bytes of a source that all steps before the draw leave, as they count what they drop."""
    left: int = count["kept"][what] - sum(step["dropped"][what] for step in (*count["dedup"], *count["edits"]))
    left -= sum(split[what] for split in count["held_out"]) + count["not_held_out"][what]
    return left - (count["sample"]["dropped"][what] if count["sample"] is not None else 0)


def left_out_by_curve(count: Mapping[str, Any], what: str) -> int:
    """The documents, units or bytes of its pool that a source's curve leaves out: the worst, and what has no score."""
    curve = count["curve"]
    return curve["discarded"][what] + curve["missing"][what] if curve is not None else 0


def _check_counts(counts: Sequence[Mapping[str, Any]]) -> None:
    """What the phases counted, each for itself, has to add up; else one of them saw what another did not."""
    for count in counts:
        for what in ("docs", "units", "bytes"):
            left = left_for_the_draw(count, what)
            drawn = count["selected"][what] + count["not_drawn"][what] + left_out_by_curve(count, what)
            if not left == count["pool"][what] == drawn:
                raise JobFailed(f"{count['source']}: rules and dedup leave {left} {what}, the pool has "
                                f"{count['pool'][what]}, and {drawn} were judged by the draw; something else has "
                                "written into the plan's folder: make sure that nothing does, and plan again")
