"""Sets of repeated stretches by Spark are those of a dict over all windows, however the corpus is cut."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import stretch_oracle
from plan_cases import opened, recipe_text, tagged, write_shards
from plan_oracle import Doc

from jobs import substrings
from jobs.dedup import dedup
from jobs.engine import engine
from mixer import clusters
from mixer.errors import SoleraError
from taggers.matching import Scheme, fingerprints, symbols
from taggers.stretches import PIECE, gather
from taggers.text import TextBatch


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
    for span in given:  # whose key is a hash of their stretch's first window
        document, start = wanted[span[:6]]
        window = stretch_oracle.symbols(whole[document], unit)[start : start + length]
        data = bytes(window) if unit == "bytes" else b"".join(word.to_bytes(8, "little") for word in window)
        assert span[6] == stretch_oracle.hash_of(data)
    assert each.clusters == len(set(wanted.values()))


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
    each = texts(1, 45)
    shards = dealt(each, 3)
    sets, corpus = found(tmp_path, shards, on_spark, [METHOD, WORDS])
    for one in sets:
        assert one.documents > 20
        assert_equal_oracle(one, corpus, shards)


def test_sets_found_from_earlier_ones_are_those_of_a_dict(on_spark, tmp_path):
    """Three crawls, one after another: spans, keys and count are those of a set that is found at once."""
    each = texts(2, 45)
    # What splits a stretch that was whole before, and what was in one document alone.
    each += [each[0] + each[1], each[1][5:] + "!" + each[0][:-5]]
    shards = dealt(each, 4)
    shards["web/1.jsonl"].append("which nothing else has until the last crawl comes")
    shards["web/4.jsonl"] = ["it comes: which nothing else has until the last crawl comes"]
    for count in (2, 4, 5):
        some = {name: shards[name] for name in sorted(shards)[:count]}
        (one,), corpus = found(tmp_path, some, on_spark)
        assert_equal_oracle(one, corpus, some)
        assert len(one.layers) == {2: 1, 4: 2, 5: 3}[count]
    # Of the known shards only the one in which something has changed was written again.
    assert {shard for shard, member in one.members.items() if "set" not in member} == {"web/1.jsonl", "web/4.jsonl"}


def test_segments_travel_as_they_are_in_memory_or_in_a_file(monkeypatch):
    """What was held in several tasks comes out at the part of its key, whatever a task may hold."""
    scheme = Scheme(20)
    expected = None
    for held, in_memory in [(1 << 30, 1 << 30), (1, 1 << 30), (2000, 300), (1, 0)]:
        monkeypatch.setattr(substrings, "HELD_BYTES", held)
        monkeypatch.setattr(substrings, "IN_MEMORY", in_memory)
        blocks = [block for task in range(3) for block in blocks_of(scheme, texts(task, 30), task, 5)]
        assert {part for part, _ in blocks} == set(range(5))
        back = np.zeros(3, np.int64)
        pieces = [piece for part in range(5)
                  for _, data in substrings.send_pieces(scheme, back, part, (each for at, each in blocks if at == part))
                  for piece in np.frombuffer(data, PIECE).tolist()]
        assert len(pieces) > 50
        assert expected is None or sorted(pieces) == expected
        expected = sorted(pieces)


def blocks_of(scheme: Scheme, each: Sequence[str], task: int, parts: int) -> list[tuple[int, bytes]]:
    out, blocks = substrings.SegmentBox(scheme, parts), []
    for start in (0, 10):
        batch = symbols(TextBatch.of_strings(each[start : start + 10]), scheme.unit)
        prints = fingerprints(batch, scheme)
        gathered = gather(batch, prints, np.arange(len(prints.key)), scheme.length)
        gathered.occurrences["document"] += (task << substrings.ROW_BITS) + start
        blocks += list(out.add(batch, gathered.segments, gathered.occurrences))
    return [*blocks, *out.rest()]


def test_documents_are_taken_some_at_a_time_and_whole(monkeypatch):
    monkeypatch.setattr(substrings, "OCCURRENCES", 5)
    pieces = np.zeros(9, PIECE)
    pieces["document"], pieces["count"] = [1, 1, 2, 3, 3, 3, 7, 8, 9], [1, 1, 3, 4, 4, 4, 1, 1, 2]
    found = [some["document"].tolist() for some in substrings._by_documents(pieces)]
    assert found == [[1, 1, 2], [3, 3, 3], [7, 8, 9]]


def test_a_shard_that_has_changed_since_it_was_tagged_makes_no_set(on_spark, tmp_path):
    docs = docs_in({"web/0.jsonl": ["lorem ipsum dolor sit amet"] * 2})
    write_shards(tmp_path, docs)
    made = opened(tmp_path, recipe_text({"web": {}}, dedup=[METHOD]))
    indexes = tagged(made, docs)
    write_shards(tmp_path, docs_in({"web/0.jsonl": ["lorem ipsum dolor sit amat"] * 2}))
    with pytest.raises(SoleraError, match="not the shard that was tagged"):
        dedup(*made, indexes, on_spark)
