"""Whatever stands in a recipe file: it is a Recipe, or a RecipeError that says what is wrong. Nothing runs, and nothing
takes long.
"""

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixer import lint, yamls
from mixer.errors import RecipeError
from mixer.recipe_parser import parse
from mixer.recipe_reference import KINDS, METHODS, VOCABULARIES
from taggers import registry

ROOT = Path(__file__).parents[2]
RECIPES = [path.read_text() for path in sorted((ROOT / "recipes").rglob("*.yaml"))]
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def read(text: bytes) -> bool:
    """Whether it is a recipe. What is said of it can be printed anywhere, each mistake on a line of its own."""
    try:
        recipe = parse(text, "r.yaml")
    except RecipeError as error:
        assert error.mistakes and len(error.mistakes) <= yamls.MOST_MISTAKES + 1
        said = str(error)
        assert len(said.splitlines()) == len(error.mistakes)
        assert all(character.isprintable() or character == "\n" for character in said)
        said.encode()
        return False
    recipe.uses()
    for each in (found for kind in lint.judge(recipe, "r.yaml") for found in kind):
        each.text.encode()
    return True


def test_our_recipes_are_recipes():
    none = {"gpt4.yaml", "stand_ins.yaml"}  # what cannot be written, and what no recipe is
    paths = sorted((ROOT / "recipes").rglob("*.yaml"))
    assert {path.name for path in paths if not read(path.read_bytes())} == none


# ---- any bytes, any YAML

FRAGMENTS = ["- ", "  ", "\n", ": ", "{", "}", "[", "]", ",", "&a ", "*a", "!!str ", "!!python/name:os.system ",
             "<<: *a", "---\n", "...\n", "%YAML 1.1\n", "? ", "| \n", ">-\n", "'", '"', '"\\ud800"', '"\\0"',
             '"\\x1b[2J"', "\\N", "#", "@", "`", "\t", "\ufeff", "\u2028", "\x85", "é", "😀", "0x10", "1_000", "1e61",
             "9" * 70, ".inf", ".nan", "~", "null", "true", "no", "2026-11-21", "12:30:45", "name", "seed", "sources",
             "keep", "policy", "kind"]


@QUICK
@given(st.binary(max_size=200))
def test_any_bytes(text):
    read(text)


@QUICK
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join))
def test_any_yaml(text):
    read(text.encode())


# ---- real recipes, damaged

LINES = [line for text in RECIPES for line in text.splitlines()]


@QUICK
@given(st.sampled_from(RECIPES), st.data())
def test_damaged_recipes(text, data):
    lines = text.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        cut = data.draw(st.integers(0, len(line)))
        other = data.draw(st.sampled_from(["", line + "\n" + line, line[:cut], line[cut:], "  " + line, line.lstrip(),
                                           line.partition(":")[0] + ":", line + " &a", line.replace(":", ": !!int "),
                                           line.replace("0", "9" * 25), line.replace("[", "{").replace("]", "}")])
                          | st.sampled_from(LINES)
                          | st.sampled_from(FRAGMENTS).map(lambda each, a=line[:cut], b=line[cut:]: a + each + b))
        lines[at] = other
    read("\n".join(lines).encode())


# ---- the words of the language, in the wrong places

COLUMNS = [*registry.column_names()[:40], "dolma.x.y.score", "dolma.x.y.spans"]
WORDS = sorted({key.name for vocabulary in VOCABULARIES for key in vocabulary.keys}
               | {choice for vocabulary in VOCABULARIES for key in vocabulary.keys for choice in key.choices}
               | {key.name for method in METHODS for key in method.settings} | {method.use for method in METHODS}
               | {*KINDS, "rest", "web", "wiki"})
ODD = ["\u202e", "e\u0301", "ﬁ", "Ⅷ", "\U0010ffff", "\u0430", "", " ", "web/*", "../x", "s3://b/x",
       "https://key:secret@host/x", "x" * 300, "9/7", "1/0", "0.5"]
TEXT = st.text(max_size=8) | st.sampled_from(ODD)
NUMBERS = (st.integers() | st.floats(allow_nan=False, allow_infinity=False)
           | st.sampled_from([2**63, -2**63, 10**59, 0, 1, -1, 0.1, 1e-60, 1e60, 0.30000000000000004, 1e308]))
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT | st.sampled_from(WORDS) | st.sampled_from(COLUMNS)
NAMES = st.sampled_from(WORDS) | st.sampled_from(COLUMNS) | TEXT
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
                     max_leaves=10)
WHOLE = {
    "name": "mix", "version": "1.0.0", "seed": 7, "corpus": "corpus", "unit": "tokens", "budget": 1000,
    "policy": {"kind": "fixed"}, "dedup": [{"use": "text@1"}, {"use": "minhash@1", "verify": 0.8}],
    "keep": {"words.count": {"min": 50, "top": 0.5}}, "edit": {"pii.email": {"replace": "x"}},
    "holdout": {"test": {"share": 0.1}}, "taggers": {"q": {"use": "fasttext@1", "model": "q.bin"}},
    "sources": {"web": {"shards": "web/*", "weight": "rest",
                        "sample": {"column": "q.score", "rule": "pareto", "alpha": 9},
                        "curve": {"column": "q.score"}, "keep": {"language.en": {"min": 0.65}},
                        "about": {"license": "MIT"}},
                "wiki": {"shards": ["wiki/*"], "weight": 0.25, "max_epochs": 2, "min_weight": 0.1}},
}


@st.composite
def misused(draw):
    """WHOLE with some of its values, wherever they stand, replaced by others, moved or taken away."""
    whole = json.loads(json.dumps(WHOLE))
    for _ in range(draw(st.integers(1, 3))):
        node = whole
        while True:
            name = draw(st.sampled_from(sorted(node)) if isinstance(node, dict) else st.integers(0, len(node) - 1))
            inner = node[name]
            if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
                break
            node = inner
        change = draw(st.sampled_from(["replace", "remove", "add", "wrap"]))
        if change == "remove":
            node.pop(name)
        elif change == "add" and isinstance(node, dict):
            node[draw(NAMES)] = draw(TREES)
        else:
            node[name] = [inner] if change == "wrap" else draw(TREES)
        if not whole:
            break
    return whole


@QUICK
@given(misused())
def test_misused_words(whole):
    read(json.dumps(whole, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def test_the_whole_is_a_recipe():
    assert read(json.dumps(WHOLE).encode())


# ---- what is made to hurt

BOMB = "\n".join(["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))])
MOST = yamls.MOST_BYTES // 16  # for these to be quick; what takes longer by the square of it shows all the same


def sources(count: int) -> str:
    return "sources:\n" + "".join(f"  s{number}: {{shards: a/*}}\n" for number in range(count))


def many(line: str, head: str = "") -> str:
    """As many lines as there is room for."""
    return head + "".join(line.format(n) for n in range((MOST - len(head)) // (len(line) + 4)))


HEAD = "name: a\nversion: 1.0.0\nseed: 1\ncorpus: c\nunit: docs\npolicy: {kind: proportional}\n"
HURTING = {
    "aliases": BOMB,
    "anchors": many("k{}: &a x\n"),
    "tags": many("k{}: !!python/object/apply:os.system [touch ran]\n"),
    "merge keys": many("<<: {{a: 1}}\n"),
    "documents": many("---\n"),
    "deep lists": "[" * 100_000,
    "deep mappings": "{a: " * 100_000,
    "deep blocks": "".join(" " * depth + "a:\n" for depth in range(900)),
    "one long word": "name: " + "x" * (MOST - 10),
    "one long key": "x" * (MOST - 10) + ": 1",
    "one long number": "seed: " + "9" * (MOST - 10),
    "a long exponent": "seed: 1e" + "9" * 5000,
    "unknown keys": many("k{}: 1\n"),
    "unknown columns": many("  c{}.x: {{min: 1}}\n", HEAD + "sources: {a: {shards: a/*}}\nkeep:\n"),
    "imported columns": many("  dolma.a.c{}.score: {{min: 1}}\n", HEAD + "sources: {a: {shards: a/*}}\nkeep:\n"),
    "the same imported columns twice": many("  dolma.a.c{}.score: {{min: 1, max: 2, not_in: [3]}}\n",
                                            HEAD + "sources: {a: {shards: a/*}}\nkeep:\n"),
    "values": HEAD + "sources: {a: {shards: a/*}}\nkeep: {document.slice: {in: [" + many("{},\n") + "0]}}",
    "globs": HEAD + "sources: {a: {shards: [" + many("a{}/*,\n") + "b/*]}}",
    "names": HEAD + sources(10) + "prefer: [" + many("a{},\n") + "b]",
    "sources": many("  s{}: {{shards: a/*, about: {{license: MIT}}}}\n", HEAD + "sources:\n"),
    "bad sources": many("  s{}: {{}}\n", HEAD + "sources:\n"),
    "taggers": many("  q{}: {{use: fasttext@1, model: m}}\n", HEAD + "taggers:\n"),
    "too large": HEAD + "#" * yamls.MOST_BYTES,
}


@pytest.mark.parametrize("name", HURTING)
def test_what_is_made_to_hurt(name, tmp_path, monkeypatch):
    """In about a second, and without a file that its tags would have made."""
    monkeypatch.chdir(tmp_path)
    began = time.process_time()
    read(HURTING[name].encode())
    took = time.process_time() - began
    assert took < 3, took
    assert not os.listdir(tmp_path)
