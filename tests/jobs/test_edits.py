"""Mixtures of texts from which spans are cut or replaced: each record is what the oracle makes of its document."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mixtures import Made, records, rewrite_shard
from plan_cases import LINES, case, recipe_text
from plan_oracle import Doc, decide

import jobs.build
import mixer.audit
from jobs import report
from jobs.build import build
from jobs.engine import engine
from jobs.plan import make_plan
from mixer import explain, mixture, sidecars, storage
from mixer.audit import audit
from mixer.errors import BadInput, JobFailed


@pytest.fixture(scope="module")
def on_spark(spark, tmp_path_factory):
    with engine(None, {}, str(tmp_path_factory.mktemp("edits") / "spark.log"), quiet=True) as made:
        yield made


def documents() -> dict[str, list[Doc]]:
    """Texts of lines that others have too, in characters of one to four bytes, some with spans that overlap."""
    choose = random.Random(4)
    common = ["Alle Rechte vorbehalten.\n", "© 2026 — 言葉😀\n", "menu | home | é\n", *LINES]
    docs = {}
    for path in ("web/0.jsonl", "web/1.jsonl", "wiki/0.jsonl"):
        docs[path] = []
        for number in range(40):
            own = [f"{path} {number} {line} naïve 😀 text\n" for line in range(choose.randrange(1, 9))]
            text = "".join(choose.sample(own + choose.choices(common, k=choose.randrange(4)), k=len(own)))
            spans = {tuple(sorted(choose.choices(range(len(text) + 1), k=2))) for _ in range(choose.randrange(3))}
            found = {column: [(*sorted(choose.choices(range(len(text) + 1), k=2)), choose.choice([0.5, 1.0]))
                              for _ in range(choose.randrange(4))] for column in COLUMNS}
            docs[path].append(Doc("x", f"{path}:{number}", text, {"language.en": choose.choice([None, 0.25, 0.75])},
                                  tuple((*span, choose.randrange(12)) for span in sorted(spans)), found))
    return docs


COLUMNS = ("pii.email", "pii.ip", "secrets.token")
WAYS = ("shuffled", "by-source", "replaced")  # of making a mixture: its order, or edits beside what dedup cuts
REPLACED = {"edit": {"pii.email": {"replace": "|||EMÄIL|||"}, "secrets.token": {"cut": True, "max_removed": 0.8}},
            "holdout": {"validation": {"share": 0.1}, "test": {"share": 0.1, "by": {"use": "id@1"}}}}


def recipe(way: str) -> bytes:
    is_replaced = way == "replaced"
    wiki = {"edit": {"pii.ip": {"replace": "é", "min_score": 0.6, "max_removed": 0.7}},
            "sample": {"column": "language.en", "rule": "pareto", "alpha": 1}} if is_replaced else {}
    return recipe_text(
        {"web": {"weight": 0.5, "about": {"license": "x"}}, "wiki": {"weight": 0.5, **wiki}}, policy={"kind": "fixed"},
        unit="tokens", budget=10_000, order="shuffled" if is_replaced else way, shard_bytes=9_000, prefer=["wiki"],
        **(REPLACED if is_replaced else {}),
        dedup=[{"use": "text@1"}, {"use": "paragraph@1", "unit": "lines", "max_removed": 0.7}, {"use": "substring@1"}])


@pytest.fixture(scope="module")
def plans(tmp_path_factory, on_spark):
    """For each way the case, its plan as Spark makes it or a pool does, and the mixture."""
    found = {}
    for order in WAYS:
        folder = tmp_path_factory.mktemp(order)
        made = case(folder, recipe(order), documents())
        planned = make_plan(made.recipe, made.corpus, on_spark, "pool" if order == "by-source" else "spark")
        built = build(planned, made.corpus, str(folder / "out"), on_spark)
        mixed = Made(folder / "recipe.yaml", folder / "corpus", folder / "work", folder / "out")
        found[order] = made, planned, mixed, built
    return found


def left(doc: Doc, edits) -> str:
    gone = {at for start, end, *_ in edits for at in range(start, end)}
    instead = {start: text or "" for start, _, _, _, text in edits}
    return "".join(instead.get(at, "") + ("" if at in gone else character) for at, character in enumerate(doc.text))


@pytest.mark.parametrize("order", WAYS)
def test_records_are_what_the_oracle_leaves(plans, order):
    made, planned, mixed, built = plans[order]
    expected = decide(made.recipe, made.docs, made.owner)
    assert made.outcome(planned) == expected == made.plan([[2], [0, 1]])[1]  # whoever decides the keepers
    copies: Counter[tuple[str, int]] = Counter()
    edited = replaced = 0
    for _, line in records(mixed.out):
        record = json.loads(line)
        by = record["provenance"]
        doc = made.docs[by["shard"]][by["row"]]
        edits = expected.edits.get((by["shard"], by["row"]), [])
        assert record["text"] == left(doc, edits) != ""
        copies[by["shard"], by["row"]] += 1
        assert by.get("cut", []) == [[start, end] for start, end, *_, text in edits if text is None]
        assert by.get("replaced", []) == [[start, end, text] for start, end, *_, text in edits if text is not None]
        if edits:
            edited += 1
            replaced += "replaced" in by
            whole = doc.text.encode()
            assert by["original"] == {"sha256": hashlib.sha256(whole).hexdigest(), "bytes": len(whole),
                                      "chars": len(doc.text)}
        else:  # copied byte by byte
            raw = json.dumps({"id": doc.id, "text": doc.text, "source": doc.source}, separators=(",", ":"))
            assert line.startswith(raw[:-1].encode())
    assert copies == {(path, row): chosen for path, rows in expected.selection.items()
                      for row, (chosen, _) in enumerate(rows) if chosen}
    part = mixed.manifest["mixture"]
    assert edited == part["totals"]["edited"]["docs"] > 50
    assert (replaced > 20) == (order == "replaced") == bool(part["totals"]["edited"]["added"])
    texts = [json.loads(line)["text"].encode() for _, line in records(mixed.out)]
    assert part["totals"]["text_bytes"] == sum(map(len, texts)) == built.moved_bytes
    assert part["totals"]["units"] == sum(-(-len(text) // 4) for text in texts)
    assert max(copies.values()) > 2
    assert all(check.ok for check in audit(str(mixed.out))), [check for check in audit(str(mixed.out)) if not check.ok]
    # The leaves of the tree name both texts.
    leaves = pq.read_table(mixed.out / "tree/00000.parquet").to_pylist()
    assert {each["emitted_sha256"] for each in leaves} == {hashlib.sha256(text).digest() for text in texts}
    assert sum(each["emitted_sha256"] != each["text_sha256"] for each in leaves) == edited


@pytest.mark.parametrize("order", WAYS)
def test_plan_is_the_same_wherever_it_is_made(plans, order):
    """To the digest of each shard's selection and edits, from which a mixture follows."""
    made, planned, _, _ = plans[order]
    again, _ = made.plan([[1], [2, 0]])
    assert {**again.body, "seconds": 0} == {**planned.body, "seconds": 0} and again.lock == planned.lock
    assert all(about["edits"] for about in again.body["selections"])


# ---- what is said of it


def test_plan_says_what_is_cut(plans):
    _, planned, mixed, built = plans["shuffled"]
    said = report.plan_text(planned, "recipe.yaml", 1.0)
    edited = mixed.manifest["mixture"]["totals"]["edited"]
    assert f"{edited['docs']:,}" in said and f"{edited['spans']:,}" in said and "max_removed=0.7" in said
    assert f"{edited['docs']:,} of them edited: {edited['spans']:,} spans cut" in report.build_text(built, "out")
    for part in ("cut from documents that stay", "repeats cut", "fewer than the", "dropped by"):
        assert part in said


# ---- tampering by one who makes all digests agree


def tampered(line: bytes, change) -> bytes:
    record = json.loads(line)
    change(record, record["provenance"])
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def is_edited(line: bytes) -> bool:
    return b'"cut":' in line


def is_replaced(line: bytes) -> bool:
    return b'"replaced":' in line


REPLACEMENTS = {
    "another text": lambda record, by: by["replaced"][0].__setitem__(2, "x"),
    "another place": lambda record, by: by["replaced"].__setitem__(0, [each + 1 for each in by["replaced"][0][:2]]
                                                                   + by["replaced"][0][2:]),
    "a longer span": lambda record, by: by["replaced"][0].__setitem__(1, by["replaced"][0][1] + 1),
    "the text put back": lambda record, by: record.update(text=record["text"].replace(by["replaced"][0][2], "a@b", 1)),
    "no replacements": lambda record, by: by.update(replaced=[]),
    "the replacements left out": lambda record, by: by.pop("replaced"),
    "one said twice": lambda record, by: by["replaced"].insert(0, by["replaced"][0]),
    "one said to be cut": lambda record, by: by.setdefault("cut", []).insert(0, by["replaced"].pop(0)[:2]),
    "an empty span": lambda record, by: by["replaced"][0].__setitem__(1, by["replaced"][0][0]),
    "a shorter original": lambda record, by: by["original"].update(bytes=1),
}


CHANGES = {
    "a letter more": lambda record, by: record.update(text=record["text"] + "x"),
    "another cut": lambda record, by: by["cut"][0].__setitem__(1, by["cut"][0][1] + 1),
    "cuts out of order": lambda record, by: by.update(cut=[[9, 10], [1, 2]]),
    "cuts that touch": lambda record, by: by.update(cut=[[0, 1], [1, by["original"]["chars"] - len(record["text"])]]),
    "no cuts": lambda record, by: by.update(cut=[]),
    "an empty cut": lambda record, by: by["cut"].insert(0, [0, 0]),
    "a cut before the text": lambda record, by: by["cut"].__setitem__(0, [-1, by["cut"][0][1]]),
    "a cut past its end": lambda record, by: by["original"].update(chars=by["cut"][-1][1] - 1),
    "a longer original": lambda record, by: by["original"].update(bytes=by["original"]["bytes"] + 4000),
    "another original": lambda record, by: by["original"].update(sha256="0" * 64),
    "the original left out": lambda record, by: by.pop("original"),
    "the cuts left out": lambda record, by: by.pop("cut"),
    "both left out": lambda record, by: (by.pop("cut"), by.pop("original")),
}


@pytest.mark.parametrize("what", CHANGES)
def test_changed_cuts_are_found(plans, tmp_path, what):
    """Of one copy, with all that the folder says of itself made to agree, but for what the manifest counts."""
    made = plans["shuffled"][2].copied(tmp_path / "out")
    done = []

    def change(lines: list[bytes]) -> list[bytes]:
        at = next(number for number, line in enumerate(lines) if is_edited(line))
        done.append(what)
        return [*lines[:at], tampered(lines[at], CHANGES[what]), *lines[at + 1:]]

    rewrite_shard(made, "00000", change)
    assert done
    assert [check.name for check in audit(str(made.out)) if not check.ok], what


@pytest.mark.parametrize("change", [
    lambda record, by: by.update(cut=None), lambda record, by: by.update(cut=[[1]]),
    lambda record, by: by["original"].update(sha256="x"), lambda record, by: by["original"].update(more=1),
    lambda record, by: by.update(replaced=[[1, 2]]), lambda record, by: by.update(replaced="x"),
    lambda record, by: by.update(original=None), lambda record, by: by["original"].update(bytes=-1),
])
def test_cuts_of_another_form_are_no_record(plans, change):
    line = next(line for _, line in records(plans["shuffled"][2].out) if is_edited(line))
    index = mixture.index_table([], [0])
    assert not [said for said in mixer.audit._records([line], 0, 0, index, {}, "tokens") if "not a record" in said]
    found = list(mixer.audit._records([tampered(line, change)], 0, 0, index, {}, "tokens"))
    assert len(found) == 1 and "record 1: not a record" in found[0]


@pytest.mark.parametrize("what", REPLACEMENTS)
def test_changed_replacements_are_found(plans, tmp_path, what):
    made = plans["replaced"][2].copied(tmp_path / "out")
    path, before = next((path, line) for path, line in records(made.out) if is_replaced(line))

    def change(lines: list[bytes]) -> list[bytes]:
        return [tampered(line, REPLACEMENTS[what]) if line == before else line for line in lines]

    rewrite_shard(made, path.removeprefix("data/").split(".")[0], change)
    assert [check.name for check in audit(str(made.out)) if not check.ok], what


def test_cuts_by_a_recipe_that_cuts_nothing(plans):
    line = next(line for _, line in records(plans["shuffled"][2].out) if is_edited(line))
    found = list(mixer.audit._records([line], 0, 0, mixture.index_table([], [0]), {}, "tokens"))
    assert "no method of the recipe cuts any" in found[0]


def test_a_replacement_that_is_another_source_s(plans):
    """é stands in the place of what is found in texts of wiki alone."""
    made, _, mixed, _ = plans["replaced"]
    may = mixer.audit.Editing.by_source(made.recipe)
    assert may["web"].texts == {"|||EMÄIL|||"} and may["wiki"].texts == {"|||EMÄIL|||", "é"}
    line = next(line for _, line in records(mixed.out) if is_replaced(line) and b'"source":"web"' in line)
    index = mixture.index_table([], [0])
    assert not [said for said in mixer.audit._records([line], 0, 0, index, may, "tokens") if "stands" in said]
    other = {"web": mixer.audit.Editing(True, frozenset("é"))}
    found = list(mixer.audit._records([line], 0, 0, index, other, "tokens"))
    assert "'|||EMÄIL|||' stands in the place of a span, and in no edit of the recipe" in found[0]


def test_a_cut_elsewhere_in_every_copy_is_caught_by_the_published_digest_alone(plans, tmp_path):
    """What was cut is not in the folder, so no check can know where it stood; the digest does, and whoever has the
    original.
    """
    made = plans["shuffled"][2].copied(tmp_path / "out")
    first = next(json.loads(line) for _, line in records(made.out) if is_edited(line)
                 and json.loads(line)["provenance"]["cut"][-1][1] < json.loads(line)["provenance"]["original"]["chars"])

    def change(lines: list[bytes]) -> list[bytes]:
        return [tampered(line, lambda record, by: by.update(cut=[[start + 1, end + 1] for start, end in by["cut"]]))
                if json.loads(line)["id"] == first["id"] else line for line in lines]

    for path in sorted((made.out / "data").iterdir()):
        rewrite_shard(made, path.name.split(".")[0], change)
    assert [check.name for check in audit(str(made.out)) if not check.ok] == []
    published = plans["shuffled"][2].manifest["digest"]
    assert [check.name for check in audit(str(made.out), published) if not check.ok] == ["digest"]


def edited_counts(part):
    found = [part["totals"]["edited"], *(source["edited"] for source in part["sources"])]
    edits = [edit["edited"] for source in part["sources"] for edit in source["edits"]]
    return found + (edits or [method["edited"] for source in part["sources"] for method in source["dedup"]] +
                    [loss["cut"] for loss in part["dedup"]["losses"]])


def further_counts(part):
    """What was dropped by edits, splits and samples."""
    for source in part["sources"]:
        yield from (edit["dropped"] for edit in source["edits"])
        yield from source["held_out"]
        yield source["not_held_out"]
        yield from (source["sample"][what] for what in (("dropped", "missing") if source["sample"] else ()))


@pytest.mark.parametrize("way", ["shuffled", "replaced"])
def test_changed_counts_of_what_was_cut_are_found(plans, tmp_path, way):
    made = plans[way][2].copied(tmp_path / "out")
    base = json.dumps(made.manifest)
    slipped = set()
    for number, counts in enumerate(edited_counts(made.manifest["mixture"])):
        for name in counts:
            (made.out / "manifest.json").write_text(base)

            def change(part, number=number, name=name):
                edited_counts(part)[number][name] += 1

            made.retold(change)
            if all(check.ok for check in audit(str(made.out))):
                slipped.add((number >= 3, name))
    # How many documents and spans a method cut is a count of documents some of which are not in the mixture. So is all
    # that an edit changed by itself, as far as what it adds goes with its spans.
    assert slipped <= {(True, "docs"), (True, "spans"), (True, "repeats"),
                       *((True, name) for name in ("units", "bytes") if way == "replaced")}


def test_changed_counts_of_what_was_dropped_before_the_draw_are_found(plans, tmp_path):
    made = plans["replaced"][2].copied(tmp_path / "out")
    base = json.dumps(made.manifest)
    assert sum(three["docs"] > 0 for three in further_counts(made.manifest["mixture"])) > 5
    slipped = set()
    for number in range(len(list(further_counts(made.manifest["mixture"])))):
        for name in ("docs", "units", "bytes"):
            (made.out / "manifest.json").write_text(base)

            def change(part, number=number, name=name):
                list(further_counts(part))[number][name] += 1

            made.retold(change)
            if all(check.ok for check in audit(str(made.out))):
                slipped.add((number, name))
    assert slipped <= {(number, name) for name in ("docs", "units", "bytes")}  # of a sample, how many had no score


# ---- plans whose files are not what they were


def edited_shard(tmp_path: Path):
    """A job and the input of a shard as the tasks of a build have them, the plan's context, and the shard's edits."""
    made = case(tmp_path, recipe("by-source"), documents())
    planned, _ = made.plan()
    context = made.context(planned)
    job = jobs.build.Job(made.corpus.workspace, planned.folder, "", 7, "tokens", None, "", 1, frozenset(), "recipe")
    shard, *_ = jobs.build._inputs(planned)
    assert shard.edits is not None and any(edit for *_, edit in jobs.build.emitted(job, shard))
    return job, shard, context.edits_uri(0), *sidecars.read(context.edits_uri(0))


def test_edits_that_are_not_the_plan_s_are_refused(tmp_path):
    job, shard, uri, table, meta = edited_shard(tmp_path)
    sidecars.write(uri, table.slice(1), {"shard": meta["shard"], "rows_digest": meta["rows_digest"]})
    with pytest.raises(BadInput, match=r"edits/web/0.jsonl.parquet: not the list of edits that plan.json names;"):
        list(jobs.build.emitted(job, shard))
    storage.put(uri, b"")
    with pytest.raises(BadInput, match=r"edits/web/0.jsonl.parquet: this list of edits cannot be read; remove"):
        list(jobs.build.emitted(job, shard))


@pytest.mark.parametrize(("column", "more"), [("bytes", 1), ("end", 10**6), ("start", -10**6), ("first_byte", 1)])
def test_cuts_that_are_not_in_the_text_are_an_error(tmp_path, column, more):
    job, shard, uri, table, meta = edited_shard(tmp_path)
    number = table.column_names.index(column)
    wrong = table.set_column(number, column, [[each + more for each in table.column(column).to_pylist()]])
    written = sidecars.write(uri, wrong, {"shard": meta["shard"], "rows_digest": meta["rows_digest"]})
    with pytest.raises(JobFailed, match=r"what is to be cut from row .* is not in its text"):
        list(jobs.build.emitted(job, dataclasses.replace(shard, edits=written["digest"])))


# ---- explain


def asked(made, planned, doc: Doc) -> tuple[dict, str]:
    found = explain.explain(planned, made.context(planned), made.corpus, doc.source, doc.id)
    whole = explain.with_texts(found, made.corpus)
    return whole, report.explain_text(whole)


def test_explain_shows_each_cut_and_what_keeps_it(plans):
    made, planned, _, _ = plans["shuffled"]
    expected = decide(made.recipe, made.docs, made.owner)
    (path, row), cuts = max(expected.losers[1].items(), key=lambda each: len(each[1]) * (each[0] in expected.edits))
    doc = made.docs[path][row]
    found, said = asked(made, planned, doc)
    lines = found["dedup"][1]
    assert [(cut["start"], cut["end"], cut["bytes"], cut["keeper"]["shard"], cut["keeper"]["row"],
             cut["keeper"]["start"]) for cut in lines["cuts"]] == [(*cut[:2], *cut[3:]) for cut in cuts]
    for cut in lines["cuts"]:
        keeper = cut["keeper"]
        other = made.docs[keeper["shard"]][keeper["row"]]
        assert (keeper["id"], keeper["source"]) == (other.id, other.source)
        assert doc.text[cut["start"] : cut["end"]] == cut["text"]
        assert other.text[keeper["start"] :].strip().startswith(cut["text"].strip())
        assert f'{cut["start"]}-{cut["end"]} "' in said and f"stays in x {other.id}" in said
    assert list(found["values"]) == ["text_hash.key"]  # the keys of spans say nothing
    edits = expected.edits[path, row]
    assert [(cut["start"], cut["end"], cut["bytes"]) for cut in found["edits"]] == \
        [(start, end, size) for start, end, _, size, _ in edits]
    assert f"without {len(edits)} span" in said and all(line == line.rstrip() for line in said.splitlines())
    json.dumps(found)


def test_explain_says_what_went_and_what_nothing_is_cut_from(plans):
    made, planned, _, _ = plans["shuffled"]
    expected = decide(made.recipe, made.docs, made.owner)
    for path, chosen in expected.selection.items():
        for row, (_, reason) in enumerate(chosen):
            if not reason.startswith("dedup paragraph@1"):
                continue
            found, said = asked(made, planned, made.docs[path][row])
            assert found["dedup"][1]["bytes_cut"] > 0.7 * found["bytes"] and found["edits"] == []
            assert "up to 70% may be cut" in said and f"out: {reason}" in said
    assert any(reason.startswith("dedup paragraph@1") for rows in expected.selection.values() for _, reason in rows)


def test_explain_shows_how_the_copy_differs(tmp_path):
    docs = {"web/0.jsonl": [Doc("x", "lost", "One text.\nWith lines\x1b and more"), Doc("x", "same", "equal")],
            "wiki/0.jsonl": [Doc("x", "kept", "one text.\nwith LINES\x1b and more"), Doc("x", "other", "equal")]}
    made = case(tmp_path, recipe_text({"web": {}, "wiki": {}}, prefer=["wiki"],
                                      dedup=[{"use": "text@1"}, {"use": "text@1", "normalise": ["lower"]}]), docs)
    planned, _ = made.plan()
    found, said = asked(made, planned, docs["web/0.jsonl"][0])
    assert found["dedup"][1]["lost_to"]["difference"]["same"] == "normalised"
    assert "lost to x kept (wiki/0.jsonl row 0, line 1)\n    its text differs in case" in said
    assert r"at 0: [-One-]{+one+} text.\nWith lines\x1b and more" in said
    assert r"at 10: One text.\n[-With lines-]{+with LINES+}\x1b and more" in said
    assert "\x1b" not in said
    assert "lost to x other (wiki/0.jsonl row 1, line 2)\n    its text is the same" in \
        asked(made, planned, docs["web/0.jsonl"][1])[1]
