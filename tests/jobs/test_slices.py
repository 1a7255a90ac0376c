"""Mixtures of sources that share shards, best shares, quality curves and counted tokens: built, audited, explained."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mixtures import Made, records, rewrite_shard
from plan_cases import COUNTED, case, recipe_text
from plan_oracle import Doc, decide

from jobs import report
from jobs.build import build
from jobs.engine import engine
from mixer import explain, storage
from mixer.audit import audit
from mixer.errors import BadInput

LINE = "a line that others have, too\n"
SPLIT = [{"document.source": {"is": "x"}}, {"document.source": {"is": "y"}, "words.count": {"min": 2, "top": 0.8}}]


def documents() -> dict[str, list[Doc]]:
    choose = random.Random(6)
    docs = {}
    for path in ("web/0.jsonl", "web/1.jsonl", "book/0.jsonl"):
        docs[path] = []
        for row in range(50):
            text = f"{path} {row} " + "word " * choose.randrange(30) + "\n" + LINE * choose.randrange(2)
            docs[path].append(Doc(choose.choice("xyz" if "web" in path else "x"), f"{path}:{row}", text, {
                "words.count": choose.choice([None, 1, 2, 3, 4]), "words.mean_length": choose.random(),
                "tokens.count": choose.randrange(2, 90)}))
    return docs


def recipe(order: str, **changes) -> bytes:
    sources = {"odd": {"weight": 0.3, "shards": "web/*.jsonl", "keep": SPLIT[0]},
               "even": {"weight": 0.2, "shards": "web/*.jsonl", "keep": SPLIT[1]},
               "book": {"weight": 0.5, "curve": {"column": "words.mean_length", "buckets": 5}}}
    fields = {"budget": 5000, "order": order, "shard_bytes": 6000, "policy": {"kind": "fixed"},
              "dedup": [{"use": "paragraph@1", "unit": "lines"}], **COUNTED}
    return recipe_text(sources, **{**fields, **changes})


@pytest.fixture(scope="module", params=["shuffled", "by-source"])
def built(request, spark, tmp_path_factory):
    """The case, its plan and what it says, and the mixture."""
    folder = tmp_path_factory.mktemp(request.param)
    made = case(folder, recipe(request.param), documents())
    planned, outcome = made.plan()
    with engine(None, {}, str(folder / "spark.log"), quiet=True) as on_spark:
        build(planned, made.corpus, str(folder / "out"), on_spark)
    return made, planned, outcome, Made(folder / "recipe.yaml", folder / "corpus", folder / "work", folder / "out")


def failures(mixed: Made) -> list[str]:
    return [failure for check in audit(str(mixed.out)) for failure in check.failures]


def test_records_are_what_the_oracle_selects_and_pass_the_audit(built):
    made, _, outcome, mixed = built
    assert outcome == decide(made.recipe, made.docs, made.owner)
    expected = sorted((path.partition("@")[0], row, copy, path.partition("@")[2] or "book")
                      for path, rows in outcome.selection.items() for row, (copies, _) in enumerate(rows)
                      for copy in range(copies))
    said = [json.loads(line)["provenance"] for _, line in records(mixed.out)]
    assert sorted((by["shard"], by["row"], by["copy"], by["source"]) for by in said) == expected
    assert failures(mixed) == []
    odd, even, book = outcome.counts
    assert odd["selected"]["docs"] and even["tops"][0]["dropped"]["docs"] and book["curve"]["buckets"][-1]["copies"]
    assert sum(count["edited"]["units"] for count in outcome.counts) and odd["max_copies"] > 1
    table = pa.concat_tables(pq.read_table(path) for path in (mixed.out / "index").rglob("*.parquet"))
    counted = {(path, row): doc.values["tokens.count"] for path, docs in made.docs.items()
               for row, doc in enumerate(docs)}
    assert all(row["units"] == counted[row["shard"], row["row"]] for row in table.to_pylist())


def test_what_the_audit_catches(built, tmp_path):
    """Another source of the shard, another bucket's copies, other units, other powers: told by digests made anew."""
    _, _, _, mixed = built
    forged = mixed.copied(tmp_path / "source")
    name = next(name for name, line in records(mixed.out) if json.loads(line)["provenance"]["source"] == "odd")
    name = name.removeprefix("data/").removesuffix(".jsonl.zst")
    rewrite_shard(forged, name, lambda lines: [line.replace(b'"source":"odd","shard"', b'"source":"even","shard"')
                                               for line in lines])
    assert any("several" in each or "source" in each or "its draw" in each for each in failures(forged))
    for place, change in [
        ("power", lambda part: part["sources"][2]["curve"].update(power="1.5")),
        ("bucket", lambda part: part["sources"][2]["curve"]["buckets"][0].update(allocated=1)),
        ("copies", lambda part: part["sources"][2]["curve"]["buckets"][1].update(copies=9)),
        ("text", lambda part: part["sources"][2]["curve"].update(curve="curve quality.score buckets=5")),
        ("no curve", lambda part: part["sources"][2].update(curve=None)),
        ("top", lambda part: part["sources"][1]["tops"][0]["dropped"].update(units=0)),
        ("rule", lambda part: part["sources"][1]["tops"][0].update(rule="words.count top 0.9")),
    ]:
        forged = mixed.copied(tmp_path / place)
        forged.retold(change)
        assert failures(forged), place


def test_a_document_is_explained_by_the_source_that_keeps_it(built):
    made, planned, outcome, _ = built
    context = made.context(planned)
    for row, doc in enumerate(made.docs["web/0.jsonl"]):
        found = explain.explain(planned, context, made.corpus, doc.source, doc.id)
        mine, other = found["mix_source"], found["other_sources"][0]
        assert (found["copies"], found["reason"]) == outcome.selection[f"web/0.jsonl@{mine}"][row]
        assert (0, other["reason"]) == outcome.selection[f"web/0.jsonl@{other['source']}"][row]
        assert doc.source == "z" or mine == {"x": "odd", "y": "even"}[doc.source]
        assert f"not of {other['source']}, which shares its shard" in report.explain_text(
            explain.with_texts(found, made.corpus))


def test_a_document_of_two_sources_is_an_error_with_examples(tmp_path):
    docs = {"web/0.jsonl": [Doc("crawl", f"{number}", "x") for number in range(7)]}
    sources = {"one": {"shards": "web/*.jsonl"}, "two": {"shards": "web/*.jsonl",
                                                       "keep": {"document.slice": {"min": 0}}}}
    made = case(tmp_path, recipe_text(sources, unit="docs"), docs)
    with pytest.raises(BadInput) as error:
        made.plan()
    said = str(error.value)
    assert "recipe.yaml: 7 documents pass the rules of more than one source, such as web/0.jsonl line 1, 'crawl' '0' " \
        "of one and two; web/0.jsonl line 2" in said
    assert "line 4" not in said and "narrow the `keep` of one of these" in said
    assert not [path for path in storage.listing(made.corpus.workspace.folder) if path.endswith("plan.json")]
