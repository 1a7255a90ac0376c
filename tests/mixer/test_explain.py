"""Explain says of any document why it is in or out, from the plan's own files."""

from __future__ import annotations

import hashlib

import pytest
from plan_cases import case, recipe_text
from plan_oracle import Doc, decide

from mixer import explain, rows, verdicts
from mixer.errors import BadInput
from mixer.recipe_parser import parse
from mixer.selection import Context

DOCS = {
    "web/0.jsonl": [
        Doc("crawl", "short", "a", {"words.count": 1, "language.en": 0.5}),
        Doc("crawl", "copy", "Same text.", {"words.count": 2, "language.en": 0.75}),
        Doc("crawl", "ümlaut", "own text é", {"words.count": 3, "language.en": 0.75}),
        Doc("crawl", "unknown language", "???", {"words.count": 9, "language.en": None}),
    ],
    "wiki/0.jsonl": [Doc("wiki", "article", "same text.", {"words.count": 2}),
                     Doc("crawl", "elsewhere", "crawl in wiki", {"words.count": 3})],
    # Of these, one is not drawn.
    "book/0.jsonl": [Doc("book", f"{number}", f"novel {number}", {"words.count": 2}) for number in range(3)],
}
RECIPE = recipe_text(
    {"web": {"keep": {"language.en": {"min": 0.65}}, "weight": 0.2}, "wiki": {"weight": 0.4}, "book": {"weight": 0.4}},
    policy={"kind": "fixed"}, unit="docs", budget=5, prefer=["wiki"], keep={"words.count": {"min": 2}},
    dedup=[{"use": "text@1"}, {"use": "text@1", "normalise": ["lower"]}])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return case(tmp_path_factory.mktemp("explain"), RECIPE, DOCS)


@pytest.fixture(scope="module")
def ask(made):
    plan, _ = made.plan()

    def answer(source: str, id: str):
        return explain.explain(plan, made.context(plan), made.corpus, source, id)

    return answer


def test_kept_document(ask, made):
    found = ask("crawl", "ümlaut")
    stored = (made.corpus.workspace.corpus + "/web/0.jsonl", "own text é".encode())
    assert found["copies"] == 1 and found["reason"] == "kept"
    assert (found["shard"], found["row"], found["line"], found["mix_source"]) == ("web/0.jsonl", 2, 3, "web")
    assert (found["bytes"], found["chars"]) == (11, 10)
    assert found["text_sha256"] == hashlib.sha256(stored[1]).hexdigest()
    with open(stored[0], "rb") as file:
        whole = file.read()
    assert found["shard_sha256"] == hashlib.sha256(whole).hexdigest()
    assert whole[found["offset"]:].startswith(b'{"id": "\\u00fcmlaut"')
    assert found["rules"] == [{"rule": "words.count min 2", "passes": True, "why": ""},
                              {"rule": "language.en min 0.65", "passes": True, "why": ""}]
    assert found["dedup"] == [{"method": "text@1", "cluster": None}, {"method": "text@1", "cluster": None}]
    assert found["values"]["words.count"] == 3 and found["values"]["language.en"] == 0.75
    assert found["values"]["words.mean_length"] is None


def test_document_dropped_by_rules_says_each(ask):
    found = ask("crawl", "short")
    assert found["copies"] == 0 and found["reason"] == "words.count min 2"
    assert [rule["why"] for rule in found["rules"]] == ["words.count 1 < 2", "language.en 0.5 < 0.65"]
    found = ask("crawl", "unknown language")
    assert found["reason"] == "language.en min 0.65"
    assert [rule["why"] for rule in found["rules"]] == ["", "language.en is missing"]


def test_document_lost_to_a_copy_names_the_one_that_stays(ask):
    found = ask("crawl", "copy")
    assert found["copies"] == 0 and found["reason"] == "dedup text@1 normalise=[lower]"
    assert found["dedup"][0] == {"method": "text@1", "cluster": None}
    assert found["dedup"][1]["lost_to"] == {"shard": "wiki/0.jsonl", "row": 0, "line": 1, "source": "wiki",
                                            "id": "article"}
    kept = ask("wiki", "article")
    assert kept["copies"] == 1
    assert kept["dedup"][1] == {"method": "text@1", "cluster": found["dedup"][1]["cluster"]}
    assert len(bytes.fromhex(found["dedup"][1]["cluster"])) == 16


def test_document_that_is_not_drawn_comes_last_in_the_draw(ask, made):
    found = [ask("book", str(number)) for number in range(3)]
    out = [each for each in found if not each["copies"]]
    assert [each["reason"] for each in out] == ["not drawn"]
    assert out[0]["draw"] == max(each["draw"] for each in found)
    assert all(len(each["draw"]) == 16 for each in found)


def test_phases_say_how_far_a_document_came(ask, made):
    verdicts = [(each["phase"], each["verdict"], each["why"]) for each in ask("crawl", "copy")["phases"]]
    assert verdicts == [("rules", "passes", ""), ("rules", "passes", ""), ("dedup", "passes", ""),
                        ("dedup", "dropped", "lost to wiki article"), ("draw", "not reached", "")]
    assert [each["verdict"] for each in ask("crawl", "short")["phases"]] == [
        "dropped", "dropped", "not reached", "not reached", "not reached"]
    for path, docs in DOCS.items():
        for doc in docs:
            found = ask(doc.source, doc.id)
            last = found["phases"][-1]
            assert last["step"] == f"draw {found['draw']}"
            if found["reason"] == "not drawn":
                assert last["verdict"] == "dropped" and last["why"].startswith("not before the cutoff")
            elif found["copies"]:
                assert {each["verdict"] for each in found["phases"]} == {"passes"}
            else:
                first = next(each for each in found["phases"] if each["verdict"] == "dropped")
                assert first["step"] == found["reason"], path


def test_verdicts_of_phases_that_the_selection_alone_tells():
    """Tops, edits, hold-outs, samples and curves: by the number of the reason, which is in the order of the phases."""
    phases = {"keep": {"words.count": {"min": 1}, "words.mean_length": {"top": 0.5}}}
    recipe = parse(recipe_text({"web": {"sample": {"column": "words.count", "rule": "pareto", "alpha": 9}, **phases}},
                               edit={"pii.email": {"replace": "x"}}, dedup=[{"use": "text@1"}]), "r.yaml")
    context = Context(workspace=None, folder="", recipe=recipe, paths={}, sources={}, columns={}, digests={}, sets=(),
                      holdouts=(), arguments="")
    rules = [{"rule": "words.count min 1", "passes": True, "why": ""}]
    values = {"words.count": None, "words.mean_length": 4.25, "pii.email": [{"start": 0, "end": 1}]}

    def said(reason: str) -> list[str]:
        number = context.reason_numbers[reason]
        return [each["verdict"] for each in verdicts.entries(context, "web", number, rules, [{}], values)]

    steps = verdicts.entries(context, "web", 0, rules, [{}], values)
    assert [(each["phase"], each["why"]) for each in steps] == [
        ("rules", ""), ("tops", "words.mean_length 4.25"), ("dedup", ""), ("edits", ""),
        ("sample", "words.count is missing")]
    further = {"would_edit": [{"spans": [1, 2], "share": 0.25}], "sample": {"draw": "8f", "score": None}}
    assert [each["why"] for each in verdicts.entries(context, "web", 0, rules, [{}], values, further)][3:] == [
        "2 spans, 25.00% of its text", "words.count is missing, draw 8f"]
    assert said("kept") == ["passes"] * 5
    assert said("words.mean_length top 0.5") == ["passes", "dropped", *["not reached"] * 3]
    assert said('edit pii.email replace "x"') == ["passes"] * 3 + ["dropped", "not reached"]
    assert said("sample words.count pareto alpha=9") == ["passes"] * 4 + ["dropped"]
    count = {"curve": None, "cutoff": "8" * 112, "copies": 2}
    for copies, why in [(3, "before the cutoff 8888888888888888: 2 of each, and one more"),
                        (2, "not before the cutoff 8888888888888888: 2 of each")]:
        assert verdicts.drawn(context, count, 0, copies, "7")["why"] == why
    assert verdicts.drawn(context, count, context.reason_numbers["not drawn"], 0, "9")["verdict"] == "dropped"
    assert verdicts.drawn(context, count, 1, 0, "9")["verdict"] == "not reached"
    buckets = [{"copies": copies, "cutoff": "8" * 112} for copies in (0, 1, 1)]
    for copies, draw, why in [(1, "7", "1 copy, as bucket 1 of 3 gives"), (0, "9", "0 copies, as bucket 1 of 3 gives"),
                              (2, "7", "2 copies, as bucket 2 or 3 of 3 gives")]:
        assert verdicts.drawn(context, {**count, "curve": {"buckets": buckets}}, 0, copies, draw)["why"] == why


def test_source_is_the_documents_own(ask):
    """Not the recipe's: this one is of `crawl`, in a shard of the recipe's `wiki`."""
    found = ask("crawl", "elsewhere")
    assert (found["shard"], found["row"], found["mix_source"]) == ("wiki/0.jsonl", 1, "wiki")


@pytest.mark.parametrize(("source", "id"), [("crawl", "SHORT"), ("web", "short"), ("", ""), ("crawls", "hort")])
def test_unknown_document_is_an_error_that_says_where_was_looked(ask, source, id):
    with pytest.raises(BadInput) as error:
        ask(source, id)
    assert f"no document {id!r} of the source {source!r} is in the 3 shards of this recipe" in str(error.value)
    assert "case-sensitive" in str(error.value)


def test_every_document_is_explained_as_the_oracle_decides(ask, made):
    expected = decide(made.recipe, DOCS, made.owner)
    for path, docs in DOCS.items():
        for row, doc in enumerate(docs):
            found = ask(doc.source, doc.id)
            assert (found["shard"], found["row"]) == (path, row)
            assert (found["copies"], found["reason"]) == expected.selection[path][row]
            for method, said in enumerate(found["dedup"]):
                assert ("lost_to" in said) == ((path, row) in expected.losers[method])


def test_text_is_that_of_the_row(made):
    for path, docs in DOCS.items():
        assert [explain.text_of(made.corpus, path, row) for row in range(len(docs))] == [doc.text for doc in docs]
    with pytest.raises(BadInput, match=r"^web/0.jsonl: has no row 4 any more; run `solera tag .* --verify`$"):
        explain.text_of(made.corpus, "web/0.jsonl", 4)


def test_text_is_that_of_the_row_beside_bad_records(tmp_path):
    """Rows count good records alone."""
    docs = {"web/0.jsonl": [Doc("a", "1", "x"), Doc("a", "2", "y")]}
    made = case(tmp_path, recipe_text({"web": {}}, unit="docs"), docs)
    shard = tmp_path / "corpus" / "web" / "0.jsonl"
    lines = shard.read_bytes().splitlines(keepends=True)
    shard.write_bytes(b"not json\n" + lines[0] + b"\n{}\n" + lines[1])
    assert [explain.text_of(made.corpus, "web/0.jsonl", row) for row in (0, 1)] == ["x", "y"]


def test_identity_is_of_source_and_id_apart():
    assert rows.identity("ab", "c") != rows.identity("a", "bc")


def test_verdicts_go_by_the_order_of_the_documents_own_source(tmp_path):
    """Another source has the same shares in another order, and a reason has one number in the plan."""
    shares = {"words.count": {"top": 0.5}, "words.mean_length": {"top": 0.5}}
    docs = {f"{source}/0.jsonl": [Doc(source, f"{row}", "y", {"words.count": row, "words.mean_length": row / 2})
                                  for row in range(8)] for source in ("web", "wiki")}
    sources = {"web": {"keep": shares}, "wiki": {"keep": dict(reversed(shares.items()))}}
    made = case(tmp_path, recipe_text(sources, unit="docs"), docs)
    context = made.context(planned := made.plan()[0])
    for source in sources:
        verdict = [[each["verdict"] for each in explain.explain(planned, context, made.corpus, source, f"{number}")[
            "phases"] if each["phase"] == "tops"] for number in (0, 4, 7)]
        assert verdict == [["dropped", "not reached"], ["passes", "dropped"], ["passes", "passes"]]
