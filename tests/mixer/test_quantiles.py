"""The ends of targets are where a sort of all rows has them, whatever the values and the bins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from plan_cases import Case, case, recipe_text
from plan_oracle import Doc

from mixer import plan, quantiles
from mixer.selection import load, order_of

KEYS = {
    "all different": lambda row: row * 0x9E3779B97F4A7C15 % 2**64,
    "three": lambda row: (0, 1 << 63, 2**64 - 1)[row % 3],
    "one": lambda row: 5,
    "in the last bits": lambda row: (1 << 40) + row % 300,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Case:
    docs = {f"web/{shard}.jsonl": [Doc("x", f"{shard}:{row}", "x" * (row * 7 % 13)) for row in range(90)]
            for shard in range(4)}
    # Copies under one id: the whole order key is the same.
    docs["web/4.jsonl"] = [Doc("x", "same", "same")] * 40
    return case(tmp_path_factory.mktemp("quantiles"), recipe_text({"web": {}}, unit="bytes"), docs)


@pytest.mark.parametrize("few", [1 << 14, 8, 0])
@pytest.mark.parametrize("bins", [[[0, 1, 2, 3, 4]], [[4, 1], [3], [0, 2]]])
@pytest.mark.parametrize("kind", KEYS)
def test_ends_are_where_a_sort_has_them(made, monkeypatch, kind, bins, few, tmp_path: Path):
    monkeypatch.setattr(quantiles, "FEW", few)
    context = plan.context_of(made.recipe, made.corpus, str(tmp_path), made.indexes, [])
    parts = [context.part(part, list(context.digests)) for part in bins]
    whole: list[tuple[int, tuple[int, ...], int]] = []
    for part in parts:
        ranked = []
        for number in part.paths:
            table = load(part, number, [])
            key = np.array([KEYS[kind](row) for row in range(len(table))], np.uint64)
            group = np.arange(len(table)) % 3 - 1  # the first is in none
            units = np.asarray(table.column("bytes"))
            ranked.append((group, key, units))
            words = np.stack([key, *order_of(part, table)], axis=1).tolist()
            whole += zip(group.tolist(), map(tuple, words), units.tolist(), strict=True)
        quantiles.put(part, "test", ranked)
    totals = {group: sum(units for mine, _, units in whole if mine == group) for group in (0, 1)}
    targets = {group: [0, 1, *(total * part // 11 for part in range(1, 11)), total] for group, total in totals.items()}
    found = quantiles.find(lambda phase, _: [phase(part) for part in parts], "test", targets)
    for group, each in targets.items():
        rows = sorted((key, units) for mine, key, units in whole if mine == group)
        sums = np.cumsum([units for _, units in rows])
        ends = [next((key for (key, _), total in zip(rows, sums, strict=True) if total > target), None)
                for target in each]
        assert found[group] == ends
        assert ends[-1] is None


def test_what_comes_together_does_not_grow_with_the_targets(made, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(quantiles, "FEW", 3)
    context = plan.context_of(made.recipe, made.corpus, str(tmp_path), made.indexes, [])
    part = context.part([0, 1, 2, 3], list(context.digests))
    tables = [load(part, number, []) for number in part.paths]
    units = [np.asarray(table.column("bytes")) for table in tables]
    quantiles.put(part, "test", [(np.zeros(len(each), np.int64), np.arange(len(each)) * 0, each) for each in units])
    together: list[int] = []

    def run(phase, label):
        found = phase(part)
        if "ends" in label:
            together.append(sum(map(len, found.values())))
        return [found]

    total = int(np.concatenate(units).sum())
    for many in (8, 100):
        quantiles.find(run, "test", {0: [total * each // many for each in range(many)]})
    assert max(together) <= 3 * quantiles.MANY < 100
