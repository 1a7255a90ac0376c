"""What each phase of a plan says of one document, in the order in which a plan decides.

The reason in the selection says where it stops; what is known besides says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, Literal

from mixer.selection import NOT_DRAWN, NOT_HELD_OUT, Context, method_text

Verdict = Literal["passes", "dropped", "not reached"]
Entry = dict[str, Any]  # phase, step, verdict, why


def entries(context: Context, source: str, reason: int, rules: Sequence[Mapping[str, Any]],
            dedup: Sequence[Mapping[str, Any]], values: Mapping[str, Any],
            further: Mapping[str, Any] = MappingProxyType({})) -> list[Entry]:
    """An entry for each step that documents of this source go through, but for the draw. `reason` is the number in the
    selection, `rules` and `dedup` what is known of those steps, `values` what was measured. `further` may say what each
    edit and split, and the sample, would do by itself: {would_edit: [{spans, share}], holdout: [{cluster}], sample:
    {score, draw}}.
    """
    recipe, each = context.recipe, context.recipe.source(source)
    found = [{"phase": "rules", "step": rule["rule"], "verdict": "passes" if rule["passes"] else "dropped",
              "why": rule["why"]} for rule in rules]

    def add(phase: str, step: str, why: str = "") -> None:
        # By their order here: two sources may have the same steps in different orders, and reasons have one number.
        verdict: Verdict = "not reached" if any(each["verdict"] == "dropped" for each in found) else \
            "dropped" if reason == context.reason_numbers[step] else "passes"
        found.append({"phase": phase, "step": step, "verdict": verdict, "why": why})

    for top in recipe.tops_for(source):
        add("tops", top.text, _value(top.column, values))
    for method, about in zip(recipe.dedup, dedup, strict=True):
        keeper = about.get("lost_to")
        add("dedup", method_text(method), f"lost to {keeper['source']} {keeper['id']}" if keeper else "")
    edits, splits = further.get("would_edit", ()), further.get("holdout", ())
    for edit, about in zip_longest(recipe.edits_for(source), edits):
        add("edits", edit.text, _edit(len(about["spans"]), about["share"]) if about is not None else "")
    for split, about in zip_longest(recipe.holdout, splits):
        cluster = "" if about is None else f"cluster {about['cluster']}" if about["cluster"] else "like no other"
        add("held out", split.text, cluster)
    if recipe.split is not None:
        add("held out", NOT_HELD_OUT)
    if each.sample is not None:
        sample = further.get("sample")
        against = f", draw {sample['draw']}" if sample is not None else ""
        add("sample", each.sample.text, _value(each.sample.column, values) + against)
    if each.curve is not None:
        add("curve", each.curve.text, _value(each.curve.column, values))
    return found


def drawn(context: Context, count: Mapping[str, Any], reason: int, copies: int, value: str) -> Entry:
    """What the draw says: a document's value of it against the cutoff of its source, or of its bucket."""
    curve = count["curve"]
    cutoff = count["cutoff"][:16]
    if reason not in (0, context.reason_numbers[NOT_DRAWN]):
        verdict, why = "not reached", ""
    elif curve is not None:
        verdict = "passes" if copies else "dropped"
        # Where the buckets end is not kept; what it got says in which it can be.
        those = [str(number) for number, bucket in enumerate(curve["buckets"], 1)
                 if copies == bucket["copies"] + (value < bucket["cutoff"][:16])]
        why = (f"{copies} {'copy' if copies == 1 else 'copies'}, as bucket {' or '.join(those)} of "
               f"{len(curve['buckets'])} gives")
    else:
        verdict = "passes" if copies else "dropped"
        before = copies > count["copies"]
        why = f"{'before' if before else 'not before'} the cutoff {cutoff}: "
        why += f"{count['copies']:,} of each" + (", and one more" if before else "")
    return {"phase": "draw", "step": f"draw {value}", "verdict": verdict, "why": why}


def _edit(spans: int, share: float) -> str:
    return f"{spans:,} span{'s' if spans != 1 else ''}, {share:.2%} of its text"


def _value(column: str, values: Mapping[str, Any]) -> str:
    if column not in values:
        return ""
    value = values[column]
    return f"{column} is missing" if value is None else f"{column} {value:.6g}" if isinstance(value, float) else \
        f"{column} {value}"
