"""Stretches that texts have in common, by fingerprints: text -> fingerprints -> postings -> maximal matches.

A text is a row of symbols: its UTF-8 bytes, or the hashes of its words. A window is a run of `length` symbols. Of each
window one gram (a run of `gram` symbols, fewer than `length`) is its anchor: the leftmost of those of the least order.
The order is a hash of the gram alone, so equal windows have equal anchors at the same place, whatever stands around
them. That is winnowing (Schleimer, Wilkerson and Aiken 2003), with this guarantee:

    Texts that have a stretch of `length` symbols or more in common have a fingerprint in common, inside that stretch.

Neighbouring windows mostly share their anchor: of random text one gram in (length - gram + 2) / 2 is one. Where a text
repeats itself at a short distance, each period has an anchor, at worst each symbol.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.chunks import count_code_points, mix64
from taggers.compiled import kernel
from taggers.text import TextBatch

Array = NDArray[Any]

UNITS = ("bytes", "words")
# A gram of so many symbols is seldom repeated where nothing around it is; longer ones make anchors more frequent.
_GRAMS = {"bytes": 64, "words": 8}
_LEAST = {"bytes": 8, "words": 3}


@dataclass(frozen=True)
class Scheme:
    """What a match is at the least: so many symbols of a unit."""

    length: int
    unit: str = "bytes"

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Scheme:
        """The scheme of a tagger's parameters; ValueError where they are none."""
        length, unit = parameters["length"], parameters["unit"]
        if unit not in UNITS:
            raise ValueError(f"unit is {unit}; known are {', '.join(UNITS)}")
        if length < _LEAST[unit]:
            raise ValueError(f"length is {length}; it has to be {_LEAST[unit]} {unit} or more")
        return cls(length, unit)

    @property
    def width(self) -> int:
        """Bytes of a symbol."""
        return 1 if self.unit == "bytes" else 8

    @property
    def gram(self) -> int:
        """Symbols of a gram."""
        return min(_GRAMS[self.unit], (self.length + 1) // 2)

    @property
    def grams(self) -> int:
        """Grams of a window."""
        return self.length - self.gram + 1


@dataclass(frozen=True)
class Symbols:
    """The symbols of some texts: document d has values[first[d]:first[d + 1]]. Words are equal if their hashes are."""

    values: Array  # uint8 or uint64
    first: Array  # int64, documents + 1

    @property
    def width(self) -> int:
        """Bytes of a symbol."""
        return int(self.values.itemsize)

    @property
    def bytes(self) -> Array:
        """The same as uint8, without a copy."""
        return self.values.view(np.uint8)


@dataclass(frozen=True)
class Fingerprints:
    """The anchors of some texts in order. Document d has those from first[d] to first[d + 1].

    All places are in symbols from the start of their document. Each window of a text has one anchor: those from `start`
    to before `stop`. A text shorter than `length` has none.
    """

    first: Array  # int64, documents + 1
    key: Array  # uint64: a hash of the gram
    position: Array  # int64: where the gram begins
    start: Array  # int64: the first window that has it
    stop: Array  # int64


@dataclass(frozen=True)
class Matches:
    """Maximal matches: neither end can be moved out. Document and start on one side, then on the other, and size."""

    document: Array
    start: Array
    other_document: Array
    other_start: Array
    size: Array  # in symbols; all int64


@dataclass(frozen=True)
class Postings:
    """An index of fingerprints, immutable: entries sorted by key, document and position."""

    key: Array  # uint64
    document: Array  # int64
    position: Array  # int64

    @classmethod
    def of(cls, prints: Fingerprints, documents: Array | None = None) -> Postings:
        """Of the fingerprints of texts, which are called by their place, or by these numbers."""
        counts = np.diff(prints.first)
        named = np.arange(len(counts)) if documents is None else np.asarray(documents)
        return cls._sorted(prints.key, np.repeat(named.astype(np.int64), counts), prints.position)

    @classmethod
    def merged(cls, parts: list[Postings]) -> Postings:
        return cls._sorted(*(np.concatenate([getattr(part, name) for part in parts])
                             for name in ("key", "document", "position")))

    @classmethod
    def _sorted(cls, key: Array, document: Array, position: Array) -> Postings:
        by = np.lexsort([position, document, key])
        return cls(key[by], document[by], position[by])

    def lookup(self, keys: Array) -> tuple[Array, Array]:
        """(place in `keys`, entry) of every entry with one of these keys, in order of both; int64."""
        low, high = (np.searchsorted(self.key, keys, side=side) for side in ("left", "right"))
        counts = high - low
        asked = np.repeat(np.arange(len(keys)), counts)
        begins = np.repeat(low - (np.cumsum(counts) - counts), counts)
        return asked, begins + np.arange(len(asked))

    def table(self) -> pa.Table:
        """As columns key, document, position, in order: for Parquet."""
        return pa.table({"key": self.key, "document": self.document, "position": self.position})

    @classmethod
    def of_table(cls, table: pa.Table) -> Postings:
        """What `table` gave. ValueError where its keys are not sorted."""
        key, document, position = (table.column(name).to_numpy() for name in ("key", "document", "position"))
        if (key[1:] < key[:-1]).any():
            raise ValueError("postings are sorted by key, and these are not")
        return cls(key, document, position)

    def to_bytes(self) -> bytes:
        """As an Arrow stream; equal postings give equal bytes."""
        out = io.BytesIO()
        table = self.table()
        with pa.ipc.new_stream(out, table.schema) as stream:
            stream.write_table(table)
        return out.getvalue()

    @classmethod
    def of_bytes(cls, data: bytes) -> Postings:
        """What `to_bytes` gave."""
        return cls.of_table(pa.ipc.open_stream(data).read_all())


def symbols(batch: TextBatch, unit: str) -> Symbols:
    """The symbols of a batch's texts, which are its own arrays."""
    if unit == "bytes":
        return Symbols(fixed(batch.data), batch.offsets)
    return Symbols(fixed(batch.word_keys), batch.words.first)


def fixed(values: Array) -> Array:
    """The array as one that cannot be written to, whose kernels are others: so that they are compiled only once."""
    view = values.view()
    view.flags.writeable = False
    return view


def fingerprints(texts: Symbols, scheme: Scheme) -> Fingerprints:
    """The anchors of all windows of these texts. Time is linear in the text, whatever it holds."""
    most = len(texts.values)  # of which hardly any are touched
    found = Fingerprints(np.empty(len(texts.first), np.int64), np.empty(most, np.uint64),
                         *(np.empty(most, np.int64) for _ in range(3)))
    columns = (found.key, found.position, found.start, found.stop)
    count = _sample(texts.values, texts.first, scheme.gram, True, *_room(scheme), found.first, *columns)
    return Fingerprints(found.first, *(values[:count].copy() for values in columns))


def fingerprint_keys(texts: Symbols, scheme: Scheme) -> tuple[Array, Array]:
    """(first, keys) of each text: its different keys in ascending order, each twice if it occurs more than once."""
    first, keys, none = np.empty(len(texts.first), np.int64), np.empty(len(texts.values), np.uint64), np.empty(0, int)
    count = _sample(texts.values, texts.first, scheme.gram, False, *_room(scheme), first, keys, none, none, none)
    return first, keys[:count].copy()


def _room(scheme: Scheme) -> tuple[Array, Array, Array]:
    return np.empty(scheme.grams, np.uint64), np.empty(scheme.grams, np.uint64), np.empty(scheme.grams, np.int64)


def code_points(
    batch: TextBatch, unit: str, document: Array, start: Array, end: Array
) -> tuple[Array, Array, Array, Array]:
    """(start, end, first_byte, bytes) of stretches of symbols of these documents, ascending; int64. Start and end are
    in code points, first_byte is the UTF-8 before the stretch, and bytes its own.

    Of bytes, what is less than a code point at either end is left out: so equal stretches stay equal. Where nothing is
    left, end is start.
    """
    found = np.empty((4, len(document)), np.int64)
    is_word = unit == "words"
    first, begins, ends = (batch.words.first, batch.words.start, batch.words.end) if is_word else \
        (batch.offsets, np.empty(0, np.int64), np.empty(0, np.int64))
    _code_points(batch.data, batch.offsets, is_word, first, begins, ends, document, start, end, found)
    return found[0], found[1], found[2], found[3]


def matches(texts: Symbols, postings: Postings, others: Symbols, scheme: Scheme) -> Matches:
    """Every maximal match of `length` or more between these texts and the others, each once, in order.

    `postings` are of the others' fingerprints by their place in `others`. A text that repeats itself matches at each of
    its periods: for such text their number is that of all pairs.
    """
    prints = fingerprints(texts, scheme)
    document = np.repeat(np.arange(len(texts.first) - 1), np.diff(prints.first))
    asked, entry = postings.lookup(prints.key)
    seeds = np.stack([document[asked], prints.position[asked], postings.document[entry], postings.position[entry]])
    # Those of one diagonal one after another.
    seeds = seeds[:, np.lexsort([seeds[1], seeds[1] - seeds[3], seeds[2], seeds[0]])].astype(np.int64)
    found = np.empty((5, seeds.shape[1]), np.int64)
    found = found[:, : _extend(texts.values, texts.first, others.values, others.first, seeds, scheme.length, found)]
    return Matches(*found[:, np.lexsort([found[3], found[2], found[1], found[0]])])


# ---- kernels

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd; 2^64 divided by the golden ratio
_KEY = np.uint64(0xD6E8FEB86659FD93)
_MOST = np.uint64(0xFFFFFFFFFFFFFFFF)
_0 = np.uint64(0)
_1 = np.uint64(1)
_63 = np.uint64(63)
_PERIOD = 8


@kernel
def _sample(
    values: Array, first: Array, gram: int, whole: bool, orders: Array, least_from: Array, places: Array, found: Array,
    key: Array, position: Array, start: Array, stop: Array,
) -> int:
    """All of Fingerprints if `whole`, else found and keys, as fingerprint_keys has them.

    The least of sliding windows in two passes (van Herk 1992), over blocks of a window's size: a window is the end of
    one block, whose leasts are known from its back, and the beginning of the next, whose least is known so far.
    Periodic grams, as dashes, blanks and rulers have, come late in the order: each symbol of a ruler may begin one.
    """
    count = 0
    size = len(orders)
    top = np.uint64(1)  # what the first symbol of a gram is multiplied by
    for _ in range(gram - 1):
        top *= _FACTOR
    long = min(_PERIOD, gram // 2)  # 8 is also 4, 2 and 1; 6 is also 3
    short = max(1, long * 3 // 4)
    for document in range(len(first) - 1):
        found[document] = count
        begin = count
        base = first[document]
        grams = first[document + 1] - base - gram + 1
        if grams < size:
            continue
        hashed = _0
        long_run = 0  # symbols up to here that equal the one a period before
        short_run = 0
        for place in range(base, base + gram - 1):
            hashed = hashed * _FACTOR + np.uint64(values[place])
            if place >= base + long:
                long_run = (long_run + 1) * (values[place] == values[place - long])
            if place >= base + short:
                short_run = (short_run + 1) * (values[place] == values[place - short])
        anchor = -1
        for block in range(0, grams, size):
            some = min(size, grams - block)
            for inside in range(some):
                last = base + block + inside + gram - 1
                value = values[last]
                hashed = hashed * _FACTOR + np.uint64(value)
                long_run = (long_run + 1) * (value == values[last - long])
                short_run = (short_run + 1) * (value == values[last - short])
                is_periodic = (long_run >= gram - long) | (short_run >= gram - short)
                orders[inside] = mix64(hashed) >> _1 | np.uint64(is_periodic) << _63
                hashed -= np.uint64(values[base + block + inside]) * top
            least = _MOST
            where = 0
            for inside in range(some):
                if orders[inside] < least:
                    least = orders[inside]
                    where = inside
                if block == 0 and inside < size - 1:
                    continue
                chosen = block + where
                lowest = least
                if inside < size - 1 and least_from[inside + 1] <= least:
                    chosen = places[inside + 1]
                    lowest = least_from[inside + 1]
                if chosen == anchor:
                    continue
                anchor = chosen
                new_key = mix64(lowest ^ _KEY)
                if whole:
                    window = block + inside - size + 1
                    if count > begin:
                        stop[count - 1] = window
                    position[count] = anchor
                    start[count] = window
                # A third one in a row says nothing new: of a long ruler only two keys are ever held.
                if whole or count < begin + 2 or key[count - 1] != new_key or key[count - 2] != new_key:
                    key[count] = new_key
                    count += 1
            least = _MOST
            where = 0
            for inside in range(some - 1, -1, -1):
                if orders[inside] <= least:
                    least = orders[inside]
                    where = inside
                least_from[inside] = least
                places[inside] = block + where
        if whole:
            stop[count - 1] = grams - size + 1
            continue
        key[begin:count].sort()
        kept = begin
        for each in range(begin, count):
            if kept < begin + 2 or key[kept - 2] != key[each]:
                key[kept] = key[each]
                kept += 1
        count = kept
    found[len(first) - 1] = count
    return count


@kernel
def _code_points(
    data: Array, offsets: Array, is_word: bool, first: Array, begins: Array, ends: Array, document: Array, start: Array,
    end: Array, found: Array,
) -> None:
    at = -1
    position = np.int64(0)  # a start in the text of the last span, and how many code points stand before it
    chars = np.int64(0)
    for each in range(len(document)):
        base = offsets[document[each]]
        stop = offsets[document[each] + 1]
        if document[each] != at:
            at = document[each]
            position = base
            chars = np.int64(0)
        low = first[at] + start[each]
        high = first[at] + end[each]
        if is_word:
            high = np.int64(ends[high - 1])
            low = np.int64(begins[low])
        while low < high and data[low] & 0xC0 == 0x80:
            low += 1
        while high > low and high < stop and data[high] & 0xC0 == 0x80:
            high -= 1
        chars += count_code_points(data, position, low)
        position = low
        found[0, each] = chars
        found[1, each] = chars + count_code_points(data, low, high)
        found[2, each] = low - base
        found[3, each] = high - low


@kernel
def _extend(
    values: Array, first: Array, other_values: Array, other_first: Array, seeds: Array, length: int, found: Array
) -> int:
    count = 0
    for seed in range(seeds.shape[1]):
        document, position, other_document, other_position = seeds[:, seed]
        shift = position - other_position
        if count:
            last = found[:, count - 1]
            if (last[0] == document and last[2] == other_document and last[1] - last[3] == shift
                    and position < last[1] + last[4]):
                continue  # inside what was found already
        base = first[document]
        other_base = other_first[other_document]
        begin = position
        while begin and begin > shift and values[base + begin - 1] == other_values[other_base + begin - 1 - shift]:
            begin -= 1
        end = position
        most = min(first[document + 1] - base, other_first[other_document + 1] - other_base + shift)
        while end < most and values[base + end] == other_values[other_base + end - shift]:
            end += 1
        if end - begin >= length:
            found[0, count] = document
            found[1, count] = begin
            found[2, count] = other_document
            found[3, count] = begin - shift
            found[4, count] = end - begin
            count += 1
    return count
