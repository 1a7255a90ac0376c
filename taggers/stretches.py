"""Repeated stretches, exactly: from the segments around equal anchors to the runs of windows that occur together.

A window of `length` symbols occurs twice or more if its content does, anywhere in the corpus. A stretch is a maximal
run of windows, one after another, that occur in the same places: each occurrence of one is followed by one of the next.
So all its occurrences are equal, and it ends where its occurrences begin to differ, or some of them end.

Equal windows have equal anchors at the same offset (taggers.matching), so anchors are looked at one by one. The segment
of an anchor is the text from its first window's start to its last one's end. Two segments around equal anchors have
those windows in common that lie within what is equal to the left of the anchor and to its right. The segments sorted by
the text to the right, and by the text to the left read backwards, give that for all pairs at once: what is equal to a
depth lies together. No window is ever written out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taggers.chunks import hash_bytes, load8, mix64, same_bytes, table_size
from taggers.compiled import helper, kernel
from taggers.matching import Fingerprints, Symbols, fixed
from taggers.xxh3 import ROOM, xxh3

Array = NDArray[Any]

# A segment: its anchor, the symbols before the anchor, how many windows it has, and where its bytes begin.
SEGMENT = np.dtype([("key", "<u8"), ("left", "<i4"), ("windows", "<i4"), ("begin", "<i8")])
# Occurrences of a segment in one document: of its anchor, at `position`, and `count` - 1 more, `stride` apart.
OCCURRENCE = np.dtype([("segment", "<i8"), ("document", "<i8"), ("position", "<i8"), ("stride", "<i4"),
                       ("count", "<i4")])
# A run of windows of a segment, of which the first begins `offset` symbols before the anchor. `key` is a hash of the
# first window. `here` is a sum over all its occurrences, and `after` what that of the stretch's next run is. `least` is
# the least rank of all occurrences.
RUN = np.dtype([("segment", "<i8"), ("offset", "<i4"), ("windows", "<i4"), ("key", "<u8"), ("here", "<u8"),
                ("after", "<u8"), ("least", "<i8")])

# Occurrences of a run in one document, of which the first begins with the window at `start`; `leads` where it is the
# first of all in order of document and place.
PIECE = np.dtype([("document", "<i8"), ("start", "<i8"), ("windows", "<i4"), ("stride", "<i4"), ("count", "<i4"),
                  ("leads", "u1"), ("key", "<u8"), ("here", "<u8"), ("after", "<u8")])
# A stretch in a document, from symbol to symbol, or those of its occurrences that overlap or touch the one before.
SPAN = np.dtype([("document", "<i8"), ("start", "<i8"), ("end", "<i8"), ("key", "<u8")])

PIECES = 1 << 20  # that pieces_of gives at a time, unless one run has more
RUNS = 1 << 16  # that resolve gives at a time, but for those of the last key


@dataclass(frozen=True)
class Gathered:
    """The different segments of some texts, and where they occur."""

    segments: Array  # SEGMENT
    occurrences: Array  # OCCURRENCE, by document and position of the first


def gather(texts: Symbols, prints: Fingerprints, wanted: Array, length: int) -> Gathered:
    """The segments around those anchors that are wanted (places in `prints`, ascending), each different one once.

    Occurrences of one in one document at equal distances of up to `length` are one record: so text that repeats itself
    has as few as other text. `begin` is a place in texts.bytes.
    """
    document = np.searchsorted(prints.first, wanted, side="right") - 1
    segments, occurrences = np.empty(len(wanted), SEGMENT), np.empty(len(wanted), OCCURRENCE)
    table = np.full(table_size(len(wanted)), -1, np.int64)
    last, hashes = np.empty(len(wanted), np.int64), np.empty(len(wanted), np.uint64)
    found, held = _gather(
        texts.bytes, texts.width, texts.first, length, document, prints.key[wanted], prints.position[wanted],
        prints.start[wanted], prints.stop[wanted], table, hashes, last, segments, occurrences)
    return Gathered(segments[:found], occurrences[:held])


def cut(data: Array, begins: Array, sizes: Array) -> Array:
    """These ranges of the data (uint8), one after another."""
    found = np.empty(int(sizes.sum()), np.uint8)
    _cut(fixed(data), begins, sizes, found)
    return found


def pieces_of(data: Array, width: int, length: int, segments: Array, occurrences: Array) -> Iterator[Array]:
    """Arrays of PIECE: every run of windows that occurs twice or more, wherever it does, in no order.

    `data` is uint8 and holds the bytes of the segments, each key's all there are. Segments may be equal. Memory beside
    the arguments: a copy of both, 40 bytes for each of them, and 200 for each of the most segments of one key. Time is
    that of sorting, and at most so many segments x windows.
    """
    by = np.argsort(segments["key"], kind="stable")
    place = np.empty(len(by), np.int64)
    place[by] = np.arange(len(by))
    segments, occurrences = segments[by], occurrences.copy()
    occurrences["segment"] = place[occurrences["segment"]]
    occurrences = occurrences[np.lexsort([occurrences["position"], occurrences["document"], occurrences["segment"]])]
    first = np.searchsorted(occurrences["segment"], np.arange(len(segments) + 1))
    ranks = np.empty(len(occurrences), np.int64)
    ranks[np.lexsort([occurrences["position"], occurrences["document"]])] = np.arange(len(occurrences))
    sums, counts = place_sums(occurrences, len(segments))
    for runs in resolve(data, width, length, segments, sums, counts, ranks[first[:-1]]):
        much = np.cumsum(np.diff(first)[runs["segment"]])
        while len(runs):
            some = max(1, int(np.searchsorted(much, PIECES, side="right")))
            yield _pieces(runs[:some], segments, occurrences, first, ranks)
            much, runs = much[some:] - much[some - 1], runs[some:]


def _pieces(runs: Array, segments: Array, occurrences: Array, first: Array, ranks: Array) -> Array:
    times = (first[1:] - first[:-1])[runs["segment"]]
    run = np.repeat(runs, times)
    place = np.repeat(first[runs["segment"]] - (np.cumsum(times) - times), times) + np.arange(len(run))
    found = np.empty(len(run), PIECE)
    for name in ("windows", "key", "here", "after"):
        found[name] = run[name]
    for name in ("document", "stride", "count"):
        found[name] = occurrences[name][place]
    found["start"] = occurrences["position"][place] - run["offset"]
    found["leads"] = ranks[place] == run["least"]
    return found


def place_sums(occurrences: Array, segments: int) -> tuple[Array, Array]:
    """(sum, count) of each segment's occurrences: uint64 and int64.

    The sum is of hash(document) x BASE^position modulo the prime 2^61 - 1, so that moving all places on by one
    multiplies it by BASE: two sets of places are equal if their sums are, but with odds of 2^-61 x the largest place.
    """
    sums, counts = np.zeros(segments, np.uint64), np.zeros(segments, np.int64)
    _place_sums(occurrences, sums, counts)
    return sums, counts


def resolve(data: Array, width: int, length: int, segments: Array, sums: Array, counts: Array,
            ranks: Array) -> Iterator[Array]:
    """Arrays of RUN: the runs of windows that occur twice or more, by the segments they are in. Those are sorted by
    key; `sums` and `counts` are of place_sums, `ranks` (int64) the least rank of each segment's occurrences.
    """
    if not len(segments):
        return
    starts = np.flatnonzero(np.diff(segments["key"], prepend=segments["key"][0] - _1))
    first = np.append(starts, len(segments)).astype(np.int64)
    most = int(np.diff(first).max())
    widest = int(segments["left"].max()) + length + 2
    powers, inverses = np.empty(widest, np.uint64), np.empty(widest, np.uint64)
    _powers(powers, inverses)
    room = np.empty(2 * RUNS, RUN)
    ints, longs = tuple(np.empty((14, most), np.int64)), tuple(np.empty((3, most), np.uint64))
    table, points, lanes = np.empty(table_size(most), np.int64), np.empty(4 * most, np.int64), np.empty(ROOM, np.uint64)
    group = 0
    while group < len(starts):
        group, found, before = _resolve(fixed(data), width, length, first, group, segments, sums, counts, ranks, powers,
                                        inverses, ints, longs, table, points, lanes, RUNS, room)
        is_short = found > len(room)
        if before if is_short else found:
            yield room[: before if is_short else found].copy()
        if is_short:  # for the last group, which is done again
            group -= 1
            room = np.empty(found - before, RUN)


def spans_of(pieces: Array, length: int) -> tuple[Array, int]:
    """(array of SPAN by document, start and end; how many stretches have their first occurrence here).

    Takes all pieces of some documents. What follows one another and occurs in the same places becomes one stretch,
    whose key is that of its first window. Of those of its occurrences in a document that overlap or touch each other
    the first is one span and all the others together another: they can never be what is kept. Memory is 200 bytes for
    each occurrence.
    """
    of = np.repeat(np.arange(len(pieces)), pieces["count"])
    nth = np.arange(len(of)) - np.repeat(np.cumsum(pieces["count"]) - pieces["count"], pieces["count"])
    start = pieces["start"][of] + nth * pieces["stride"][of]
    by = np.lexsort([start, pieces["document"][of]])
    of, start, leads = of[by], start[by], (nth == 0)[by]
    document, end = pieces["document"][of], start + pieces["windows"][of]
    is_first = np.ones(len(of), bool)
    is_first[1:] = (document[1:] != document[:-1]) | (start[1:] != end[:-1]) \
        | (pieces["here"][of[1:]] != pieces["after"][of[:-1]])
    begins = np.flatnonzero(is_first)
    ends = np.append(begins[1:], len(of)) - 1 if len(of) else begins
    led = int(np.count_nonzero(leads[begins] & (pieces["leads"][of[begins]] == 1)))
    found = np.empty(len(begins), SPAN)
    found["document"], found["start"], found["key"] = document[begins], start[begins], pieces["key"][of[begins]]
    found["end"] = end[ends] - 1 + length
    return _unchained(found), led


def _unchained(found: Array) -> Array:
    found = found[np.lexsort([found["start"], found["key"], found["document"]])]
    follows = np.zeros(len(found), bool)
    follows[1:] = (found["document"][1:] == found["document"][:-1]) & (found["key"][1:] == found["key"][:-1]) \
        & (found["start"][1:] <= found["end"][:-1])
    second = follows.copy()
    second[1:] &= ~follows[:-1]
    kept = np.flatnonzero(~follows | second)
    last = np.append(kept[1:], len(found)) - 1 if len(found) else kept
    ends = found["end"][last]
    found = found[kept]
    found["end"] = ends
    return found[np.lexsort([found["key"], found["end"], found["start"], found["document"]])]


# ---- sums over places, modulo the prime 2^61 - 1

_PRIME = np.uint64((1 << 61) - 1)
_BASE = np.uint64(0x0F1E2D3C4B5A6978 % ((1 << 61) - 1))
_INVERSE = np.uint64(pow(0x0F1E2D3C4B5A6978, -1, (1 << 61) - 1))
_0 = np.uint64(0)
_1 = np.uint64(1)
_3 = np.uint64(3)
_29 = np.uint64(29)
_32 = np.uint64(32)
_61 = np.uint64(61)
_LOW_29 = np.uint64((1 << 29) - 1)
_LOW_32 = np.uint64((1 << 32) - 1)


@helper
def _times(a: Any, b: Any) -> Any:
    """a x b modulo the prime, of two numbers below it."""
    a_high, a_low = a >> _32, a & _LOW_32
    b_high, b_low = b >> _32, b & _LOW_32
    middle = a_high * b_low + a_low * b_high  # below 2^62
    # 2^64 is 8, and middle x 2^32 is its upper part x 2^61, which is 1, and its lower 29 bits x 2^32.
    total = ((a_high * b_high) << _3) + (middle >> _29) + ((middle & _LOW_29) << _32)
    low = a_low * b_low
    total += (low >> _61) + (low & _PRIME)
    total = (total >> _61) + (total & _PRIME)
    return total - _PRIME if total >= _PRIME else total


@helper
def _plus(a: Any, b: Any) -> Any:
    total = a + b
    return total - _PRIME if total >= _PRIME else total


@helper
def _power(base: Any, exponent: Any) -> Any:
    found = _1
    while exponent:
        if exponent & 1:
            found = _times(found, base)
        base = _times(base, base)
        exponent >>= 1
    return found


@helper
def _geometric(ratio: Any, count: Any) -> Any:
    """1 + ratio + … + ratio^(count - 1), in as many steps as count has bits."""
    total, power = _0, _1  # of what was taken so far, and ratio to the power of how much that is
    step, rising = _1, ratio  # the same of 1, 2, 4, … terms
    while count:
        if count & 1:
            total = _plus(total, _times(power, step))
            power = _times(power, rising)
        step = _plus(step, _times(step, rising))
        rising = _times(rising, rising)
        count >>= 1
    return total


@kernel
def _powers(powers: Array, inverses: Array) -> None:
    powers[0] = inverses[0] = _1
    for each in range(1, len(powers)):
        powers[each] = _times(powers[each - 1], _BASE)
        inverses[each] = _times(inverses[each - 1], _INVERSE)


@kernel
def _place_sums(occurrences: Array, sums: Array, counts: Array) -> None:
    for each in range(len(occurrences)):
        at = occurrences[each]
        value = _times(mix64(np.uint64(at.document) + _1) >> _3, _power(_BASE, at.position))
        if at.count > 1:
            value = _times(value, _geometric(_power(_BASE, np.int64(at.stride)), np.int64(at.count)))
        sums[at.segment] = _plus(sums[at.segment], value)
        counts[at.segment] += at.count


# ---- segments


@kernel
def _gather(
    data: Array, width: int, first: Array, length: int, document: Array, key: Array, position: Array, start: Array,
    stop: Array, table: Array, hashes: Array, last: Array, segments: Array, occurrences: Array,
) -> tuple[int, int]:
    found = 0
    held = 0
    mask = len(table) - 1
    for each in range(len(key)):
        base = first[document[each]]
        begin = (base + start[each]) * width
        size = (stop[each] - start[each] - 1 + length) * width
        left = position[each] - start[each]
        hashed = hash_bytes(data, begin, begin + size) ^ key[each]
        slot = np.int64(mix64(hashed) & np.uint64(mask))
        same = -1
        while table[slot] >= 0:
            other = table[slot]
            other_begin = segments[other].begin
            if (hashes[other] == hashed and segments[other].key == key[each] and segments[other].left == left
                    and same_bytes(data, begin, begin + size, other_begin,
                                   other_begin + (np.int64(segments[other].windows) - 1 + length) * width)):
                same = other
                break
            slot = (slot + 1) & mask
        if same < 0:
            same = found
            table[slot] = found
            hashes[found] = hashed
            segments[found].key = key[each]
            segments[found].left = left
            segments[found].windows = stop[each] - start[each]
            segments[found].begin = begin
            found += 1
        else:
            before = last[same]
            if occurrences[before].document == document[each]:
                many = np.int64(occurrences[before].count)
                stride = np.int64(occurrences[before].stride)
                apart = position[each] - occurrences[before].position - (many - 1) * stride
                if (many == 1 and apart <= length) or (many > 1 and apart == stride):
                    occurrences[before].stride = apart
                    occurrences[before].count = many + 1
                    continue
        last[same] = held
        occurrences[held].segment = same
        occurrences[held].document = document[each]
        occurrences[held].position = position[each]
        occurrences[held].stride = 0
        occurrences[held].count = 1
        held += 1
    return found, held


@kernel
def _cut(data: Array, begins: Array, sizes: Array, found: Array) -> None:
    place = 0
    for each in range(len(begins)):
        found[place : place + sizes[each]] = data[begins[each] : begins[each] + sizes[each]]
        place += sizes[each]


# ---- runs


@helper
def _equal_after(data: Array, one: Any, one_end: Any, other: Any, other_end: Any) -> Any:
    """How many bytes from these places on are equal, up to either end."""
    most = min(one_end - one, other_end - other)
    size = 0
    while size + 8 <= most and load8(data, one + size) == load8(data, other + size):
        size += 8
    while size < most and data[one + size] == data[other + size]:
        size += 1
    return size


@helper
def _equal_before(data: Array, one: Any, one_begin: Any, other: Any, other_begin: Any) -> Any:
    """How many bytes before these places, read backwards, are equal."""
    most = min(one - one_begin, other - other_begin)
    size = 0
    while size + 8 <= most and load8(data, one - size - 8) == load8(data, other - size - 8):
        size += 8
    while size < most and data[one - size - 1] == data[other - size - 1]:
        size += 1
    return size


@kernel
def _sort(data: Array, backwards: bool, middle: Array, edge: Array, count: int, order: Array, room: Array,
          shared: Array) -> None:
    """Sorts segments by their bytes from the middle to the edge; `shared` gets what each has in common with the one
    before it, in bytes. A merge sort, from runs of one, between two arrays.
    """
    for each in range(count):
        order[each] = each
    size = 1
    while size < count:
        for low in range(0, count, 2 * size):
            half = min(low + size, count)
            high = min(low + 2 * size, count)
            one = low
            two = half
            for place in range(low, high):
                take_two = one == half
                if one < half and two < high:
                    a = order[one]
                    b = order[two]
                    if backwards:
                        same = _equal_before(data, middle[a], edge[a], middle[b], edge[b])
                        if same == middle[b] - edge[b]:
                            take_two = same != middle[a] - edge[a]
                        elif same != middle[a] - edge[a]:
                            take_two = data[middle[b] - same - 1] < data[middle[a] - same - 1]
                    else:
                        same = _equal_after(data, middle[a], edge[a], middle[b], edge[b])
                        if same == edge[b] - middle[b]:
                            take_two = same != edge[a] - middle[a]
                        elif same != edge[a] - middle[a]:
                            take_two = data[middle[b] + same] < data[middle[a] + same]
                if take_two:
                    room[place] = order[two]
                    two += 1
                else:
                    room[place] = order[one]
                    one += 1
        for place in range(count):
            order[place] = room[place]
        size *= 2
    shared[0] = 0
    for place in range(1, count):
        a = order[place - 1]
        b = order[place]
        if backwards:
            shared[place] = _equal_before(data, middle[a], edge[a], middle[b], edge[b])
        else:
            shared[place] = _equal_after(data, middle[a], edge[a], middle[b], edge[b])


@kernel
def _keep(order: Array, shared: Array, count: int, alive: Array) -> int:
    """Takes those that are not alive out of a sorted order; how many are left."""
    kept = 0
    least = np.int64(1 << 62)
    for place in range(count):
        least = min(least, shared[place])
        if alive[order[place]]:
            order[kept] = order[place]
            shared[kept] = least
            least = np.int64(1 << 62)
            kept += 1
    return kept


@kernel
def _resolve(
    data: Array, width: int, length: int, first: Array, group: int, segments: Array, sums: Array, counts: Array,
    ranks: Array, powers: Array, inverses: Array, ints: Any, longs: Any, table: Array, points: Array, lanes: Array,
    enough: int, runs: Array,
) -> tuple[int, int, int]:
    """(the next group, runs found, those before the last group) from a group on, until there are enough runs. Those
    for which there is no room are counted.

    For one group: x is the offset of a window, the symbols from its start to the anchor. Windows at x are equal if x
    symbols to the left and length - x to the right are.
    """
    middle, edge, by_left, by_right, left_shared, right_shared, low, high, alive, class_of, class_count, class_rank, \
        opened, opened_at = ints
    class_sum, open_sum, class_key = longs
    found = before = 0
    while group < len(first) - 1 and found <= enough:
        before = found
        begin = first[group]
        count = first[group + 1] - begin
        group += 1
        total = 0
        for each in range(count):
            total += counts[begin + each]
        if total < 2:
            continue
        for each in range(count):
            segment = segments[begin + each]
            middle[each] = segment.begin + np.int64(segment.left) * width
            high[each] = segment.left
            low[each] = np.int64(segment.left) - segment.windows + 1
            opened[each] = -1
            alive[each] = 1
        left_count = count
        right_count = count
        if count == 1:
            by_left[0] = by_right[0] = left_shared[0] = right_shared[0] = 0
        else:
            for each in range(count):
                edge[each] = segments[begin + each].begin
            _sort(data, True, middle, edge, count, by_left, class_of, left_shared)
            for each in range(count):
                edge[each] = middle[each] + (length - low[each]) * width
            _sort(data, False, middle, edge, count, by_right, class_of, right_shared)
            # What no other segment has cannot be repeated, unless the segment itself occurs twice.
            for place in range(count):
                left_shared[place] //= width
                right_shared[place] //= width
            for place in range(count):
                each = by_left[place]
                shared = left_shared[place]
                if place + 1 < count:
                    shared = max(shared, left_shared[place + 1])
                if counts[begin + each] == 1:
                    high[each] = min(high[each], shared)
            for place in range(count):
                each = by_right[place]
                shared = right_shared[place]
                if place + 1 < count:
                    shared = max(shared, right_shared[place + 1])
                if counts[begin + each] == 1:
                    low[each] = max(low[each], length - shared)
            for each in range(count):
                alive[each] = low[each] <= high[each]
            left_count = _keep(by_left, left_shared, count, alive)
            right_count = _keep(by_right, right_shared, count, alive)
        # Between two of these offsets nothing changes.
        some = 0
        for place in range(left_count):
            each = by_left[place]
            points[some] = low[each]
            points[some + 1] = high[each] + 1
            points[some + 2] = left_shared[place] + 1
            points[some + 3] = length - right_shared[place]
            some += 4
        points[:some].sort()
        slots = 2
        while slots < 2 * left_count:
            slots *= 2
        mask = slots - 1
        previous = np.int64(-(1 << 62))
        for point in range(some):
            offset = points[point]
            if offset == previous:
                continue
            previous = offset
            # Which block of the left order, and of the right order, each is in: those of one block are equal so far.
            block = 0
            for place in range(left_count):
                block += left_shared[place] < offset
                edge[by_left[place]] = block
            table[:slots] = -1
            classes = 0
            block = 0
            for place in range(right_count):
                each = by_right[place]
                block += right_shared[place] < length - offset
                if offset < low[each] or offset > high[each]:
                    class_of[each] = -1
                    continue
                pair = np.uint64(edge[each]) << _32 | np.uint64(block)
                slot = np.int64(mix64(pair) & np.uint64(mask))
                while table[slot] >= 0 and class_key[table[slot]] != pair:
                    slot = (slot + 1) & mask
                if table[slot] < 0:
                    table[slot] = classes
                    class_key[classes] = pair
                    class_sum[classes] = _0
                    class_count[classes] = 0
                    class_rank[classes] = ranks[begin + each]
                    classes += 1
                mine = table[slot]
                class_of[each] = mine
                class_sum[mine] = _plus(class_sum[mine], sums[begin + each])
                class_count[mine] += counts[begin + each]
                class_rank[mine] = min(class_rank[mine], ranks[begin + each])
            for place in range(left_count):
                each = by_left[place]
                mine = class_of[each]
                repeated = mine >= 0 and class_count[mine] > 1
                if opened[each] >= 0:
                    run = opened[each]
                    if repeated and open_sum[each] == class_sum[mine]:
                        continue
                    # The run began, seen from the anchor, at the offset it was opened at, and ends before this one.
                    if run < len(runs):
                        last = offset - 1
                        window = middle[each] - last * width
                        runs[run].offset = last
                        runs[run].windows = offset - opened_at[each]
                        runs[run].key = xxh3(data, window, window + length * width, lanes)
                        runs[run].here = _shifted(open_sum[each], -last, powers, inverses)
                        runs[run].after = _shifted(open_sum[each], 1 - opened_at[each], powers, inverses)
                    opened[each] = -1
                if repeated:
                    opened[each] = found
                    opened_at[each] = offset
                    open_sum[each] = class_sum[mine]
                    if found < len(runs):
                        runs[found].segment = begin + each
                        runs[found].least = class_rank[mine]
                    found += 1
    return group, found, before


@helper
def _shifted(total: Any, by: Any, powers: Array, inverses: Array) -> Any:
    return _times(total, powers[by]) if by >= 0 else _times(total, inverses[-by])
