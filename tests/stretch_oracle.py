"""What stretches are, slowly and plainly: a dict over all windows of all texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import xxhash

Place = tuple[int, int]  # a document, and a symbol of it


def stretches(texts: Sequence[Sequence[Hashable]], length: int) -> dict[Place, tuple[int, Place]]:
    """By its place, each occurrence of a stretch: (its size, the first place of its first window).

    A window belongs to the stretch of the window before it if each occurrence of one is followed by one of the other.
    """
    places: defaultdict[Hashable, list[Place]] = defaultdict(list)
    for document, text in enumerate(texts):
        for start in range(len(text) - length + 1):
            window = text[start : start + length]
            places[tuple(window) if isinstance(window, list) else window].append((document, start))
    at = {place: tuple(found) for found in places.values() if len(found) > 1 for place in found}
    whole: dict[Place, tuple[int, Place]] = {}
    for document, start in sorted(at):
        begin = start
        before = (document, start - 1)
        if before in at and tuple((number, place + 1) for number, place in at[before]) == at[document, start]:
            continue
        end = start + 1
        while (document, end) in at and \
                tuple((number, place + 1) for number, place in at[document, end - 1]) == at[document, end]:
            end += 1
        whole[document, begin] = end - 1 - begin + length, at[document, begin][0]
    return whole


def spans(texts: Sequence[Sequence[Hashable]], length: int) -> set[tuple[int, int, int, Place]]:
    """(document, start, end, the stretch's first place): as stretches, but what overlaps or touches an earlier
    occurrence of its own stretch in its document is one span with all that do so one after another.
    """
    found = set()
    by_stretch: defaultdict[tuple[int, Place], list[tuple[int, int]]] = defaultdict(list)
    for (document, start), (size, first) in sorted(stretches(texts, length).items()):
        by_stretch[document, first].append((start, start + size))
    for (document, first), each in by_stretch.items():
        chain: list[tuple[int, int]] = []
        for start, end in [*each, (1 << 60, 1 << 60)]:
            if chain and start > chain[-1][1]:
                found.add((document, *chain[0], first))
                if len(chain) > 1:
                    found.add((document, chain[1][0], chain[-1][1], first))
                chain = []
            chain.append((start, end))
    return found


# ---- symbols and hashes, as taggers.chunks has them

_64 = (1 << 64) - 1
_63 = (1 << 63) - 1
_MIX_1 = 0xFF51AFD7ED558CCD
_MIX_2 = 0xC4CEB9FE1A85EC53


def symbols(text: str, unit: str) -> list[int]:
    return list(text.encode()) if unit == "bytes" else [hash_word(word.encode()) for word in text.split()]


def mix64(value: int) -> int:
    value = (value ^ value >> 33) * _MIX_1 & _64
    value = (value ^ value >> 33) * _MIX_2 & _64
    return value ^ value >> 33


def hash_of(data: bytes) -> int:
    return xxhash.xxh3_64_intdigest(data)


def hash_word(data: bytes) -> int:
    if len(data) > 16:
        return hash_of(data) & _63
    short = len(data) < 8
    more = int.from_bytes(data[8:], "little") * _MIX_2 & _64
    value = (int.from_bytes(data[:8], "little") | short * len(data) << 56) ^ more ^ more >> 32
    value = value * _MIX_1 & _63
    value = (value ^ value >> 31) * _MIX_2 & _63
    return value ^ value >> 32 | short << 63
