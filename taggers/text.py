"""A batch of texts on its Arrow buffers, with what several taggers need computed once: words, lines, paragraphs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.characters import BREAK, DOTS, LETTER, SPACE, SYMBOL, classes
from taggers.chunks import (
    CASE,
    HIGHS,
    LOWS,
    ONES,
    chunk_at,
    count_code_points,
    count_ones,
    count_trailing_zeros,
    hash_bytes,
    hash_word,
    load8,
    mask_below,
    mask_equal,
    mix64,
    same_bytes,
    same_piece,
    table_size,
)
from taggers.compiled import helper, kernel
from taggers.xxh3 import ROOM, xxh3

__all__ = [
    "AGAIN", "FIRST", "ONCE", "Breaks", "Lines", "Pieces", "TextBatch", "Words", "decode", "find_repeats", "mix64",
    "same_bytes",
]

Array = NDArray[Any]
_Arrays = tuple[Array, Array, Array, Array, Array]  # of Pieces, in order


@dataclass(frozen=True)
class Pieces:
    """Parts of the texts in order: words, lines or paragraphs. `first` finds those of each document.

    Document d has the pieces first[d] to first[d + 1]. All positions are byte positions in `TextBatch.data`.
    Equal pieces have equal hashes; `chunks.same_piece` says whether two that have are equal.
    """

    first: Array  # int64, documents + 1
    start: Array  # int32, pieces; int64 where the data has 2 GiB or more
    end: Array  # the same; exclusive
    length: Array  # int32, pieces: code points
    hash: Array  # uint64, pieces: hash_bytes


@dataclass(frozen=True)
class Words(Pieces):
    flags: Array  # uint8, words: LETTER and SYMBOL of their code points' classes, and DOTS


@dataclass(frozen=True)
class Lines(Pieces):
    word: Array  # int32, lines + 1: the first word that does not stand before the line


@dataclass(frozen=True)
class Breaks:
    """Where str.splitlines() splits. Document d has the breaks first[d] to first[d + 1]."""

    first: Array  # int64, documents + 1
    end: Array  # int32 or int64, breaks: where the next line begins
    word: Array  # int32, breaks: the first word after it


@dataclass(frozen=True)
class TextBatch:
    """The texts of some documents. Its arrays are shared by all taggers of a run and must not be written to.

    `data` is uint8, the UTF-8 of all texts; text d is data[offsets[d]:offsets[d + 1]], with offsets int64. Once asked
    for a word takes 21 bytes, a line 24, a line break 8 and a paragraph 20. All kernels on 50 MB of English in one line
    take 0.5 GB beside the text; on 16 MB, which is what a batch of the reader has, 0.8 GB for the worst text known:
    lines of one letter.
    """

    data: Array
    offsets: Array
    ids: Sequence[str] | None = None  # each document's own id; None where nobody gave any
    metadata: Sequence[Any] | None = None  # each document's metadata as raw JSON, bytes-like; the same

    @classmethod
    def of_arrow(
        cls, texts: pa.LargeStringArray, ids: Sequence[str] | None = None, metadata: Sequence[Any] | None = None
    ) -> TextBatch:
        """The batch of a large_string array, sliced or not, without a copy of its text. Text is never null."""
        if isinstance(texts, pa.ChunkedArray):
            texts = texts.combine_chunks()
        if texts.type != pa.large_string():
            raise TypeError(f"texts must be large_string, not {texts.type}: cast the column first")
        if texts.null_count:
            raise ValueError(f"{texts.null_count} of {len(texts)} texts are null: text is required")
        if not len(texts):
            return cls(np.empty(0, np.uint8), np.zeros(1, np.int64), ids, metadata)
        _, offset_buffer, data_buffer = texts.buffers()
        offsets = np.frombuffer(offset_buffer, np.int64, len(texts) + 1, texts.offset * 8)
        data = np.frombuffer(data_buffer, np.uint8) if data_buffer else np.empty(0, np.uint8)
        return cls(data[offsets[0] : offsets[-1]], offsets - offsets[0], ids, metadata)

    @classmethod
    def of_strings(
        cls, texts: Iterable[str], ids: Sequence[str] | None = None, metadata: Sequence[Any] | None = None
    ) -> TextBatch:
        """The batch of Python strings, copied."""
        return cls.of_arrow(pa.array(list(texts), pa.large_string()), ids, metadata)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def utf8(self, document: int) -> memoryview:
        """The UTF-8 bytes of one text, without a copy."""
        return self.data[self.offsets[document] : self.offsets[document + 1]].data

    def string(self, document: int) -> str:
        """One text as a Python string, decoded anew at each call."""
        return str(self.utf8(document), "utf-8")

    def field(self, path: str) -> list[str | None]:
        """A text field of each document, by its path: "id", or "metadata.url", or deeper; None where there is none.

        A number or anything else that is no text counts as none.
        """
        head, *keys = path.split(".")
        if path == "id":
            return list(self.ids) if self.ids is not None else [None] * len(self)
        if head != "metadata" or not keys:
            raise ValueError(f"{path}: no field; write id, or metadata. and a key, such as metadata.url")
        if self.metadata is None:
            return [None] * len(self)
        return [_text_at(raw, keys) for raw in self.metadata]

    @cached_property
    def chars(self) -> Array:
        """int64, documents: the code points of each text."""
        counts = np.empty(len(self), np.int64)
        _count_code_points(self.data, self.offsets, counts)
        return counts

    @cached_property
    def words(self) -> Words:
        """Runs of non-whitespace, as str.split() gives them."""
        return self._words_and_breaks[0]

    @property
    def breaks(self) -> Breaks:
        """Line breaks, as str.splitlines() has them, each with the word that follows: whitespace is read only once."""
        return self._words_and_breaks[1]

    @cached_property
    def _words_and_breaks(self) -> tuple[Words, Breaks]:
        documents = len(self)
        most = len(self.data) // 2 + documents  # words are parted by a byte at least
        words = Words(*_room(documents, most, self.data), np.zeros(most, np.uint8))
        position = _position_type(self.data)
        breaks = Breaks(np.empty(documents + 1, np.int64), np.empty(len(self.data), position),
                        np.empty(len(self.data), np.int32))
        found, broken = _find_words(
            self.data, np.zeros(64, np.uint8), self.offsets, classes(),
            words.first, words.start, words.end, words.flags, breaks.first, breaks.end, breaks.word,
        )
        words = Words(*_cut(words, found), words.flags[:found])
        _measure_words(self.data, classes(), words.start, words.end, words.length, words.hash, words.flags,
                       np.empty(found + 1, np.int32))
        return words, Breaks(breaks.first, breaks.end[:broken], breaks.word[:broken])

    @cached_property
    def word_keys(self) -> Array:
        """uint64, words: hashes that also tell words of different texts apart, where nobody compares their bytes.

        Those of up to 16 bytes are `words.hash`. Longer ones are told apart as by xxh3-64, which `words.hash` is not.
        """
        words = self.words
        keys = words.hash.copy()
        _hash_long_words(self.data, words.start, words.end, np.empty(ROOM, np.uint64), keys)
        return keys

    @cached_property
    def word_chars(self) -> Array:
        """int64, documents: the code points in words, which is all that are not whitespace."""
        sums = np.empty(len(self), np.int64)
        _sum_lengths(self.words.first, self.words.length, sums)
        return sums

    @cached_property
    def lines(self) -> Lines:
        r"""What re.split(r"\n+", text) gives: so a text that begins or ends with a newline has an empty piece there.

        An empty text has no lines.
        """
        most = len(self.breaks.end) + len(self)
        lines = Lines(*_room(len(self), most, self.data), np.empty(most + 1, np.int32))
        found = _split_lines(
            self.data, self.offsets, self.chars, self.words.first, self.breaks.first, self.breaks.end, self.breaks.word,
            lines.first, lines.start, lines.end, lines.length, lines.hash, lines.word,
        )
        return Lines(*_cut(lines, found), lines.word[: found + 1])

    @cached_property
    def line_repeats(self) -> Array:
        """uint8, lines: ONCE, FIRST of several equal ones in its document, or AGAIN."""
        return find_repeats(self.data, self.lines)

    @cached_property
    def paragraphs(self) -> Pieces:
        r"""What re.split(r"\n{2,}", text) gives. An empty text has none."""
        return self.paragraphs_between(self.offsets[:-1], self.offsets[1:])

    def paragraphs_between(self, begin: Array, stop: Array) -> Pieces:
        """The paragraphs of a part of each text, from the byte position in `begin` to that in `stop`."""
        most = len(self.breaks.end) // 2 + len(self)
        pieces = Pieces(*_room(len(self), most, self.data))
        found = _split_paragraphs(
            self.data, self.offsets, self.chars, begin, stop, self.breaks.first, self.breaks.end,
            pieces.first, pieces.start, pieces.end, pieces.length, pieces.hash,
        )
        return Pieces(*_cut(pieces, found))


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


def _text_at(raw: Any, keys: Sequence[str]) -> str | None:
    """Looks at what is on the way alone: elsewhere there may be what cannot be decoded, such as 1e999."""
    try:
        for key in keys:
            raw = _OBJECT.decode(raw).get(key, b"null")
        return _TEXT.decode(raw)
    except msgspec.DecodeError:  # another type there or on the way; the reader lets no broken JSON through
        return None


_LONG_WORD = 16  # bytes
_LOW_63 = np.uint64((1 << 63) - 1)  # the highest bit says that a word is short


@kernel
def _hash_long_words(data: Array, start: Array, end: Array, room: Array, keys: Array) -> None:
    for word in range(len(keys)):
        if end[word] - start[word] > _LONG_WORD:
            keys[word] = xxh3(data, np.int64(start[word]), np.int64(end[word]), room) & _LOW_63


# What find_repeats gives of a piece.
ONCE = 0
FIRST = 1
AGAIN = 2


def find_repeats(data: Array, pieces: Pieces) -> Array:
    """uint8, pieces: whether a piece is the only one of its kind in its document, the first, or a later one."""
    repeats = np.zeros(len(pieces.start), np.uint8)
    most = int(np.max(np.diff(pieces.first), initial=0))
    _find_repeats(data, pieces.first, pieces.start, pieces.end, pieces.hash, np.empty(table_size(most), np.int32),
                  repeats)
    return repeats


@kernel
def _find_repeats(
    data: Array, first: Array, start: Array, end: Array, hashes: Array, slots: Array, repeats: Array
) -> None:
    for document in range(len(first) - 1):
        begin = first[document]
        count = first[document + 1] - begin
        if count < 2:
            continue
        size = table_size(count)
        mask = np.uint64(size - 1)
        slots[:size] = -1
        for index in range(count):
            piece = begin + index
            slot = hashes[piece] & mask
            while True:
                other = slots[slot]
                if other < 0:
                    slots[slot] = index
                    break
                if same_piece(data, start, end, hashes, piece, begin + other):
                    repeats[begin + other] = FIRST
                    repeats[piece] = AGAIN
                    break
                slot = (slot + np.uint64(1)) & mask


def _position_type(data: Array) -> Any:
    return np.int32 if len(data) < 1 << 31 else np.int64


def _room(documents: int, most: int, data: Array) -> _Arrays:
    """The arrays of `most` pieces. Pages that stay untouched cost no memory, so the bound may be generous."""
    position = _position_type(data)
    return (np.empty(documents + 1, np.int64), np.empty(most, position), np.empty(most, position),
            np.empty(most, np.int32), np.empty(most, np.uint64))


def _cut(pieces: Pieces, found: int) -> _Arrays:
    return (pieces.first, pieces.start[:found], pieces.end[:found], pieces.length[:found], pieces.hash[:found])


@helper
def decode(data: Array, position: Any) -> Any:
    """(code point, width in bytes) at a byte position. The data is valid UTF-8, which Arrow promises."""
    lead = np.int64(data[position])
    if lead < 0x80:
        return lead, 1
    second = np.int64(data[position + 1]) & 0x3F
    if lead < 0xE0:
        return (lead & 0x1F) << 6 | second, 2
    third = np.int64(data[position + 2]) & 0x3F
    if lead < 0xF0:
        return (lead & 0x0F) << 12 | second << 6 | third, 3
    fourth = np.int64(data[position + 3]) & 0x3F
    return (lead & 0x07) << 18 | second << 12 | third << 6 | fourth, 4


@kernel
def _count_code_points(data: Array, offsets: Array, counts: Array) -> None:
    for document in range(len(counts)):
        counts[document] = count_code_points(data, offsets[document], offsets[document + 1])


_0 = np.uint64(0)
_1 = np.uint64(1)
_2 = np.uint64(2)
_62 = np.uint64(62)
_63 = np.uint64(63)
_LAST = np.uint64(1 << 63)
_ALL = ~np.uint64(0)


@kernel
def _find_words(
    data: Array,
    tail: Array,  # zeros: where the last bytes of the data are copied to, to be read as a block of 64
    offsets: Array,
    table: Array,
    first: Array,
    start: Array,
    end: Array,
    flags: Array,  # zeros; gets all bits but LETTER
    first_break: Array,
    break_end: Array,
    break_word: Array,
) -> Any:
    """(words, breaks). Reads 64 bytes at a time as masks, so that no branch depends on how long a word is."""
    found = 0
    ended = 0
    broken = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        first_break[document] = broken
        position = offsets[document]
        stop = offsets[document + 1]
        before = _1  # whether the byte before the block is whitespace; the start of a text counts as that
        dots_before = _0
        spilled = _0  # the rest of whitespace of several bytes that began in the block before
        spilled_breaks = _0
        while position < stop:
            if position + 64 <= len(data):
                masks = _scan(data, position)
            else:
                tail[: len(data) - position] = data[position:]
                masks = _scan(tail, 0)
            spaces, low, leads, newlines, symbols, dots = masks
            inside = _ALL if stop - position >= 64 else (_1 << np.uint64(stop - position)) - _1
            breaks = newlines
            if low & ~newlines & inside:  # control characters, of which only some are whitespace
                bits = low & ~newlines & inside
                while bits:
                    bit = bits & (~bits + _1)
                    kind = table[data[position + count_trailing_zeros(bit)]]
                    if not kind & SPACE:
                        spaces &= ~bit
                    elif kind & BREAK:
                        breaks |= bit
                    bits ^= bit
            spaces |= spilled
            breaks |= spilled_breaks
            spilled = _0
            spilled_breaks = _0
            bits = leads & inside
            while bits:
                place = count_trailing_zeros(bits)
                code, width = decode(data, position + place)
                kind = table[code]
                if kind & SYMBOL:
                    symbols |= bits & (~bits + _1)
                if kind & SPACE:
                    for step in range(place, place + width):
                        if step < 64:
                            spaces |= _1 << np.uint64(step)
                        else:
                            spilled |= _1 << np.uint64(step - 64)
                    if kind & BREAK:
                        if place + width <= 64:
                            breaks |= _1 << np.uint64(place + width - 1)
                        else:
                            spilled_breaks |= _1 << np.uint64(place + width - 65)
                bits &= bits - _1
            spaces |= ~inside
            after_space = spaces << _1 | before
            before = spaces >> _63
            starts = ~spaces & after_space
            bits = starts
            base = found
            while bits:
                start[found] = position + count_trailing_zeros(bits)
                found += 1
                bits &= bits - _1
            bits = spaces & ~after_space
            while bits:
                end[ended] = position + count_trailing_zeros(bits)
                ended += 1
                bits &= bits - _1
            symbols &= inside
            dots &= inside
            threes = dots & (dots << _1 | dots_before >> _1) & (dots << _2 | dots_before)
            dots_before = dots >> _62
            bits = symbols | threes
            while bits:
                bit = bits & (~bits + _1)
                word = base + count_ones(starts & (bit | (bit - _1))) - 1
                kind = table[decode(data, position + count_trailing_zeros(bit))[0]]
                flags[word] |= kind & SYMBOL | (DOTS if bit & threes else 0)
                bits ^= bit
            bits = breaks & inside
            while bits:
                bit = bits & (~bits + _1)
                after = position + count_trailing_zeros(bit) + 1
                if not (data[after - 1] == 13 and after < stop and data[after] == 10):
                    break_end[broken] = after
                    break_word[broken] = base + count_ones(starts & (bit - _1))
                    broken += 1
                bits ^= bit
            position += 64
        if not before:
            end[ended] = stop
            ended += 1
    first[len(offsets) - 1] = found
    first_break[len(offsets) - 1] = broken
    return found, broken


@helper
def _scan(data: Array, position: Any) -> Any:
    """Masks of 64 bytes: up to space, below space, leads, newlines, number signs, dots.

    Leads are the first bytes of code points beyond ASCII among which whitespace and all with other bits than LETTER and
    DECIMAL are: U+0080 to U+00BF, U+1680 to U+16BF, U+2000 to U+2FFF, U+3000 to U+303F. A test holds it to that.
    """
    leads = mask_equal(data, position, 0xC2) | mask_equal(data, position, 0xE2)
    leads |= mask_equal(data, position, 0xE1) & (mask_equal(data, position, 0x9A) >> _1 | _LAST)
    leads |= mask_equal(data, position, 0xE3) & (mask_equal(data, position, 0x80) >> _1 | _LAST)
    return (mask_below(data, position, 33), mask_below(data, position, 32), leads, mask_equal(data, position, 10),
            mask_equal(data, position, 35), mask_equal(data, position, 46))


# By the size of a word, up to 16: masks of the bytes that it has in its first chunk and in its second.
_FIRST = np.array([(1 << 8 * min(size, 8)) - 1 for size in range(17)], np.uint64)
_REST = np.array([(1 << 8 * max(size - 8, 0)) - 1 for size in range(17)], np.uint64)
_FROM_A = ONES * np.uint64(0x80 - ord("a"))  # added to a byte it sets the high bit from "a" on
_PAST_Z = ONES * np.uint64(0x7F - ord("z"))


@kernel
def _measure_words(
    data: Array,
    table: Array,
    start: Array,
    end: Array,
    length: Array,
    hashes: Array,
    flags: Array,
    slow: Array,  # room for the words that take a second look, so that the first look has no branches
) -> None:
    later = 0
    for word in range(len(start)):
        begin = np.int64(start[word])
        size = np.int64(end[word]) - begin
        shown = size if size < 16 else 16
        if begin + 16 <= len(data):
            head = load8(data, begin)
            rest = load8(data, begin + 8)
        else:
            head = chunk_at(data, begin)
            rest = chunk_at(data, min(begin + 8, len(data)))
        head &= _FIRST[shown]
        rest &= _REST[shown]
        hashes[word] = hash_word(size, head, rest)
        length[word] = size
        flags[word] |= ((_letters(head) | _letters(rest)) != _0) * LETTER
        slow[later] = word
        later += ((head | rest) & HIGHS != _0) | (size > 16)
    for each in range(later):
        word = slow[each]
        begin = np.int64(start[word])
        stop = np.int64(end[word])
        length[word] = count_code_points(data, begin, stop)
        if stop - begin > 16:
            hashes[word] = hash_bytes(data, begin, stop)
        while not flags[word] & LETTER and begin < stop:
            code, width = decode(data, begin)
            flags[word] |= table[code] & LETTER
            begin += width


@helper
def _letters(chunk: Any) -> Any:
    """The high bits of bytes that are ASCII letters."""
    lower = (chunk | CASE) & LOWS
    return (lower + _FROM_A) & ~(lower + _PAST_Z) & ~chunk & HIGHS


@kernel
def _sum_lengths(first: Array, length: Array, sums: Array) -> None:
    for document in range(len(sums)):
        total = 0
        for piece in range(first[document], first[document + 1]):
            total += length[piece]
        sums[document] = total


@helper
def _measure(data: Array, ascii: bool, piece: Any, begin: Any, stop: Any, start: Array, end: Array, length: Array,
             hashes: Array) -> None:
    start[piece] = begin
    end[piece] = stop
    length[piece] = stop - begin if ascii else count_code_points(data, begin, stop)
    hashes[piece] = hash_bytes(data, begin, stop)


@kernel
def _split_lines(
    data: Array, offsets: Array, chars: Array, first_word: Array, first_break: Array, break_end: Array,
    break_word: Array, first: Array, start: Array, end: Array, length: Array, hashes: Array, word: Array,
) -> int:
    found = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        begin = offsets[document]
        stop = offsets[document + 1]
        if begin == stop:
            continue
        ascii = chars[document] == stop - begin
        position = begin
        word[found] = first_word[document]
        for each in range(first_break[document], first_break[document + 1]):
            newline = np.int64(break_end[each]) - 1
            if data[newline] != 10:
                continue
            if newline > position or newline == begin:
                _measure(data, ascii, found, position, newline, start, end, length, hashes)
                found += 1
            position = newline + 1
            word[found] = break_word[each]
        _measure(data, ascii, found, position, stop, start, end, length, hashes)
        found += 1
    first[len(offsets) - 1] = found
    word[found] = first_word[len(offsets) - 1]
    return found


@kernel
def _split_paragraphs(
    data: Array, offsets: Array, chars: Array, begins: Array, stops: Array, first_break: Array, break_end: Array,
    first: Array, start: Array, end: Array, length: Array, hashes: Array,
) -> int:
    found = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        position = begins[document]
        stop = stops[document]
        if position == stop:
            continue
        ascii = chars[document] == offsets[document + 1] - offsets[document]
        run = 0  # newlines up to here, one after another
        run_start = position
        for each in range(first_break[document], first_break[document + 1]):
            newline = np.int64(break_end[each]) - 1
            if data[newline] != 10 or newline < begins[document]:
                continue
            if newline >= stop:
                break
            if run and newline == run_start + run:
                run += 1
            else:
                run = 1
                run_start = newline
            if run == 2:
                _measure(data, ascii, found, position, run_start, start, end, length, hashes)
                found += 1
            if run >= 2:
                position = newline + 1
        _measure(data, ascii, found, position, stop, start, end, length, hashes)
        found += 1
    first[len(offsets) - 1] = found
    return found
