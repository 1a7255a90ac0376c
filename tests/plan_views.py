"""A small plan for those who show plans, and the same with figures of every phase that a plan may have."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

from plan_cases import case, recipe_text
from plan_oracle import Doc

from mixer.plan import Plan

DOCS = {
    "web/0.jsonl": [Doc("x", f"{row}", f"page {row % 7} " * (row + 1), {"words.count": row, "language.en": 0.5})
                    for row in range(12)],
    "wiki/0.jsonl": [Doc("y", f"{row}", f"page {row} ", {"words.count": row}) for row in range(6)],
}


def small_plan(folder: Path) -> Plan:
    """Of two sources with rules, dedup, repeats and a draw, in bytes; made in this process."""
    recipe = recipe_text(
        {"web": {"weight": 0.5, "keep": {"language.en": {"max": 0.9}}}, "wiki": {"weight": 0.5}},
        policy={"kind": "fixed"}, unit="bytes", budget=1500, prefer=["wiki"], on_shortfall="redistribute",
        dedup=[{"use": "text@1"}, {"use": "text@1", "normalise": ["whitespace"]}],
        keep={"words.count": {"min": 2, "max": 10}})
    return case(folder, recipe, DOCS).plan()[0]


def with_phases(plan: Plan) -> Plan:
    """The same with figures of all other phases, as a plan has them that uses those."""
    body = copy.deepcopy(dict(plan.body))
    web = body["counts"][0]
    three = {"docs": 1, "units": 10, "bytes": 10}
    edited = {"docs": 2, "spans": 3, "units": -5, "bytes": 6, "added": 11}
    web["tops"] = [{"rule": "words.count top 0.5", "dropped": three, "missing": three}]
    web["edits"] = [{"edit": "edit pii.email cut", "dropped": three, "edited": edited}]
    web["held_out"] = [{"split": "validation", **three}]
    web["sample"] = {"sample": "sample words.count pareto alpha=9", "dropped": three, "missing": three}
    bucket = {"docs": 1, "units": 40, "bytes": 40, "allocated": 50, "copies": 1, "cutoff": "0" * 112}
    web["curve"] = {"curve": "curve words.count buckets=2 discard=0.5 max_upsample=7", "power": "1.5", "growth": "2",
                    "discarded": three, "missing": three, "buckets": [bucket, bucket]}
    return dataclasses.replace(plan, body=body)
