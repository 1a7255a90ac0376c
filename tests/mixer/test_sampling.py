"""Which documents are held out and which a sample keeps: exact, as often as stated, and by the document alone."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_cases import Case, case, recipe_text
from plan_oracle import Doc, decide, is_sampled, key_of

from mixer import lock, sampling
from mixer.draw import draws
from mixer.errors import BadInput
from mixer.recipe import Sample
from mixer.recipe_parser import parse

U64 = st.integers(0, 2**64 - 1)
SCORES = st.one_of(st.floats(-0.5, 1.5), st.floats(), st.sampled_from([0.0, 1.0, 0.5, 2.0**-64, 1 - 2.0**-53]))
SAMPLES = [Sample("c", "proportional", None), *(Sample("c", "pareto", alpha) for alpha in (1, 3, 9, 100))]


def kept(sample: Sample, value: int, score: float) -> bool:
    return bool(sampling.keeps(sample, np.array([value], np.uint64), np.array([score]))[0])


@given(st.sampled_from(SAMPLES[:4]), U64, st.floats(-0.5, 1.5))
def test_samples_are_what_fractions_say(sample, value, score):
    assert kept(sample, value, score) == is_sampled(sample, value, score)


@pytest.mark.parametrize(("score", "most"), [
    (0.5, 2**63), (1.0, 2**64), (7.0, 2**64), (float("inf"), 2**64), (2.0**-64, 1), (2.0**-65, 1),
    (1 - 2.0**-53, 2**64 - 2**11), (0.0, 0), (-1.0, 0), (float("nan"), 0), (float("-inf"), 0),
])
def test_proportional_is_exact_to_the_last_draw(score, most):
    sample = SAMPLES[0]
    assert most == 0 or kept(sample, most - 1, score)
    assert most == 2**64 or not kept(sample, most, score)


@pytest.mark.parametrize(("score", "share"), [(1, 1), (0.9, 0.424), (0.5, 0.026), (0, 0.002), (5, 1)])
def test_pareto_of_9_keeps_as_many_as_gpt_3_s_rule(score, share):
    """(2 - score)^-9, by counting; the published figures have three digits."""
    identities = np.arange(800_000, dtype="<u8").view(np.uint8).reshape(-1, 16)
    values = draws(7, "sample", identities)
    found = sampling.keeps(Sample("c", "pareto", 9), values, np.full(len(values), float(score))).mean()
    odds = float(Fraction(2 - min(Fraction(str(score)), Fraction(1))) ** -9)
    assert round(odds, 3) == share
    assert found == pytest.approx(odds, abs=5 * (odds * (1 - odds) / len(values)) ** 0.5 + 1e-9)


@given(U64, SCORES, SCORES, st.lists(st.integers(1, 100), min_size=2, max_size=2))
def test_a_better_score_or_a_smaller_alpha_drops_nothing(value, one, other, alphas):
    worse, better = sorted([one, other]) if one == one and other == other else (float("nan"), other)
    for sample in SAMPLES:
        assert kept(sample, value, better) or not kept(sample, value, worse)
    small, large = (Sample("c", "pareto", alpha) for alpha in sorted(alphas))
    assert kept(small, value, one) or not kept(large, value, one)


@pytest.mark.parametrize(("share", "first"), [
    ("0", 0), ("1", 2**64), ("0.5", 2**63), ("0.1", -(-2**64 // 10)), ("1e-30", 1),
    ("0.99999999999999999999999", 2**64),
])
def test_shares_are_exact(share, first):
    """The first value that is not taken: 2^64 times the share, rounded up."""
    places = [each for each in (first - 1, first) if 0 <= each < 2**64]
    found = sampling.below(np.array(places, np.uint64), Decimal(share))
    assert found.tolist() == [each < Fraction(share) * 2**64 for each in places] == [each < first for each in places]


# ---- hold-outs, over whole plans

LOWER = {"use": "text@1", "normalise": ["lower"]}


def documents(folder: str, families: int) -> dict[str, list[Doc]]:
    """Families of one to four texts that differ in case alone, spread over shards; of another folder others."""
    docs = [Doc(folder, f"{family}-{number}", "".join(
        letter.upper() if number >> at % 2 & 1 else letter for at, letter in enumerate(f"{folder} family {family}")))
        for family in range(families) for number in range(1 + family % 4)]
    return {f"{folder}/{shard}.jsonl": docs[shard::3] for shard in range(3)}


def held(made: Case, name: str | None = None) -> dict[str, set[tuple[str, str]]]:
    """(source, id) of the documents by the reason for which they are in or out."""
    _, found = made.plan()
    reasons: dict[str, set[tuple[str, str]]] = {}
    for path, rows in found.selection.items():
        for doc, (_, reason) in zip(made.docs[path], rows, strict=True):
            reasons.setdefault(reason, set()).add((doc.source, doc.id))
    return reasons


@pytest.mark.parametrize("dedup", [[LOWER], [{"use": "text@1"}], []])
def test_nothing_of_the_mixture_is_like_what_is_held_out(tmp_path, dedup):
    """Whether dedup has the method of the hold-out or not; without it, documents that are alike all stay."""
    docs = documents("web", 300) | documents("wiki", 100)
    splits = {"validation": {"share": 0.2, "by": LOWER}, "test": {"share": 0.1, "by": LOWER}}
    made = case(tmp_path, recipe_text({"web": {}, "wiki": {}}, dedup=dedup, holdout=splits), docs)
    planned, found = made.plan()
    assert found == decide(made.recipe, docs, made.owner)
    names = [each["method"] for each in lock.decode(planned.lock, "")["clusters"]]
    assert names == (["text@1", "id@1"] if dedup == [LOWER] else ["text@1"] * (len(dedup) + 1) + ["id@1"])
    keys: dict[str, set[str]] = {}
    for path, rows in found.selection.items():
        for doc, (_, reason) in zip(docs[path], rows, strict=True):
            keys.setdefault(reason, set()).add(key_of(made.recipe.holdout[0].by, doc))
    inside, validation, test = (keys[name] for name in ("kept", "held out validation", "held out test"))
    assert not inside & (validation | test) and not validation & test
    assert 50 < len(validation) < 115 and 15 < len(test) < 55  # of 400, give or take 4 standard deviations
    if not dedup:
        assert sum(each["docs"] for count in found.counts for each in count["held_out"]) > len(validation) + len(test)


def test_a_source_or_a_split_more_changes_no_one_else_s_hold_out(tmp_path):
    docs = documents("web", 200)
    first = {"validation": {"share": 0.2, "by": LOWER}}
    before = held(case(tmp_path / "one", recipe_text({"web": {}}, holdout=first), docs))
    more = documents("wiki", 80)
    after = held(case(tmp_path / "two", recipe_text({"wiki": {}, "web": {}}, holdout=first), docs | more))
    mine = {reason: {each for each in found if each[0] == "web"} for reason, found in after.items()}
    assert mine == before and len(after["held out validation"]) > len(before["held out validation"])
    splits = {**first, "test": first["validation"]}
    second = held(case(tmp_path / "three", recipe_text({"web": {}}, holdout=splits), docs))
    assert second["held out validation"] == before["held out validation"]
    assert second["held out test"] | second["kept"] == before["kept"] and second["held out test"]
    # Nor does what is asked of others, a larger share but adds, and another seed is another choice.
    for change, same in (({"share": 0.3}, False), ({"seed": 8}, True)):
        fields = {"holdout": {"validation": {**first["validation"], **change}}} if "share" in change else \
            {"holdout": first, **change}
        found = held(case(tmp_path / str(same), recipe_text({"web": {}}, **fields), docs))["held out validation"]
        assert (found > before["held out validation"]) if "share" in change else found != before["held out validation"]


def test_a_split_is_the_mixture_of_what_is_held_out_once_each(tmp_path):
    docs = documents("web", 120) | documents("wiki", 60)
    docs = {path: [Doc(doc.source, doc.id, doc.text, {"language.fr": 0.3}) for doc in each]
            for path, each in docs.items()}
    recipe = recipe_text(
        {"web": {"weight": 0.3, "max_epochs": 0.5, "sample": {"column": "language.fr", "rule": "proportional"}},
         "wiki": {"weight": 0.7, "edit": {"pii.email": {"cut": True}}}},
        policy={"kind": "fixed"}, budget=300, on_shortfall="redistribute", dedup=[LOWER], unit="docs", keep={},
        holdout={"validation": {"share": 0.2}, "test": {"share": 0.3}})
    made = case(tmp_path, recipe, docs)
    whole = held(made)
    locks = {made.plan()[0].body["lock_sha256"]}
    for name in ("validation", "test"):
        of_split = Case(made.recipe.for_split(name), made.corpus, made.docs, made.indexes, made.sets)
        planned, found = of_split.plan()
        assert found == decide(of_split.recipe, docs, made.owner)
        assert lock.decode(planned.lock, "")["split"] == name
        locks.add(planned.body["lock_sha256"])
        reasons = held(of_split)
        assert reasons["kept"] == whole[f"held out {name}"] and set(reasons) == {"kept", "not held out", *(
            reason for reason in whole if reason.startswith("dedup"))}
        assert {copies for rows in found.selection.values() for copies, _ in rows} == {0, 1}
        assert [count["sample"] for count in found.counts] == [None, None]
    assert len(locks) == 3


@pytest.mark.parametrize(("asked", "hint"), [
    ("validaton", "did you mean validation?"), ("x", "it has validation, test"),
])
def test_an_unknown_split_is_an_error_with_the_nearest(asked, hint):
    recipe = parse(recipe_text({"web": {}}, holdout={"validation": {"share": 0.1, "by": LOWER},
                                                     "test": {"share": 0.1, "by": LOWER}}), "recipe.yaml")
    with pytest.raises(BadInput, match=f"no split '{asked}'; {hint}".replace("?", r"\?")):
        recipe.for_split(asked)
    with pytest.raises(BadInput, match="it has no `holdout`"):
        parse(recipe_text({"web": {}}), "recipe.yaml").for_split(asked)
