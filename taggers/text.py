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

from taggers.characters import BRACKET, BREAK, DOTS, LETTER, SPACE, SYMBOL, J, classes
from taggers.chunks import (
    CASE,
    HIGHS,
    LOWS,
    ONES,
    chunk_at,
    count_code_points,
    count_trailing_zeros,
    first_bytes,
    hash_bytes,
    mix64,
    same_bytes,
    zero_bytes,
)
from taggers.compiled import kernel

__all__ = ["Breaks", "Lines", "Pieces", "TextBatch", "Words", "decode", "mix64", "same_bytes"]

Array = NDArray[Any]


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
    flags: Array  # uint8, words: the classes of their code points, or-ed; see characters


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
    for a word takes 21 bytes, a line 24 and a paragraph 20.
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
        words = Words(*_room(documents, most, self.data), np.empty(most, np.uint8))
        position = _position_type(self.data)
        breaks = Breaks(np.empty(documents + 1, np.int64), np.empty(len(self.data), position),
                        np.empty(len(self.data), np.int32))
        found, broken = _find_words(
            self.data, self.offsets, classes(),
            words.first, words.start, words.end, words.length, words.hash, words.flags,
            breaks.first, breaks.end, breaks.word,
        )
        return (Words(*_cut(words, found), words.flags[:found]),
                Breaks(breaks.first, breaks.end[:broken], breaks.word[:broken]))

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


def _text_at(raw: Any, keys: Sequence[str]) -> str | None:
    value = msgspec.json.decode(raw)
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _position_type(data: Array) -> Any:
    return np.int32 if len(data) < 1 << 31 else np.int64


def _room(documents: int, most: int, data: Array) -> tuple[Array, ...]:
    """The arrays of `most` pieces. Pages that stay untouched cost no memory, so the bound may be generous."""
    position = _position_type(data)
    return (np.empty(documents + 1, np.int64), np.empty(most, position), np.empty(most, position),
            np.empty(most, np.int32), np.empty(most, np.uint64))


def _cut(pieces: Pieces, found: int) -> tuple[Array, ...]:
    return (pieces.first, pieces.start[:found], pieces.end[:found], pieces.length[:found], pieces.hash[:found])


@kernel
def decode(data: Array, position: int) -> Any:
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


_HIGH = np.uint64(0x80)
_7 = np.uint64(7)
_8 = np.uint64(8)
_NONE = np.uint64(0)
_ALL = ~np.uint64(0)
_UP_TO_SPACE = ONES * np.uint64(0x21)
_FROM_A = ONES * np.uint64(0x80 - ord("a"))  # added to a byte it sets the high bit from "a" on
_PAST_Z = ONES * np.uint64(0x7F - ord("z"))
_HASHES = ONES * np.uint64(ord("#"))
_JS = ONES * np.uint64(ord("j"))
_BRACES = ONES * np.uint64(ord("{"))
_DOTS = ONES * np.uint64(ord("."))


@kernel
def _find_words(
    data: Array,
    offsets: Array,
    table: Array,
    first: Array,
    start: Array,
    end: Array,
    length: Array,
    hashes: Array,
    flags: Array,
    first_break: Array,
    break_end: Array,
    break_word: Array,
) -> Any:
    """(words, breaks). ASCII words go by chunks of eight bytes, and only what else there is by code points."""
    found = 0
    broken = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        first_break[document] = broken
        position = offsets[document]
        stop = offsets[document + 1]
        while position < stop:
            byte = data[position]
            if byte == 32:
                position += 1
                continue
            seen = 0
            points = 0
            begin = position
            if byte < 33 or byte > 127:
                code, width = decode(data, position)
                kind = table[code]
                position += width
                if kind & SPACE:
                    if kind & BREAK:
                        if code == 13 and position < stop and data[position] == 10:
                            position += 1
                        break_end[broken] = position
                        break_word[broken] = found
                        broken += 1
                    continue
                seen |= kind
                points += 1
            letters = _NONE
            symbols = _NONE
            js = _NONE
            brackets = _NONE
            dots = _NONE
            while position < stop:
                chunk = chunk_at(data, position)
                # The lowest set bit stands at the first byte that is no visible ASCII.
                odd = ((chunk - _UP_TO_SPACE) & ~chunk | chunk) & HIGHS
                mask = ((odd & (~odd + np.uint64(1))) >> _7) - np.uint64(1)
                plain = count_trailing_zeros(odd) >> 3
                if plain > stop - position:
                    plain = stop - position
                    mask = first_bytes(plain)
                lower = chunk | CASE
                marks = mask & HIGHS
                low = lower & LOWS
                letters |= (low + _FROM_A) & ~(low + _PAST_Z) & marks
                symbols |= zero_bytes(lower ^ _HASHES) & marks
                js |= zero_bytes(lower ^ _JS) & marks
                brackets |= zero_bytes(lower ^ _BRACES) & marks
                dot = zero_bytes(lower ^ _DOTS) & marks
                dots |= dot & (dot >> _8)
                position += plain
                points += plain
                if plain == 8:
                    continue
                if position == stop or data[position] == 32:
                    break
                code, width = decode(data, position)
                kind = table[code]
                if kind & SPACE:
                    break
                seen |= kind
                points += 1
                position += width
            seen |= (letters != _NONE) * LETTER | (symbols != _NONE) * SYMBOL
            seen |= (js != _NONE) * J | (brackets != _NONE) * BRACKET
            if dots != _NONE and _has_three_dots(data, begin, position):
                seen |= DOTS
            start[found] = begin
            end[found] = position
            length[found] = points
            hashes[found] = hash_bytes(data, begin, position)
            flags[found] = seen
            found += 1
    first[len(offsets) - 1] = found
    first_break[len(offsets) - 1] = broken
    return found, broken


@kernel
def _has_three_dots(data: Array, start: int, end: int) -> bool:
    dots = 0
    for position in range(start, end):
        dots = dots + 1 if data[position] == 46 else 0
        if dots == 3:
            return True
    return False


@kernel
def _sum_lengths(first: Array, length: Array, sums: Array) -> None:
    for document in range(len(sums)):
        total = 0
        for piece in range(first[document], first[document + 1]):
            total += length[piece]
        sums[document] = total


@kernel
def _measure(data: Array, ascii: bool, piece: int, begin: int, stop: int, start: Array, end: Array, length: Array,
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
