"""The documents in which plans and mixtures differ are those of an oracle over plain sets, however they are found."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from plan_cases import RULES, Case, case, corpora, recipe_text
from plan_oracle import Doc, Outcome, slice_name
from small_mixture import write_mixture

from jobs.diff import Difference, compare
from jobs.engine import engine
from mixer import selection_diff, sides, storage
from mixer.errors import BadInput, StorageError
from mixer.plan import Plan
from mixer.selection_diff import CHANGED, DRAWN, UNREAD
from mixer.sides import Side

SLOW = settings(deadline=None, phases=[Phase.generate],  # shrinking a corpus takes minutes
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.fixture(autouse=True, scope="module")
def unflushed() -> Iterator[None]:
    """Nothing here has to outlive a power cut; on a busy disk that is most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "_flush", lambda out: out.flush())
        yield


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def difference(old: Side, new: Side, examples: int = 100) -> Difference:
    with engine(None, {}, "", quiet=True) as made:
        return compare(old, new, made, examples)


def taken(made: Case, found: Outcome) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Every document that a plan knows: what it does with it, and why, where it is of several sources for each."""
    docs = {}
    for path, each in made.docs.items():
        for row, doc in enumerate(each):
            judged = {source: found.selection[slice_name(path, source, made.owner)][row]
                      for source in made.owner.get(path, ())}
            if judged:
                source = max(judged, key=lambda name: judged[name][0])
                copies = judged[source][0]
                docs[doc.text, doc.source, doc.id] = {
                    "copies": copies, "why": {reason for _, reason in judged.values()}, "source": source,
                    "row": (path, row), "cuts": tuple(found.edits.get((path, row), ())) if copies else ()}
    return docs


NOT_THERE: dict[str, Any] = {"copies": 0, "why": {UNREAD, CHANGED}}


def expected(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> dict[str, dict[Any, set[str]]]:
    """By kind of difference its documents, with the reasons that the other side may say."""
    found: dict[str, dict[Any, set[str]]] = {what: {} for what in selection_diff.WHATS}
    for key in old.keys() | new.keys():
        was, now = old.get(key, NOT_THERE), new.get(key, NOT_THERE)
        if was["copies"] and not now["copies"]:
            found["out"][key] = now["why"]
        elif now["copies"] and not was["copies"]:
            found["in"][key] = was["why"]
        elif now["copies"]:
            if now["copies"] != was["copies"]:
                found["more" if now["copies"] > was["copies"] else "fewer"][key] = {""}
            if now["cuts"] != was["cuts"]:
                found["text"][key] = {""}
            if now["source"] != was["source"]:
                found["source"][key] = {""}
    return found


def check(found: Difference, one: tuple[Case, Outcome], other: tuple[Case, Outcome], reasons: bool = True) -> None:
    """All that is said of documents against the oracle: counts, units, bytes, reasons, and each example."""
    old, new = taken(*one), taken(*other)
    documents, said = found.documents, expected(old, new)
    assert documents is not None
    unit = one[0].recipe.unit

    def units(size: int) -> int:
        return 1 if unit == "docs" else size if unit == "bytes" else -(-size // 4)

    sums: Counter[Any] = Counter()
    for (what, source, reason), three in documents.tallies.items():
        sums[what, source] += 0
        for number, value in enumerate(three.tolist()):
            sums[what, source, number] += value
        assert three[0] > 0 and (not reasons or any(reason in why for why in said[what].values()))
    for what, docs in said.items():
        side = old if what in ("out", "fewer") else new
        for source in {side[key]["source"] for key in docs}:
            mine = [key for key in docs if side[key]["source"] == source]
            times = [abs(old.get(key, NOT_THERE)["copies"] - new.get(key, NOT_THERE)["copies"])
                     if what not in ("text", "source") else new[key]["copies"] for key in mine]
            sizes = [len(key[0].encode()) for key in mine]
            assert [sums.pop((what, source, number), 0) for number in range(3)] == [
                len(mine), sum(units(size) * time for size, time in zip(sizes, times, strict=True)),
                sum(size * time for size, time in zip(sizes, times, strict=True))]
    assert not any(sums.values())
    both = [key for key in old.keys() & new.keys() if old[key]["copies"] and new[key]["copies"]]
    changed = {key for what in ("more", "fewer", "text", "source") for key in said[what]}
    assert (documents.changed, documents.same) == (len(changed), len(both) - len(changed))
    named = Counter((each["what"], each["source"], each["id"]) for each in found.examples)
    assert named == Counter((what, source, id) for what, docs in said.items() for _, source, id in docs)
    for each in found.examples:
        (key,) = [key for key in said[each["what"]] if key[1:] == (each["source"], each["id"])]
        places = [side[key]["row"] for side in (old, new) if key in side]
        assert (each["shard"], each["row"]) in places
        assert each["copies"] == [side.get(key, NOT_THERE)["copies"] for side in (old, new)]


def planned(place: Path, *of: tuple[bytes, Mapping[str, list[Doc]]]) -> list[tuple[Case, Plan, Outcome]]:
    """Cases with their plans; one that makes no plan is none."""
    try:
        cases = [case(place / str(number), *each) for number, each in enumerate(of)]
        return [(each, *each.plan()) for each in cases]
    except BadInput:
        assume(False)
        raise


def side(made: Any) -> Side:
    return sides.opened(made.folder)


METHODS: list[dict[str, Any]] = [{"use": "text@1"}, {"use": "text@1", "normalise": ["lower", "whitespace"]},
                                 {"use": "substring@1", "unit": "bytes", "max_removed": 0.5}]


@st.composite
def recipes(draw: Any, folders: Sequence[str], unit: str) -> bytes:
    """A few of all recipes, of which hardly any makes no plan; of some the first folder is of two sources."""
    sources: dict[str, dict[str, Any]] = {folder: {} for folder in folders}
    if draw(st.booleans()):
        sources["z"] = {"shards": f"{folders[0]}/*.jsonl", "keep": {"document.slice": {"max": 399_999}}}
        sources[folders[0]]["keep"] = {"document.slice": {"min": 400_000}}
    for source in sources.values():
        source |= draw(st.sampled_from([{}, {"max_epochs": 0.5}, {"max_epochs": 3}]))
    keep = dict(draw(st.lists(st.sampled_from(RULES), max_size=2, unique_by=lambda rule: rule[0])))
    budget = draw(st.sampled_from([{}, {"budget": 40}, {"budget": 200}]))
    methods = draw(st.lists(st.sampled_from(METHODS), max_size=2, unique_by=str))
    return recipe_text(sources, seed=draw(st.integers(0, 3)), unit=unit, keep=keep, dedup=methods,
                       on_shortfall="redistribute", **budget)


@st.composite
def two(draw: Any) -> tuple[bytes, bytes, dict[str, list[Doc]]]:
    """Two recipes over one corpus, which count by the same unit."""
    docs = draw(corpora(False))
    folders = sorted({path[0] for path in docs})
    unit = draw(st.sampled_from(["tokens", "bytes", "docs"]))
    return draw(recipes(folders, unit)), draw(recipes(folders, unit)), docs


@settings(SLOW, max_examples=3)
@given(two(), st.sampled_from([2, 2_000_000]), st.data())
def test_all_ways_find_what_the_oracle_finds(both, limit, data):
    """Shard by shard; joined, in memory and in files; between mixtures; and of a mixture and a plan."""
    first, second, docs = both
    with folder() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection_diff, "LIMIT", limit)
        patch.setattr(selection_diff, "FILES", 3)
        made = planned(place, (first, docs), (second, docs))
        plans = [side(plan) for _, plan, _ in made]
        outcomes = [(each, outcome) for each, _, outcome in made]
        found = difference(*plans)
        check(found, *outcomes)
        with pytest.MonkeyPatch.context() as joined:
            joined.setattr("mixer.lock_diff.alike", lambda old, new: set())
            again = difference(*plans)
        assert again.as_json() == found.as_json()
        if not all(outcome.counts and any(count["emitted"]["docs"] for count in outcome.counts)
                   for _, outcome in outcomes):
            return
        mixtures = [sides.opened(str(write_mixture(each, plan, place / name)))
                    for (each, plan, _), name in zip(made, ("first", "second"), strict=True)]
        check(difference(*mixtures), *outcomes, reasons=False)
        if not any(outcome.edits for _, outcome in outcomes):  # else two cuts of the same length look alike
            check(difference(plans[0], mixtures[1]), *outcomes, reasons=False)
            check(difference(mixtures[0], plans[1]), *outcomes, reasons=False)
        patch.setattr("jobs.diff._surely_same", lambda *_: False)
        for each, same in zip(plans, mixtures, strict=True):
            assert not difference(each, same).documents.differ


@settings(SLOW, max_examples=3)
@given(corpora(False, 2), corpora(False, 2), st.sampled_from([3, 2_000_000]), st.data())
def test_corpora_of_other_shards_are_joined(docs, others, limit, data):
    """Some shards of the two are the same, some have other documents, and some stand in one alone."""
    recipe = data.draw(recipes(["a", "b"], "bytes"))
    shared = {path: each for path, each in docs.items() if data.draw(st.booleans())}
    mixed = {**others, **shared}
    with folder() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection_diff, "LIMIT", limit)
        patch.setattr(selection_diff, "FILES", 3)
        (one, plan, outcome), (other, other_plan, other_outcome) = planned(place, (recipe, docs), (recipe, mixed))
        found = difference(side(plan), side(other_plan))
        check(found, (one, outcome), (other, other_outcome))
        assert all(reason != "kept" for _, _, reason in found.documents.tallies)


WEB = [Doc("crawl", f"{number}", "word " * (number + 1), {"words.count": number + 1}) for number in range(6)]


def small(place: Path, docs: Mapping[str, list[Doc]], **fields: Any) -> Case:
    return case(place, recipe_text({name: {} for name in sorted({path.split("/")[0] for path in docs})},
                                   **{"keep": {"words.count": {"min": 1}}, **fields}), docs)


def test_a_changed_threshold_says_the_value_that_fails(tmp_path):
    docs = {"web/0.jsonl": WEB}
    old, new = (side(small(tmp_path / f"{least}", docs, keep={"words.count": {"min": least}}).plan()[0])
                for least in (1, 4))
    found = difference(old, new)
    assert {key: value.tolist() for key, value in found.documents.tallies.items()} == {
        ("out", "web", "words.count min 4"): [3, 2 + 3 + 4, 5 + 10 + 15]}
    assert [(each["id"], each["why"], each["line"]) for each in sorted(found.examples, key=lambda each: each["id"])] \
        == [("0", "words.count 1 < 4", 1), ("1", "words.count 2 < 4", 2), ("2", "words.count 3 < 4", 3)]
    back = difference(new, old)
    assert {(each["what"], each["id"], each["why"]) for each in back.examples} == \
        {("in", each["id"], each["why"]) for each in found.examples}
    assert not found.verdict.enough and found.verdict.asked == "minor"


def test_examples_are_few_and_always_the_same(tmp_path):
    docs = {f"web/{shard}.jsonl": [Doc("crawl", f"{shard}:{row}", f"{shard} {row}", {"words.count": row})
                                   for row in range(9)] for shard in range(4)}
    old, new = (side(small(tmp_path / f"{least}", docs, keep={"words.count": {"min": least}}).plan()[0])
                for least in (1, 5))
    whole = [each["id"] for each in difference(old, new).examples]
    assert len(whole) == 16
    for most in (0, 1, 3):
        assert [each["id"] for each in difference(old, new, most).examples] == whole[:most]


def test_why_a_document_is_not_known(tmp_path):
    docs = {"web/0.jsonl": WEB[:2], "web/1.jsonl": WEB[2:4], "web/2.jsonl": WEB[4:]}
    now = {"web/0.jsonl": WEB[:2], "web/1.jsonl": [*WEB[2:3], Doc("crawl", "3", "other", {"words.count": 9})]}
    old, new = (side(small(tmp_path / name, each).plan()[0]) for name, each in (("old", docs), ("new", now)))
    found = difference(old, new)
    assert {(each["what"], each["id"], each["why"]) for each in found.examples} == {
        ("out", "3", CHANGED), ("in", "3", CHANGED), ("out", "4", UNREAD), ("out", "5", UNREAD)}
    assert found.documents.same == 3
    assert [shard["path"] for shard in found.lock.removed] == ["web/2.jsonl"]
    assert [pair[0]["path"] for pair in found.lock.changed] == ["web/1.jsonl"]


def test_a_mixture_tells_the_draw_from_what_comes_before(tmp_path):
    docs = {"web/0.jsonl": WEB}
    recipes_ = [{"unit": "docs", "budget": 6}, {"unit": "docs", "budget": 2, "keep": {"words.count": {"min": 3}}}]
    made = [small(tmp_path / f"{number}", docs, **fields) for number, fields in enumerate(recipes_)]
    plans = [each.plan()[0] for each in made]
    old, new = (sides.opened(str(write_mixture(each, plan, tmp_path / f"out{number}")))
                for number, (each, plan) in enumerate(zip(made, plans, strict=True)))
    by_plan = {each["id"]: each["why"] for each in difference(side(plans[0]), side(plans[1])).examples}
    assert len(by_plan) == 4 and "not drawn" in by_plan.values()
    for each in difference(old, new).examples:
        if by_plan[each["id"]] == "not drawn":
            assert each["why"] == "not drawn"
        else:  # which the draw might have left out, too
            assert each["why"] in (DRAWN, "not drawn")


def test_texts_that_are_edited_otherwise(tmp_path):
    docs = {"web/0.jsonl": [replace(doc, found={"pii.email": [(5, 9, 1.0)] if row % 2 else []})
                            for row, doc in enumerate(WEB)]}
    made = [small(tmp_path / f"{number}", docs, edit={"pii.email": edit})
            for number, edit in enumerate([{"cut": True}, {"replace": "|é|"}, {"replace": "|||||"}])]
    plans = [each.plan()[0] for each in made]
    mixtures = [sides.opened(str(write_mixture(each, plan, tmp_path / f"out{number}")))
                for number, (each, plan) in enumerate(zip(made, plans, strict=True))]
    for old in range(3):
        for new in range(3):
            for one, other in ((side(plans[old]), side(plans[new])), (mixtures[old], mixtures[new]),
                               (side(plans[old]), mixtures[new]), (mixtures[old], side(plans[new]))):
                found = difference(one, other).documents
                assert found.total("text") == found.changed == (3 if old != new else 0)
                assert found.same == (3 if old != new else 6)


def test_a_source_that_is_called_otherwise_has_the_same_documents(tmp_path):
    docs = {"web/0.jsonl": WEB}
    one = small(tmp_path / "one", docs)
    two = case(tmp_path / "two", recipe_text({"crawl": {"shards": "web/*.jsonl"}}, keep={"words.count": {"min": 1}}),
               docs)
    found = difference(side(one.plan()[0]), side(two.plan()[0]))
    assert not found.documents.differ and found.documents.same == 6
    assert found.verdict.asked == "major" and not found.verdict.enough
    assert [(pair.source, pair.old == pair.new) for pair in found.amounts] == [("crawl", True), (None, True)]


def test_a_document_for_another_source(tmp_path):
    docs = {"web/0.jsonl": WEB[:3], "wiki/0.jsonl": WEB[3:]}
    now = {"web/0.jsonl": WEB[:2], "wiki/0.jsonl": [*WEB[3:], WEB[2]]}
    old, new = (side(small(tmp_path / name, each).plan()[0]) for name, each in (("old", docs), ("new", now)))
    found = difference(old, new)
    (each,) = found.examples
    assert (each["what"], each["id"], each["was"], each["is"]) == ("source", "2", "web", "wiki")


def test_the_same_plan_is_not_read(tmp_path, monkeypatch):
    plan = small(tmp_path / "one", {"web/0.jsonl": WEB}).plan()[0]
    monkeypatch.setattr(selection_diff, "context_of", None)
    found = difference(side(plan), side(plan))
    assert found.documents.same == 6 and not found.documents.differ and found.verdict.asked == "none"


def test_a_mixture_whose_parts_do_not_fit_is_not_compared(tmp_path):
    made = small(tmp_path / "one", {"web/0.jsonl": WEB})
    out = write_mixture(made, made.plan()[0], tmp_path / "out")
    (out / "recipe.yaml").write_bytes((out / "recipe.yaml").read_bytes() + b"\n")
    with pytest.raises(BadInput, match="not of one mixture; run `solera audit"):
        sides.opened(str(out))


def test_a_plan_whose_sidecars_are_gone_says_so(tmp_path):
    docs = {"web/0.jsonl": WEB}
    one, two = (small(tmp_path / f"{least}", docs, keep={"words.count": {"min": least}}) for least in (1, 4))
    old, new = side(one.plan()[0]), side(two.plan()[0])
    for path in Path(one.corpus.workspace.folder, "sidecars/rows@1").rglob("*.parquet"):
        path.unlink()
    with pytest.raises(StorageError, match=r"web/0\.jsonl\.parquet"):
        difference(old, new)
