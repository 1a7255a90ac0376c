"""Repeated paragraphs, lines and sentences are those of a dict over the pieces; found at once or in steps."""

from __future__ import annotations

import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from plan_cases import recipe_text

from jobs import equal, finding, paragraphs, report
from jobs.dedup import DedupSummary, find_set
from jobs.engine import Engine, engine
from jobs.paragraphs import TEXT_CHARS, shortened
from jobs.tagging import Order, Settings, tag_shard
from mixer import attributes, clusters, layers, packing, rows, sidecars, storage
from mixer.clusters import ClusterSet
from mixer.corpus import Corpus, find
from mixer.index import Index
from mixer.recipe import Recipe
from mixer.recipe_parser import parse

sys.path.append(str(Path(__file__).parents[1] / "taggers"))  # for the reference of the tagger

from reference_paragraph_keys import key_of, pieces

Texts = Mapping[str, Sequence[str]]  # by shard
PARAGRAPHS = {"use": "paragraph@1", "min_length": 3, "report": 2}
LINES = {**PARAGRAPHS, "unit": "lines", "report": 1}
SENTENCES = {**PARAGRAPHS, "unit": "sentences", "sentences": 2, "normalise": ["lower", "whitespace"]}


@pytest.fixture
def on_spark(spark: object, tmp_path: Path) -> Iterator[Engine]:
    with engine(None, {}, str(tmp_path / "spark.log"), quiet=True) as made:
        yield made


def many(shards: int = 9) -> dict[str, list[str]]:
    """Texts of paragraphs that are the same within one text, within and across shards; in order of no shard's name."""
    choose = random.Random(5)
    parts = ["Read more. And more", "Two\nlines.", "Ça et là 😀.", "A",
             *(f"Number {number}. Done" for number in range(150))]

    def text() -> str:
        return choose.choice(["\n\n", "\n", " \n \n"]).join(choose.choices(parts, k=choose.randrange(9)))

    return {f"{'abc'[shard % 3]}/{shard}.jsonl": [] if shard == 4 else [text() for _ in range(30)] + [
        "Said twice here.\n\nSaid twice here.\n\nSaid twice here." if shard == 6 else ""] for shard in range(shards)}


def opened(folder: Path, texts: Texts, *methods: Mapping[str, Any]) -> tuple[Recipe, Corpus, dict[str, Index]]:
    """The recipe and its corpus, tagged in this process."""
    for path, each in texts.items():
        target = folder / "corpus" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("".join(json.dumps({"id": f"{path}:{row}", "source": "x", "text": text}) + "\n"
                                  for row, text in enumerate(each)))
    folders = sorted({path.partition("/")[0] for path in texts})
    text = recipe_text({name: {} for name in folders}, dedup=[*methods])
    parsed = parse(text, "recipe.yaml")
    return tagged(parsed, find(parsed, str(folder / "recipe.yaml"), str(folder / "work")))


def tagged(recipe: Recipe, corpus: Corpus) -> tuple[Recipe, Corpus, dict[str, Index]]:
    uses = {attributes.key_of(use): use for use in recipe.uses()}
    done = [tag_shard(Settings(corpus.workspace, uses), Order(shard.path, shard.stat.bytes, frozenset(uses)))
            for shard in corpus.shards]
    return recipe, corpus, {key: Index.of([each.entries[key] for each in done]) for key in (rows.KEY, *uses)}


class Expected:
    """What a dict over the pieces of all texts says of one method."""

    def __init__(self, texts: Texts, recipe: Recipe, number: int = 0) -> None:
        parameters = recipe.dedup[number].parameters
        threshold = int(str(parameters["report"]))
        places: defaultdict[str, list[tuple[str, int, int, int]]] = defaultdict(list)
        for shard in sorted(texts):
            for row, text in enumerate(texts[shard]):
                for start, end, piece in pieces(text, parameters):
                    places[piece].append((shard, row, start, end))
        repeated = {piece: found for piece, found in places.items() if len(found) > 1}
        self.keys = len(repeated)
        self.members: defaultdict[str, list[tuple[int, int, int, int, int]]] = defaultdict(list)
        for piece, found in repeated.items():
            for shard, row, start, end in found:
                text = texts[shard][row]
                sizes = len(text[:start].encode()), len(text[start:end].encode())
                self.members[shard].append((row, start, end, *sizes, key_of(piece)))
        documents = {piece: len({place[:2] for place in found}) for piece, found in repeated.items()}
        often = sorted((-documents[piece], key_of(piece), piece) for piece in repeated if documents[piece] > threshold)
        self.report = []
        for _, key, piece in often:
            shard, row, start, end = min(repeated[piece])
            self.report.append({"key": key, "documents": documents[piece], "times": len(repeated[piece]),
                                "text": shortened(texts[shard][row][start:end], TEXT_CHARS), "shard": shard,
                                "row": row, "start": start, "end": end,
                                "bytes": len(texts[shard][row][start:end].encode())})

    def places(self) -> dict[int, list[tuple[str, int]]]:
        """The documents that each repeated key is in, as often as it is."""
        found: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
        for shard, members in self.members.items():
            for row, _, _, _, _, key in members:
                found[key].append((shard, row))
        return found

    def check(self, corpus: Corpus, found: ClusterSet) -> None:
        place = corpus.workspace
        assert found.clusters == self.keys
        assert found.members.keys() == self.members.keys()
        for shard, expected in self.members.items():
            table = clusters.read_members(place, found, shard)
            assert table.schema == clusters.SPAN_SCHEMA
            assert list(zip(*table.to_pydict().values(), strict=True)) == sorted(expected)
            assert found.members[shard]["rows"] == len(expected)
        table, _ = sidecars.read(clusters.report_uri(place, found.name))
        assert table.to_pylist() == self.report[: paragraphs.MOST_REPORTED]
        about = found.about["report"]
        assert (about["keys"], about["listed"]) == (len(self.report), len(table))
        assert [each["key"] for each in about["top"]] == [each["key"] for each in table.slice(0, 10).to_pylist()]


def found_of(made: tuple[Recipe, Corpus, dict[str, Index]], slots: int = 2, number: int = 0) -> finding.Finding:
    recipe, corpus, indexes = made
    related = clusters.relations(recipe)[number]
    entries = indexes[related.sidecar]
    return finding.finding_of(related, clusters.name_of(related, corpus, entries), corpus, entries, indexes[rows.KEY],
                              slots)


@pytest.mark.parametrize(("methods", "parts", "bins", "most"), [
    ([PARAGRAPHS], 1, 1, 1000), ([LINES, SENTENCES], 7, 5, 3),
])
def test_sets_are_those_of_a_dict(on_spark, tmp_path, monkeypatch, methods, parts, bins, most):
    monkeypatch.setattr(finding, "part_count", lambda *_: parts)
    monkeypatch.setattr(packing, "bin_count", lambda *_: bins)
    monkeypatch.setattr(equal, "LEAST_KEYS", 1)
    monkeypatch.setattr(paragraphs, "MOST_REPORTED", most)
    texts = many()
    made = opened(tmp_path, texts, *methods)
    for number in range(len(methods)):
        found = find_set(found_of(made, number=number), on_spark)
        expected = Expected(texts, made[0], number)
        assert len(expected.report) > 10
        assert any(len(set(each)) == 1 for each in expected.places().values())  # twice in one document alone
        expected.check(made[1], found)
        assert clusters.read_set(made[1].workspace, found.name) == found


def test_a_set_found_in_steps_is_the_set_found_at_once(on_spark, tmp_path):
    """New shards come between the old ones, some of which have news and some none."""
    texts = many(12)
    texts["b/5b.jsonl"] = ["Nothing of this is anywhere else.", "Nor is this."]
    texts["b/5c.jsonl"] = ["This is here alone.\n\nThis is here alone."]
    steps = [["a/0.jsonl", "c/8.jsonl", "b/5b.jsonl", "b/5c.jsonl"], ["a/3.jsonl", "c/2.jsonl", "b/4.jsonl"],
             sorted(texts)]
    there: dict[str, list[str]] = {}
    sets = []
    for step in steps:
        there |= {path: texts[path] for path in step}
        made = opened(tmp_path / "steps", there, PARAGRAPHS)
        sets.append(find_set(found_of(made), on_spark))
    Expected(texts, made[0]).check(made[1], sets[-1])
    assert [len(each.layers) for each in sets] == [1, 2, 3]
    whole = find_set(found_of(opened(tmp_path / "once", texts, PARAGRAPHS)), on_spark)
    assert len(whole.layers) == 1
    assert (whole.digest, whole.clusters, whole.documents, whole.about, whole.name) == \
        (sets[-1].digest, sets[-1].clusters, sets[-1].documents, sets[-1].about, sets[-1].name)
    # What has no news is not written again.
    assert clusters.folder_of(sets[-1], "b/5c.jsonl") == sets[0].name
    assert clusters.folder_of(sets[-1], "a/0.jsonl") != sets[0].name
    assert "b/5b.jsonl" not in sets[-1].members


def test_what_is_not_whole_or_has_outgrown_its_parts_is_not_found_from(on_spark, tmp_path, monkeypatch):
    texts = {f"a/{number}.jsonl": [f"Paragraph {number} of all.", "The same paragraph."] for number in range(3)}
    first = opened(tmp_path, {path: texts[path] for path in ("a/0.jsonl", "a/1.jsonl")}, PARAGRAPHS)
    base = find_set(found_of(first), on_spark)
    made = opened(tmp_path, texts, PARAGRAPHS)
    assert found_of(made).base == base
    place = made[1].workspace
    layer = storage.join(layers.folder(place, base.name), layers.file_name(0))
    for uri in (layer, clusters.member_uri(place, base.name, "a/0.jsonl"),
                storage.join(place.clusters(base.name), "set.json")):
        data = storage.read(uri)
        storage.remove(uri)
        assert found_of(made).base is None
        storage.put(uri, data)
        assert found_of(made).base == base
    other = opened(tmp_path, texts, {**PARAGRAPHS, "min_length": 4})
    assert found_of(other).base is None
    fewer = opened(tmp_path / "fewer", {"a/0.jsonl": texts["a/0.jsonl"]}, PARAGRAPHS)
    assert found_of(fewer).base is None
    changed = opened(tmp_path, {**texts, "a/1.jsonl": ["Something else."]}, PARAGRAPHS)
    assert found_of(changed).base is None
    made = opened(tmp_path, texts, PARAGRAPHS)
    assert found_of(made).base == base
    monkeypatch.setattr(finding, "PART_BYTES", 1)
    assert found_of(made).base is None


def test_what_is_said_of_what_is_repeated_most():
    about = {"report": {"threshold": 100, "keys": 1234, "listed": 1000, "top": [
        {"documents": 2000, "times": 2100, "text": "Read\nmore"}]}}
    found = ClusterSet("paragraph@1-0", "paragraph@1", {}, 5, 12, {}, "spans", about=about)
    summary = DedupSummary((found,), (), 0, 1.0)
    text = report.dedup_text(summary, "recipe.yaml")
    assert "1,234 of them are in more than 100 documents" in text and "Read more" in text
    assert report.dedup_json(summary)["sets"][0]["about"] == about


def test_real_paragraphs_are_those_of_a_dict(on_spark, corpora, tmp_path):
    """All of web, book and wiki."""
    sources = {name: {"shards": f"{name}/*.jsonl.zst"} for name in ("web", "book", "wiki") if (corpora / name).is_dir()}
    parsed = parse(recipe_text(sources, corpus=str(corpora), dedup=[{"use": "paragraph@1", "report": 5}]), "r.yaml")
    made = tagged(parsed, find(parsed, str(tmp_path / "r.yaml"), str(tmp_path / "work")))
    found = find_set(found_of(made), on_spark)
    texts = {shard.path: _texts(corpora / shard.path) for shard in made[1].shards}
    expected = Expected(texts, parsed)
    assert expected.keys > 1000 and expected.report
    expected.check(made[1], found)


def _texts(path: Path) -> list[str]:
    data = zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True).read()
    return [json.loads(line)["text"] for line in data.splitlines()]


def test_counts_of_keys_by_footers(tmp_path):
    kind = pa.list_(pa.struct([("key", pa.uint64())]))
    table = pa.table({"a.spans": pa.array([[{"key": 1}, {"key": 2}], [], [{"key": 3}]], kind)})
    sidecars.write(str(tmp_path / "x.parquet"), table, {})
    assert sidecars.count_values(str(tmp_path / "x.parquet"), "a.spans.list.element.key") == 4  # an empty list is one
