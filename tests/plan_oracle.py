"""What a plan must decide, worked out slowly and plainly: dicts, lists and fractions over documents, in phases.

It shares with the code under test the draw value alone, which has tests of its own. Clusters come from equal texts
and identities themselves, not from their hashes.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import xxhash

from mixer.draw import draws
from mixer.recipe import Curve, DedupMethod, Policy, Recipe, Rule, Sample, shown
from taggers.text_hash import normalise

FLOAT32 = ("language.en", "language.score")


@dataclass(frozen=True)
class Doc:
    """A document, and what was measured of it; `values` holds None for what is missing."""

    source: str  # its own, which is not the recipe's
    id: str
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)
    spans: tuple[tuple[int, int, int], ...] = ()  # (start, end, key), as substring@1 would find them
    # By column, (start, end, score) of what edits may change.
    found: Mapping[str, Sequence[tuple[int, int, float]]] = field(default_factory=dict)


class Shortfall(Exception):
    """The sources cannot give what the recipe asks for."""


class Overlapping(Exception):
    """So many documents pass the rules of several sources."""


@dataclass
class Row:
    shard: str
    row: int
    source: str
    doc: Doc
    units: int
    bytes: int
    identity: bytes
    sha256: bytes
    draw: int
    keep: int  # the draw value that decides between copies
    reason: str = ""  # "" is alive
    copies: int = 0
    cut: frozenset[int] = frozenset()  # the characters that go, by all methods so far
    replaced: tuple[tuple[int, int, int, str], ...] = ()  # start, number of the edit, end and text of each

    @property
    def order(self) -> tuple[int, bytes, bytes]:
        return self.draw, self.identity, self.sha256


@dataclass
class Outcome:
    """What a plan says, in the shape of plan.json, and what it decides of each row."""

    counts: list[dict[str, Any]]
    losses: list[dict[str, Any]]
    links: list[dict[str, Any]]
    selection: dict[str, list[tuple[int, str]]]  # shard, or slice -> (copies, reason) of each row
    losers: list[dict[tuple[str, int], Any]]  # for each method: row -> the row that stays, or its cuts
    shards: dict[str, dict[str, int]]  # shard, or slice -> rows, emitted documents and bytes, most copies
    # row -> start, end, first byte, bytes and replacement of what is edited in the end
    edits: dict[tuple[str, int], list[tuple[int, int, int, int, str | None]]]


def decide(recipe: Recipe, shards: Mapping[str, Sequence[Doc]], owner: Mapping[str, Sequence[str]]) -> Outcome:
    """The plan of a recipe over shards of documents; `owner` says which of the recipe's sources a shard is of. A row
    of several is there for each.
    """
    rows = [_row(recipe, shard, number, source, doc) for shard in sorted(shards) for source in owner[shard]
            for number, doc in enumerate(shards[shard])]
    counts = {source.name: _start(recipe, source.name, rows, owner) for source in recipe.sources}

    # 1. Keep rules: the first that fails is the reason.
    for row in rows:
        rules = recipe.rules_for(row.source)
        failed = [rule for rule in rules if not passes(rule, _value(rule.column, row))]
        if failed:
            row.reason = failed[0].text
        for count in counts[row.source]["rules"]:
            rule = next(rule for rule in rules if rule.text == count["rule"])
            if failed and rule == failed[0]:
                _add(count["first"], row)
            if rule in failed:
                _add(count["own"], row)
            if failed == [rule]:
                _add(count["only"], row)
            if _value(rule.column, row) is None:
                _add(count["missing"], row)
    kept = Counter((row.shard, row.row) for row in rows if not row.reason)
    if kept and max(kept.values()) > 1:
        raise Overlapping(sum(times > 1 for times in kept.values()))

    # 2. The best shares: each rule of a source among what those before it leave.
    for source in recipe.sources:
        for number, rule in enumerate(recipe.tops_for(source.name)):
            alive = [row for row in rows if row.source == source.name and not row.reason]
            best = best_share(rule, alive)
            for row in alive:
                if id(row) not in best:
                    row.reason = rule.text
                    _add(counts[source.name]["tops"][number]["dropped"], row)
                    if _value(rule.column, row) is None:
                        _add(counts[source.name]["tops"][number]["missing"], row)
    for row in rows:
        if not row.reason:
            _add(counts[row.source]["kept"], row)

    # 3. Dedup: each method among the rows still alive; its clusters are of all rows.
    links, losers = [], []
    lost_to: dict[tuple[int, str, str], dict[str, Any]] = {}
    for number, method in enumerate(recipe.dedup):
        if method.about.kind == "spans":
            link, lost_spans = _cut(recipe, number, rows, counts, lost_to)
            links.append({"method": _named(method), **link})
            losers.append(lost_spans)
            continue
        clusters = clusters_of(method, rows)
        alive = [[row for row in cluster if not row.reason] for cluster in clusters]
        links.append({"method": _named(method), "clusters": len(clusters), "documents": sum(map(len, clusters)),
                      "alive": sum(map(len, alive))})
        lost: dict[tuple[str, int], tuple[str, int]] = {}
        for cluster in alive:
            best = sorted(cluster, key=lambda row: _preference(recipe, row))
            for row in best[1:]:
                row.reason = f"dedup {_named(method)}"
                lost[row.shard, row.row] = best[0].shard, best[0].row
                _add(counts[row.source]["dedup"][number]["dropped"], row)
                _add(lost_to.setdefault((number, row.source, best[0].source), _loss()), row)
        losers.append(lost)
    for link in links:
        link["method"] = f"dedup {link['method']}"

    # 4. and 5. Edits, hold-outs and samples, each among the rows still alive.
    for row in rows:
        if not row.reason:
            _edit(recipe, row, counts[row.source])
    _hold_out(recipe, rows, counts)
    for row in rows:
        if not row.reason:
            _sample(recipe, row, counts[row.source])

    # 6. The allocation, and one more copy to the longest prefix in draw order that fits what is left over.
    alive = {source.name: [row for row in rows if row.source == source.name and not row.reason]
             for source in recipe.sources}
    curved = {source.name: buckets_of(source.curve, alive[source.name])
              for source in recipe.sources if source.curve is not None}
    pools = {name: sum(row.units for row in each) for name, each in alive.items()}
    limits = {name: int(Fraction(curve.max_upsample) * sum(row.units for each in taken(curve, buckets) for row in each))
              for name, buckets in curved.items() if (curve := recipe.source(name).curve) is not None}
    for name, share in share_out(recipe, pools, limits).items():
        count, pool, curve = counts[name], alive[name], recipe.source(name).curve
        count |= share
        if curve is None:
            count["copies"], count["cutoff"] = _copy(pool, share["allocated"])
        else:
            count["copies"], count["cutoff"] = 0, "0" * 7 * 16
            count["curve"] = _repeat(curve, curved[name], pool, share["allocated"])
        for row in pool:
            _add(count["pool"], row)
            if row.reason:
                continue
            _add(count["selected" if row.copies else "not_drawn"], row)
            if not row.copies:
                row.reason = "not drawn"
            for _ in range(row.copies):
                _add(count["emitted"], row)
                if row.cut or row.replaced:
                    _add_edited(count["edited"], recipe, row, *merged(row.cut, row.replaced))
            count["max_copies"] = max(count["max_copies"], row.copies)

    edits = {(row.shard, row.row): final_edits(row) for row in rows if row.copies and (row.cut or row.replaced)}
    slices = {(shard, source): slice_name(shard, source, owner) for shard in sorted(shards) for source in owner[shard]}
    selection: dict[str, list[tuple[int, str]]] = {name: [] for name in slices.values()}
    written = {name: {"rows": len(shards[shard]), "docs": 0, "bytes": 0, "max_copies": 0}
               for (shard, _), name in slices.items()}
    for row in rows:
        name = slices[row.shard, row.source]
        selection[name].append((row.copies, row.reason or "kept"))
        about = written[name]
        about["docs"] += row.copies
        about["bytes"] += row.copies * len(edited_text(row).encode())
        about["max_copies"] = max(about["max_copies"], row.copies)
    losses = [{"method": links[number]["method"], "source": loser, "lost_to": keeper, **value}
              for (number, loser, keeper), value in sorted(lost_to.items())]
    return Outcome(list(counts.values()), losses, links, selection, losers, written, edits)


def _copy(pool: Sequence[Row], allocated: int) -> tuple[int, str]:
    """Gives a pool's rows their copies; how many each has, and the order key of the first that has not one more."""
    units, cutoff = sum(row.units for row in pool), "0" * 7 * 16
    copies, rest = divmod(allocated, units) if units else (0, 0)
    full = rest == 0
    for row in sorted(pool, key=lambda row: row.order):
        row.copies = copies
        if not full and rest >= row.units:
            row.copies += 1
            rest -= row.units
        elif not full:
            full = True
            cutoff = f"{row.draw:016x}{row.identity.hex()}{row.sha256.hex()}"
    return copies, cutoff


def buckets_of(curve: Curve, rows: Sequence[Row]) -> list[list[Row]]:
    """The rows with a score by rank, the worst first, in buckets of equal units: never over where a bucket ends."""
    known = [row for row in rows if _value(curve.column, row) is not None]
    whole, so_far = sum(row.units for row in known), 0
    found: list[list[Row]] = [[] for _ in range(curve.buckets)]
    for row in sorted(known, key=lambda row: (Fraction(_value(curve.column, row)), row.order)):
        so_far += row.units
        found[max(1, -(-so_far * curve.buckets // whole)) - 1 if whole else 0].append(row)
    return found


def taken(curve: Curve, buckets: Sequence[list[Row]]) -> Sequence[list[Row]]:
    return buckets[int(Fraction(curve.discard) * curve.buckets):]


def _repeat(curve: Curve, buckets: Sequence[list[Row]], pool: Sequence[Row], allocated: int) -> dict[str, Any]:
    """Gives the rows of a curve's source their copies; what is counted of it."""
    count: dict[str, Any] = {"curve": curve.text, "discarded": _three(), "missing": _three(), "buckets": []}
    kept = taken(curve, buckets)
    for row in pool:
        if not any(row is each for bucket in kept for each in bucket):
            row.reason = curve.text
            _add(count["missing" if _value(curve.column, row) is None else "discarded"], row)
    pools = [sum(row.units for row in bucket) for bucket in kept]
    whole = sum(row.units for bucket in buckets for row in bucket)
    power, growth, targets = curve_targets(curve, allocated, whole, pools)
    for bucket, target in zip(kept, targets, strict=True):
        three = _three()
        for row in bucket:
            _add(three, row)
        copies, cutoff = _copy(bucket, target)
        count["buckets"].append({**three, "allocated": target, "copies": copies, "cutoff": cutoff})
    return count | {"power": shown(power), "growth": shown(growth)}


def curve_targets(curve: Curve, allocated: int, pool: int, pools: Sequence[int]) -> tuple[Decimal, Decimal, list[int]]:
    """Power, growth and the units of each bucket: by logarithms, digit by digit, and another series of the integral."""
    n, unit = len(pools), Decimal("1e-30")
    with localcontext() as context:
        context.prec = 90
        if not allocated or not pool:
            return Decimal("0.01"), Decimal(0), [0] * n
        hair = Decimal("1e-45")  # what is equal but for it is equal
        most = Decimal(curve.max_upsample) * pool / allocated / curve.buckets + hair

        def up_to(k: int, p: Decimal, g: Decimal) -> Decimal:  # Kummer's: e^x x^(p+1) sum of (-x)^j / (p+1)...(p+1+j)
            x = Decimal(k) / curve.buckets
            if not x:
                return Decimal(0)
            total, term = Decimal(0), 1 / (p + 1)
            j = 0
            while abs(term) > Decimal("1e-80"):
                total += term
                term *= -g * x / (p + 2 + j)
                j += 1
            return (g * x).exp() * ((p + 1) * x.ln()).exp() * total

        def best(p: Decimal, g: Decimal) -> Decimal:
            return 1 - up_to(n - 1, p, g) / up_to(n, p, g)

        p, g, held = Decimal(2), Decimal(2), False
        if best(Decimal("0.01"), Decimal(0)) > most:
            p, g = Decimal("0.01"), Decimal(0)
        elif best(p, Decimal(0)) > most:  # so there are two buckets or more, and most is below 1
            p, g, held = (1 - most).ln() / (Decimal(n - 1) / n).ln() - 1, Decimal(0), True
            p = (p + hair).quantize(unit, ROUND_FLOOR)
        elif best(p, g) > most:
            g, held = Decimal(0), True
            for place in range(0, -31, -1):
                while best(p, g + Decimal(1).scaleb(place)) <= most:
                    g += Decimal(1).scaleb(place)
        ends = [up_to(k, p, g) for k in range(n + 1)]
        targets = [int((allocated * (after - before) / ends[-1]).quantize(Decimal("1e-20")))
                   for before, after in itertools.pairwise(ends)]
    upsample = Fraction(curve.max_upsample)
    if held:
        targets[-1] = int(upsample * pool / curve.buckets)
    given = [min(target, int(upsample * each)) for target, each in zip(targets, pools, strict=True)]
    over = sum(targets) - sum(given)
    while over and any(given[k] < int(upsample * pools[k]) for k in range(n)):  # to the best that has room
        k = max(k for k in range(n) if given[k] < int(upsample * pools[k]))
        more = min(over, int(upsample * pools[k]) - given[k])
        given[k], over = given[k] + more, over - more
    return p, g, given


def _cut(
    recipe: Recipe, number: int, rows: Sequence[Row], counts: Mapping[str, Any],
    lost_to: dict[tuple[int, str, str], dict[str, Any]],
) -> tuple[dict[str, int], dict[tuple[str, int], list[tuple[int, ...]]]]:
    """Phase 3 for a method of spans, character by character; what it links, and the cuts of each row."""
    method = recipe.dedup[number]
    places: defaultdict[Any, list[tuple[Row, int, int]]] = defaultdict(list)
    once = {(row.shard, row.row): row for row in sorted(rows, key=lambda row: not row.reason)}
    for row in once.values():
        for start, end, key in spans_of(method, row.doc):
            places[key].append((row, start, end))
    places = defaultdict(list, {key: found for key, found in places.items() if len(found) > 1})
    link = {"clusters": len(places), "documents": sum(map(len, places.values())), "alive": 0}
    cuts: defaultdict[tuple[str, int], list[tuple[int, int, int, Row, int]]] = defaultdict(list)
    for key, found in places.items():
        alive = [(row, start, end) for row, start, end in found if not row.reason and start < end]
        link["alive"] += len(alive)
        best = sorted(alive, key=lambda each: (_preference(recipe, each[0]), each[1]))
        for row, start, end in best[1:]:
            if row is not best[0][0] or start != best[0][1]:
                cuts[row.shard, row.row].append((start, end, key_number(key), best[0][0], best[0][1]))
    lost: dict[tuple[str, int], list[tuple[int, ...]]] = {}
    share = Fraction(str(method.parameters["max_removed"]))
    for row in once.values():
        if (row.shard, row.row) not in cuts:
            continue
        mine = sorted(cuts[row.shard, row.row], key=lambda each: each[:3])
        lost[row.shard, row.row] = [(*_place(row, (start, end)), keeper.shard, keeper.row, at)
                                    for start, end, _, keeper, at in mine]
        gone: set[int] = set()
        steps: list[tuple[str, set[int]]] = []
        for start, end, _, keeper, _ in mine:
            steps.append((keeper.source, set(range(start, end)) - gone))
            gone |= steps[-1][1]
        if _bytes(row, gone) > share * row.bytes or len(gone | row.cut) == len(row.doc.text):
            row.reason = f"dedup {_named(method)}"
            most = {name: sum(_bytes(row, took) for source, took in steps if source == name) for name, _ in steps}
            keeper_source = min(most, key=lambda name: (-most[name], recipe.prefer.index(name)))
            _add(counts[row.source]["dedup"][number]["dropped"], row)
            _add(lost_to.setdefault((number, row.source, keeper_source), _loss()), row)
            continue
        row.cut |= gone
        _add_edited(counts[row.source]["dedup"][number]["edited"], recipe, row, gone)
        left = row.bytes
        for source, took in steps:
            held = lost_to.setdefault((number, row.source, source), _loss())["cut"]
            held["repeats"] += 1
            held["bytes"] += _bytes(row, took)
            held["units"] += _left(recipe, row, left) - _left(recipe, row, left - _bytes(row, took))
            left -= _bytes(row, took)
    return link, lost


def merged(cut: Collection[int], replaced: Iterable[tuple[int, int, int, str]]) -> tuple[set[int], list[Any]]:
    """The characters that go, and (start, end, text) of what is replaced, of cuts and replacements (start, number of
    the edit, end, text) that may overlap: those that share a character are one, and gone if one of them is cut.
    """
    gone, left = set(cut), []
    groups: list[tuple[int, int, str]] = []
    for start, _, end, text in sorted(replaced):
        if groups and start < groups[-1][1]:
            groups[-1] = groups[-1][0], max(groups[-1][1], end), groups[-1][2]
        else:
            groups.append((start, end, text))
    for start, end, text in groups:
        if set(range(start, end)) & set(cut):
            gone |= set(range(start, end))
        else:
            left.append((start, end, text))
    return gone, left


def final_edits(row: Row) -> list[Any]:
    gone, left = merged(row.cut, row.replaced)
    return sorted([*((*_place(row, span), None) for span in _runs(gone)),
                   *((*_place(row, (start, end)), text) for start, end, text in left)], key=lambda each: each[:2])


def edited_text(row: Row) -> str:
    """A document's text once it is edited, character by character."""
    gone, left = merged(row.cut, row.replaced)
    instead = {start: text for start, _, text in left}
    gone |= {at for start, end, _ in left for at in range(start, end)}
    return "".join(instead.get(at, "") + ("" if at in gone else character) for at, character in enumerate(row.doc.text))


def _edit(recipe: Recipe, row: Row, count: dict[str, Any]) -> None:
    """Phase 4 for one document that is alive."""
    for number, edit in enumerate(recipe.edits_for(row.source)):
        spans = [(start, end) for start, end, score in row.doc.found.get(edit.column, ())
                 if start < end and (edit.min_score is None or score >= float(edit.min_score))]
        if not spans:
            continue
        touched = {at for start, end in spans for at in range(start, end)}
        cut, replaced = (touched, ()) if edit.replace is None else \
            (set(), tuple((start, number, end, edit.replace) for start, end in spans))
        before = row.cut, row.replaced
        row.cut, row.replaced = row.cut | frozenset(cut), row.replaced + replaced
        each = next(each for each in count["edits"] if each["edit"] == edit.text)
        if _bytes(row, touched) > Fraction(edit.max_removed) * row.bytes or not edited_text(row):
            row.cut, row.replaced = before
            row.reason = edit.text
            _add(each["dropped"], row)
            return
        _add_edited(each["edited"], recipe, row, *merged(cut, replaced))


def _hold_out(recipe: Recipe, rows: Sequence[Row], counts: Mapping[str, Any]) -> None:
    labels = []  # by split: of each row in a cluster
    for split in recipe.holdout:
        labels.append({(row.shard, row.row): label_of(split.by, key_of(split.by, row.doc))
                       for cluster in clusters_of(split.by, rows) for row in cluster})
    for row in rows:
        if row.reason or not recipe.holdout:
            continue
        taken = None
        for split, known in zip(recipe.holdout, labels, strict=True):
            key = known.get((row.shard, row.row), row.identity)
            value = int(draws(recipe.seed, f"holdout {split.name}", np.frombuffer(key, np.uint8)[None])[0])
            if taken is None and value < Fraction(split.share) * 2**64:
                taken = split.name
        if recipe.split is not None and taken != recipe.split:
            row.reason = "not held out"
            _add(counts[row.source]["not_held_out"], row)
        elif recipe.split is None and taken is not None:
            row.reason = f"held out {taken}"
            _add(next(each for each in counts[row.source]["held_out"] if each["split"] == taken), row)


def _sample(recipe: Recipe, row: Row, count: dict[str, Any]) -> None:
    sample = recipe.source(row.source).sample
    if sample is None:
        return
    score = row.doc.values.get(sample.column)
    value = int(draws(recipe.seed, "sample", np.frombuffer(row.identity, np.uint8)[None])[0])
    if score is None or not is_sampled(sample, value, score):
        row.reason = sample.text
        _add(count["sample"]["dropped"], row)
        if score is None:
            _add(count["sample"]["missing"], row)


def is_sampled(sample: Sample, value: int, score: float) -> bool:
    """Whether a document of this score is kept, where its draw is `value` of 2^64: in fractions."""
    if score != score:
        return False
    if sample.rule == "proportional":
        return Fraction(value) < Fraction(score) * 2**64
    assert sample.alpha is not None
    return Fraction(value >> 11, 2**53) * (2 - min(Fraction(score), Fraction(1))) ** sample.alpha < 1


def label_of(method: DedupMethod, key: Any) -> bytes:
    """The cluster of this key, in 16 bytes."""
    if method.use == "id@1":
        source, id = (each.encode() for each in key)
        return hashlib.sha256(struct.pack("<q", len(source)) + source + id).digest()[:16]
    return xxhash.xxh3_128_digest(key.encode())


def _preference(recipe: Recipe, row: Row) -> tuple[Any, ...]:
    by = recipe.prefer_by
    value = None if by is None else _value(by.column, row)
    worth = 0 if value is None or by is None else -Fraction(value) if by.best == "max" else Fraction(value)
    return recipe.prefer.index(row.source), value is None, worth, row.keep, *row.order[1:], row.shard, row.row


def spans_of(method: DedupMethod, doc: Doc) -> list[tuple[int, int, Any]]:
    """(start, end, key) of what a method of spans compares in a document: lines by their text, or what a test says."""
    if method.use == "substring@1":
        return sorted(set(doc.spans))
    found, at = [], 0
    for line in doc.text.splitlines(keepends=True):
        found.append((at, at + len(line), line.strip()))
        at += len(line)
    return found


def key_number(key: Any) -> int:
    """A key of 64 bits."""
    return key if isinstance(key, int) else int(xxhash.xxh3_64_intdigest(str(key).encode()))


def _bytes(row: Row, characters: Iterable[int]) -> int:
    return sum(len(row.doc.text[at].encode()) for at in characters)


def _runs(characters: Iterable[int]) -> list[tuple[int, int]]:
    """Start and end of each run of consecutive numbers."""
    found: list[tuple[int, int]] = []
    for at in sorted(characters):
        if found and found[-1][1] == at:
            found[-1] = found[-1][0], at + 1
        else:
            found.append((at, at + 1))
    return found


def _place(row: Row, span: tuple[int, int]) -> tuple[int, int, int, int]:
    return *span, len(row.doc.text[: span[0]].encode()), len(row.doc.text[slice(*span)].encode())


def _add_edited(
    edited: dict[str, int], recipe: Recipe, row: Row, characters: Collection[int],
    replaced: Sequence[tuple[int, int, str]] = (),
) -> None:
    size = _bytes(row, characters) + sum(len(row.doc.text[start:end].encode()) for start, end, _ in replaced)
    added = sum(len(text.encode()) for _, _, text in replaced)
    edited["docs"] += 1
    edited["spans"] += len(_runs(characters)) + len(replaced)
    edited["units"] += row.units - _left(recipe, row, row.bytes - size + added)
    edited["bytes"] += size
    edited["added"] += added


def passes(rule: Rule, value: Any) -> bool:
    """Whether a value passes; a bound of a float32 column is first rounded to a float32."""
    if value is None:
        return False
    bounds = [_bound(rule.column, each) for each in (rule.value if isinstance(rule.value, tuple) else (rule.value,))]
    if rule.kind == "min":
        return bool(value >= bounds[0])
    if rule.kind == "max":
        return bool(value <= bounds[0])
    return (value in bounds) != (rule.kind == "not_in")


def best_share(rule: Rule, rows: Sequence[Row]) -> set[int]:
    """The ids of the rows with the greatest values, up to the rule's share of the units of those that have one."""
    known = [row for row in rows if _value(rule.column, row) is not None]
    return {id(row) for row in prefix(known, lambda row: (-Fraction(_value(rule.column, row)), row.order),
                                      Fraction(rule.value) * sum(row.units for row in known))}  # type: ignore[arg-type]


def prefix(rows: Iterable[Row], key: Callable[[Row], Any], limit: Fraction) -> list[Row]:
    """The longest run of rows from the first on, in this order, of no more units than that; equal ones end together."""
    taken: list[Row] = []
    for _, same in itertools.groupby(sorted(rows, key=key), key):
        group = list(same)
        for row in group:
            limit -= row.units
            if limit < 0:
                return taken
        taken += group
    return taken


def clusters_of(method: DedupMethod, rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that are the same by a method, two or more together; each once, whatever sources it is of."""
    found: defaultdict[Any, dict[tuple[str, int], Row]] = defaultdict(dict)
    for row in sorted(rows, key=lambda row: bool(row.reason)):  # as the source has it that keeps it
        found[key_of(method, row.doc)].setdefault((row.shard, row.row), row)
    return [list(cluster.values()) for cluster in found.values() if len(cluster) > 1]


def slice_name(shard: str, source: str, owner: Mapping[str, Sequence[str]]) -> str:
    return shard if len(owner[shard]) == 1 else f"{shard}@{source}"


def key_of(method: DedupMethod, doc: Doc) -> Any:
    if method.use == "id@1":
        return doc.source, doc.id
    steps = method.parameters["normalise"]
    return normalise(doc.text, steps) if isinstance(steps, list | tuple) and steps else doc.text


def share_out(recipe: Recipe, pools: Mapping[str, int], limits: Mapping[str, int] | None = None) -> dict[
        str, dict[str, Any]]:
    """part, requested, allocated, cap and capped of each source."""
    total = sum(pools.values()) if recipe.budget is None else recipe.budget
    by_name = {source.name: source for source in recipe.sources}
    parts, recorded = parts_of(recipe.policy, pools, {name: source.weight for name, source in by_name.items()})
    least = [Fraction(by_name[name].min_weight or 0) * total for name in pools]
    lows = [-(-low.numerator // low.denominator) for low in least]
    if sum(lows) > total:
        lows = [low.numerator // low.denominator for low in least]
    asked, caps = [], []
    for name, pool in pools.items():
        own = by_name[name].max_epochs
        of_policy = [] if recipe.policy.max_epochs is None else [Fraction(recipe.policy.max_epochs) * pool // 1]
        of_source = [] if own is None else [Fraction(own) * pool // 1]
        of_source += [0] if pool == 0 else []
        of_source += [limits[name]] if limits and name in limits else []
        asked.append(min(of_policy, default=None))
        caps.append(min(of_policy + of_source, default=None))
    requested = hand_out(total, [parts[name] for name in pools], lows, asked, sorted_as=list(pools))
    if requested is None:
        raise Shortfall
    allocated, capped = requested
    if recipe.on_shortfall == "error":
        if any(cap is not None and amount > cap for amount, cap in zip(allocated, caps, strict=True)):
            raise Shortfall
    else:
        given = hand_out(total, [parts[name] for name in pools], lows, caps, sorted_as=list(pools))
        if given is None:
            raise Shortfall
        allocated, capped = given
    return {name: {"part": recorded.get(name), "requested": requested[0][at], "allocated": allocated[at],
                   "cap": caps[at], "capped": capped[at]} for at, name in enumerate(pools)}


def parts_of(
    policy: Policy, pools: Mapping[str, int], weights: Mapping[str, Fraction | None]
) -> tuple[dict[str, Fraction], dict[str, str]]:
    """What each source counts for, and the decimals that a plan records of it."""
    if policy.kind == "temperature":
        assert policy.tau is not None
        with localcontext(prec=120):
            # The integer root is found with many more digits, then cut to 50.
            roots = {name: (Decimal(pool).ln() / policy.tau).exp() if pool else Decimal(0)
                     for name, pool in pools.items()}
        with localcontext(prec=50):
            rounded = {name: (+root).normalize() for name, root in roots.items()}
        return ({name: Fraction(root) for name, root in rounded.items()},
                {name: format(root, "f") for name, root in rounded.items()})
    if policy.kind == "proportional":
        return {name: Fraction(pool) for name, pool in pools.items()}, {}
    if policy.kind == "unimax":
        return dict.fromkeys(pools, Fraction(1)), {}
    return {name: Fraction(weights[name] or 0) for name in pools}, {}


def hand_out(
    total: int, parts: Sequence[Fraction], lows: Sequence[int], caps: Sequence[int | None], sorted_as: Sequence[str]
) -> tuple[list[int], list[bool]] | None:
    """Amounts and whether a cap decided them; None if caps leave less than the total. By level, not by rounds: all
    levels at which something changes are tried, and the last one below the total is gone on from.
    """
    least = [low if cap is None else min(low, cap) for low, cap in zip(lows, caps, strict=True)]

    def given(level: Fraction) -> list[Fraction]:
        amounts = [max(Fraction(low), level * part) for part, low in zip(parts, least, strict=True)]
        return [amount if cap is None else min(amount, Fraction(cap))
                for amount, cap in zip(amounts, caps, strict=True)]

    able = [at for at, part in enumerate(parts) if part]
    steps = {bound / parts[at] for at in able for bound in (least[at], caps[at]) if bound is not None}
    level = max((step for step in steps if sum(given(step)) <= total), default=Fraction(0))
    missing = total - sum(given(level))
    if missing:
        after = level + 1 if not (later := [step for step in steps if step > level]) else min(later)
        rising = sum(given(after)) - sum(given(level))
        if not rising:
            return None
        level += (after - level) * missing / rising
    exact = given(level)
    amounts = [each.numerator // each.denominator for each in exact]
    for at in sorted(range(len(parts)), key=lambda at: (amounts[at] - exact[at], sorted_as[at])):
        amounts[at] += sum(amounts) < total
    return amounts, [cap is not None and level * part > cap for part, cap in zip(parts, caps, strict=True)]


def _row(recipe: Recipe, shard: str, number: int, source: str, doc: Doc) -> Row:
    data = doc.text.encode()
    own = doc.source.encode()
    identity = hashlib.sha256(struct.pack("<q", len(own)) + own + doc.id.encode()).digest()[:16]
    units = doc.values["tokens.count"] if recipe.unit_column else _units(recipe, len(data))
    draw, keep = (int(draws(recipe.seed, purpose, np.frombuffer(identity, np.uint8)[None])[0])
                  for purpose in ("draw", "keep"))
    return Row(shard, number, source, doc, units, len(data), identity, hashlib.sha256(data).digest(), draw, keep)


def _left(recipe: Recipe, row: Row, size: int) -> int:
    """Units of a row's text once so many bytes are left of it."""
    if not recipe.unit_column:
        return _units(recipe, size)
    return row.units * size // row.bytes if size < row.bytes else row.units


def _units(recipe: Recipe, size: int) -> int:
    return {"docs": 1, "bytes": size, "tokens": -(-size // 4)}[recipe.unit]


def _value(column: str, row: Row) -> Any:
    own = {"sizes.bytes": row.bytes, "sizes.chars": len(row.doc.text), "document.source": row.doc.source,
           "document.slice": int.from_bytes(row.identity[:8], "big") * 1_000_000 >> 64}
    return row.doc.values.get(column, own.get(column))


def _bound(column: str, bound: Any) -> Any:
    if isinstance(bound, Decimal):
        return struct.unpack("f", struct.pack("f", float(bound)))[0] if column in FLOAT32 else float(bound)
    return bound


def _named(method: DedupMethod) -> str:
    if method.about.kind == "spans":
        return method.text
    steps = method.parameters.get("normalise")
    return f"{method.use} normalise=[{', '.join(steps)}]" if isinstance(steps, list | tuple) and steps else method.use


def _three() -> dict[str, int]:
    return {"docs": 0, "units": 0, "bytes": 0}


def _loss() -> dict[str, Any]:
    return {**_three(), "cut": {"repeats": 0, "units": 0, "bytes": 0}}


def _edited() -> dict[str, int]:
    return {"docs": 0, "spans": 0, "units": 0, "bytes": 0, "added": 0}


def _add(three: dict[str, Any], row: Row) -> None:
    three["docs"] += 1
    three["units"] += row.units
    three["bytes"] += row.bytes


def _start(recipe: Recipe, name: str, rows: Sequence[Row], owner: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    count: dict[str, Any] = {
        "source": name, "shards": sum(name in owners for owners in owner.values()), "broken": 0, "bad": 0,
        "read": _three(),
        "rules": [{"rule": rule.text, "first": _three(), "own": _three(), "only": _three(), "missing": _three()}
                  for rule in recipe.rules_for(name)],
        "tops": [{"rule": rule.text, "dropped": _three(), "missing": _three()} for rule in recipe.tops_for(name)],
        "kept": _three(),
        "dedup": [{"method": f"dedup {_named(method)}", "dropped": _three(), "edited": _edited()}
                  for method in recipe.dedup],
        "edits": [{"edit": edit.text, "dropped": _three(), "edited": _edited()} for edit in recipe.edits_for(name)],
        "held_out": [{"split": split.name, **_three()} for split in recipe.holdout], "not_held_out": _three(),
        "sample": None if (sample := recipe.source(name).sample) is None else
        {"sample": sample.text, "dropped": _three(), "missing": _three()},
        "curve": None,
        "pool": _three(), "not_drawn": _three(), "selected": _three(), "emitted": _three(),
        "edited": _edited(), "max_copies": 0,
    }
    for row in rows:
        if row.source == name:
            _add(count["read"], row)
    return count
