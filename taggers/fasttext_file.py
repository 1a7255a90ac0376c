"""fastText's model files (its C++ library, format versions 11 and 12), read and checked to be whole.

The library itself reads a file that was cut short as if zeros followed, or without end.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taggers.compiled import kernel

Array = NDArray[Any]

PREFIX = "__label__"
HIERARCHICAL, NEGATIVES, SOFTMAX, ONE_VS_ALL = 1, 2, 3, 4  # the losses, by fastText's numbers
_SUPERVISED = 3
_MAGIC, _VERSIONS = 793712314, (11, 12)
_ENTRY_IS_LABEL = 1
_CENTROIDS = 256


class Matrix(NamedTuple):
    """Rows of a matrix: as they are in `dense`, or where that is empty by product quantisation.

    A quantised row is scale[row] x its centroids: part p of it is centroids[starts[p] + width x codes[row, p] …], with
    `width` numbers for each part but the last, which may have fewer.
    """

    dense: Array  # float32, rows x columns
    codes: Array  # uint8, rows x parts
    scale: Array  # float32, rows
    centroids: Array  # float32, flat
    columns: int
    width: int
    last: int  # numbers of the last part


class Words(NamedTuple):
    """The dictionary: words and labels in one hash table."""

    text: Array  # uint8: the file's bytes from the dictionary on
    start: Array  # int64, entries: where each begins in `text`
    end: Array  # int64
    hash: Array  # uint32, entries: FNV-1a as fastText has it
    slots: Array  # int32: entry or -1, by hash; a power of two
    words: int  # entries before this one are words, others labels
    buckets: int
    inverse: float  # 1 / buckets
    is_kept: Array  # uint8: a bit for each bucket, lowest first, of those that were not pruned; small, for speed
    kept: Array  # int32, buckets: the row of a bucket after the words, -1 if it was pruned; empty: nothing was pruned
    has_buckets: bool  # False where pruning left none
    shortest: int  # n-grams of characters have at least so many
    longest: int  # and at most so many; 0: none are used
    word_ngrams: int


@dataclass(frozen=True)
class Model:
    """A supervised model as its file has it."""

    labels: tuple[str, ...]  # without their __label__, in the file's order
    counts: Array  # int64, labels: how often each was seen in training
    loss: int
    words: Words
    input: Matrix
    output: Matrix


@functools.cache
def labels(path: str) -> tuple[str, ...]:
    """The labels of a model without their `__label__`, sorted. ValueError for a file that is no fastText model."""
    return tuple(sorted(_parse(_bytes(path)).labels))


@functools.cache
def read(path: str) -> Model:
    """The model, read once in a process. Its dictionary stays in the file's pages, which processes share."""
    data = _bytes(path)
    found = _parse(data)
    hashes = np.empty(len(found.start), np.uint32)
    slots = np.full(1 << (2 * len(found.start)).bit_length(), -1, np.int32)
    _index(data, found.start, found.end, hashes, slots)
    kept = np.empty(0, np.int32)
    if found.pruned >= 0:
        kept = np.full(max(1, found.buckets), -1, np.int32)
        pairs = data[found.pairs : found.pairs + 8 * found.pruned].view(np.int32).reshape(-1, 2)
        kept[pairs[:, 0]] = pairs[:, 1]
    words = Words(data, found.start, found.end, hashes, slots, found.words, max(1, found.buckets),
                  1 / max(1, found.buckets), np.packbits(kept >= 0, bitorder="little"), kept,
                  found.pruned != 0, found.shortest, found.longest, found.word_ngrams)
    return Model(found.labels, found.counts, found.loss, words, _matrix(data, found.input), _matrix(data, found.output))


@dataclass(frozen=True)
class _Found:
    """What a file says, and where its parts lie."""

    loss: int
    word_ngrams: int
    shortest: int
    longest: int
    buckets: int
    words: int
    labels: tuple[str, ...]
    counts: Array
    start: Array
    end: Array
    pruned: int  # -1: it never was
    pairs: int
    input: int
    output: int


def _bytes(path: str) -> Array:
    try:
        return np.memmap(path, np.uint8, "r").view(np.ndarray)
    except ValueError:
        raise ValueError("an empty file, and no fastText model") from None


def _parse(data: Array) -> _Found:
    try:
        return _parts(data)
    except struct.error:
        raise ValueError("a fastText model that was cut short") from None


def _parts(data: Array) -> _Found:
    if len(data) < 8 or struct.unpack_from("<ii", data.data) not in [(_MAGIC, version) for version in _VERSIONS]:
        raise ValueError("no fastText model (it does not begin like one)")
    version, *_, word_ngrams, loss, model, buckets, shortest, longest = struct.unpack_from("<12i", data.data, 4)
    at = 8 + 12 * 4 + 8  # the arguments it was trained with
    entries, words, _, _, pruned = struct.unpack_from("<iiiqq", data.data, at)
    at += 28
    if not 0 <= words <= entries <= len(data):
        raise struct.error
    start, end, counts = np.empty((3, entries), np.int64)
    kinds = np.empty(entries, np.int8)
    at = _entries(data, at, start, end, counts, kinds)
    if at < 0:
        raise struct.error
    are_labels = kinds == _ENTRY_IS_LABEL
    found = tuple(bytes(data[begin:stop]).decode("utf-8", "replace").removeprefix(PREFIX)
                  for begin, stop in zip(start[are_labels], end[are_labels], strict=True))
    pairs = at
    at_input = at + 8 * max(0, pruned)
    at_output = _after_matrix(data, at_input)
    at = _after_matrix(data, at_output)
    if at > len(data):
        raise struct.error
    if at < len(data):
        raise ValueError(f"a fastText model with {len(data) - at:,} bytes too many at its end")
    (rows, columns), (outputs, inner) = _shape(data, at_input), _shape(data, at_output)
    kept = data[pairs:at_input].view(np.int32)
    # What they find lies inside what is there, or else a file could make a kernel read anywhere.
    if (rows < words + (buckets if pruned < 0 else pruned) or outputs < len(found) or columns != inner
            or not np.array_equal(are_labels, np.arange(entries) >= words)
            or np.any(kept < 0) or np.any(kept[::2] >= max(1, buckets)) or np.any(kept[1::2] >= pruned)):
        raise ValueError("a fastText model whose parts do not fit each other")
    if model != _SUPERVISED:
        raise ValueError("a fastText model of word vectors, which has no labels; give a supervised one")
    if version == 11:
        longest = 0  # which that version wrote down, and did not use
    return _Found(loss, word_ngrams, shortest, longest, buckets, words, found, counts[are_labels], start, end,
                  pruned, pairs, at_input, at_output)


def _shape(data: Array, at: int) -> tuple[int, int]:
    """Rows and columns of a matrix."""
    is_quantised = struct.unpack_from("<?", data.data, at)[0]
    found: tuple[int, int] = struct.unpack_from("<qq", data.data, at + (2 if is_quantised else 1))
    return found


def _after_matrix(data: Array, at: int) -> int:
    """The place after a matrix, which begins by saying whether it is quantised."""
    if not struct.unpack_from("<?", data.data, at)[0]:
        rows, columns = struct.unpack_from("<qq", data.data, at + 1)
        return int(at + 17 + 4 * rows * columns)
    has_norms, rows, _, codes = struct.unpack_from("<?qqi", data.data, at + 1)
    at = _after_quantiser(data, at + 22 + codes)
    return _after_quantiser(data, at + rows) if has_norms else at


def _after_quantiser(data: Array, at: int) -> int:
    return int(at + 16 + 4 * _CENTROIDS * struct.unpack_from("<i", data.data, at)[0])


def _matrix(data: Array, at: int) -> Matrix:
    nothing = np.empty(0, np.float32)
    if not struct.unpack_from("<?", data.data, at)[0]:
        rows, columns = struct.unpack_from("<qq", data.data, at + 1)
        # A copy, because numbers of the file need not lie where a processor likes them, which numba takes for granted.
        dense = data[at + 17 : at + 17 + 4 * rows * columns].copy().view(np.float32)
        return Matrix(dense.reshape(rows, columns), np.empty((0, 1), np.uint8), nothing, nothing, columns, 0, 0)
    has_norms, rows, columns, size = struct.unpack_from("<?qqi", data.data, at + 1)
    at += 22
    codes = data[at : at + size].reshape(rows, -1)
    at += size
    _, parts, width, last = struct.unpack_from("<4i", data.data, at)
    if codes.shape[1] != parts or (parts - 1) * width + last != columns or min(parts, width, last) < 1:
        raise ValueError("a fastText model whose parts do not fit each other")
    centroids = _centroids(data, at)
    scale = np.ones(rows, np.float32)
    if has_norms:
        at = _after_quantiser(data, at)
        scale = _centroids(data, at + rows)[data[at : at + rows]]
    return Matrix(np.empty((0, columns), np.float32), codes.copy(), scale, centroids, columns, width, last)


def _centroids(data: Array, at: int) -> Array:
    (columns,) = struct.unpack_from("<i", data.data, at)
    return data[at + 16 : at + 16 + 4 * _CENTROIDS * columns].view(np.float32).copy()


@kernel
def _entries(data: Array, at: int, start: Array, end: Array, counts: Array, kinds: Array) -> int:
    """Finds the entries of the dictionary; the place after them, or -1 where the file ends before."""
    for entry in range(len(start)):
        start[entry] = at
        while at < len(data) and data[at] != 0:
            at += 1
        if at + 10 > len(data):
            return -1
        end[entry] = at
        count = np.int64(0)
        for byte in range(8):
            count |= np.int64(data[at + 1 + byte]) << (8 * byte)
        counts[entry] = count
        kinds[entry] = data[at + 9]
        at += 10
    return at


@kernel
def fnv(state: Any, byte: Any) -> Any:
    """One step of FNV-1a in 32 bits, as fastText has it: bytes are signed."""
    signed = np.uint64(byte) | np.uint64(0xFFFFFF00) if byte >= 128 else np.uint64(byte)
    return ((state ^ signed) * np.uint64(16777619)) & np.uint64(0xFFFFFFFF)


FNV_OFFSET = np.uint64(2166136261)


@kernel
def _index(data: Array, start: Array, end: Array, hashes: Array, slots: Array) -> None:
    mask = np.uint64(len(slots) - 1)
    for entry in range(len(start)):
        state = FNV_OFFSET
        for position in range(start[entry], end[entry]):
            state = fnv(state, data[position])
        hashes[entry] = state
        slot = state & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = entry
