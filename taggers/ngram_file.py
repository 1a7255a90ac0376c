"""The file of a trigram model: hash tables that are used where they lie, mapped into memory and shared by processes.

A head of 128 bytes, then the tables, each at a multiple of 64 bytes; all little-endian:

    head        magic, version, slots or entries of each table, distinct unknown words; sha256 of these and the tables
    words       slots: uint64 hash of the word, int32 number (-1: no word here)
    unigrams    by number: float32 log2 of the probability; float32 log2 of its weight
    bigrams     slots: int64 key (-1: none), float32 log2 of the probability, float32 log2 of its weight
    trigrams    slots: int64 key (-1: none), float32 log2 of the probability

A key is the numbers of its words, 21 bits each. A slot is found from the mixed key by linear steps. A weight is what
the probability of a word after this context is multiplied by where the two together are in no table.
Keys lie apart from values, though both are then looked at where one is found: most searches find nothing.
"""

from __future__ import annotations

import functools
import hashlib
import mmap
import struct
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taggers.compiled import kernel
from taggers.text import mix64

Array = NDArray[Any]

UNKNOWN, LINE_END, BEGIN, FIRST_WORD = 0, 1, 2, 3  # numbers of what is no word, and of the most frequent one
BITS = 21
WORDS_MOST = (1 << BITS) - 1


class Tables(NamedTuple):
    """A model as the kernels use it."""

    word_hash: Array  # uint64, slots
    word: Array  # int32, slots
    unigram: Array  # float32, by number
    unigram_weight: Array
    bigram_key: Array  # int64, slots
    bigram: Array  # float32, slots
    bigram_weight: Array
    trigram_key: Array  # int64, slots
    trigram: Array  # float32, slots


class Model(NamedTuple):
    """A trigram model. The probabilities of UNKNOWN are those of one unknown word, of `unknown` that share them."""

    tables: Tables
    unknown: int  # distinct words that were unknown in training, 1 or more


def write(model: Model, stream: IO[bytes]) -> None:
    """Writes the file. The same model gives the same bytes."""
    parts = []
    for array, kind in zip(model.tables, _KINDS, strict=True):
        data = array.astype(kind, copy=False).tobytes()
        parts.append(data + bytes(-len(data) % _ALIGN))
    head = _HEAD.pack(_MAGIC, _VERSION, *_sizes(model.tables), model.unknown)
    digest = hashlib.sha256(head)
    for part in parts:
        digest.update(part)
    stream.write((head + digest.digest()).ljust(_HEAD_SIZE, b"\0"))
    for part in parts:
        stream.write(part)


@functools.cache
def read(path: str) -> Model:
    """The model of a file, mapped, once in a process. ValueError for what is no such file, or no whole one."""
    with open(path, "rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise ValueError("an empty file, and no trigram model") from None
    if data[: len(_MAGIC)] != _MAGIC:
        raise ValueError("no trigram model (it does not begin like one)")
    if len(data) < _HEAD_SIZE:
        raise ValueError("a trigram model that was cut short")
    _, version, word_slots, numbers, bigram_slots, trigram_slots, unknown = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise ValueError(f"a trigram model of version {version}, of which this program knows only {_VERSION}")
    lengths = (word_slots, word_slots, numbers, numbers, *[bigram_slots] * 3, *[trigram_slots] * 2)
    arrays, at = [], _HEAD_SIZE
    for kind, length in zip(_KINDS, lengths, strict=True):
        if length < 1:
            raise ValueError("a trigram model whose tables do not fit one another")
        if at + np.dtype(kind).itemsize * length > len(data):
            raise ValueError("a trigram model that was cut short")
        arrays.append(np.frombuffer(data, kind, length, at))
        at += np.dtype(kind).itemsize * length
        at += -at % _ALIGN
    if at < len(data):
        raise ValueError(f"a trigram model with {len(data) - at:,} bytes too many at its end")
    digest = hashlib.sha256(data[: _HEAD.size])
    digest.update(memoryview(data)[_HEAD_SIZE:])
    if digest.digest() != data[_HEAD.size : _HEAD.size + digest.digest_size]:
        raise ValueError("a trigram model whose content is not what it was when it was written")
    model = Model(Tables(*arrays), unknown)
    _check(model)
    return model


def table(entries: int) -> int:
    """The slots of a table: three quarters of them used, and at least one free, at which every search ends."""
    return entries * 4 // 3 + 1


@kernel
def slot_of(key: Any, slots: int) -> Any:
    """Where the search for a key begins: its mixed upper 32 bits as a share of the slots."""
    return np.int64(((mix64(np.uint64(key)) >> np.uint64(32)) * np.uint64(slots)) >> np.uint64(32))


@kernel
def find_key(keys: Array, key: Any) -> Any:
    """The slot of a key, -1 without one."""
    slot = slot_of(key, len(keys))
    while keys[slot] >= 0:
        if keys[slot] == key:
            return slot
        slot += 1
        if slot == len(keys):
            slot = 0
    return -1


@kernel
def find_word(hashes: Array, numbers: Array, word: Any) -> Any:
    """The number of the word with this hash, UNKNOWN without one."""
    slot = slot_of(word, len(hashes))
    while numbers[slot] >= 0:
        if hashes[slot] == word:
            return np.int64(numbers[slot])
        slot += 1
        if slot == len(hashes):
            slot = 0
    return UNKNOWN


_MAGIC = b"SOLERA3G"
_VERSION = 1
_HEAD = struct.Struct("<8sqqqqqq")  # and then the digest
_HEAD_SIZE = 128
_ALIGN = 64
_KINDS = ("<u8", "<i4", "<f4", "<f4", "<i8", "<f4", "<f4", "<i8", "<f4")


def _sizes(tables: Tables) -> tuple[int, ...]:
    return len(tables.word), len(tables.unigram), len(tables.bigram), len(tables.trigram)


def _check(model: Model) -> None:
    """ValueError where a search would not end, or would find a word that is not there."""
    tables = model.tables
    whole = (
        FIRST_WORD <= len(tables.unigram) <= WORDS_MOST
        and all(np.any(free < 0) for free in (tables.word, tables.bigram_key, tables.trigram_key))
        and int(np.max(tables.word)) < len(tables.unigram)
        and max(_sizes(tables)) < 1 << 32
        and model.unknown >= 1
    )
    if not whole:
        raise ValueError("a trigram model whose tables do not fit one another")
