"""Recipes: what a good one means, and what each mistake says. Columns come from a small registry of our own."""

import hashlib
import pickle
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer import lint, recipe_parser, recipe_reference
from mixer.errors import RecipeError
from mixer.recipe import Curve, DedupMethod, Edit, HoldOut, Policy, Rule, Sample, Source, Stage
from taggers import registry
from taggers.declare import Column, Family, Tagger

ROOT = Path(__file__).parents[2]


def tagger(name, *columns, **parts):
    parameters = parts.pop("parameters", {})
    made = tuple(Column(f"{name}.{column}", type, "", "") for column, type in columns)
    return Tagger(name, 1, "", "nowhere:run", made, parameters, **parts)


# Stand in for the registry's, so that a change of taggers changes no test here.
SMALL = (
    tagger("words", ("count", "int64"), ("mean_length", "float64")),
    tagger("lines", ("ratio", "float32"), ("has_code", "bool"), parameters={"least": 3, "share": 0.5, "strict": True}),
    tagger(
        "language",
        ("top", "string"),
        parameters={"languages": [], "model": None, "sha256": None},
        family=Family("language.", "languages", ("de", "en", "fr"), "float32", "", ""),
        file="model",
        bundled="nowhere:digest",
    ),
    tagger(
        "fasttext",
        ("score", "float32"),
        ("spans", "spans"),
        parameters={"labels": [], "model": None, "sha256": None},
        family=Family("fasttext.", "labels", (), "float32", "", ""),
        file="model",
    ),
    tagger("sentences", ("max", "float64"), parameters={"label": None, "model": None, "sha256": None}, file="model"),
    tagger("text_hash", ("key", "key128"), parameters={"normalise": []}),
    tagger("paragraph_keys", ("spans", "spans"), parameters={"unit": "paragraphs", "normalise": []}),
    tagger("pii", ("email", "spans"), ("ip", "spans")),
    tagger("tokens", ("count", "int64"), parameters={"tokenizer": None, "sha256": None}, file="tokenizer"),
)


@pytest.fixture(autouse=True)
def small_registry(request, monkeypatch):
    if "real_registry" not in request.fixturenames:
        monkeypatch.setattr(registry, "TAGGERS", SMALL)


@pytest.fixture
def real_registry():
    """A test that asks for this sees the real columns."""


GOOD = """\
name: mix
version: 1.2.0
seed: 7
corpus: s3://bucket/v2
unit: tokens
budget: 1_000
policy: {kind: fixed}
dedup:
  - {use: text@1}
prefer: [wiki]
keep:
  words.count: {max: 100_000, min: 50}
sources:
  web: {shards: web/*.zst, weight: 0.955, keep: {language.en: {min: 0.650}}}
  wiki:
    shards: [wiki/a/*.zst, wiki/b/*.zst]
    weight: 0.045
    max_epochs: 2.45
    about: {license: CC-BY-SA-4.0, snapshot: 2026}
"""


# Every key that a recipe may leave out, for sources of shards that nobody has.
RICH = """\
name: rich
version: 1.0.0
seed: 7
corpus: corpus
unit: tokens
budget: 6e9
policy: {kind: temperature, tau: 3.33}
taggers: {q: {use: fasttext@1, model: q.bin}}
dedup:
  - {use: text@1}
edit:
  pii.email: {replace: "|||EMAIL|||", min_score: 0.5, max_removed: 0.3}
holdout: {validation: {share: 0.001}, test: {share: 0.01, by: {use: id@1}}}
stages: {late: {recipe: late.yaml}}
published: {ref: arXiv:2305.10403, trained_tokens: 1.40T, total_tokens: null}
sources:
  web:
    shards: null
    own: 1
    sample: {column: q.score, rule: pareto, alpha: 9}
    curve: {column: q.score, buckets: 10, discard: 0.3, max_upsample: 7.5}
    figures: 1
    kind: web
    min_weight: 0.1
    keep: {q.score: {top: 0.10}, document.slice: {max: 499_999}, document.source: {in: [a, b]}}
  book: {shards: book/*}
"""
RICH_EDIT = "    edit: {pii.ip: {cut: true}}"
RICH_FIGURES = "    published: {tokens: 1.10e12, weight: null, epochs: 0.44}"


def rich(**changes):
    return {"own": RICH_EDIT, "figures": RICH_FIGURES} | changes


def parse(text=GOOD, **changes):
    """The recipe of GOOD, or of another text, with lines replaced: name="name: other" or name="" for none."""
    lines = text.splitlines()
    changes = rich(**changes) if text is RICH else changes
    for key, line in changes.items():
        index = next(i for i, each in enumerate(lines) if each.lstrip().startswith(f"{key}:"))
        lines[index] = line
    return recipe_parser.parse("\n".join(lines).encode() + b"\n", "r.yaml")


def mistakes(text=GOOD, **changes):
    with pytest.raises(RecipeError) as caught:
        parse(text, **changes)
    assert all(each.file == "r.yaml" and each.line > 0 and each.remedy for each in caught.value.mistakes)
    return [each.text.removeprefix("r.yaml:") for each in caught.value.mistakes]


# --- what a good recipe means


def test_every_field():
    got = parse()
    assert (got.name, got.version, got.seed, got.corpus) == ("mix", "1.2.0", 7, "s3://bucket/v2")
    assert (got.unit, got.counter, got.budget, got.policy) == ("tokens", "approx", 1000, Policy("fixed"))
    assert got.dedup == (DedupMethod("text@1", {"normalise": []}),)
    assert got.keep == (Rule("words.count", "max", 100_000), Rule("words.count", "min", 50))
    web, wiki = got.sources
    assert web == Source(
        name="web", shards=("web/*.zst",), kind=None, weight=Fraction(955, 1000), max_epochs=None, min_weight=None,
        keep=(Rule("language.en", "min", Decimal("0.65")),), edit=(), sample=None, curve=None, about={}, published={},
    )
    assert wiki.shards == ("wiki/a/*.zst", "wiki/b/*.zst") and wiki.max_epochs == Decimal("2.45")
    assert wiki.about == {"license": "CC-BY-SA-4.0", "snapshot": "2026"}
    assert (got.on_shortfall, got.order, got.shard_bytes) == ("error", "shuffled", 256_000_000)
    assert (got.license, got.description, got.about, got.taggers) == (None, None, {}, ())
    assert (got.edit, got.holdout, got.stages, got.published, got.split) == ((), (), (), {}, None)
    assert got.text == GOOD.encode() and got.sha256 == hashlib.sha256(GOOD.encode()).hexdigest()


def test_every_field_that_may_be_left_out():
    got = parse(RICH)
    assert got.policy == Policy("temperature", tau=Decimal("3.33"))
    assert got.edit == (Edit("pii.email", "|||EMAIL|||", Decimal("0.5"), Decimal("0.3")),)
    assert got.holdout == (HoldOut("validation", Decimal("0.001"), DedupMethod("text@1", {"normalise": []})),
                           HoldOut("test", Decimal("0.01"), DedupMethod("id@1", {})))
    assert got.stages == (Stage("late", "late.yaml"),)
    assert got.published == {"ref": "arXiv:2305.10403", "trained_tokens": "1.40T", "total_tokens": None}
    web, book = got.sources
    assert (web.shards, web.kind, web.weight, web.min_weight) == ((), "web", None, Decimal("0.1"))
    assert web.sample == Sample("q.score", "pareto", 9)
    assert web.curve == Curve("q.score", 10, Decimal("0.3"), Decimal("7.5"))
    assert web.published == {"tokens": "1.10e12", "weight": None, "epochs": "0.44"}
    assert [rule.text for rule in got.tops_for("web")] == ["q.score top 0.1"]
    assert [rule.text for rule in got.rules_for("web")] == ["document.slice max 499999", "document.source in [a, b]"]
    assert [edit.text for edit in got.edits_for("web")] == [
        'edit pii.email replace "|||EMAIL|||" min_score=0.5 max_removed=0.3', "edit pii.ip cut"]
    assert got.edits_for("book") == got.edit and book.sample is book.curve is None and book.published == {}
    assert {use.tagger.name for use in got.uses()} == {"fasttext", "pii", "text_hash"}
    assert parse(RICH, policy="policy: {kind: unimax, max_epochs: 4}").policy == Policy("unimax", max_epochs=Decimal(4))
    assert parse(RICH, **{"pii.email": "  pii.email: {replace: ' '}"}).edit[0].replace == " "
    assert parse(RICH, curve="    curve: {column: q.score}").sources[0].curve == Curve(
        "q.score", 20, Decimal("0.4"), Decimal(7))


@pytest.mark.parametrize(("written", "weight"), {
    "0.045": Fraction(45, 1000), "rest": Fraction(45, 1000), "9/200": Fraction(9, 200), "'9/200'": Fraction(9, 200),
    "4.5/100": Fraction(45, 1000), "45e-3": Fraction(45, 1000),
}.items())
def test_weights_are_fractions(written, weight):
    assert parse(weight=f"    weight: {written}").source("wiki").weight == weight


def test_weights_of_a_table_that_does_not_sum_to_100():
    text = GOOD.replace("weight: 0.955", "weight: 98/101")
    assert [source.weight for source in parse(text, weight="    weight: 3/101").sources] == [
        Fraction(98, 101), Fraction(3, 101)]


def test_tokens_are_counted_by_a_tokenizer():
    section = "taggers: {tokens: {use: tokens@1, tokenizer: t.json}}\ncounter: tokens@1\n"
    got = parse(section + GOOD)
    assert got.unit_column == "tokens.count" and "tokens.count" in got.stored()
    assert parse().unit_column is None


def test_prefer_is_completed_in_the_order_of_the_file():
    assert parse().prefer == ("wiki", "web")
    assert parse(prefer="").prefer == ("web", "wiki")


def test_rules_for_a_source_are_the_recipes_then_its_own():
    assert [rule.text for rule in parse().rules_for("web")] == [
        "words.count max 100000",
        "words.count min 50",
        "language.en min 0.65",
    ]
    assert len(parse().rules_for("wiki")) == 2


@pytest.mark.parametrize(
    "written, texts",
    {
        "words.count: {min: 1e2}": ["words.count min 100"],
        "words.mean_length: {min: 3, max: 10.00}": ["words.mean_length min 3", "words.mean_length max 10"],
        "lines.has_code: {is: false}": ["lines.has_code is false"],
        "language.top: {in: [en, 'no']}": ["language.top in [en, no]"],
        "language.top: {not_in: [de]}": ["language.top not_in [de]"],
        "language.top: {in: ['a, b', '']}": ['language.top in ["a, b", ""]'],
        "words.count: {is: 0}": ["words.count is 0"],
    }.items(),
)
def test_rule_texts(written, texts):
    rules = parse(**{"words.count": f"  {written}"}).keep
    assert [rule.text for rule in rules] == texts


def test_numbers_have_the_type_of_their_column():
    whole, real = parse(**{"words.count": "  words.count: {min: 5e1}\n  lines.ratio: {min: 1}"}).keep
    assert type(whole.value) is int and type(real.value) is Decimal


def test_units_other_than_tokens_have_no_counter():
    assert parse(unit="unit: bytes").counter is None


def test_a_proportional_recipe_needs_neither_budget_nor_weights():
    text = GOOD.replace("kind: fixed", "kind: proportional").replace(", weight: 0.955", "").replace("weight: 0.045", "")
    got = parse(text, budget="")
    assert got.budget is None and [source.weight for source in got.sources] == [None, None]


def test_large_whole_numbers():
    assert parse(budget="budget: 6e12").budget == 6_000_000_000_000


def test_a_recipe_travels():
    assert pickle.loads(pickle.dumps(parse())) == parse()


# --- what it uses


def uses(**changes):
    return {use.key.partition("-")[0]: dict(use.parameters) for use in parse(**changes).uses()}


NO_MODEL = {"model": None, "sha256": None}


def test_uses_are_what_rules_and_dedup_need():
    assert uses() == {"language@1": {"languages": ["en"], **NO_MODEL}, "text_hash@1": {"normalise": []}, "words@1": {}}


def test_no_rules_and_no_dedup_use_nothing():
    text = GOOD.replace("  words.count: {max: 100_000, min: 50}", "  {}").replace(
        ", keep: {language.en: {min: 0.650}}", ""
    )
    assert parse(text.replace("  - {use: text@1}", "  - {use: id@1}")).uses() == ()


def test_languages_are_merged():
    both = {"words.count": "  language.fr: {max: 0.1}\n  language.top: {is: en}\n  language.de: {max: 0.2}"}
    assert uses(**both)["language@1"] == {"languages": ["de", "en", "fr"], **NO_MODEL}


def test_uses_are_sorted_by_key():
    keys = [use.key for use in parse().uses()]
    assert keys == sorted(keys)


def test_set_parameters_are_used():
    section = (
        "taggers:\n  lines: {use: lines@1, share: 1, least: 5}\n  language: {use: language@1, languages: [fr, en]}\n"
    )
    got = parse(section + GOOD.replace("words.count: {", "lines.ratio: {"))
    parameters = {use.tagger.name: use.parameters for use in got.uses()}
    assert parameters["lines"] == {"least": 5, "share": 1.0, "strict": True}
    assert type(parameters["lines"]["share"]) is float
    assert parameters["language"] == {"languages": ["en", "fr"], **NO_MODEL}


NAMED = """\
taggers:
  edu: {use: fasttext@1, model: edu.bin}
  hate: {use: fasttext@1, model: hate.bin, labels: [nsfw]}
"""


def test_a_tagger_has_the_columns_of_its_name_in_the_recipe_and_of_its_own_in_a_sidecar():
    rules = "edu.good: {min: 0.5}\n  hate.score: {max: 0.5}\n  words.count: {"
    got = parse(NAMED + GOOD.replace("words.count: {", rules))
    stored = {name: (use.file, stored) for name, (use, stored) in got.stored().items()}
    assert stored["edu.good"] == ("edu.bin", "fasttext.good")
    assert stored["hate.score"] == ("hate.bin", "fasttext.score")
    assert stored["hate.nsfw"] == ("hate.bin", "fasttext.nsfw")
    assert stored["words.count"][1] == "words.count"
    assert "fasttext.score" not in stored and "edu.nsfw" not in stored


def test_columns_that_no_rule_names_can_be_asked_for():
    got = parse(NAMED + GOOD)
    assert "edu.bad" not in got.stored() and "edu.bad" in got.stored(["edu.bad"])
    assert {use.name for use in got.uses(["edu.bad", "lines.ratio"])} >= {"edu", "lines"}


def test_another_model_of_languages_has_other_languages():
    section = "taggers: {language: {use: language@1, model: glot.bin}}\n"
    text = section + GOOD.replace("language.en:", "language.eng_Latn:")
    assert [use.parameters["languages"] for use in parse(text).uses() if use.name == "language"] == [["eng_Latn"]]


def test_a_mistake_in_a_tagger_is_not_told_again_for_its_columns():
    section = "taggers: {q: {use: fasttext@1, model: m.bin, labls: [a]}}\n"
    with pytest.raises(RecipeError) as error:
        parse(section + GOOD.replace("words.count: {", "q.good: {min: 0.5}\n  words.count: {"))
    assert [mistake.path for mistake in error.value.mistakes] == ["taggers.q.labls"]


def test_a_column_of_a_tagger_without_its_file():
    assert any("fasttext@1 needs a model; add to `taggers`: `fasttext: {use: fasttext@1, model: FILE}`" in each
               for each in mistakes(**{"words.count": "  fasttext.score: {min: 0.5}"}))


def test_a_users_own_tagger_is_known_where_it_is_given_and_nowhere_else():
    own = tagger("mine", ("score", "float64"), own="0" * 64)
    text = GOOD.replace("words.count: {", "mine.score: {min: 0.5}\n  words.count: {")
    got = recipe_parser.parse(text.encode(), "r.yaml", [own])
    assert [use.tagger for use in got.uses() if use.name == "mine"] == [own]
    with pytest.raises(RecipeError, match="unknown column"):
        parse(text)


def test_dedup_parameters_reach_the_tagger():
    methods = {"- {use": "  - {use: text@1}\n  - {use: text@1, normalise: [whitespace, nfc]}"}
    found = [use.parameters for use in parse(**methods).uses() if use.tagger.name == "text_hash"]
    assert sorted(each["normalise"] for each in found) == [[], ["nfc", "whitespace"]]


# --- what mistakes say

MISTAKES = [
    # at the margin
    ({"name": "naem: mix"}, "1 name: missing; add `name: …`"),
    ({"name": "naem: mix"}, "1 naem: unknown key; did you mean `name`?"),
    ({"name": "name: Mix 1"}, "1 name: does not fit (found Mix 1); write a name: `a-z`"),
    ({"version": "version: 2.1"}, "2 version: does not fit (found 2.1); write `x.y.z`"),
    ({"version": "version: 1.02.0"}, "2 version: does not fit (found 1.02.0)"),
    ({"seed": "seed: -1"}, "3 seed: does not fit (found -1); write a whole number, 0 or more"),
    ({"seed": "seed: true"}, "3 seed: does not fit (found true)"),
    ({"seed": "seed: 9223372036854775808"}, "3 seed: does not fit"),
    ({"seed": "seed:"}, "3 seed: nothing stands here; write a whole number, 0 or more, or remove the key"),
    ({"corpus": "corpus: 5"}, "4 corpus: not text (found 5); put it in quotes"),
    ({"unit": ""}, "unit: missing; add `unit: …`, tokens or bytes or docs"),
    ({"unit": "unit: token"}, "5 unit: not one of the choices (found token); did you mean `tokens`?"),
    ({"unit": "unit: bytes\ncounter: approx"}, "6 counter: no tokens are counted with unit bytes; remove it"),
    ({"unit": "unit: tokens\ncounter: aprox"}, "6 counter: not one of the choices (found aprox); did you mean"),
    (
        {"unit": "unit: tokens\ncounter: tokens@1"},
        "6 counter: no tokenizer is named (found tokens@1); add to `taggers`: `tokens: {use: tokens@1, tokeniz",
    ),
    ({"budget": "budget: 0"}, "6 budget: does not fit (found 0); write a whole number, 1 or more"),
    ({"budget": "budget: 1.5"}, "6 budget: does not fit (found 1.5)"),
    ({"budget": ""}, "budget: missing; add `budget: …`: policy fixed"),
    ({"policy": "policy: fixed"}, "7 policy: not a mapping (found fixed)"),
    ({"policy": "policy: {kind: unimx}"},
     "7 policy.kind: not one of the choices (found unimx); did you mean `unimax`?"),
    ({"policy": "policy: {kind: unimax}"}, "7 policy.max_epochs: missing; add `max_epochs: …`: policy unimax needs it"),
    ({"policy": "policy: {kind: temperature}"}, "7 policy.tau: missing; add `tau: …`: policy temperature needs it"),
    ({"policy": "policy: {kind: fixed, tau: 3}"}, "7 policy.tau: policy fixed has no tau; remove it"),
    ({"policy": "policy: {kind: fixed, max_epochs: 3}"},
     "7 policy.max_epochs: policy fixed has no max_epochs; remove it, or set that of the sources"),
    ({"policy": "policy: {kind: temperature, tau: 0}"}, "7 policy.tau: does not fit (found 0); write a number above 0"),
    ({"policy": "policy: {kind: temperature, tau: 0.01}"},
     "7 policy.tau: out of range (found 0.01); write 0.1 or more"),
    ({"policy": "policy: {kind: temperature, tua: 2}"}, "7 policy.tua: unknown key; did you mean `tau`?"),
    ({"policy": "policy: {kind: unimax, max_epochs: }"},
     "7 policy.max_epochs: nothing stands here; write a number above"),
    ({"policy": "policy: {kind: unimax, max_epochs: 4}"},
     "14 sources.web.weight: a weight under policy unimax; remove"),
    ({"policy": "policy: {kind: temperature, tau: 2}", "budget": ""},
     "1 budget: missing; add `budget: …`: policy temp"),
    (
        {"policy": "policy: {kind: proportional}"},
        "14 sources.web.weight: a weight under policy proportional; remove it",
    ),
    ({"name": "name: a\nname: b"}, "2 name: this key stands on line 1 already"),
    ({"name": "name: a\nlicense: [x]"}, "2 license: not text (found a list); write text"),
    ({"name": "name: a\nabout: {x: [1]}"}, "2 about.x: not text (found a list); write text, or remove the key"),
    (
        {"name": "name: a\norder: by_source"},
        "2 order: not one of the choices (found by_source); did you mean `by-source`?",
    ),
    # dedup and prefer
    ({"- {use": "  - text@1"}, "9 dedup[0]: not a mapping (found text@1)"),
    ({"- {use": "  - {}"}, "9 dedup[0].use: missing"),
    ({"- {use": "  - {use: text@2}"}, "9 dedup[0].use: unknown dedup method (found text@2); did you mean `text@1`?"),
    ({"- {use": "  - {use: minhsh@1}"},
     "9 dedup[0].use: unknown dedup method (found minhsh@1); did you mean `minhash@1`?"),
    ({"- {use": "  - {use: column@1}"}, "9 dedup[0].column: missing; add `column: …`, text"),
    ({"- {use": "  - {use: column@1, column: words.cont}"},
     "9 dedup[0].column: unknown column (found words.cont); did you mean `words.count`?"),
    ({"- {use": "  - {use: column@1, column: fasttext.spans}"},
     "9 dedup[0].column: a column of type spans, which has no single value to compare (found fasttext.spans)"),
    ({"- {use": "  - {use: text@1, normalize: [lower]}"},
     "9 dedup[0].normalize: unknown parameter; did you mean `normalise`?"),
    ({"prefer": "reference: {old: {}}"}, "10 reference.old.shards: missing"),
    ({"prefer": "reference: {old: {shards: 'x/*.jsonl', shard: 1}}"},
     "10 reference.old.shard: unknown key; did you mean `shards`?"),
    ({"prefer": "reference: {wiki: {shards: 'x/*.jsonl'}}"}, "10 reference.wiki: a source is called so, too"),
    ({"prefer": "reference: {Old: {shards: 'x/*.jsonl'}}"}, "10 reference.Old: not a name (found Old)"),
    ({"- {use": "", "dedup": "dedup: []", "prefer": "reference: {old: {shards: 'x/*.jsonl'}}"},
     "10 reference: nothing is compared, since there is no `dedup`"),
    ({"- {use": "  - {use: text@1, normalize: x}"}, "unknown parameter; did you mean `normalise`?"),
    ({"- {use": "  - {use: text@1, normalise: x}"}, "does not fit the parameter (found x); write a list of text"),
    ({"- {use": "  - {use: text@1, normalise: [lowr]}"}, "unknown value (found lowr); did you mean `lower`?"),
    ({"- {use": "  - {use: text@1}\n  - {use: text@1, normalise: []}"}, "10 dedup[1]: the same method twice"),
    ({"- {use": "  - {use: id@1, normalise: x}"}, "unknown parameter; remove it: there are no parameters"),
    ({"- {use": "  - {use: id@1}\n  - {use: id@1}"}, "10 dedup[1]: the same method twice (found id@1)"),
    ({"prefer": "prefer: [wikk]"}, "10 prefer: unknown source (found wikk); did you mean `wiki`?"),
    ({"prefer": "prefer: [web, web]"}, "10 prefer[1]: named twice (found web)"),
    ({"prefer": "prefer: web"}, "10 prefer: does not fit (found web); write a list of names"),
    # rules
    ({"words.count": "  words.cuont: {min: 5}"}, "12 keep.words.cuont: unknown column; did you mean `words.count`?"),
    ({"words.count": "  zzz: {min: 5}"}, "12 keep.zzz: unknown column; `solera taggers` lists the columns"),
    ({"words.count": "  language.xx: {min: 5}"}, "12 keep.language.xx: unknown column"),
    ({"words.count": "  text_hash.key: {is: x}"}, "a column of type key128, which no rule can judge"),
    (
        {"words.count": "  words.count: 50"},
        "12 keep.words.count: no bound (found 50); write {min: …}; the bounds are min,",
    ),
    ({"words.count": "  words.count: {}"}, "12 keep.words.count: no bound"),
    ({"words.count": "  words.count: {mni: 5}"}, "12 keep.words.count.mni: unknown key; did you mean `min`?"),
    ({"words.count": "  words.count: {top: 1.1}"},
     "12 keep.words.count.top: does not fit (found 1.1); write a number from"),
    ({"words.count": "  words.count: {top: many}"}, "12 keep.words.count.top: does not fit (found many)"),
    ({"words.count": "  words.count: {top: }"},
     "12 keep.words.count.top: nothing stands here; write a number from 0 to 1"),
    ({"words.count": "  language.top: {top: 0.1}"},
     "12 keep.language.top.top: language.top is no number; use is, in or"),
    ({"words.count": "  document.slice: {top: 0.1}"},
     "12 keep.document.slice.top: document.slice is no score; use min"),
    ({"words.count": "  document.slic: {min: 1}"},
     "12 keep.document.slic: unknown column; did you mean `document.slice`?"),
    ({"words.count": "  language.en: {top: 0.1}",
      "web": "  web: {shards: w/*, weight: 0.955, keep: {language.en: {top: 0.10}}}"},
     "14 sources.web.keep.language.en.top: the recipe's own `keep` has this rule already"),
    ({"words.count": "  words.count: {min: 0.5}"}, "does not fit words.count, which is a whole number (found 0.5)"),
    ({"words.count": "  words.count: {min: many}"}, "does not fit words.count, which is a whole number (found many)"),
    ({"words.count": "  words.count: {min: true}"}, "does not fit words.count, which is a whole number (found true)"),
    ({"words.count": "  words.count: {min: }"}, "does not fit words.count, which is a whole number (found nothing)"),
    ({"words.count": "  lines.has_code: {is: 1}"}, "does not fit lines.has_code, which is true or false (found 1)"),
    ({"words.count": "  lines.has_code: {min: 1}"}, "lines.has_code is no number; use is, in or not_in"),
    ({"words.count": "  language.top: {is: false}"}, "language.top, which is text (found false); put it in quotes"),
    ({"words.count": "  language.top: {in: en}"}, "not a list of values (found en); write them as [a, b]"),
    ({"words.count": "  language.top: {in: []}"}, "not a list of values"),
    ({"words.count": "  language.top: {in: [en, en]}"}, "keep.language.top.in[1]: listed twice (found en)"),
    ({"words.count": "  words.count: {min: 5, max: 4}"}, "nothing passes both words.count min 5 and words.count max 4"),
    (
        {"words.count": "  language.en: {max: 0.5}"},
        "14 sources.web.keep.language.en: nothing passes both language.en min 0.65",
    ),
    ({"words.count": "  language.en: {min: 0.65}"}, "14 sources.web.keep.language.en.min: the recipe's own `keep` has"),
    # sources
    ({"max_epochs": "    max_epochs: 0"}, "18 sources.wiki.max_epochs: does not fit (found 0); write a number above 0"),
    ({"weight": "    weight: 0.05"}, "13 sources: the weights sum to 1.005, not 1; lower them by 0.005 in all"),
    ({"weight": "    weight: 0.0449999"}, "the weights sum to 0.9999999, not 1; raise them by 0.0000001 in all"),
    ({"weight": ""}, "15 sources.wiki.weight: missing; add `weight: …`"),
    ({"weight": "    weight: 1/0"},
     "17 sources.wiki.weight: does not fit (found 1/0); write a number from 0 to 1, a fr"),
    ({"weight": "    weight: 60/59"}, "17 sources.wiki.weight: does not fit (found 60/59)"),
    ({"weight": "    weight: rset"},
     "17 sources.wiki.weight: does not fit (found rset); write a number from 0 to 1, a fraction"),
    ({"weight": "    weight: 1/22"},
     "13 sources: the weights sum to 2201/2200, not 1; lower them by 1/2200 in all, or write"),
    ({"weight": "    weight: rest", "web": "  web: {shards: web/*, weight: rest}"},
     "17 sources.wiki.weight: web has the rest already (found rest); give one of them a number"),
    ({"weight": "    weight: rest", "web": "  web: {shards: web/*, weight: 1.0}"},
     "17 sources.wiki.weight: the other weights sum to 1 and leave nothing (found rest); lower them"),
    ({"max_epochs": "    min_weight: 0.05"},
     "18 sources.wiki.min_weight: more than the weight 0.045 (found 0.05); raise the weight, or lower this"),
    ({"weight": "    weight: rest", "max_epochs": "    min_weight: 0.05"},
     "18 sources.wiki.min_weight: more than the weight 0.045 (found 0.05)"),
    ({"max_epochs": "    min_weight: 5"},
     "18 sources.wiki.min_weight: does not fit (found 5); write a number from 0 to 1"),
    ({"max_epochs": "    min_weight: 0.6", "web": "  web: {shards: web/*, weight: 0.955, min_weight: 0.5}"},
     "13 sources: the least weights sum to 1.1, more than 1; lower them by 0.1 in all"),
    ({"max_epochs": "    kind: wikis"},
     "18 sources.wiki.kind: not one of the choices (found wikis); did you mean `wiki`?"),
    ({"weight": "    weight: 45"}, "17 sources.wiki.weight: does not fit (found 45); write a number from 0 to 1"),
    ({"weight": "    wieght: 0.045"}, "17 sources.wiki.wieght: unknown key; did you mean `weight`?"),
    ({"shards": "    shards: []"}, "16 sources.wiki.shards: does not fit (found a list); write a glob"),
    ({"shards": "    shards: /x/*"}, "16 sources.wiki.shards: a shard outside the corpus (found /x/*)"),
    ({"shards": "    shards: [a/../../x/*]"}, "16 sources.wiki.shards[0]: `..` may lead outside the corpus"),
    (
        {"shards": "    shards: s3://b/*"},
        "a shard outside the corpus (found s3://b/*); put the scheme and bucket in `corpus`",
    ),
    ({"shards": "    shards: ./x/*"}, "16 sources.wiki.shards: matches no shard (found ./x/*)"),
    ({"shards": "    shards: [a/*, b/*, a/*]"}, "16 sources.wiki.shards: this glob stands here twice (found a/*)"),
    ({"shards": ""}, "17 sources.wiki.shards: missing; add `shards: …`, a glob, or a list of globs"),
    ({"wiki": "  Wiki:"}, "15 sources.Wiki: not a name (found Wiki)"),
    # taggers
    (
        {"name": "name: a\ntaggers: {words: {use: words@2}}"},
        "not the version of this tagger that is here (found words@2)",
    ),
    ({"name": "name: a\ntaggers: {lines: {use: words@1}}"}, "2 taggers.lines: the name of another tagger"),
    ({"name": "name: a\ntaggers: {W: {use: words@1}}"}, "2 taggers.W: not a name (found W)"),
    ({"name": "name: a\ntaggers: {q: {use: fasttext@1}}"}, "2 taggers.q: fasttext@1 needs a model"),
    ({"name": "name: a\ntaggers: {q: {use: sentences@1, model: m}}"}, "sentences@1 needs a label; add `label: …`"),
    ({"name": "name: a\ntaggers: {wrds: {use: wrds@1}}"}, "unknown tagger (found wrds@1); did you mean `words@1`?"),
    (
        {"name": "name: a\ntaggers: {words: {use: words}}"},
        "does not fit (found words); write a name, `@` and a version",
    ),
    ({"name": "name: a\ntaggers: {lines: {use: lines@1, lest: 1}}"}, "unknown parameter; did you mean `least`?"),
    ({"name": "name: a\ntaggers: {lines: {use: lines@1, least: 1.5}}"}, "write a whole number, such as 3"),
    ({"name": "name: a\ntaggers: {lines: {use: lines@1, share: x}}"}, "write a number, such as 0.5"),
    ({"name": "name: a\ntaggers: {lines: {use: lines@1, strict: 1}}"}, "write true or false, such as true"),
    (
        {"name": "name: a\ntaggers: {language: {use: language@1, languages: [eng]}}"},
        "unknown value (found eng); did you mean",
    ),
    ({"name": "name: a\ntaggers: {language: {use: language@1, languages: en}}"}, "(found en); write a list of text"),
    ({"name": "name: a\ntaggers: {text_hash: {use: text_hash@1}}"}, "write them in `dedup`, beside `use: text@1`"),
]


# Each is the only one: what is wrong by itself is in no other complaint.
MORE_MISTAKES = [
    # edits
    ({"pii.email": "  pii.emial: {cut: true}"}, "12 edit.pii.emial: unknown column; did you mean `pii.email`?"),
    ({"pii.email": "  words.count: {cut: true}"},
     "12 edit.words.count: a column of type int64, which has no spans; name one of spans"),
    ({"pii.email": "  words.cont: {cut: true}"},
     "12 edit.words.cont: unknown column; `solera taggers` lists the columns"),
    ({"pii.email": "  fasttext.spans: {cut: true}"},
     "12 edit.fasttext.spans: fasttext@1 needs a model; add to `taggers`: `fasttext: {use: fasttext@1, model: FILE}`"),
    ({"pii.email": "  document.source: {cut: true}"}, "12 edit.document.source: document.source is for rules alone"),
    ({"pii.email": "  pii.email: cut"},
     "12 edit.pii.email: not a mapping (found cut); write `key: value` lines with the"),
    ({"pii.email": "  pii.email: {}"}, "12 edit.pii.email: neither cut nor replaced; write either `cut: true` or"),
    ({"pii.email": "  pii.email: {cut: true, replace: x}"}, "12 edit.pii.email: both cut and replaced; write either"),
    ({"pii.email": "  pii.email: {cut: false}"}, "12 edit.pii.email.cut: does not fit (found false); write `true`"),
    ({"pii.email": "  pii.email: {replace: 5}"}, "12 edit.pii.email.replace: not text (found 5); put it in quotes"),
    ({"pii.email": "  pii.email: {replace: ''}"}, "12 edit.pii.email.replace: replaced by nothing; write `cut: true`"),
    ({"pii.email": "  pii.email: {replace: }"},
     "12 edit.pii.email.replace: nothing stands here; write text, which may"),
    ({"pii.email": "  pii.email: {cut: true, min_score: x}"},
     "12 edit.pii.email.min_score: does not fit (found x); write a"),
    ({"pii.email": "  pii.email: {cut: true, max_removed: 2}"},
     "12 edit.pii.email.max_removed: does not fit (found 2)"),
    ({"pii.email": "  pii.email: {cut: true, max_remove: 1}"},
     "12 edit.pii.email.max_remove: unknown key; did you mean"),
    ({"own": "    edit: {pii.email: {cut: true}}"},
     "19 sources.web.edit.pii.email: the recipe's own `edit` has this column"),
    # samples
    ({"sample": "    sample: {column: words.cout, rule: proportional}"},
     "20 sources.web.sample.column: unknown column (found words.cout); did you mean `words.count`?"),
    ({"sample": "    sample: {column: language.top, rule: proportional}"},
     "20 sources.web.sample.column: a column of type string, which has no greatest value (found language.top);"),
    ({"sample": "    sample: {column: document.slice, rule: proportional}"},
     "20 sources.web.sample.column: document.slice is for rules alone (found document.slice); name a column th"),
    ({"sample": "    sample: {rule: proportional}"}, "20 sources.web.sample.column: missing; add `column: …`, text"),
    ({"sample": "    sample: {column: q.score}"},
     "20 sources.web.sample.rule: missing; add `rule: …`, pareto or proporti"),
    ({"sample": "    sample: {column: q.score, rule: parto}"},
     "20 sources.web.sample.rule: not one of the choices (found parto); did you mean `pareto`?"),
    ({"sample": "    sample: {column: q.score, rule: pareto}"}, "20 sources.web.sample.alpha: missing; add `alpha: 9`"),
    ({"sample": "    sample: {column: q.score, rule: proportional, alpha: 9}"},
     "20 sources.web.sample.alpha: only `pareto` has one; remove it"),
    ({"sample": "    sample: {column: q.score, rule: pareto, alpha: 2.5}"},
     "20 sources.web.sample.alpha: does not fit (fou"),
    ({"sample": "    sample: {column: q.score, rule: pareto, alpha: 101}"},
     "20 sources.web.sample.alpha: out of range (found 101); write 1 to 100"),
    ({"sample": "    sample: pareto"}, "20 sources.web.sample: not a mapping (found pareto)"),
    # curves
    ({"curve": "    curve: {column: words.mean_lenght}"},
     "21 sources.web.curve.column: unknown column (found words.mean_lenght); did you mean `words.mean_length`?"),
    ({"curve": "    curve: {column: q.score, buckets: 0}"},
     "21 sources.web.curve.buckets: does not fit (found 0); write a whole number, 1 or more"),
    ({"curve": "    curve: {column: q.score, buckets: 1001}"},
     "21 sources.web.curve.buckets: out of range (found 1001); write 1 to 1000"),
    ({"curve": "    curve: {column: q.score, discard: 0.41}"},
     "21 sources.web.curve.discard: not a whole number of the 20 buckets, and less than all (found 0.41); writ"),
    ({"curve": "    curve: {column: q.score, discard: 1}"},
     "21 sources.web.curve.discard: not a whole number of the 20"),
    ({"curve": "    curve: {column: q.score, buckets: 7}"},
     "21 sources.web.curve.discard: not a whole number of the 7"),
    ({"curve": "    curve: {column: q.score, max_upsample: 0}"},
     "21 sources.web.curve.max_upsample: does not fit (found 0)"),
    ({"curve": "    curve: {column: q.score, bucket: 10}"}, "21 sources.web.curve.bucket: unknown key; did you mean"),
    # hold-outs
    ({"holdout": "holdout: {valid: {}}"}, "13 holdout.valid.share: missing; add `share: …`, a number from 0 to 1"),
    ({"holdout": "holdout: {valid: {share: 2}}"}, "13 holdout.valid.share: does not fit (found 2)"),
    ({"holdout": "holdout: {Valid: {share: 0.1}}"}, "13 holdout.Valid: not a name (found Valid)"),
    ({"holdout": "holdout: {valid: {share: 0.1, by: text@1}}"}, "13 holdout.valid.by: not a mapping (found text@1)"),
    ({"holdout": "holdout: {valid: {share: 0.1, by: {use: minhsh@1}}}"},
     "13 holdout.valid.by.use: unknown dedup method (found minhsh@1); did you mean `minhash@1`?"),
    ({"holdout": "holdout: {valid: {share: 0.1, by: {use: paragraph@1}}}"},
     "13 holdout.valid.by: a method that relates parts of documents (found paragraph@1); name one that relates"),
    ({"holdout": "holdout: {valid: {share: 0.1, buy: 1}}"}, "13 holdout.valid.buy: unknown key; did you mean `by`?"),
    ({"holdout": "holdout: 0.1"}, "13 holdout: does not fit (found 0.1); write a mapping of names to splits"),
    ({"- {use": "  - {use: paragraph@1}", "holdout": "holdout: {valid: {share: 0.1}}"},
     "13 holdout.valid.by: no method says which documents are the same; add `by: {use: minhash@1}`"),
    # stages
    ({"stages": "stages: {late: {}}"}, "14 stages.late.recipe: missing; add `recipe: …`, text"),
    ({"stages": "stages: {late: late.yaml}"}, "14 stages.late: not a mapping (found late.yaml)"),
    ({"stages": "stages: {late: {recipe: late.yaml, recpe: x}}"},
     "14 stages.late.recpe: unknown key; did you mean `recipe`?"),
    ({"stages": "stages: {Late: {recipe: late.yaml}}"}, "14 stages.Late: not a name (found Late)"),
    ({"stages": "stages: {late: {recipe: 's3://key:secret@bucket/late.yaml'}}"},
     "14 stages.late.recipe: a URI that carries credentials; take them out"),
    # published figures
    ({"published": "published: {trained_tokns: 1}"},
     "15 published.trained_tokns: unknown key; did you mean `trained_tok"),
    ({"published": "published: {ref: [a]}"},
     "15 published.ref: not a figure (found a list); write what was published, or"),
    ({"published": "published:"}, "15 published: nothing stands here; write figures, or remove the key"),
    ({"figures": "    published: {epoch: 2}"}, "22 sources.web.published.epoch: unknown key; did you mean `epochs`?"),
    # about
    ({"published": "about:"}, "15 about: nothing stands here; write a mapping of text to text, or remove the key"),
    ({"published": "about: {x: }"}, "15 about.x: not text (found nothing); write text, or remove the key"),
]


@pytest.mark.parametrize("changes, expected", MISTAKES, ids=lambda value: value if isinstance(value, str) else "")
def test_mistake(changes, expected):
    assert any(expected in each for each in mistakes(**changes)), mistakes(**changes)


@pytest.mark.parametrize("changes, expected", MORE_MISTAKES, ids=lambda value: value if isinstance(value, str) else "")
def test_mistake_of_what_a_recipe_may_leave_out(changes, expected):
    """Columns are those of RICH's taggers."""
    found = mistakes(RICH, **changes)
    assert any(expected in each for each in found), found
    assert len(found) == 1, found


@pytest.mark.parametrize("sources", ["sources: {}", "sources:", "sources: []", "sources: web"])
def test_no_sources(sources):
    [text] = mistakes(GOOD[: GOOD.index("sources:")].replace("prefer: [wiki]\n", "") + sources)
    assert "sources: " in text


def test_one_mistake_is_told_once():
    """A value that is wrong by itself is in no other complaint, such as a sum of weights."""
    assert len(mistakes(weight="    weight: lots")) == 1
    assert len(mistakes(policy="policy: {kind: fxied}")) == 1
    assert len(mistakes(weight="    weight: !!float 1")) == 1


def test_all_mistakes_come_at_once_in_the_order_of_lines():
    found = mistakes(
        seed="seed: x", budget="budget: &b 1_000", wiki="  wiki:\n    sample: 1", max_epochs="    max_epochs: -1"
    )
    assert [int(each.split()[0]) for each in found] == [3, 6, 16, 19]


@pytest.mark.parametrize("text", ["", "- a\n", "just text\n", "5\n"])
def test_not_a_recipe(text):
    assert len(mistakes(text)) == 1


def test_mistakes_travel():
    with pytest.raises(RecipeError) as caught:
        parse(seed="seed: x")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value) and copy.mistakes == caught.value.mistakes


words = st.sampled_from(
    ["name", "keep", "sources", "web", "words.count", "min", "in", "use", "text@1", "taggers", "lines"]
)
leaves = words | st.sampled_from(["1", "0.5", "~", "true", "''", "&a x", "*a", "[", "x"])
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]")
        | st.lists(st.tuples(words, inner), max_size=3).map(
            lambda items: "{" + ", ".join(f"{k}: {v}" for k, v in items) + "}"
        )
    ),
    max_leaves=8,
)
keys = st.sampled_from([key.name for key in recipe_reference.RECIPE.keys])


@given(st.dictionaries(keys, trees))
def test_any_recipe_is_parsed_or_refused(changed):
    kept = [line for line in GOOD.splitlines() if line[0] not in " -" and line.partition(":")[0] not in changed]
    text = "\n".join([*(line for line in kept if not line.endswith(":")), *(f"{k}: {v}" for k, v in changed.items())])
    try:
        recipe_parser.parse(text.encode(), "r.yaml").uses()
    except RecipeError as error:
        assert error.mistakes


# --- warnings


def warned(**changes):
    return [each.text for each in lint.warnings(parse(**changes), "r.yaml")]


def test_a_source_without_license():
    [text] = warned()
    assert text.startswith("r.yaml:14 sources.web.about.license: missing; name the license its documents are under")


def test_many_epochs():
    assert any(
        each.startswith("r.yaml:18 sources.wiki.max_epochs: more than 4 epochs")
        for each in warned(max_epochs="    max_epochs: 4.1")
    )
    assert len(warned(max_epochs="    max_epochs: 4")) == 1


def test_no_weight_and_unused_taggers():
    text = GOOD.replace("0.955", "1").replace("0.045", "0")
    found = [
        each.text for each in lint.warnings(parse(text, name="name: a\ntaggers: {lines: {use: lines@1}}"), "r.yaml")
    ]
    assert any(each.startswith("r.yaml:18 sources.wiki.weight: nothing of this source is taken") for each in found)
    assert any(each.startswith("r.yaml:2 taggers.lines: no rule uses this tagger") for each in found)


# --- files


def test_reference_is_up_to_date():
    assert (ROOT / "docs/recipe.md").read_text() == recipe_reference.render()


@pytest.mark.parametrize("file", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda file: file.name)
def test_our_recipes(file, real_registry):
    got = recipe_parser.parse(file.read_bytes(), file.name)
    assert got.name == file.stem
    assert 9 <= len(got.rules_for("web")) <= 12
    assert got.uses()


def test_methods_are_those_of_their_taggers(real_registry):
    from taggers import registry, text_hash, url_key

    assert all(registry.find_tagger(method.tagger) for method in recipe_reference.METHODS if method.tagger)
    values = {method.use: method.values for method in recipe_reference.METHODS}
    assert values["text@1"] == {"normalise": text_hash.STEPS} and values["url@1"] == {"normalise": url_key.STEPS}
    for method in recipe_reference.METHODS:
        tagger = registry.find_tagger(method.tagger) if method.tagger else None
        assert (tagger is None) == (method.column is None)
        assert tagger is None or method.column in [column.name for column in tagger.columns]
        assert method.values.keys() <= (tagger.parameters.keys() if tagger else set())
        assert {key.name for key in method.settings}.isdisjoint(tagger.parameters if tagger else ())


def test_importing_is_cheap():
    """`solera lint` takes a third of a second because nothing heavy comes with a recipe."""
    heavy = "{'numpy', 'pyarrow', 'numba', 'pyspark', 'pandas', 'yaml'}"
    code = f"import sys, mixer.recipe, mixer.weights; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
