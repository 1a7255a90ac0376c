"""Keepers by Spark are those that one process decides in memory, and those of the plainest way there is."""

from __future__ import annotations

import random

import numpy as np
import pytest
from plan_cases import LINES, TEXTS, case, recipe_text
from plan_oracle import Doc

from jobs.engine import engine
from jobs.keepers import resolve_on_spark
from mixer import keepers, selection, storage

EDGES = [0, 1, 2**63 - 1, 2**63, 2**64 - 1]


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


def candidates(choose: random.Random, shards: int) -> dict[int, np.ndarray]:
    """Candidates of few keys, some of which differ in their second half alone, whose order differs in one word, or not
    at all; a bin may have more than one of a key.
    """
    tables = {}
    for number in range(shards):
        records = np.zeros([40, 0, 1, 40, 25][number], keepers.CANDIDATE)
        for record in records:
            record["key"] = choose.choice(EDGES), choose.choice(EDGES[:2])
            record["order"][choose.choice([0, 1, 8])] = choose.choice(EDGES)
        records["shard"], records["row"] = number, sorted(choose.sample(range(1000), len(records)))
        records["start"] = [choose.choice([0, 7]) for _ in records]
        records["rank"] = number % 2
        tables[number] = records
    return tables


def told(context, numbers) -> dict[int, np.ndarray]:
    """What each bin is told, which is removed."""
    found = {number: selection.read_keepers(context, 0, number) for number in numbers}
    storage.remove_below(storage.join(context.scratch, "keepers-0"))
    return found


@pytest.mark.parametrize("seed", range(2))
def test_keepers_are_the_same_everywhere(on_spark, context, seed):
    tables = candidates(random.Random(seed), len(context.paths))
    for number, table in tables.items():
        with storage.writer(context.candidates_uri(0, number)) as out:
            out.write(table.tobytes())
    best: dict[tuple, tuple] = {}
    for table in tables.values():
        for record in table:
            key = tuple(record["key"].tolist())
            found = record["order"].tolist(), *(record[name].item() for name in ("shard", "row", "start", "rank"))
            best[key] = min(best.get(key, found), found)
    expected = {number: [(list(key), *best[key][1:]) for key in sorted({tuple(each) for each in table["key"].tolist()})]
                for number, table in tables.items()}
    numbers = list(tables)
    several = [selection.Resolving(tuple(numbers), part, 3) for part in range(3)]
    for resolve in (lambda: selection.resolve_in_memory(context, 0, numbers),
                    lambda: selection.resolve_in_memory(context, 0, numbers[::-1]),
                    lambda: [selection.resolve_part(context, 0, part) for part in several],
                    lambda: resolve_on_spark(on_spark, context, 0, numbers[::-1])):
        resolve()
        assert {number: [(each["key"].tolist(), *each.tolist()[1:]) for each in found]
                for number, found in told(context, numbers).items()} == expected
    assert sum(map(len, expected.values())) > 20


def test_no_candidates_need_no_keepers(on_spark, context):
    resolve_on_spark(on_spark, context, 0, [])
    selection.resolve_in_memory(context, 0, [])
    with storage.writer(context.candidates_uri(0, 2)) as out:
        out.write(b"")
    for resolve in (selection.resolve_in_memory, lambda *parts: resolve_on_spark(on_spark, *parts)):
        resolve(context, 0, [2])
        assert {number: len(found) for number, found in told(context, [2]).items()} == {2: 0}


@pytest.mark.parametrize("method", [{"use": "text@1"}, {"use": "paragraph@1", "unit": "lines", "max_removed": 0.5}])
def test_loser_files_are_byte_for_byte_the_same(on_spark, tmp_path, method):
    choose = random.Random(3)
    docs = {f"{'ab'[number % 2]}/{number}.jsonl":
            [Doc("x", f"{number}:{row}", choose.choice(TEXTS + LINES)) for row in range(30)] for number in range(6)}
    made = case(tmp_path, recipe_text({"a": {}, "b": {}}, dedup=[method], prefer=["b"]), docs)
    whole = made.context(made.plan()[0])
    contexts = [whole.part(part, list(whole.digests)) for part in ([0, 3, 5], [1, 2, 4])]
    found = []
    for resolve in (selection.resolve_in_memory, lambda *parts: resolve_on_spark(on_spark, *parts)):
        judged = [selection.judge(context).candidates for context in contexts]
        assert [list(each) for each in judged] == [[0], [1]]
        resolve(whole, 0, [0, 1])
        parts = [selection.drop_losers(0, context) for context in contexts]
        folder = storage.join(whole.folder, "losers")
        files = {path: storage.read(storage.join(folder, path)) for path in storage.listing(folder)}
        losses = selection.merge_tallies(part.losses for part in parts)
        found.append(({key: value.tolist() for key, value in losses.items()}, files))
        storage.remove_below(folder)
    assert found[0] == found[1]
    assert len(found[0][1]) == 6 and len(found[0][0]) > 1
