"""Banding: the odds of its formula, and bands and rows as datasketch chooses them."""

import itertools
import math

import pytest

from mixer import banding

PRESETS = [(14, 8), (26, 11), (20, 13), (20, 450)]


@pytest.mark.parametrize(("bands", "rows"), [(1, 1), (2, 3), (3, 2)])
def test_odds_are_what_counting_all_outcomes_gives(bands: int, rows: int) -> None:
    similarity = 0.625
    odds = 0.0
    for equal in itertools.product((True, False), repeat=bands * rows):
        if any(all(equal[band * rows : (band + 1) * rows]) for band in range(bands)):
            odds += math.prod(similarity if each else 1 - similarity for each in equal)
    assert banding.candidate_odds(similarity, bands, rows) == pytest.approx(odds, abs=1e-12)


@pytest.mark.parametrize(("bands", "rows"), PRESETS)
def test_odds_rise_and_are_even_where_it_says(bands: int, rows: int) -> None:
    odds = [at for _, at in banding.curve(bands, rows)]
    assert odds == sorted(odds)
    assert odds[-1] == 1
    assert banding.candidate_odds(0, bands, rows) == 0
    assert banding.candidate_odds(banding.even_odds(bands, rows), bands, rows) == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize(("threshold", "hashes"), [(0.8, 128), (0.5, 32)])
def test_bands_are_chosen_by_least_error(threshold: float, hashes: int) -> None:
    def error(bands: int, rows: int) -> float:
        """The area of what is wrong, by the midpoints of 400 strips."""
        odds = [((place + 0.5) / 400, banding.candidate_odds((place + 0.5) / 400, bands, rows)) for place in range(400)]
        return sum(1 - at if similarity > threshold else at for similarity, at in odds) / 400

    bands, rows = banding.choose(threshold, hashes)
    assert bands * rows <= hashes
    best = min(error(bands, rows) for bands in range(2, hashes + 1) for rows in range(1, hashes // bands + 1))
    assert error(bands, rows) == pytest.approx(best, abs=1e-4)


def test_what_is_printed() -> None:
    assert banding.curve_lines(14, 8) == [
        "14 bands of 8 rows, 112 hashes: two documents are as likely compared as not at a similarity of 0.685",
        "  similarity     0.5     0.6     0.7    0.75     0.8    0.85     0.9    0.95    0.99",
        "  compared     5.3 %  21.1 %  56.5 %  77.2 %  92.4 %  98.8 %  >99.9 %  >99.9 %  >99.9 %",
    ]
    assert banding.curve_lines(20, 450)[-1].split()[1] == "<0.1"


def test_bandings_are_named_once_and_only_where_there_are_any() -> None:
    parameters: list[dict[str, object]] = [{"bands": 14, "rows": 8}, {},
                                           {"bands": 14, "rows": 8, "seed": 2}, {"bands": 2, "rows": 1}]
    assert banding.bandings(parameters) == [(14, 8), (2, 1)]
    assert banding.bandings([]) == []
