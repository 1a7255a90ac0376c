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

from taggers.characters import DOTS, SPACE, classes
from taggers.compiled import kernel

Array = NDArray[Any]


@dataclass(frozen=True)
class Pieces:
    """Parts of the texts in order: words, lines or paragraphs. `first` finds those of each document.

    Document d has the pieces first[d] to first[d + 1]. All positions are byte positions in `TextBatch.data`.
    Equal pieces have equal hashes; the converse is likely but must be verified where it matters.
    """

    first: Array  # int64, documents + 1
    start: Array  # int64, pieces
    end: Array  # int64, pieces; exclusive
    length: Array  # int32, pieces: code points
    hash: Array  # uint64, pieces
    flags: Array  # uint8, pieces: for words the classes of their code points, or-ed; otherwise 0


@dataclass(frozen=True)
class TextBatch:
    """The texts of some documents. Its arrays are shared by all taggers of a run and must not be written to.

    `data` is uint8, the UTF-8 of all texts; text d is data[offsets[d]:offsets[d + 1]], with offsets int64. Each word,
    line and paragraph takes 29 bytes once asked for: all kernels on 64 MB of English take 0.5 GB beside the text, and
    three times that if every word is one letter.
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
    def words(self) -> Pieces:
        """Runs of non-whitespace, as str.split() gives them. The hash is of the code points."""
        most = len(self.data) // 2 + len(self)  # words are parted by a byte at least
        pieces = _scratch(len(self), most)
        found = _find_words(
            self.data,
            self.offsets,
            classes(),
            pieces.first,
            pieces.start,
            pieces.end,
            pieces.length,
            pieces.hash,
            pieces.flags,
        )
        return _cut(pieces, found)

    @cached_property
    def word_chars(self) -> Array:
        """int64, documents: the code points in words, which is all that are not whitespace."""
        sums = np.empty(len(self), np.int64)
        _sum_lengths(self.words.first, self.words.length, sums)
        return sums

    @cached_property
    def lines(self) -> Pieces:
        r"""What re.split(r"\n+", text) gives: so a text that begins or ends with a newline has an empty piece there.

        An empty text has no lines. The hash is of the bytes.
        """
        return self._split(newlines=1)

    @cached_property
    def paragraphs(self) -> Pieces:
        r"""What re.split(r"\n{2,}", text) gives. An empty text has none. The hash is of the bytes."""
        return self._split(newlines=2)

    def _split(self, newlines: int) -> Pieces:
        most = int(np.count_nonzero(self.data == ord("\n"))) // newlines + len(self)
        pieces = _scratch(len(self), most)
        found = _split_at_newlines(
            self.data, self.offsets, newlines, pieces.first, pieces.start, pieces.end, pieces.length, pieces.hash
        )
        return _cut(pieces, found)


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


def _scratch(documents: int, most: int) -> Pieces:
    """Room for `most` pieces. Pages that stay untouched cost no memory, so the bound may be generous."""
    return Pieces(
        np.empty(documents + 1, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int32),
        np.empty(most, np.uint64),
        np.zeros(most, np.uint8),
    )


def _cut(pieces: Pieces, found: int) -> Pieces:
    return Pieces(
        pieces.first,
        pieces.start[:found],
        pieces.end[:found],
        pieces.length[:found],
        pieces.hash[:found],
        pieces.flags[:found],
    )


# FNV-1a (Fowler, Noll, Vo), then the last steps of MurmurHash3, without which the low bits of short words collide.
_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)


@kernel
def mix64(value: Any) -> Any:
    """MurmurHash3's finaliser: a bijection of uint64 that spreads every bit over all."""
    value = (value ^ (value >> _SHIFT)) * _MIX_1
    value = (value ^ (value >> _SHIFT)) * _MIX_2
    return value ^ (value >> _SHIFT)


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
def same_bytes(data: Array, start: int, end: int, other_start: int, other_end: int) -> bool:
    """Whether two ranges of the data hold the same bytes."""
    if end - start != other_end - other_start:
        return False
    for step in range(end - start):  # noqa: SIM110 (numba compiles a loop, but not all())
        if data[start + step] != data[other_start + step]:
            return False
    return True


@kernel
def _count_code_points(data: Array, offsets: Array, counts: Array) -> None:
    for document in range(len(counts)):
        total = 0
        for position in range(offsets[document], offsets[document + 1]):
            total += (data[position] & 0xC0) != 0x80
        counts[document] = total


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
) -> int:
    found = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        position = offsets[document]
        stop = offsets[document + 1]
        while position < stop:
            code, width = decode(data, position)
            kind = table[code]
            if kind & SPACE:
                position += width
                continue
            start[found] = position
            state = _FNV_OFFSET
            seen = np.uint8(0)
            points = 0
            dots = 0
            while not kind & SPACE:
                state = (state ^ np.uint64(code)) * _FNV_PRIME
                seen |= kind
                points += 1
                dots = dots + 1 if code == 46 else 0
                if dots == 3:
                    seen |= np.uint8(DOTS)
                position += width
                if position == stop:
                    break
                code, width = decode(data, position)
                kind = table[code]
            end[found] = position
            length[found] = points
            hashes[found] = mix64(state)
            flags[found] = seen
            found += 1
    first[len(offsets) - 1] = found
    return found


@kernel
def _sum_lengths(first: Array, length: Array, sums: Array) -> None:
    for document in range(len(sums)):
        total = 0
        for piece in range(first[document], first[document + 1]):
            total += length[piece]
        sums[document] = total


@kernel
def _split_at_newlines(
    data: Array, offsets: Array, newlines: int, first: Array, start: Array, end: Array, length: Array, hashes: Array
) -> int:
    found = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        position = offsets[document]
        stop = offsets[document + 1]
        if position == stop:
            continue
        open_piece = True
        while open_piece:
            start[found] = position
            state = _FNV_OFFSET
            points = 0
            open_piece = False
            while position < stop:
                byte = data[position]
                if byte == 10:
                    after = position + 1
                    while after < stop and data[after] == 10:
                        after += 1
                    if after - position >= newlines:
                        open_piece = True
                        break
                state = (state ^ np.uint64(byte)) * _FNV_PRIME
                points += (byte & 0xC0) != 0x80
                position += 1
            end[found] = position
            length[found] = points
            hashes[found] = mix64(state)
            found += 1
            if open_piece:
                position = after
    first[len(offsets) - 1] = found
    return found
