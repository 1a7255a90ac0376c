"""What changed between two recipes: each field, and nothing where only the writing is another."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_cases import recipes

from mixer import recipe_diff, version_bump
from mixer.errors import RecipeError
from mixer.recipe import First, PreferBy, Recipe, Source
from mixer.recipe_diff import Change, changes
from mixer.recipe_parser import parse

WHOLE = """
name: whole
version: 1.2.3
description: all that a recipe may have
license: CC-BY-4.0
about: {made: by hand}
seed: 7
corpus: s3://corpus/v2
unit: tokens
counter: approx
budget: 1_000_000
policy: {kind: fixed}
taggers: {quality: {use: fasttext@1, model: edu.bin, sha256: SHA}}
dedup:
  - {use: text@1, normalise: [lower]}
  - {use: minhash@1, verify: 0.8}
prefer: [wiki, web]
prefer_by: {column: quality.score, best: max}
reference: {bench: {shards: bench/*.jsonl, corpus: s3://bench}}
keep: {words.count: {min: 50, max: 1000}}
edit: {pii.email: {replace: "|||"}}
holdout: {validation: {share: 0.01}}
stages: {late: {recipe: late.yaml}}
published: {total_tokens: 5}
sources:
  web:
    shards: web/*.jsonl
    kind: web
    weight: 0.67
    max_epochs: 4
    keep: {language.en: {min: 0.65}, quality.score: {top: 0.4}}
    curve: {column: quality.score}
    about: {license: ODC-BY-1.0, upstream: Common Crawl}
  wiki:
    shards: wiki/*.jsonl
    weight: 1/3
    min_weight: 0.1
    edit: {pii.phone: {cut: true, max_removed: 0.3}}
    sample: {column: quality.score, rule: pareto, alpha: 9}
    published: {tokens: 3}
on_shortfall: redistribute
order: shuffled
shard_bytes: 1000000
""".replace("SHA", "a" * 64).replace("weight: 1/3", "weight: 0.33")


def read(text: str) -> Recipe:
    return parse(text.encode(), "recipe.yaml")


def differ(old: str, new: str, text: str = WHOLE) -> tuple[Change, ...]:
    assert text.count(old) == 1, old
    return changes(read(text), read(text.replace(old, new)))


@pytest.mark.parametrize(("old", "new", "path", "was", "now", "kind"), [
    ("name: whole", "name: other", "name", "whole", "other", "name"),
    ("unit: tokens\ncounter: approx", "unit: bytes", "unit", "tokens", "bytes", "unit"),
    ("license: CC-BY-4.0", "license: CC0-1.0", "license", "CC-BY-4.0", "CC0-1.0", "license"),
    ("license: CC-BY-4.0\n", "", "license", "CC-BY-4.0", None, "license"),
    ("corpus: s3://corpus/v2", "corpus: s3://corpus/v3", "corpus", "s3://corpus/v2", "s3://corpus/v3", "corpus"),
    ("budget: 1_000_000", "budget: 2_000_000", "budget", "1000000", "2000000", "amounts"),
    ("on_shortfall: redistribute", "on_shortfall: error", "on_shortfall", "redistribute", "error", "amounts"),
    ("seed: 7", "seed: 8", "seed", "7", "8", "leak"),  # since what is held out follows from it
    ("{min: 50, max: 1000}", "{min: 60, max: 1000}", "keep words.count min", "50 for all sources",
     "60 for all sources", "documents"),
    (", max: 1000}", "}", "keep words.count max", "1000 for all sources", None, "documents"),
    ("language.en: {min: 0.65}", "language.en: {min: 0.7}", "keep language.en min", "0.65 for web", "0.7 for web",
     "documents"),
    ("{top: 0.4}", "{top: 0.3}", "keep quality.score top", "0.4 for web", "0.3 for web", "documents"),
    ("{use: text@1, normalise: [lower]}", "{use: text@1, normalise: [lower, nfc]}", "dedup.text@1.normalise",
     "[lower]", "[lower, nfc]", "documents"),
    ("  - {use: text@1, normalise: [lower]}\n", "", "dedup.text@1", "text@1 normalise=[lower]", None, "documents"),
    ("prefer: [wiki, web]", "prefer: [web]", "prefer", "[wiki, web]", "[web, wiki]", "documents"),
    ("best: max", "best: min", "prefer_by.best", "max", "min", "documents"),
    ("prefer_by: {column: quality.score, best: max}\n", "", "prefer_by", "column=quality.score best=max", None,
     "documents"),
    ("bench/*.jsonl", "bench/a*.jsonl", "reference.bench.shards", "[bench/*.jsonl]", "[bench/a*.jsonl]", "leak"),
    ("reference: {bench: {shards: bench/*.jsonl, corpus: s3://bench}}\n", "", "reference.bench",
     "name=bench shards=[bench/*.jsonl] corpus=s3://bench", None, "leak"),
    ("share: 0.01", "share: 0.02", "holdout.validation.share", "0.01", "0.02", "documents"),
    ("share: 0.01", "share: 0.001", "holdout.validation.share", "0.01", "0.001", "leak"),
    ("share: 0.01", "share: 0.01, by: {use: text@1}", "holdout.validation.by", "minhash@1 verify=0.8", "text@1",
     "leak"),
    ('replace: "|||"', "cut: true", "edit.pii.email.replace", "|||", None, "texts"),
    ("max_removed: 0.3", "max_removed: 0.4", "sources.wiki.edit.pii.phone.max_removed", "0.3", "0.4", "texts"),
    ("late.yaml", "later.yaml", "stages.late.recipe", "late.yaml", "later.yaml", "documents"),
    ("model: edu.bin", "model: elsewhere/edu.bin", "taggers.quality.model", "edu.bin", "elsewhere/edu.bin", "words"),
    ("a" * 64, "b" * 64, "taggers.quality.sha256", "a" * 64, "b" * 64, "documents"),
    ("order: shuffled", "order: by-source", "order", "shuffled", "by-source", "order"),
    ("shard_bytes: 1000000", "shard_bytes: 1000", "shard_bytes", "1000000", "1000", "words"),
    ("all that a recipe may have", "much", "description", "all that a recipe may have", "much", "words"),
    ("made: by hand", "made: by me", "about.made", "by hand", "by me", "words"),
    ("total_tokens: 5", "total_tokens: 6", "published.total_tokens", "5", "6", "words"),
    ("web/*.jsonl", "web/0*.jsonl", "sources.web.shards", "[web/*.jsonl]", "[web/0*.jsonl]", "documents"),
    ("kind: web", "kind: news", "sources.web.kind", "web", "news", "words"),
    ("max_epochs: 4", "max_epochs: 2.5", "sources.web.max_epochs", "4", "2.5", "amounts"),
    ("min_weight: 0.1", "min_weight: 0.2", "sources.wiki.min_weight", "0.1", "0.2", "amounts"),
    ("alpha: 9", "alpha: 3", "sources.wiki.sample.alpha", "9", "3", "documents"),
    ("    curve: {column: quality.score}\n", "", "sources.web.curve",
     "curve quality.score buckets=20 discard=0.4 max_upsample=7", None, "amounts"),
    ("    curve: {column: quality.score}", "    curve: {column: quality.score, buckets: 10}",
     "sources.web.curve.buckets", "20", "10", "amounts"),
    ("license: ODC-BY-1.0", "license: CC0-1.0", "sources.web.about.license", "ODC-BY-1.0", "CC0-1.0", "license"),
    ("license: ODC-BY-1.0, ", "", "sources.web.about.license", "ODC-BY-1.0", None, "license"),
    ("upstream: Common Crawl", "upstream: CC", "sources.web.about.upstream", "Common Crawl", "CC", "words"),
    ("tokens: 3", "tokens: 4", "sources.wiki.published.tokens", "3", "4", "words"),
])
def test_one_thing_is_another(old, new, path, was, now, kind):
    found = differ(old, new)
    (change,) = [each for each in found if each.path != "counter"]  # which goes with the unit
    assert change.path == path
    assert (change.old, change.new, change.kind) == (was, now, kind)
    back = changes(read(WHOLE.replace(old, new)), read(WHOLE))
    assert [(each.path, each.new, each.old) for each in back] == [(each.path, each.old, each.new) for each in found]


def test_a_licence_where_none_was_stated_is_no_other_meaning():
    assert [change.kind for change in changes(read(WHOLE.replace("license: CC-BY-4.0\n", "")), read(WHOLE))] == \
        ["licensed"]


def test_a_seed_without_hold_outs_draws_other_documents_and_leaks_nothing():
    plain = WHOLE.replace("holdout: {validation: {share: 0.01}}\n", "")
    assert [change.kind for change in differ("seed: 7", "seed: 8", plain)] == ["documents"]
    assert [change.kind for change in changes(read(plain), read(WHOLE))] == ["documents"]
    assert [change.kind for change in changes(read(WHOLE), read(plain))] == ["leak"]


def test_of_a_stage_the_seed_of_the_first_recipe_says_what_is_held_out():
    first = First("first", "1.0.0", "a" * 64, 9, read(WHOLE).holdout)
    old = dataclasses.replace(read(WHOLE), first=first)
    assert [each.kind for each in changes(old, dataclasses.replace(old, seed=8))] == ["documents"]
    again = dataclasses.replace(old, first=dataclasses.replace(first, seed=10))
    assert [(each.path, each.kind) for each in changes(old, again)] == [("first.seed", "leak")]
    later = dataclasses.replace(old, first=dataclasses.replace(first, version="1.0.1"))
    assert [(each.path, each.kind) for each in changes(old, later)] == [("first.version", "words")]


def test_weights_are_shown_as_they_are_written():
    found = changes(read(WHOLE), read(WHOLE.replace("weight: 0.67", "weight: 2/3").replace("0.33", "1/3")))
    assert [(each.path, each.old, each.new) for each in found] == [
        ("sources.web.weight", "0.67", "2/3"), ("sources.wiki.weight", "0.33", "1/3")]
    assert recipe_diff._decimal(Fraction(1, 2**60)) == format(Decimal(1) / Decimal(2) ** 60, "f")[:1] + \
        str(recipe_diff._decimal(Fraction(1, 2**60)))[1:]
    assert Fraction(recipe_diff._decimal(Fraction(3, 2**60))) == Fraction(3, 2**60)


def test_a_rule_that_moves_says_where_from_and_where_to():
    moved = WHOLE.replace("keep: {words.count: {min: 50, max: 1000}}", "keep: {words.count: {max: 1000}}").replace(
        "keep: {language.en", "keep: {words.count: {min: 50}, language.en")
    (change,) = changes(read(WHOLE), read(moved))
    assert (change.path, change.old, change.new, change.kind) == (
        "keep words.count min", "50 for all sources", "50 for web", "documents")
    both = moved.replace("    min_weight: 0.1", "    min_weight: 0.1\n    keep: {words.count: {min: 50}}")
    (change,) = changes(read(WHOLE), read(both))
    assert (change.new, change.kind) == ("50 for web and wiki", "words")  # which is the same for every document


def test_the_order_of_rules_decides_only_of_top():
    first = WHOLE.replace("language.en: {min: 0.65}, quality.score: {top: 0.4}",
                          "quality.score: {top: 0.4}, language.en: {min: 0.65}")
    (change,) = changes(read(WHOLE), read(first))
    assert (change.path, change.kind) == ("sources.web.keep (order)", "words")
    tops = WHOLE.replace("quality.score: {top: 0.4}", "quality.score: {top: 0.4}, words.count: {top: 0.5}")
    other = WHOLE.replace("quality.score: {top: 0.4}", "words.count: {top: 0.5}, quality.score: {top: 0.4}")
    (change,) = changes(read(tops), read(other))
    assert (change.path, change.kind) == ("sources.web.keep (order)", "documents")


def test_the_order_of_methods_decides_and_that_of_sources_does_not():
    text = "  - {use: text@1, normalise: [lower]}\n"
    method = "  - {use: minhash@1, verify: 0.8}\n"
    held = "holdout: {validation: {share: 0.01}}\n"
    (change,) = differ(text + method, method + text, WHOLE.replace(held, ""))
    assert (change.path, change.old, change.new, change.kind) == (
        "dedup (order)", "[text@1, minhash@1]", "[minhash@1, text@1]", "documents")
    whole = yaml.safe_load(WHOLE)
    whole["budget"] = 1_000_000
    whole["sources"] = dict(reversed(whole["sources"].items()))
    found = changes(read(WHOLE), parse(json.dumps(whole).encode(), "recipe.yaml"))
    assert [(each.path, each.kind) for each in found] == [("sources (order)", "words")]


def test_sources_come_and_go():
    more = WHOLE.replace("weight: 0.33", "weight: 0.32").replace(
        "on_shortfall", "  book: {shards: book/*.jsonl, weight: 0.01}\non_shortfall")
    found = changes(read(WHOLE), read(more))
    assert [(each.path, each.old, each.new, each.kind) for each in found] == [
        ("sources.book", None, "[book/*.jsonl] weight 0.01", "source"),
        ("sources.wiki.weight", "0.33", "0.32", "amounts")]
    back = changes(read(more), read(WHOLE))
    assert [(each.path, each.old, each.new) for each in back] == [(each.path, each.new, each.old) for each in found]


def test_another_name_of_the_same_shards_is_a_source_renamed():
    named = WHOLE.replace("  wiki:\n", "  encyclopedia:\n").replace("prefer: [wiki", "prefer: [encyclopedia")
    (change,) = changes(read(WHOLE), read(named))
    assert (change.path, change.old, change.new, change.kind) == (
        "sources.encyclopedia", "wiki", "encyclopedia", "source")
    assert recipe_diff.renamed(read(WHOLE), read(named)) == {"wiki": "encyclopedia"}


def test_how_it_is_written_is_no_change():
    again = yaml.safe_load(WHOLE)
    text = "# a comment\n" + json.dumps(again, indent=3).replace("1000000", "1000000 ")
    assert read(text).sha256 != read(WHOLE).sha256
    assert changes(read(WHOLE), read(text)) == ()
    assert differ("max_epochs: 4", "max_epochs: 4.0") == ()
    assert differ("budget: 1_000_000", "budget: 1000000 # a million") == ()


# ---- no field is forgotten


def test_every_field_is_compared_or_is_said_to_decide_nothing():
    names = {field.name for field in dataclasses.fields(Recipe)}
    assert {*recipe_diff.FIELDS, *recipe_diff.NOT_COMPARED} == names
    assert not recipe_diff.FIELDS.keys() & recipe_diff.NOT_COMPARED.keys()
    assert set(recipe_diff.SOURCE_FIELDS) == {field.name for field in dataclasses.fields(Source)}
    kinds = {kind.name for kind in version_bump.KINDS}
    assert {*recipe_diff.FIELDS.values(), *recipe_diff.SOURCE_FIELDS.values()} <= kinds


def other(value: Any) -> Any:
    """A value of the same type, or near it, that is another."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | Decimal | Fraction):
        return value + 1
    if isinstance(value, tuple):
        return value[:-1] if value else ("x",)
    if isinstance(value, dict):
        return {**value, "x": "y"}
    return f"{value}x" if value is not None else "x"


SPECIAL = {"first": lambda _: First("first", "1.0.0", "a" * 64, 9, ()), "own": None,
           "taggers": lambda uses: (uses[0].with_file("other.bin", "b" * 64),),
           "policy": lambda policy: dataclasses.replace(policy, tau=Decimal(2)),
           "prefer": lambda names: names[::-1],
           "prefer_by": lambda by: PreferBy(by.column, "min"),
           "split": lambda split: "validation"}


@pytest.mark.parametrize("name", [name for name in recipe_diff.FIELDS if SPECIAL.get(name, name) is not None])
def test_each_field_of_a_recipe_makes_a_change(name):
    recipe = read(WHOLE)
    value = SPECIAL.get(name, other)(getattr(recipe, name))
    changed = dataclasses.replace(recipe, **{name: value})
    assert changes(recipe, changed) and changes(changed, recipe)


@pytest.mark.parametrize("name", list(recipe_diff.SOURCE_FIELDS))
@pytest.mark.parametrize("number", [0, 1])
def test_each_field_of_a_source_makes_a_change(number, name):
    recipe = read(WHOLE)
    source = recipe.sources[number]
    value = getattr(source, name)
    if value is None and name in ("sample", "curve"):
        value = getattr(recipe.sources[1 - number], name)
    elif name in ("sample", "curve"):
        value = None
    elif name in ("keep", "edit") and not value:
        value = getattr(recipe.sources[1 - number], name)
    else:
        value = other(value)
    sources = [*recipe.sources]
    sources[number] = dataclasses.replace(source, **{name: value})
    changed = dataclasses.replace(recipe, sources=tuple(sources))
    assert changes(recipe, changed)


@pytest.mark.parametrize("parts", ["policy", "prefer_by", "dedup", "reference", "edit", "holdout", "stages", "sample",
                                   "curve"])
def test_each_field_below_makes_a_change(parts):
    """So that one which is added to an edit or a curve is not forgotten here."""
    recipe = read(WHOLE)
    whose = recipe.sources[parts == "sample"] if parts in ("sample", "curve") else recipe
    value = getattr(whose, parts)
    each = value[0] if isinstance(value, tuple) else value
    for field in dataclasses.fields(each):
        old = getattr(each, field.name)
        if field.name == "by":
            new: Any = recipe.dedup[0]
        elif field.name in ("use", "parameters"):
            new = "id@1" if field.name == "use" else {**old, "normalise": ["nfc"]}
        elif field.name == "column":
            new = "pii.ip" if parts == "edit" else "words.count"
        else:
            new = other(old)
        made = dataclasses.replace(each, **{field.name: new})
        changed = dataclasses.replace(whose, **{parts: (made, *value[1:]) if isinstance(value, tuple) else made})
        if isinstance(changed, Source):
            changed = dataclasses.replace(recipe, sources=tuple(
                changed if source.name == changed.name else source for source in recipe.sources))
        assert changes(recipe, changed), field.name


# ---- any two recipes


def parsed(text: bytes) -> Recipe | None:
    """None of what is no recipe: some of those that are made up have a rule twice."""
    try:
        return parse(text, "recipe.yaml")
    except RecipeError:
        return None


RECIPES = st.booleans().flatmap(lambda identity: recipes("abc", identity)).map(parsed).filter(lambda each: each)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECIPES, RECIPES)
def test_none_to_itself_and_the_same_both_ways(one, two):
    assert changes(one, one) == changes(two, two) == ()
    there, back = changes(one, two), changes(two, one)
    assert sorted((each.path, str(each.old), str(each.new)) for each in there) == \
        sorted((each.path, str(each.new), str(each.old)) for each in back)
    if not there:
        assert dataclasses.replace(one, text=b"", sha256="") == dataclasses.replace(two, text=b"", sha256="")
