"""Keepers by Spark are those that one process decides in memory: every loser, and who lost to whom."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from plan_cases import TEXTS, case, recipe_text
from plan_oracle import Doc

from jobs.engine import engine
from jobs.keepers import resolve_on_spark
from mixer import selection, sidecars, storage

# Bytes on both sides of where signed and unsigned differ, and of where Python and Java might order otherwise.
EDGES = [0x00, 0x01, 0x7F, 0x80, 0xFF]


@pytest.fixture
def on_spark(spark, tmp_path):
    with engine(None, {}, str(tmp_path / "spark.log"), quiet=True) as made:
        yield made


@pytest.fixture
def context(tmp_path):
    """Five shards of two sources; what they hold does not matter here."""
    docs = {f"{'ab'[number % 2]}/{number}.jsonl": [Doc("x", str(number), f"{number}")] for number in range(5)}
    made = case(tmp_path, recipe_text({"b": {}, "a": {}}, dedup=[{"use": "text@1"}]), docs)
    return made.context(made.plan()[0])


def candidates(choose: random.Random, shards: int) -> dict[int, pa.Table]:
    """Rows of few clusters whose order differs in one byte, or not at all."""
    tables = {}
    for number in range(shards):
        size = [40, 0, 1, 40, 25][number]
        order = []
        for _ in range(size):
            key = bytearray(64)
            key[choose.choice([0, 7, 8, 63])] = choose.choice(EDGES)
            order.append(bytes(key))
        tables[number] = pa.table(
            [[bytes([choose.choice(EDGES)]) + bytes(15) for _ in range(size)], order, [number] * size,
             sorted(choose.sample(range(1000), size)), [choose.randrange(2**40) for _ in range(size)],
             [choose.randrange(100) for _ in range(size)]], schema=selection.CANDIDATE_SCHEMA)
    return tables


def losers(context) -> dict[int, list[dict]]:
    found = {number: selection.read_losers(context, 0, number).to_pylist() for number in range(len(context.paths))}
    storage.remove_below(storage.join(context.folder, "losers"))
    return found


def plain(tallies) -> dict:
    return {key: np.asarray(value).tolist() for key, value in tallies.items()}


@pytest.mark.parametrize("seed", range(2))
def test_keepers_are_the_same_everywhere(on_spark, context, seed):
    tables = candidates(random.Random(seed), len(context.paths))
    for number, table in tables.items():
        sidecars.write(context.candidates_uri(0, number), table, {})
    # The plainest way there is: the least (order, shard, row) of each cluster stays.
    rows = [row for table in tables.values() for row in table.to_pylist()]
    best: dict[bytes, tuple] = {}
    for row in rows:
        key = row["order"], row["shard"], row["row"]
        best[row["cluster"]] = min(best.get(row["cluster"], key), key)
    expected: dict[int, list[dict]] = {number: [] for number in tables}
    tallies: dict[tuple, list[int]] = {}
    for row in rows:
        _, shard, keeper = best[row["cluster"]]
        if (row["shard"], row["row"]) != (shard, keeper):
            expected[row["shard"]].append({"row": row["row"], "keeper_shard": shard, "keeper_row": keeper})
            names = [context.sources[number] for number in (row["shard"], shard)]
            held = tallies.setdefault((names[0], "lost to", names[1]), [0, 0, 0])
            for at, value in enumerate((1, row["units"], row["bytes"])):
                held[at] += value
    numbers = list(tables)
    for resolve in (lambda: selection.resolve_in_memory(context, 0, numbers),
                    lambda: selection.resolve_in_memory(context, 0, numbers[::-1]),
                    lambda: resolve_on_spark(on_spark, context, 0, numbers[::-1])):
        assert plain(resolve()) == tallies
        assert losers(context) == expected
    assert sum(map(len, expected.values())) > 20


def test_no_candidates_are_no_losers(on_spark, context):
    assert resolve_on_spark(on_spark, context, 0, []) == selection.resolve_in_memory(context, 0, []) == {}
    sidecars.write(context.candidates_uri(0, 2), selection.CANDIDATE_SCHEMA.empty_table(), {})
    assert resolve_on_spark(on_spark, context, 0, [2]) == selection.resolve_in_memory(context, 0, [2]) == {}
    assert not any(losers(context).values())


def test_loser_files_are_byte_for_byte_the_same(on_spark, tmp_path):
    choose = random.Random(3)
    docs = {f"{'ab'[number % 2]}/{number}.jsonl":
            [Doc("x", f"{number}:{row}", choose.choice(TEXTS)) for row in range(30)] for number in range(6)}
    made = case(tmp_path, recipe_text({"a": {}, "b": {}}, dedup=[{"use": "text@1"}], prefer=["b"]), docs)
    context = made.context(made.plan()[0])
    found = []
    for resolve in (selection.resolve_in_memory, lambda *parts: resolve_on_spark(on_spark, *parts)):
        parts = selection.judge(context)
        assert list(parts.candidates) == [0]
        tallies = resolve(context, 0, [0])
        folder = storage.join(context.folder, "losers")
        files = {path: storage.read(storage.join(folder, path)) for path in storage.listing(folder)}
        found.append((plain(tallies), files))
        storage.remove_below(folder)
    assert found[0] == found[1]
    assert len(found[0][1]) == 6
