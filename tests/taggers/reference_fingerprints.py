"""Fingerprints as slow and obvious Python: each window's least gram, by sorting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from stretch_oracle import mix64, symbols

_64 = (1 << 64) - 1


def fingerprints(text: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    chosen = anchors(symbols(text, parameters["unit"]), parameters["length"], parameters["unit"])
    times = Counter(key for key, _ in chosen)
    return {"fingerprints.keys": sorted(key for key in times for _ in range(min(2, times[key])))}


def anchors(values: Sequence[int], length: int, unit: str) -> list[tuple[int, int]]:
    """(key, position) of each anchor, in order of position."""
    gram = min({"bytes": 64, "words": 8}[unit], (length + 1) // 2)
    orders = [_order(values[start : start + gram]) for start in range(len(values) - gram + 1)]
    size = length - gram + 1
    chosen = {min((orders[place], place) for place in range(start, start + size))
              for start in range(len(orders) - size + 1)}
    return [(mix64(order ^ 0xD6E8FEB86659FD93), place) for order, place in sorted(chosen, key=lambda each: each[1])]


def _order(gram: Sequence[int]) -> int:
    hashed = 0
    for value in gram:
        hashed = (hashed * 0x9E3779B97F4A7C15 + value) & _64
    period = min(8, len(gram) // 2)
    periodic = any(gram[each:] == gram[: len(gram) - each] for each in (period, max(1, period * 3 // 4)))
    return mix64(hashed) >> 1 | periodic << 63


REFERENCES = {"fingerprints": fingerprints}
