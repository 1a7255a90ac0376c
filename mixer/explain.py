"""Explain: all that is known of one document, and why it is in or out, from sidecars and a plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow.compute as pc

from mixer import attributes, clusters, draw, rows, rules, sidecars
from mixer.clusters import ClusterSet
from mixer.corpus import Corpus
from mixer.errors import BadInput
from mixer.plan import Plan
from mixer.selection import Context, read_losers


def explain(plan: Plan, context: Context, corpus: Corpus, source: str, id: str) -> dict[str, Any]:
    """What is known of the document with this own (source, id): place, values, verdicts, keeper, draw, copies."""
    number, row = _find(context, source, id)
    shard, mix_source = context.paths[number], context.sources[number]
    place = context.workspace
    table, _ = sidecars.read(place.sidecar(rows.KEY, shard))
    about = table.slice(row, 1).to_pylist()[0]
    values: dict[str, Any] = {}
    for key in sorted({key for key, _ in context.columns.values()}):
        part, _ = sidecars.read(place.sidecar(key, shard))
        for stored, value in part.slice(row, 1).to_pylist()[0].items():
            called = [name for name, at in context.columns.items() if at == (key, stored)]
            values |= dict.fromkeys(called or [stored], value)
    selection, _ = sidecars.read(context.selection_uri(number))
    chosen = selection.slice(row, 1).to_pylist()[0]
    verdicts = []
    for rule in context.recipe.rules_for(mix_source):
        key, stored = context.columns[rule.column]
        part, _ = attributes.read(place.sidecar(key, shard), [stored])
        column = part.column(stored).slice(row, 1).combine_chunks()
        good, _ = rules.passes(rule, column)
        verdicts.append({"rule": rule.text, "passes": bool(good[0]),
                         "why": "" if good[0] else rules.verdict(rule, column[0].as_py())})
    identity = np.frombuffer(about["identity"], np.uint8)[None]
    lock = json.loads(plan.lock)
    return {
        "source": source, "id": id, "mix_source": mix_source, "shard": shard, "row": row,
        "line": about["line"], "offset": about["offset"], "bytes": about["bytes"], "chars": about["chars"],
        "text_sha256": about["text_sha256"].hex(), "shard_sha256": lock["shards"][number]["sha256"],
        "values": {name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()},
        "rules": verdicts,
        "dedup": [_dedup(context, method, found, number, row) for method, found in enumerate(context.sets)],
        "draw": f"{int(draw.draws(context.recipe.seed, 'draw', identity)[0]):016x}",
        "copies": chosen["copies"],
        "reason": context.reasons[chosen["reason"]],
    }


def text_of(corpus: Corpus, shard: str, row: int) -> str:
    """The text of one row, read from its shard."""
    seen = 0
    for batch in corpus.workspace.reader(shard):
        if row < seen + len(batch.documents):
            return batch.documents[row - seen].text
        seen += len(batch.documents)
    raise BadInput(f"{shard}: has no row {row} any more; run `solera tag {corpus.arguments} --verify`")


def _find(context: Context, source: str, id: str) -> tuple[int, int]:
    wanted = rows.identity(source, id)
    for number, shard in context.paths.items():
        table, _ = sidecars.read(context.workspace.sidecar(rows.KEY, shard), ["identity"])
        found = pc.index(table.column("identity").combine_chunks(), wanted).as_py()
        if found >= 0:
            return number, found
    raise BadInput(f"no document {id!r} of the source {source!r} is in the {len(context.paths):,} shards of this "
                   "recipe; the source is the document's own, and both are case-sensitive")


def _dedup(context: Context, method: int, found: ClusterSet, number: int, row: int) -> Mapping[str, Any]:
    members = clusters.read_members(context.workspace, found, context.paths[number])
    mine = members.filter(pc.equal(members.column("row"), row)).to_pylist()
    losers = read_losers(context, method, number)
    lost = losers.filter(pc.equal(losers.column("row"), row)).to_pylist()
    said: dict[str, Any] = {"method": found.method, "cluster": mine[0]["cluster"].hex() if mine else None}
    if lost:
        keeper = context.paths[lost[0]["keeper_shard"]]
        table, _ = sidecars.read(context.workspace.sidecar(rows.KEY, keeper), ["line", "source", "id"])
        about = table.slice(lost[0]["keeper_row"], 1).to_pylist()[0]
        said["lost_to"] = {"shard": keeper, "row": lost[0]["keeper_row"], **about}
    return said
