"""Strict YAML: what scalars mean, what is refused, and on which line."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer import yamls
from mixer.errors import RecipeError
from mixer.yamls import Items, Scalar, Section


def read(text):
    return yamls.read(text.encode(), "r.yaml")


def mistakes(text):
    return [(mistake.line, mistake.path, mistake.message) for mistake in read(text)[1]]


def refused(text):
    with pytest.raises(RecipeError) as caught:
        yamls.read(text if isinstance(text, bytes) else text.encode(), "r.yaml")
    return [(mistake.line, mistake.message) for mistake in caught.value.mistakes]


SCALARS = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "False": False,
    "no": "no",
    "on": "on",
    "0": 0,
    "-7": -7,
    "6_000_000_000_000": 6_000_000_000_000,
    "1__0": "1__0",
    "_1": "_1",
    "010": "010",
    "0x1F": "0x1F",
    "12:30": "12:30",
    "2026-11-21": "2026-11-21",
    "2.1.0": "2.1.0",
    "0.1": Decimal("0.1"),
    ".5": Decimal("0.5"),
    "1_000.25": Decimal("1000.25"),
    "6e12": Decimal("6e12"),
    ".inf": ".inf",
    ".nan": ".nan",
    "e5": "e5",
    "+": "+",
    ".": ".",
}


@pytest.mark.parametrize("raw", SCALARS)
def test_scalar(raw):
    value = yamls.resolve(raw)
    assert (value, type(value)) == (SCALARS[raw], type(SCALARS[raw]))


@pytest.mark.parametrize("raw", ["'5'", '"true"', "|\n  null", ">-\n  1.5"])
def test_quoted_is_text(raw):
    node = read(f"a: {raw}\n")[0].nodes["a"]
    assert node.value == node.raw and isinstance(node.value, str)


def test_tree_has_lines():
    tree, found = read("# first\na: 1\nb:\n  - x\n  - {c: 0.50}\n")
    assert found == ()
    assert tree.lines == {"a": 2, "b": 3}
    assert tree.nodes["a"] == Scalar(1, "1", 2)
    item = Section({"c": Scalar(Decimal("0.5"), "0.50", 5)}, {"c": 5}, 5)
    assert tree.nodes["b"] == Items((Scalar("x", "x", 4), item), 4)


def test_keys_are_text():
    assert list(read("on: 1\n2026: 2\n1.0: 3\n")[0].nodes) == ["on", "2026", "1.0"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "\ufeff"])
def test_empty_is_null(text):
    assert read(text)[0].value is None


MISTAKES = {
    "a: 1\nb: 2\na: 3\n": [(3, "a", "this key stands on line 1 already")],
    "s:\n  x: {k: 1, k: 2}\n": [(2, "s.x.k", "this key stands on line 2 already")],
    "a: &x 1\nb: *x\n": [(1, "a", "anchors are not allowed"), (2, "b", "aliases are not allowed")],
    "a: !!str 1\n": [(1, "a", "tags are not allowed")],
    "a: !!python/object/apply:os.system ['true']\n": [(1, "a", "tags are not allowed")],
    "a: [1, ! 2]\n": [(1, "a[1]", "tags are not allowed")],
    "a: {<<: {b: 1}}\n": [(1, "a", "merge keys are not allowed")],
    "? [a]\n: 1\n": [(1, "", "a list or mapping as a key")],
    "a: 1\n---\nb: 2\n---\nc: 3\n": [(2, "", "a second document")],
    "a: 1e999\nb: 1e-99999999999999999999\n": [(1, "a", "a number out of range"), (2, "b", "a number out of range")],
    f"a: {'9' * 5000}\n": [(1, "a", "a number out of range")],
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(text):
    assert mistakes(text) == MISTAKES[text]


def test_first_of_two_keys_stands():
    assert read("a: 1\na: 2\n")[0].nodes["a"].value == 1


@pytest.mark.parametrize("text", ["a: [1, 2\n", "a: 'x\n", "a:\n\t- 1\n", "a: b: c\n", "%YAML 3.0\n---\na: 1\n"])
def test_bad_syntax_has_a_line(text):
    [(line, message)] = refused(text)
    assert line >= 1 and message


def test_earlier_mistakes_come_with_bad_syntax():
    assert [line for line, _ in refused("a: 1\na: 2\nb: [\n")] == [2, 4]


def test_bad_utf8():
    assert refused(b"a: 1\nb: \xff\n") == [(2, "bytes that are not UTF-8")]


def test_bad_character():
    assert refused("a: 1\nb: \x07\n") == [(2, "a character YAML does not allow")]


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 50, "- " * 50])
def test_deep_nesting_is_refused(text):
    assert refused(text) == [(1, "nested more than 20 deep")]


@given(st.text() | st.text(alphabet="ab:-[]{}&*!|>'\"#%@, \n?<1._e"))
def test_any_text_is_read_or_refused(text):
    try:
        yamls.read(text.encode("utf-8", "surrogatepass"), "r.yaml")
    except RecipeError as error:
        assert error.mistakes
