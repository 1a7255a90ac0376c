"""Explain: all that is known of one document, and why it is in or out, from sidecars, a plan, and the texts of the
documents concerned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mixer import clusters, cuts, draw, edits_explained, marks, rows, rules, sidecars, verdicts
from mixer.clusters import ClusterSet
from mixer.corpus import Corpus
from mixer.difference import difference, shortened
from mixer.errors import BadInput
from mixer.plan import Plan
from mixer.selection import Context, load, read_losers

MOST_KEEPERS = 100  # documents that keep what is cut from one, that are looked up by name


def explain(plan: Plan, context: Context, corpus: Corpus, source: str, id: str) -> dict[str, Any]:
    """What is known of the document with this own (source, id): place, values, verdicts, keeper, draw, copies."""
    number, row = _find(context, source, id)
    number, others = _slice_of(context, number, row)
    shard, mix_source = context.paths[number], context.sources[number]
    place = context.workspace
    table, _ = sidecars.read(place.sidecar(rows.KEY, shard))
    about = table.slice(row, 1).to_pylist()[0]
    values: dict[str, Any] = {}
    is_reference = context.is_reference(number)
    for key in sorted({key for key, _ in context.columns.values() if number in context.digests[key]}):
        part, _ = sidecars.read(place.sidecar(key, shard))
        part = part.select([field.name for field in part.schema if not _relates(field.type)])
        for stored, value in part.slice(row, 1).to_pylist()[0].items():
            called = [name for name, at in context.columns.items() if at == (key, stored)]
            values |= dict.fromkeys(called or [stored], value)
    selection, _ = sidecars.read(context.selection_uri(number))
    chosen = selection.slice(row, 1).to_pylist()[0]
    of_rules = []
    for rule in context.recipe.rules_for(mix_source) if not is_reference else ():
        column = load(context, number, [rule.column]).column(rule.column).slice(row, 1).combine_chunks()
        good, _ = rules.passes(rule, column)
        of_rules.append({"rule": rule.text, "passes": bool(good[0]),
                         "why": "" if good[0] else rules.verdict(rule, column[0].as_py())})
    identity = np.frombuffer(about["identity"], np.uint8)[None]
    further = {} if is_reference else edits_explained.before_the_draw(context, number, row, about, identity)
    dedup = [_dedup(context, method, found, number, row) for method, found in enumerate(context.sets)]
    drawn = f"{int(draw.draws(context.recipe.seed, 'draw', identity)[0]):016x}"
    phases = []
    if not is_reference:
        count = next(each for each in plan.body["counts"] if each["source"] == mix_source)
        phases = verdicts.entries(context, mix_source, chosen["reason"], of_rules, dedup, values, further)
        phases.append(verdicts.drawn(context, count, chosen["reason"], chosen["copies"], drawn))
    return {
        "source": source, "id": id, "mix_source": mix_source, "shard": shard, "row": row,
        "line": about["line"], "offset": about["offset"], "bytes": about["bytes"], "chars": about["chars"],
        "text_sha256": about["text_sha256"].hex(), "shard_sha256": _sha256(plan, shard),
        "values": {name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()},
        "rules": of_rules, "dedup": dedup, **further, "phases": phases, "draw": drawn,
        "copies": chosen["copies"],
        "reason": f"of the reference {mix_source}, which is only compared with" if is_reference
                  else context.reasons[chosen["reason"]],
        "edits": edits_explained.made(context, plan, number, row),
        "other_sources": others,
    }


def with_texts(found: Mapping[str, Any], corpus: Corpus) -> dict[str, Any]:
    """What `explain` says, with the document's text, the same with what was found in it marked, how it differs from
    that of a copy which beat it, and the text of each cut or edit, shortened, and what stands before and after an edit.
    """
    text = text_of(corpus, found["shard"], found["row"])
    methods = []
    for each in found["dedup"]:
        more: dict[str, Any] = {}
        if "lost_to" in each:
            keeper = each["lost_to"]
            other = text_of(corpus, keeper["shard"], keeper["row"])
            more["lost_to"] = {**keeper, "difference": difference(text, other)}
        if "cuts" in each:
            more["cuts"] = [{**cut, "text": shortened(text[cut["start"] : cut["end"]])} for cut in each["cuts"]]
        methods.append({**each, **more})
    gone = [(edit["start"], edit["end"], "cut" if edit["replacement"] is None else "replaced")
            for edit in found["edits"]]
    return {**found, "dedup": methods, "text": text, **edits_explained.with_text(found["edits"], text),
            "marked": marks.marked(text, marks.spans_in(found["values"], gone))}


def text_of(corpus: Corpus, shard: str, row: int) -> str:
    """The text of one row, read from its shard."""
    return texts_of(corpus, shard, [row])[row]


def texts_of(corpus: Corpus, shard: str, rows: Sequence[int]) -> dict[int, str]:
    """The texts of some rows, sorted; the shard is read once, up to the last of them."""
    found: dict[int, str] = {}
    seen = 0
    for batch in corpus.workspace.reader(shard):
        end = seen + len(batch.documents)
        found |= {row: batch.documents[row - seen].text for row in rows if seen <= row < end}
        seen = end
        if len(found) == len(rows):
            return found
    raise BadInput(f"{shard}: has no row {rows[-1]} any more; run `solera tag {corpus.arguments} --verify`")


def _find(context: Context, source: str, id: str) -> tuple[int, int]:
    wanted = rows.identity(source, id)
    for number, shard in sorted(context.paths.items(), key=lambda each: (context.is_reference(each[0]), each[0])):
        table, _ = sidecars.read(context.workspace.sidecar(rows.KEY, shard), ["identity"])
        found = pc.index(table.column("identity").combine_chunks(), wanted).as_py()
        if found >= 0:
            return number, found
    shards = len(set(context.paths.values()))
    raise BadInput(f"no document {id!r} of the source {source!r} is in the {shards:,} shards of this "
                   "recipe; the source is the document's own, and both are case-sensitive")


def _sha256(plan: Plan, shard: str) -> str:
    return next(str(each["sha256"]) for each in json.loads(plan.lock)["shards"] if each["path"] == shard)


def _slice_of(context: Context, number: int, row: int) -> tuple[int, list[dict[str, str]]]:
    """Of the sources that share a row's shard the slice of the one that its rules keep it for, else of the first; and
    what the others say of it.
    """
    numbers = context.slices_of(context.paths[number])
    said = {}
    for each in numbers:
        chosen, _ = sidecars.read(context.selection_uri(each))
        said[each] = context.reasons[chosen.column("reason")[row].as_py()]
    of_rules = {each: {rule.text for rule in context.recipe.rules_for(context.sources[each])} for each in numbers
                if not context.is_reference(each)}
    mine = next((each for each in numbers if said[each] not in of_rules.get(each, ())), numbers[0])
    return mine, [{"source": context.sources[each], "reason": said[each]} for each in numbers if each != mine]


def _relates(kind: pa.DataType) -> bool:
    """Whether a column holds keys by which parts of documents are compared, which say nothing to a reader."""
    if not pa.types.is_list(kind):
        return False
    inside = kind.value_type
    return bool(pa.types.is_integer(inside) or (pa.types.is_struct(inside) and inside.get_field_index("key") >= 0))


def _dedup(context: Context, method: int, found: ClusterSet, number: int, row: int) -> Mapping[str, Any]:
    if found.kind == "spans":
        return _spans(context, method, found, number, row)
    members = clusters.read_members(context.workspace, found, context.paths[number])
    mine = members.filter(pc.equal(members.column("row"), row)).to_pylist()
    losers = read_losers(context, method, number)
    lost = losers.filter(pc.equal(losers.column("row"), row)).to_pylist()
    said: dict[str, Any] = {"method": found.method, "cluster": mine[0]["cluster"].hex() if mine else None}
    if lost:
        said["lost_to"] = document(context, lost[0]["keeper_shard"], lost[0]["keeper_row"])
    return said


def _spans(context: Context, method: int, found: ClusterSet, number: int, row: int) -> Mapping[str, Any]:
    """How many spans of a document others have too, and those that are cut, with the documents that keep the first."""
    members = clusters.read_members(context.workspace, found, context.paths[number])
    losers = read_losers(context, method, number)
    lost = losers.filter(pc.equal(losers.column("row"), row))
    taken = cuts.union(cuts.of(lost))
    said = []
    documents: dict[tuple[int, int], Mapping[str, Any]] = {}
    for each in lost.to_pylist():
        place = each["keeper_shard"], each["keeper_row"]
        if place not in documents and len(documents) < MOST_KEEPERS:
            documents[place] = document(context, *place)
        keeper = documents.get(place, {"shard": context.paths[place[0]], "row": place[1]})
        said.append({name: each[name] for name in ("start", "end", "bytes")}
                    | {"keeper": {**keeper, "start": each["keeper_start"]}})
    return {"method": found.method, "repeated": int(pc.sum(pc.equal(members.column("row"), row)).as_py() or 0),
            "cuts": said, "bytes_cut": int(taken["bytes"].sum()),
            "max_removed": context.recipe.dedup[method].parameters["max_removed"]}


def document(context: Context, number: int, row: int) -> dict[str, Any]:
    """Where a document stands, and its own names."""
    table, _ = sidecars.read(context.workspace.sidecar(rows.KEY, context.paths[number]), ["line", "source", "id"])
    return {"shard": context.paths[number], "row": row, **table.slice(row, 1).to_pylist()[0]}
