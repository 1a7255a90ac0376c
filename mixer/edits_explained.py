"""What edits, splits and samples say of one document, and what became of its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mixer import attributes, clusters, cuts, draw, edits, sampling, sidecars
from mixer.difference import shortened
from mixer.plan import Plan
from mixer.selection import Context

AROUND = 24  # characters before and after an edit that are shown with it


def before_the_draw(
    context: Context, number: int, row: int, about: Mapping[str, Any], identity: Any
) -> dict[str, Any]:
    """What each edit, split and sample would say of a document by itself, whatever came before it."""
    recipe, source = context.recipe, context.sources[number]
    sizes = np.array([about["bytes"]])
    by_edit = [edits.explained(edit, _value(context, number, row, edit.column), sizes)
               for edit in recipe.edits_for(source)]
    splits = []
    for split, found in zip(recipe.holdout, context.holdouts, strict=True):
        members = clusters.read_members(context.workspace, found, context.paths[number])
        mine = members.filter(pc.equal(members.column("row"), row))
        mine = mine.set_column(0, "row", pa.array(np.zeros(len(mine), np.int64)))
        key = sampling.keys_of(identity, mine)
        splits.append({"split": split.name, "cluster": key.tobytes().hex() if len(mine) else None,
                       "held_out": bool(sampling.holds_out(recipe.seed, split, key)[0])})
    sample = recipe.source(source).sample
    if sample is None:
        return {"would_edit": by_edit, "holdout": splits, "sample": None}
    score = _value(context, number, row, sample.column)
    value = draw.draws(recipe.seed, sampling.PURPOSE, identity)
    kept = bool(sampling.keeps(sample, value, np.asarray(score.fill_null(0)))[0]) and score.null_count == 0
    return {"would_edit": by_edit, "holdout": splits,
            "sample": {"sample": sample.text, "score": score[0].as_py(), "draw": f"{int(value[0]):016x}", "kept": kept}}


def made(context: Context, plan: Plan, number: int, row: int) -> list[dict[str, Any]]:
    """What the mixture's record of a document has in other words than its text, or not at all."""
    if plan.body["selections"][number]["edits"] is None:
        return []
    names = ["row", "start", "end", "bytes", "replacement"]
    table, _ = sidecars.read(context.edits_uri(number), names)
    return [{name: each[name] for name in names[1:]}
            for each in table.filter(pc.equal(table.column("row"), row)).to_pylist()]


def with_text(found: Sequence[Mapping[str, Any]], text: str) -> dict[str, Any]:
    """These edits with the text of each, shortened, and what stands before and after it; and the text once it is
    edited, None where it is not.
    """
    shown = [{**edit, "text": shortened(text[edit["start"] : edit["end"]]),
              "before": text[max(0, edit["start"] - AROUND) : edit["start"]],
              "after": text[edit["end"] : edit["end"] + AROUND]} for edit in found]
    whole = cuts.edited(text, [(edit["start"], edit["end"], edit["replacement"]) for edit in found])
    return {"edits": shown, "edited_text": whole if found else None}


def _value(context: Context, number: int, row: int, column: str) -> pa.Array:
    """The value of a column in one row, as an array of one."""
    key, stored = context.columns[column]
    table, _ = attributes.read(context.workspace.sidecar(key, context.paths[number]), [stored])
    return table.column(stored).slice(row, 1).combine_chunks()
