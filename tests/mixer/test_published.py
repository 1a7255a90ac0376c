"""Published recipes: what lint says of their figures, and why that is so; and what it must not say."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer import lint
from mixer.errors import RecipeError
from mixer.published import Range, range_of, shown
from mixer.recipe_parser import parse
from mixer.recipe_reference import PUBLISHED_SOURCE

PUBLISHED = Path(__file__).parents[2] / "recipes" / "published"
RECIPES = sorted(path for path in PUBLISHED.glob("*.yaml") if path.name not in ("stand_ins.yaml", "gpt4.yaml"))


def warned(text: bytes, file: str) -> list[str]:
    return [warning.text for warning in lint.warnings(parse(text, file), file)]


# Every warning there is, and why each is true. Half a unit of the last printed digit is allowed on either side.
TRUE = {
    # 60 + 22 + 8 + 8 + 3 = 101. 0.22 x 300B / 19B = 3.47, at the least 0.215 x 300 / 19.5 = 3.308 and at the most
    # 0.225 x 300 / 18.5 = 3.649; 2.9 would be 18.4%, or 22.8B tokens. The other four are within rounding: Books1, 8%
    # of 300B over 12B, is 1.8 to 2.2 and printed as 1.9; Wikipedia 2.1 to 4.2 and 3.4.
    "gpt3.yaml": [
        "40 sources: the published weights sum to 101%: 60% + 22% + 8% + 8% + 3%; divide each by 1.01 for the "
        "recipe's own weights",
        "52 sources.webtext2.published.epochs: weight 0.22 x 300B trained / 19B tokens is 3.474, and 3.308 to 3.649 "
        "allowing for rounding (found 2.9); let the plan count epochs; take none from here",
    ],
    # The sum of tokens x sample over the card's 15 rows is 1,645.15B, and the card's total 1,715B. With C4's 138.4B
    # not halved it is 1,714.35B. The configuration says 138.4B for C4 after sampling, too, so that the first and the
    # fifth of these agree. RefinedWeb is 456.4B on the card and 547.341B in the comments, whose total is 1,819.467B;
    # Common Crawl's three parts there are 611.85B and half of 1,195.5B is 597.75B (from 49.5% to 50.5%: 591.7B to
    # 603.8B). 12.734B of OpenWebMath would be printed as 12.7B; the other nine would be printed as the card has them.
    "dolma_1_7.yaml": [
        "22 published.trained_tokens: the sum of the sources' tokens x sample is 1.645T, a gap of 69.85B; it closes if "
        "the 138.4B of c4 are what was left after sampling (found 1.715T); keep what there was and what was taken in "
        "two figures: tokens and selected_tokens",
        "22 published.trained_tokens: the sum of the sources' selected_tokens in OLMo-core comments is 1.819T, and "
        "1.819T to 1.82T allowing for rounding (found 1.715T); cite the one that is recorded, and say which",
        "34 sources.common_crawl.published_elsewhere.OLMo-core comments.selected_tokens: 1.196T tokens x sample 0.5 is "
        "597.8B, and 591.7B to 603.8B allowing for rounding (found 611.8B); cite the one that is recorded, and say "
        "which",
        "41 sources.refinedweb.published_elsewhere.OLMo-core comments.selected_tokens: 456.4B tokens x sample 1 is "
        "456.4B, and 454.1B to 458.7B allowing for rounding (found 547.3B); cite the one that is recorded, and say "
        "which",
        "55 sources.c4.published_elsewhere.OLMo-core comments.selected_tokens: 138.4B tokens x sample 0.5 is 69.2B, "
        "and 68.48B to 69.92B allowing for rounding (found 138.4B); cite the one that is recorded, and say which",
        "104 sources.openwebmath.published_elsewhere.OLMo-core comments.selected_tokens: 12.6B tokens x sample 1 is "
        "12.6B, and 12.49B to 12.71B allowing for rounding (found 12.73B); cite the one that is recorded, and say "
        "which",
    ],
    # Two tables of one maker, two months apart, over the same six sources. Where documents are equal to the digit the
    # sets are one, and words and bytes of it cannot be two: what was counted differs, and neither table says what.
    # Tokens are of two tokenizers, and nothing is said of them. Wikipedia's row is cut off in the older one.
    "olmo_mix_1124.yaml": [
        f"{line} sources.{source}.published_elsewhere.OLMoE-mix-0924 card: figures of one thing differ: {what}; say of "
        "what each is counted, and by which tool; until then compare neither"
        for line, source, what in (
            (36, "dclm", "words 3.32T here and 3.38T there; bytes 21.32T here and 16.7T there, with the same 2.95B "
                         "docs"),
            (42, "starcoder", "words 70B here and 63.9B there; bytes 459B here and 325B there, with the same 78.7M "
                              "docs"),
            (48, "pes2o", "words 51.1B here and 51.3B there; bytes 413B here and 268B there, with the same 38.8M docs"),
            (54, "arxiv", "words 19.3B here and 23.5B there; bytes 77.2B here and 88.8B there; docs 3.95M here and "
                          "1.55M there"),
            (60, "openwebmath", "words 11.1B here and 10.2B there; bytes 47.2B here and 42.4B there; docs 2.89M here "
                                "and 2.91M there"),
            (66, "algebraic_stack", "words 10.8B here and 9.6B there; bytes 44B here and 39.3B there, with the same "
                                    "2.83M docs"),
        )
    ],
    # Seven epochs are more than four. The generator's own table has up to 8.37 copies of the best bucket of a topic,
    # and the documents say 7 at most.
    # Wikipedia's pool has 6.67M documents here and 6.17M in OLMo 2's table, of about as many tokens.
    "dolma3_6t.yaml": [
        "44 sources.common_crawl.curve.max_upsample: more than 4 epochs: further repeats add less and less (found 7); "
        "lower it, or be sure of it",
        "53 sources.common_crawl.published.realised_upsample: more than the documented cap of 7 epochs (found 8.37); "
        "cap after rounding, as a curve's `max_upsample` here does",
        "96 sources.wikipedia.published_elsewhere.arXiv:2501.00656 Table 4: figures of one thing differ: pool_docs "
        "6.67M here and 6.17M there; say of what each is counted, and by which tool; until then compare neither",
    ],
    # Silent, and worked out: The Pile's 22 sizes x copies, weights and their total; SlimPajama's shares after dedup,
    # each the share before x (1 - rate) over the sum; the sums of RedPajama (1,210B, printed as 1.2T), of OLMo 2, of
    # Dolma 1.7 before sampling, and of Dolma 3's pool, mixture and shares, and its shards counted again.
}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_lint_says_what_is_so_and_nothing_else(path):
    expected = [f"{path.name}:{each}" for each in TRUE.get(path.name, [])]
    assert warned(path.read_bytes(), path.name) == expected


def test_every_mixture_of_the_facts_has_its_recipe():
    assert {path.stem for path in RECIPES} == {
        "gpt3", "lamda", "palm", "llama", "olmoe_mix_0924", "dolma_1_7", "olmo_mix_1124", "dolma3_6t", "the_pile",
        "redpajama", "slimpajama", "flamingo", "blip2"}
    assert TRUE.keys() <= {path.name for path in RECIPES}


def test_the_recipe_that_cannot_be_written_says_what_is_missing():
    with pytest.raises(RecipeError) as caught:
        parse((PUBLISHED / "gpt4.yaml").read_bytes(), "gpt4.yaml")
    first, *others = caught.value.mistakes
    assert first.path == "published.disclosure" and "no recipe of this mixture can be written" in first.text
    assert [each.path for each in others] == ["corpus", "unit", "budget", "policy", "sources"]
    assert {each.message for each in others} == {"nothing stands here"}


# ---- what would be wrong is found: each recipe that is silent, with one figure changed

CHANGED = [
    ("the_pile.yaml", "copies: 3, effective_gib: 19.13", "copies: 3, effective_gib: 19.23",
     "6.38 GiB x 3 copies is 19.14, and 19.12 to 19.16 allowing for rounding (found 19.23)"),
    ("the_pile.yaml", "weight: 0.0153, mean_doc: 1.11", "weight: 0.0143, mean_doc: 1.11",
     "GiB x 3 copies / 1,254 GiB is 0.01526"),
    ("the_pile.yaml", "effective_gib: 1254.20", "effective_gib: 1254.90", "the sum of the sources' effective_gib is"),
    ("slimpajama.yaml", "weight: 0.267, weight_before", "weight: 0.269, weight_before", "before dedup x (1 - 0.0685)"),
    ("slimpajama.yaml", "weight_before: 0.144", "weight_before: 0.154",
     "the published weights before dedup sum to 101%"),
    ("redpajama.yaml", "total_tokens: 1.2T", "total_tokens: 1.20T", "the sum of the sources' tokens is 1.21T"),
    ("olmo_mix_1124.yaml", "total_tokens: 3.90T", "total_tokens: 3.95T", "the sum of the sources' tokens is 3.9T"),
    ("dolma3_6t.yaml", "pool_tokens: 9.31T", "pool_tokens: 9.41T", "the sum of the sources' pool_tokens is 9.308T"),
    ("dolma3_6t.yaml", "share: 0.136", "share: 0.146", "805B tokens / 5.93T in all is 0.1358"),
    ("dolma3_6t.yaml", "{tokens: 804.86B}", "{tokens: 805.97B}", "tokens 805B here and 806B there"),
    ("dolma_1_7.yaml", "total_tokens: 2308.5B", "total_tokens: 2309.5B", "the sum of the sources' tokens is 2.308T"),
    ("lamda.yaml", "weight: 0.125}", "weight: 0.0625}", "the published weights sum to 81.25%"),
]


@pytest.mark.parametrize(("file", "was", "now", "said"), CHANGED, ids=lambda each: each[:30])
def test_a_figure_that_does_not_follow_is_told(file, was, now, said):
    text = (PUBLISHED / file).read_text()
    assert was in text
    found = warned(text.replace(was, now).encode(), file)
    assert any(said in each for each in found), found


# ---- ranges


@pytest.mark.parametrize(("raw", "low", "high"), [
    ("0.60", "0.595", "0.605"), ("0.6", "0.55", "0.65"), ("410e9", "409.5e9", "410.5e9"),
    ("410B", "409.5e9", "410.5e9"), ("6X", None, None), ("6T", "5.5e12", "6.5e12"),
    ("60%", "0.595", "0.605"), ("1.40T", "1.395e12", "1.405e12"), ("22.0M", "21.95e6", "22.05e6"),
    ("410_000_000_000", "405e9", "415e9"), ("3", "2.5", "3.5"), ("0", "0", "0.5"), ("1254.20", "1254.195", "1254.205"),
    ("5.93e12", "5.925e12", "5.935e12"), ("0.0", "0", "0.05"), ("100", "50", "150"),
])
def test_a_figure_may_have_been_half_a_digit_more_or_less(raw, low, high):
    if low is None:
        recipe = (PUBLISHED / "gpt3.yaml").read_text().replace("tokens: 410B", f"tokens: {raw}")
        with pytest.raises(RecipeError, match="such as 410B"):
            parse(recipe.encode(), "gpt3.yaml")
        return
    found = range_of(raw)
    assert (found.low, found.high) == (Fraction(Decimal(low)), Fraction(Decimal(high)))
    assert found.value == (found.low + found.high) / 2 or not found.low


def test_budgets_and_copies_are_exact():
    assert range_of("300e9", True) == Range(*[Fraction(300 * 10**9)] * 3)


shares = st.decimals(0, 10**6, places=3)


@given(st.lists(st.tuples(shares, st.decimals(-1, 1, places=2)), min_size=2, max_size=2))
def test_what_a_formula_gives_of_true_values_lies_in_what_it_gives_of_ranges(each):
    """True values are anywhere within half a digit of what is printed."""
    ranges = [range_of(str(number)) for number, _ in each]
    true = [max(Fraction(0), Fraction(number) + Fraction(off) / 2000) for number, off in each]
    for operation in ("__add__", "__mul__", "__truediv__"):
        if operation == "__truediv__" and not true[1]:
            continue
        found = getattr(ranges[0], operation)(ranges[1])
        assert found.low <= getattr(true[0], operation)(true[1]) <= found.high


ODD = """\
name: odd
version: 1.0.0
seed: 1
corpus: none
unit: tokens
policy: {kind: proportional}
published: {trained_tokens: 10, total_tokens: 10, pool_tokens: 10, effective_gib: 10}
sources:
  one: {shards: null, published: {FIGURES}, published_elsewhere: {there: {selected_tokens: 10, docs: 1}}}
"""


@pytest.mark.parametrize("value", ["0", "0e9", "1", "17", "1e-60", "9" * 59, "0T", "1e50T", "0%"])
def test_no_figure_is_too_odd(value):
    """Whatever it is divided by."""
    names = [key.name for key in PUBLISHED_SOURCE.keys if key.takes == "figure"]
    figures = ", ".join(f"{name}: {value}" for name in names)
    warned(ODD.replace("FIGURES", figures).encode(), "odd.yaml")
    warned(ODD.replace("FIGURES", figures).replace("10", value).encode(), "odd.yaml")


@pytest.mark.parametrize(("number", "text"), [
    ("1645.15e9", "1.645T"), ("69.85e9", "69.85B"), ("6.17e6", "6.17M"), ("2.9", "2.9"), ("1254.2", "1,254"),
    ("0", "0"), ("0.000123456", "0.0001235"), ("999_999", "1,000,000"),
])
def test_numbers_have_four_digits(number, text):
    assert shown(Fraction(Decimal(number))) == text
