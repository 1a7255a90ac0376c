"""Recipes: what a good one means, and what each mistake says. Columns come from a small registry of our own."""

import hashlib
import pickle
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer import lint, recipe_parser, recipe_reference
from mixer.errors import RecipeError
from mixer.recipe import DedupMethod, Policy, Rule, Source
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


def parse(text=GOOD, **changes):
    """The recipe of GOOD, or of another text, with lines replaced: name="name: other" or name="" for none."""
    lines = text.splitlines()
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
        "web", ("web/*.zst",), Decimal("0.955"), None, (Rule("language.en", "min", Decimal("0.65")),), {}
    )
    assert wiki.shards == ("wiki/a/*.zst", "wiki/b/*.zst") and wiki.max_epochs == Decimal("2.45")
    assert wiki.about == {"license": "CC-BY-SA-4.0", "snapshot": "2026"}
    assert (got.on_shortfall, got.order, got.shard_bytes) == ("error", "shuffled", 256_000_000)
    assert (got.license, got.description, got.about, got.taggers) == (None, None, {}, ())
    assert got.text == GOOD.encode() and got.sha256 == hashlib.sha256(GOOD.encode()).hexdigest()


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
    ({"seed": "seed:"}, "3 seed: nothing stands here; write a whole number, 0 or more"),
    ({"corpus": "corpus: 5"}, "4 corpus: not text (found 5); put it in quotes"),
    ({"unit": ""}, "unit: missing; add `unit: …`, tokens or bytes or docs"),
    ({"unit": "unit: token"}, "5 unit: not one of the choices (found token); did you mean `tokens`?"),
    ({"unit": "unit: bytes\ncounter: approx"}, "6 counter: no tokens are counted with unit bytes; remove it"),
    (
        {"unit": "unit: tokens\ncounter: tokens@1"},
        "6 counter: `tokens@1` is not supported by this version; write approx",
    ),
    ({"budget": "budget: 0"}, "6 budget: does not fit (found 0); write a whole number, 1 or more"),
    ({"budget": "budget: 1.5"}, "6 budget: does not fit (found 1.5)"),
    ({"budget": ""}, "budget: missing; add `budget: …`: policy fixed"),
    ({"policy": "policy: fixed"}, "7 policy: not a mapping (found fixed)"),
    ({"policy": "policy: {kind: unimax}"}, "7 policy.kind: `unimax` is not supported by this version; write fixed or"),
    ({"policy": "policy: {kind: fixed, tau: 3}"}, "7 policy.tau: `tau` is not supported by this version; remove it"),
    (
        {"policy": "policy: {kind: proportional}"},
        "14 sources.web.weight: a weight under policy proportional; remove it",
    ),
    ({"name": "name: a\nedit: {}"}, "2 edit: `edit` is not supported by this version"),
    ({"name": "name: a\nname: b"}, "2 name: this key stands on line 1 already"),
    ({"name": "name: a\nlicense: [x]"}, "2 license: not text (found a list); write text"),
    ({"name": "name: a\nabout: {x: [1]}"}, "2 about.x: does not fit (found a list); write a mapping of text to text"),
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
    ({"words.count": "  words.count: {top: 0.1}"}, "12 keep.words.count.top: `top` is not supported by this version"),
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
    ({"weight": "    weight: rest"}, "17 sources.wiki.weight: `rest` is not supported by this version"),
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
    ({"shards": "    shards: web/*.zst"}, "this glob stands under web already (found web/*.zst)"),
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


@pytest.mark.parametrize("changes, expected", MISTAKES, ids=lambda value: value if isinstance(value, str) else "")
def test_mistake(changes, expected):
    assert any(expected in each for each in mistakes(**changes)), mistakes(**changes)


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
    assert 4 <= len(got.rules_for("web")) <= 12
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
