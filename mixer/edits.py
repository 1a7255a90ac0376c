"""Edits: which spans of its columns a recipe cuts out of a text or replaces, and what all of them make of it.

Spans of one edit are cuts as mixer.cuts has them. Taken together, cuts beat replacements: what a cut shares a character
with is cut whole. Replacements that overlap each other are one, and the text of the first stands for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mixer import cuts
from mixer.recipe import Edit

Array = np.ndarray[Any, np.dtype[Any]]

CUT = -1  # in place of the number of an edit
SPAN = np.dtype([*cuts.CUT.descr, ("edit", "<i8")])  # of the edits of a source, which one; or CUT
SCHEMA = pa.schema([*cuts.SCHEMA, ("replacement", pa.string())])  # null where it is cut


def spans_of(column: pa.Array, wanted: Array, min_score: Decimal | None) -> Array:
    """The spans of a column's wanted rows, of dtype cuts.CUT, sorted; without empty ones. With a least score, those of
    that or more: one that has no score has not.
    """
    sizes = np.asarray(pc.list_value_length(column).fill_null(0))
    row = np.repeat(np.arange(len(column)), sizes)
    parts = dict(zip((field.name for field in column.type.value_type), column.flatten().flatten(), strict=True))
    chosen = wanted[row]
    if min_score is not None:
        chosen &= np.asarray(parts["score"].fill_null(np.nan)) >= float(min_score)
    found = np.empty(len(row), cuts.CUT)
    found["row"] = row
    for name in ("start", "end", "first_byte", "bytes"):
        found[name] = np.asarray(parts[name].fill_null(-1))
    return cuts.in_order(found[chosen & ((found["start"] != found["end"]) | (found["bytes"] != 0))])


def are_inside(spans: Array, sizes: Array) -> Array:
    """bool: whether each span can stand in a text of so many bytes as its row has. A code point has 1 to 4 bytes."""
    start, end, before, size = (spans[name] for name in ("start", "end", "first_byte", "bytes"))
    whole = sizes[spans["row"]]
    good: Array = (start >= 0) & (end > start) & (before >= start) & (before <= whole) & (size <= whole - before)
    good &= (end - start <= size) & (size <= whole)
    safe = np.where(good, start, 0), np.where(good, end - start, 0)  # so that nothing overflows
    return good & (before <= 4 * safe[0]) & (size <= 4 * safe[1])


def merged(cut: Array, replaced: Array) -> Array:
    """What cuts (of dtype cuts.CUT) and spans to be replaced (SPAN) come to in each row, of dtype SPAN, in order: none
    overlaps another, and no cuts touch.
    """
    groups = _grouped(replaced)
    cut = cuts.union(cuts.in_order(cut))
    joined = _meet(groups, cut)
    if joined.any():
        cut = cuts.union(cuts.in_order(np.concatenate([cut, _as(cuts.CUT, groups[joined])])))
    whole = np.concatenate([_as(SPAN, cut, CUT), groups[~joined]])
    return whole[np.lexsort([whole["start"], whole["row"]])]


def of_edit(spans: Array, edit: Edit, number: int) -> tuple[Array, Array]:
    """(cut, replaced) of one edit, which is its source's edit of this number."""
    replaced = _as(SPAN, spans, number)
    return (spans, replaced[:0]) if edit.replace is None else (spans[:0], replaced)


def removed_and_added(spans: Array, edits: Sequence[Edit], rows: int) -> tuple[Array, Array]:
    """int64, of each row: bytes that these merged spans take, and bytes that stand in their place."""
    sizes = np.array([*(len((edit.replace or "").encode()) for edit in edits), 0], np.int64)  # the last is for CUT
    return cuts.by_row(spans, spans["bytes"], rows), cuts.by_row(spans, sizes[spans["edit"]], rows)


def exceeds(removed: Array, sizes: Array, share: Decimal) -> Array:
    """bool: whether more than this share of so many bytes is removed, exactly."""
    return cuts.exceeds(removed, sizes, Fraction(share))


def table_of(spans: Array, edits: Sequence[Edit]) -> pa.Table:
    """Merged spans as the `edits` sidecar of a shard has them."""
    texts = pa.array([*(edit.replace for edit in edits), None], pa.string())
    replacements = texts.take(pa.array(spans["edit"] % len(texts)))
    return pa.table([*(pa.array(spans[name]) for name in cuts.CUT.names or ()), replacements], schema=SCHEMA)


def explained(edit: Edit, column: pa.Array, sizes: Array) -> Mapping[str, Any]:
    """What an edit by itself would take from the one document that this column and these sizes are of."""
    found = spans_of(column, np.ones(1, bool), edit.min_score)
    size = int(cuts.union(found)["bytes"].sum())
    return {"edit": edit.text, "spans": [[int(span["start"]), int(span["end"])] for span in found], "bytes": size,
            "share": size / int(sizes[0]) if sizes[0] else 0.0, "max_removed": float(edit.max_removed)}


def _grouped(replaced: Array) -> Array:
    """One span for those that overlap each other, by the edit of the first: by start, then by edit, then by end."""
    if not len(replaced):
        return replaced
    replaced = replaced[np.lexsort([replaced[name] for name in ("end", "edit", "start", "row")])]
    first = np.flatnonzero(replaced["start"] >= cuts.reached(replaced["row"], replaced["end"]))
    found = replaced[first]
    found["end"] = np.maximum.reduceat(replaced["end"], first)
    found["bytes"] = np.maximum.reduceat(replaced["first_byte"] + replaced["bytes"], first) - found["first_byte"]
    return found


def _meet(groups: Array, cut: Array) -> Array:
    """bool: whether each group shares a character with one of the cuts, which are united."""
    if not len(groups) or not len(cut):
        return np.zeros(len(groups), bool)
    step = int(max(cut["end"].max(), groups["end"].max())) + 1
    ends = cut["row"] * step + cut["end"]
    at = np.searchsorted(ends, groups["row"] * step + groups["start"], side="right")  # the first that ends after it
    near = cut[np.minimum(at, len(cut) - 1)]
    found: Array = (at < len(cut)) & (near["row"] == groups["row"]) & (near["start"] < groups["end"])
    return found


def _as(dtype: np.dtype[Any], spans: Array, edit: int | None = None) -> Array:
    """The same spans, with the number of an edit or without."""
    found = np.empty(len(spans), dtype)
    for name in cuts.CUT.names or ():
        found[name] = spans[name]
    if edit is not None:
        found["edit"] = edit
    return found
