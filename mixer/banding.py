"""Banding: how likely two documents are compared by MinHash, and which bands and rows to take."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

SIMILARITIES = tuple(step / 20 for step in range(4, 21))  # of curve(): 0.2 to 1 by 0.05
SHOWN = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99)

MOST_SEARCHED = 2_048  # hashes that choose() shares out: a second for all ways to do it


@functools.cache
def choose(threshold: float, hashes: int) -> tuple[int, int]:
    """(bands, rows) for a similarity from which on documents are to be compared, as datasketch chooses them.

    Of all with bands * rows <= hashes, those where the area under the odds below the threshold and that over the odds
    above it are least in sum. Loads datasketch and scipy, which takes a second. ValueError where it finds none.
    """
    from datasketch import MinHashLSH

    chosen = MinHashLSH(threshold=threshold, num_perm=hashes)
    return int(chosen.b), int(chosen.r)


def candidate_odds(similarity: float, bands: int, rows: int) -> float:
    """With what probability two documents of this similarity have all rows of a band equal, in one band or more."""
    odds: float = 1 - (1 - similarity**rows) ** bands
    return odds


def even_odds(bands: int, rows: int) -> float:
    """The similarity at which the odds are 1/2, where the curve is about as steep as anywhere."""
    similarity: float = (1 - 0.5 ** (1 / bands)) ** (1 / rows)
    return similarity


def bandings(parameters: Iterable[Mapping[str, object]]) -> list[tuple[int, int]]:
    """(bands, rows) of those dedup methods, by their parameters, that have them; in order, none twice."""
    found = ((each.get("bands"), each.get("rows")) for each in parameters)
    return list(dict.fromkeys((bands, rows) for bands, rows in found
                              if isinstance(bands, int) and isinstance(rows, int)))


def curve(bands: int, rows: int) -> tuple[tuple[float, float], ...]:
    """(similarity, odds) at each of SIMILARITIES."""
    return tuple((similarity, candidate_odds(similarity, bands, rows)) for similarity in SIMILARITIES)


def as_json(bands: int, rows: int) -> dict[str, Any]:
    """The banding for --json."""
    return {"bands": bands, "rows": rows, "even_odds": even_odds(bands, rows), "curve": curve(bands, rows)}


def curve_lines(bands: int, rows: int) -> list[str]:
    """The banding for people: where the odds are even, and a table of similarities and odds."""
    odds = [_percent(candidate_odds(similarity, bands, rows)) for similarity in SHOWN]
    return [
        f"{bands} bands of {rows} rows, {bands * rows:,} hashes: two documents are as likely compared as not at a "
        f"similarity of {even_odds(bands, rows):.3f}",
        "  similarity  " + "  ".join(f"{similarity:>6g}" for similarity in SHOWN),
        "  compared    " + "  ".join(f"{each:>6}" for each in odds),
    ]


def _percent(share: float) -> str:
    """Never 0 % or 100 % of what can be and need not."""
    if share < 0.001:
        return "<0.1 %"
    return ">99.9 %" if share > 0.999 else f"{100 * share:.1f} %"
