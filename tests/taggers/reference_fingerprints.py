"""Fingerprints as slow and obvious Python: each window's least gram, by sorting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

_64 = (1 << 64) - 1
_63 = (1 << 63) - 1


def fingerprints(text: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    chosen = anchors(symbols(text, parameters["unit"]), parameters["length"], parameters["unit"])
    times = Counter(key for key, _ in chosen)
    return {"fingerprints.keys": sorted(key for key in times for _ in range(min(2, times[key])))}


def symbols(text: str, unit: str) -> list[int]:
    return list(text.encode()) if unit == "bytes" else [_hash_word(word.encode()) for word in text.split()]


def anchors(values: Sequence[int], length: int, unit: str) -> list[tuple[int, int]]:
    """(key, position) of each anchor, in order of position."""
    gram = min({"bytes": 64, "words": 8}[unit], (length + 1) // 2)
    orders = [_order(values[start : start + gram]) for start in range(len(values) - gram + 1)]
    size = length - gram + 1
    chosen = {min((orders[place], place) for place in range(start, start + size))
              for start in range(len(orders) - size + 1)}
    return [(_mix64(order ^ 0xD6E8FEB86659FD93), place) for order, place in sorted(chosen, key=lambda each: each[1])]


def _order(gram: Sequence[int]) -> int:
    hashed = 0
    for value in gram:
        hashed = (hashed * 0x9E3779B97F4A7C15 + value) & _64
    period = min(8, len(gram) // 2)
    periodic = any(gram[each:] == gram[: len(gram) - each] for each in (period, max(1, period * 3 // 4)))
    return _mix64(hashed) >> 1 | periodic << 63


def _mix64(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _64
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _64
    return value ^ value >> 33


def _hash_word(data: bytes) -> int:
    if len(data) <= 16:
        short = len(data) < 8
        more = int.from_bytes(data[8:], "little") * 0xC4CEB9FE1A85EC53 & _64
        value = (int.from_bytes(data[:8], "little") | short * len(data) << 56) ^ more ^ more >> 32
        value = value * 0xFF51AFD7ED558CCD & _63
        value = (value ^ value >> 31) * 0xC4CEB9FE1A85EC53 & _63
        return value ^ value >> 32 | short << 63
    state = len(data)
    for start in range(0, len(data) - 8, 8):
        state = (state ^ int.from_bytes(data[start : start + 8], "little")) * 0xFF51AFD7ED558CCD & _64
        state ^= state >> 32
    state = (state ^ int.from_bytes(data[-8:], "little")) * 0xFF51AFD7ED558CCD & _64
    return _mix64(state) & _63


REFERENCES = {"fingerprints": fingerprints}
