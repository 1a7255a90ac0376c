"""Sets of repeated stretches by Spark are those of a dict over all windows, however the corpus is cut."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest
import stretch_oracle
from plan_cases import opened, recipe_text, tagged, write_shards
from plan_oracle import Doc

from jobs.dedup import dedup
from jobs.engine import engine
from mixer import clusters


@pytest.fixture
def on_spark(spark, tmp_path):
    with engine(None, {}, str(tmp_path / "spark.log"), quiet=True) as made:
        yield made


PARTS = ["lorem ipsum dolor sit amet ", "日本語 の テスト ", "é", "consectetur adipiscing", "-" * 30, " a b", "\n",
         "sed do eiusmod tempor incididunt ut labore "]


def texts(seed: int, count: int) -> list[str]:
    choose = random.Random(seed)
    return ["".join(choose.choice([*PARTS, str(choose.randrange(10**6))]) for _ in range(choose.randrange(25)))
            for _ in range(count)]


def docs_in(shards: Mapping[str, Sequence[str]]) -> dict[str, list[Doc]]:
    return {path: [Doc("crawl", f"{path}:{row}", text) for row, text in enumerate(each)]
            for path, each in shards.items()}


METHOD = {"use": "substring@1", "length": 20}
WORDS = {"use": "substring@1", "length": 4, "unit": "words"}


def found(folder, shards: Mapping[str, Sequence[str]], on_spark, methods=(METHOD,)):
    """(the sets, the corpus) of these texts."""
    docs = docs_in(shards)
    recipe = recipe_text({"web": {}}, dedup=list(methods))
    folder.mkdir(exist_ok=True)
    write_shards(folder, docs)
    made = opened(folder, recipe)
    result = dedup(*made, tagged(made, docs), on_spark)
    return [each for each in result.sets if each.kind == "spans"], made[1]


def members(each: clusters.ClusterSet, corpus) -> list[tuple[Any, ...]]:
    place = corpus.workspace
    return [(shard, *row.values()) for shard in sorted(each.members)
            for row in clusters.read_members(place, each, shard).to_pylist()]


def assert_equal_oracle(each: clusters.ClusterSet, corpus, shards: Mapping[str, Sequence[str]]) -> None:
    """Spans in code points, keys that are equal where the stretches are, and the number of stretches."""
    length, unit = each.parameters["length"], each.parameters["unit"]
    places = [(path, row) for path in sorted(shards) for row in range(len(shards[path]))]
    whole = [shards[path][row] for path, row in places]
    expected = stretch_oracle.spans([text.encode() if unit == "bytes" else text.split() for text in whole], length)
    wanted = {}
    for document, start, end, name in expected:
        wanted[(*places[document], *in_code_points(whole[document], unit, start, end))] = name
    given = members(each, corpus)
    assert sorted(span[:6] for span in given) == sorted(wanted)
    keys = {(span[6], wanted[span[:6]]) for span in given}
    assert len(keys) == len({key for key, _ in keys}) == len({name for _, name in keys}) == each.clusters


def in_code_points(text: str, unit: str, start: int, end: int) -> tuple[int, int, int, int]:
    data = text.encode()
    if unit == "words":
        words, at = [], 0
        for word in text.split():
            at = text.index(word, at)
            words.append((at, at + len(word)))
            at += len(word)
        low, high = words[start][0], words[end - 1][1]
        return low, high, len(text[:low].encode()), len(text[low:high].encode())
    while start < end and data[start] & 0xC0 == 0x80:
        start += 1
    while end < len(data) and data[end] & 0xC0 == 0x80:
        end -= 1
    return len(data[:start].decode()), len(data[:end].decode()), start, end - start


def dealt(each: Sequence[str], shards: int) -> dict[str, list[str]]:
    return {f"web/{shard}.jsonl": list(each[shard::shards]) for shard in range(shards)}


def test_sets_are_those_of_a_dict(on_spark, tmp_path):
    each = texts(1, 60)
    shards = dealt(each, 5)
    sets, corpus = found(tmp_path, shards, on_spark, [METHOD, WORDS])
    for one in sets:
        assert one.documents > 20
        assert_equal_oracle(one, corpus, shards)


def test_a_set_found_from_earlier_ones_is_that_found_at_once(on_spark, tmp_path):
    """Three crawls, one after another; and all at once from other shards."""
    each = texts(2, 90)
    # What splits a stretch that was whole before, and what was in one document alone.
    each += [each[0] + each[1], each[1][5:] + "!" + each[0][:-5]]
    shards = dealt(each, 9)
    names = sorted(shards)
    place = tmp_path / "step by step"
    for count in (4, 7, 9):
        some = {name: shards[name] for name in names[:count]}
        one, corpus = found(place, some, on_spark)
        assert_equal_oracle(one[0], corpus, some)
        assert len(one[0].layers) == {4: 1, 7: 2, 9: 3}[count]
    at_once, other = found(tmp_path / "at once", shards, on_spark)
    assert at_once[0].digest == one[0].digest and at_once[0] == one[0]
    by_text = [sorted((texts_of[shard][row], *span) for shard, row, *span in members(*made))
               for made, texts_of in (((one[0], corpus), shards), (found_in_one(tmp_path, each, on_spark), {"web/0.jsonl": each}))]
    assert by_text[0] == by_text[1]


def found_in_one(folder, each, on_spark):
    sets, corpus = found(folder / "in one", {"web/0.jsonl": each}, on_spark)
    return sets[0], corpus
