"""minhash@1 in a recipe: bands and rows by preset, by threshold or as they are, and what cannot be."""

from __future__ import annotations

import pytest

from mixer import recipe_parser
from mixer.errors import RecipeError
from mixer.recipe import Recipe
from mixer.recipe_reference import METHODS
from taggers.shingles import WAYS


def parse(said: str) -> Recipe:
    """A recipe whose one method is minhash@1 with these parameters, on line 3."""
    text = ("{name: mix, version: 1.0.0, seed: 7, corpus: here, unit: docs,\n"
            f" policy: {{kind: proportional}}, dedup: [\n  {{use: minhash@1, {said}}}],\n"
            " sources: {web: {shards: '*.jsonl'}}}\n")
    return recipe_parser.parse(text.encode(), "r.yaml")


@pytest.mark.parametrize(("said", "bands", "rows"), [
    ("", 14, 8),
    (", preset: 26x11", 26, 11),
    (", preset: 20x450", 20, 450),
    (", bands: 5, rows: 3", 5, 3),
    (", rows: 3", 14, 3),
    (", threshold: 0.8", 9, 13),  # what datasketch documents
    (", threshold: 0.5, hashes: 64", 14, 4),
])
def test_bands_and_rows_may_be_said_in_several_ways(said: str, bands: int, rows: int) -> None:
    method = parse(f"verify: 0.8{said}").dedup[0]
    assert (method.parameters["bands"], method.parameters["rows"]) == (bands, rows)
    assert not method.parameters.keys() & {"preset", "threshold", "hashes"}  # the same bands are the same method
    use = method.tagger_use
    assert use is not None
    assert use.parameters == {"ngram": 5, "bands": bands, "rows": rows, "seed": 1, "shingles": "auto"}
    assert method.text == "minhash@1 " + "".join(f"{name}={value} " for name, value, default in
                                                 (("bands", bands, 14), ("rows", rows, 8)) if value != default) + \
        "verify=0.8"


@pytest.mark.parametrize(("said", "mistake"), [
    ("preset: 14x9", "3 dedup[0].preset: not one of the choices (found 14x9); did"),
    (
        "preset: 14x8, threshold: 0.8",
        "3 dedup[0]: preset and threshold each say how many bands there are; keep one of them",
    ),
    ("preset: 14x8, rows: 8", "3 dedup[0]: preset and bands and rows each say how"),
    ("threshold: 0.8, bands: 8", "3 dedup[0]: threshold and bands and rows each say"),
    ("threshold: 1.5", "3 dedup[0].threshold: does not fit (found 1.5)"),
    ("threshold: 1", "3 dedup[0].threshold: does not fit (found 1.0); write a number "
                                                       "between 0 and 1, neither of them"),
    ("threshold: 0", "3 dedup[0].threshold: does not fit (found 0.0)"),
    (
        "threshold: 0.99",
        "3 dedup[0].threshold: no bands serve it with 128 hashes: The number of bands are too small (b < 2) (found "
        "0.99); change it or `hashes`",
    ),
    ("threshold: 0.9, hashes: 9_000", "3 dedup[0].hashes: too many to choose bands "
                                                                        "of (found 9000); write 2_048 or less"),
    ("hashes: 64", "3 dedup[0].hashes: hashes are shared out by `threshold` alone"),
    ("bands: 0", "3 dedup[0].bands: out of range (found 0); write 1 to 10_000"),
    ("rows: -1", "3 dedup[0].rows: out of range (found -1)"),
    ("ngram: 0", "3 dedup[0].ngram: out of range (found 0); write 1 to 1_000"),
    ("shingles: word", "unknown value (found word); did you mean `words`?"),
    ("verify: 2", "3 dedup[0].verify: does not fit (found 2); write a number from 0"),
])
def test_mistakes(said: str, mistake: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse(said)
    assert any(mistake in each.text and each.remedy for each in caught.value.mistakes), caught.value.mistakes


def test_shingles_are_those_that_the_tagger_knows() -> None:
    assert next(method.values for method in METHODS if method.use == "minhash@1") == {"shingles": WAYS}
