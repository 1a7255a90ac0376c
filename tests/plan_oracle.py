"""What a plan must decide, worked out slowly and plainly: dicts, lists and fractions over documents, in phases.

It shares with the code under test the draw value alone, which has tests of its own. Clusters come from equal texts
and identities themselves, not from their hashes.
"""

from __future__ import annotations

import hashlib
import struct
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from mixer.draw import draws
from mixer.recipe import DedupMethod, Recipe, Rule
from taggers.text_hash import normalise

FLOAT32 = ("language.en", "language.score")


@dataclass(frozen=True)
class Doc:
    """A document, and what was measured of it; `values` holds None for what is missing."""

    source: str  # its own, which is not the recipe's
    id: str
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)


class Shortfall(Exception):
    """The sources cannot give what the recipe asks for."""


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

    @property
    def order(self) -> tuple[int, bytes, bytes]:
        return self.draw, self.identity, self.sha256


@dataclass
class Outcome:
    """What a plan says, in the shape of plan.json, and what it decides of each row."""

    counts: list[dict[str, Any]]
    losses: list[dict[str, Any]]
    links: list[dict[str, Any]]
    selection: dict[str, list[tuple[int, str]]]  # shard -> (copies, reason) of each row
    losers: list[dict[tuple[str, int], tuple[str, int]]]  # for each method: row -> the row that stays
    shards: dict[str, dict[str, int]]  # shard -> rows, emitted documents and bytes, most copies


def decide(recipe: Recipe, shards: Mapping[str, Sequence[Doc]], owner: Mapping[str, str]) -> Outcome:
    """The plan of a recipe over shards of documents; `owner` says which of the recipe's sources a shard is of."""
    rows = [_row(recipe, shard, number, owner[shard], doc)
            for shard in sorted(shards) for number, doc in enumerate(shards[shard])]
    counts = {source.name: _start(recipe, source.name, rows, list(owner.values())) for source in recipe.sources}

    # 1. Keep rules: the first that fails is the reason.
    for row in rows:
        rules = recipe.rules_for(row.source)
        failed = [rule for rule in rules if not passes(rule, row.doc.values.get(rule.column, _built_in(rule, row)))]
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
            if row.doc.values.get(rule.column, _built_in(rule, row)) is None:
                _add(count["missing"], row)
        if not failed:
            _add(counts[row.source]["kept"], row)

    # 3. Dedup: each method among the rows still alive; its clusters are of all rows.
    links, losers = [], []
    lost_to: dict[tuple[str, str], dict[str, int]] = {}
    for number, method in enumerate(recipe.dedup):
        clusters = clusters_of(method, rows)
        alive = [[row for row in cluster if not row.reason] for cluster in clusters]
        links.append({"method": _named(method), "clusters": len(clusters), "documents": sum(map(len, clusters)),
                      "alive": sum(map(len, alive))})
        lost: dict[tuple[str, int], tuple[str, int]] = {}
        for cluster in alive:
            best = sorted(cluster, key=lambda row: (recipe.prefer.index(row.source), row.keep, *row.order[1:],
                                                      row.shard, row.row))
            for row in best[1:]:
                row.reason = f"dedup {_named(method)}"
                lost[row.shard, row.row] = best[0].shard, best[0].row
                _add(counts[row.source]["dedup"][number]["dropped"], row)
                _add(lost_to.setdefault((row.source, best[0].source), _three()), row)
        losers.append(lost)
    for link in links:
        link["method"] = f"dedup {link['method']}"

    # 5. and 6. The allocation, and one more copy to the longest prefix in draw order that fits what is left over.
    pools = {source.name: sum(row.units for row in rows if row.source == source.name and not row.reason)
             for source in recipe.sources}
    for name, share in share_out(recipe, pools).items():
        count = counts[name]
        pool = sorted((row for row in rows if row.source == name and not row.reason), key=lambda row: row.order)
        count |= share
        count["copies"], rest = divmod(share["allocated"], pools[name]) if pools[name] else (0, 0)
        count["cutoff"] = "0" * 7 * 16
        full = rest == 0
        for row in pool:
            row.copies = count["copies"]
            if not full and rest >= row.units:
                row.copies += 1
                rest -= row.units
            elif not full:
                full = True
                count["cutoff"] = f"{row.draw:016x}{row.identity.hex()}{row.sha256.hex()}"
        for row in pool:
            _add(count["pool"], row)
            _add(count["selected" if row.copies else "not_drawn"], row)
            if not row.copies:
                row.reason = "not drawn"
            for _ in range(row.copies):
                _add(count["emitted"], row)
            count["max_copies"] = max(count["max_copies"], row.copies)

    selection: dict[str, list[tuple[int, str]]] = {shard: [] for shard in sorted(shards)}
    written = {shard: {"rows": len(docs), "docs": 0, "bytes": 0, "max_copies": 0} for shard, docs in shards.items()}
    for row in rows:
        selection[row.shard].append((row.copies, row.reason or "kept"))
        about = written[row.shard]
        about["docs"] += row.copies
        about["bytes"] += row.copies * row.bytes
        about["max_copies"] = max(about["max_copies"], row.copies)
    losses = [{"source": loser, "lost_to": keeper, **value} for (loser, keeper), value in sorted(lost_to.items())]
    return Outcome(list(counts.values()), losses, links, selection, losers, written)


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


def clusters_of(method: DedupMethod, rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that are the same by a method, two or more together."""
    found: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[key_of(method, row.doc)].append(row)
    return [cluster for cluster in found.values() if len(cluster) > 1]


def key_of(method: DedupMethod, doc: Doc) -> Any:
    if method.use == "id@1":
        return doc.source, doc.id
    steps = method.parameters["normalise"]
    return normalise(doc.text, steps) if isinstance(steps, list | tuple) and steps else doc.text


def share_out(recipe: Recipe, pools: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """requested, allocated, cap and capped of each source."""
    total = sum(pools.values()) if recipe.budget is None else recipe.budget
    by_name = {source.name: source for source in recipe.sources}
    if recipe.policy.kind == "proportional":
        parts = {name: Fraction(pool) for name, pool in pools.items()}
    else:
        parts = {name: Fraction(source.weight or 0) for name, source in by_name.items()}
    if total and not sum(parts.values()):
        raise Shortfall
    caps: dict[str, int | None] = {}
    for name, pool in pools.items():
        epochs = by_name[name].max_epochs
        caps[name] = 0 if pool == 0 else None if epochs is None else Fraction(epochs) * pool // 1
    requested = _rounded(total, parts)
    result = {name: {"requested": requested[name], "allocated": requested[name], "cap": caps[name], "capped": False}
              for name in pools}
    if not any(cap is not None and requested[name] > cap for name, cap in caps.items()):
        return result
    able = [caps[name] for name, part in parts.items() if part]
    if recipe.on_shortfall == "error" or (None not in able and sum(cap or 0 for cap in able) < total):
        raise Shortfall
    left, open_to = total, dict(parts)
    while True:
        whole = sum(open_to.values())
        bound = [name for name, part in open_to.items()
                 if (cap := caps[name]) is not None and whole and cap < left * part / whole]
        for name in bound:
            del open_to[name]
            result[name] |= {"allocated": caps[name], "capped": True}
        left -= sum(caps[name] or 0 for name in bound)
        if not bound:
            break
    for name, amount in _rounded(left, open_to).items():
        result[name]["allocated"] = amount
    return result


def _rounded(total: int, parts: Mapping[str, Fraction]) -> dict[str, int]:
    """Largest remainder; of equal ones the name that sorts first."""
    whole = sum(parts.values())
    if not whole:
        return dict.fromkeys(parts, 0)
    exact = {name: total * part / whole for name, part in parts.items()}
    amounts = {name: share.numerator // share.denominator for name, share in exact.items()}
    for name in sorted(exact, key=lambda name: (amounts[name] - exact[name], name))[: total - sum(amounts.values())]:
        amounts[name] += 1
    return amounts


def _row(recipe: Recipe, shard: str, number: int, source: str, doc: Doc) -> Row:
    data = doc.text.encode()
    own = doc.source.encode()
    identity = hashlib.sha256(struct.pack("<q", len(own)) + own + doc.id.encode()).digest()[:16]
    units = {"docs": 1, "bytes": len(data), "tokens": -(-len(data) // 4)}[recipe.unit]
    draw, keep = (int(draws(recipe.seed, purpose, np.frombuffer(identity, np.uint8)[None])[0])
                  for purpose in ("draw", "keep"))
    return Row(shard, number, source, doc, units, len(data), identity, hashlib.sha256(data).digest(), draw, keep)


def _built_in(rule: Rule, row: Row) -> Any:
    return {"sizes.bytes": row.bytes, "sizes.chars": len(row.doc.text)}.get(rule.column)


def _bound(column: str, bound: Any) -> Any:
    if isinstance(bound, Decimal):
        return struct.unpack("f", struct.pack("f", float(bound)))[0] if column in FLOAT32 else float(bound)
    return bound


def _named(method: DedupMethod) -> str:
    steps = method.parameters.get("normalise")
    return f"{method.use} normalise=[{', '.join(steps)}]" if isinstance(steps, list | tuple) and steps else method.use


def _three() -> dict[str, int]:
    return {"docs": 0, "units": 0, "bytes": 0}


def _add(three: dict[str, int], row: Row) -> None:
    three["docs"] += 1
    three["units"] += row.units
    three["bytes"] += row.bytes


def _start(recipe: Recipe, name: str, rows: Sequence[Row], owners: Sequence[str]) -> dict[str, Any]:
    count: dict[str, Any] = {
        "source": name, "shards": owners.count(name), "broken": 0, "bad": 0, "read": _three(),
        "rules": [{"rule": rule.text, "first": _three(), "own": _three(), "only": _three(), "missing": _three()}
                  for rule in recipe.rules_for(name)],
        "kept": _three(),
        "dedup": [{"method": f"dedup {_named(method)}", "dropped": _three()} for method in recipe.dedup],
        "pool": _three(), "not_drawn": _three(), "selected": _three(), "emitted": _three(), "max_copies": 0,
    }
    for row in rows:
        if row.source == name:
            _add(count["read"], row)
    return count
