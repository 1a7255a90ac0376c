"""Trains a fastText classifier (Joulin et al. 2016): a softmax over the mean of what words and word n-grams stand for.

The file is fastText's own, and what it predicts is what the classifier here gives. What is unlike fastText's trainer:

- The same documents give the same model, to the byte, on any machine and in whatever order they come. Documents are
  read in an order that their own words and the seed decide, anew in each epoch; no threads; additions and products are
  in one stated order in float32, and the exponential is our own, so nothing rests on a library of mathematics.
- Text is read as the taggers read it: as one line, in which newlines and `</s>` only part words.

Each epoch reads each document once: the learning rate falls from `rate` to 0 by the share of the words that were read.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taggers.compiled import kernel
from taggers.numbering import Numbered, Tokens, Told, hash_documents, number, often_first
from taggers.text import TextBatch, mix64

Array = NDArray[Any]

LABEL = b"__label__"
_END = b"</s>"  # the word that fastText puts at the end of each line
_DOCUMENTS_AT_ONCE = 4096  # in a kernel: Ctrl-C is heard, and progress told, between two calls
_BUCKETS_MOST = 1 << 28


@dataclass(frozen=True)
class Settings:
    """How to train. The defaults make a file of 4 MB and 64 bytes for each word in it."""

    dimensions: int = 16
    epochs: int = 5
    rate: float = 0.5  # the learning rate at the beginning
    word_ngrams: int = 2  # n-grams of up to so many words; 1 is words alone
    buckets: int = 1 << 16  # of hashed n-grams
    shortest: int = 0  # character n-grams of this length ...
    longest: int = 0  # ... to this; 0 is none
    least_count: int = 2  # rarer words count only by their n-grams
    seed: int = 0
    most_words: int = 200_000_000  # kept in memory, 4 bytes each, beside some 250 for each distinct one


@dataclass(frozen=True)
class Model:
    """A trained classifier. Rows of `input` are for the words in order, then for the buckets."""

    settings: Settings
    labels: tuple[str, ...]  # most frequent first, then by name; without `__label__`
    label_counts: tuple[int, ...]  # documents
    words: tuple[bytes, ...]
    word_counts: tuple[int, ...]
    tokens: int  # words, ends and labels of all documents
    input: Array  # float32, (words + buckets, dimensions)
    output: Array  # float32, (labels, dimensions)


def train(batches: Iterable[tuple[str, TextBatch]], settings: Settings, told: Told | None = None) -> Model:
    """The classifier of batches of texts, each with the label of all its texts; their order does not matter.

    Documents without words are left out. ValueError for settings or labels that cannot be, and with fewer than two
    labels. `told` is called with words read and to be read. Memory: see Settings.most_words; beyond it TooManyTokens.
    """
    _check(settings)
    label_of: list[tuple[str, int]] = []
    numbered = number(_labelled(batches, label_of), settings.most_words)
    names, label, label_counts = _label_numbers(numbered, label_of)
    lexicon, words, counts = _vocabulary(numbered, int(sum(label_counts)), settings)
    rows = len(words) + _buckets(settings)
    model = Model(
        settings, names, label_counts, words, counts, len(numbered.number) + 2 * sum(label_counts),
        np.empty((rows, settings.dimensions), np.float32),
        np.zeros((len(names), settings.dimensions), np.float32),
    )
    _scatter(model.input, np.uint64(settings.seed))
    _run_epochs(model, numbered, label, lexicon, told)
    return model


def probabilities(model: Model, batch: TextBatch, label: str) -> Array:
    """float64 for each text: the probability of this label, NaN for a text without words."""
    numbered = number([_find_words(batch)], max(1, len(batch.data)))
    known = {word: place for place, word in enumerate(model.words)}
    lexicon = _lexicon([*numbered.bytes, _END], known, model.settings)
    found = np.full(len(batch), np.nan)
    _predict(
        numbered.first, numbered.number, lexicon.word, lexicon.hash, lexicon.first, lexicon.ngrams,
        model.settings.word_ngrams, _buckets(model.settings), len(model.words), model.input, model.output,
        _scratch(numbered, lexicon, model.settings), np.empty(model.settings.dimensions, np.float32),
        np.empty(len(model.labels)), model.labels.index(label), found,
    )
    return found


def save(model: Model, stream: IO[bytes]) -> None:
    """Writes the model as a fastText file, version 12."""
    settings = model.settings
    stream.write(struct.pack("<ii", 793712314, 12))
    # Arguments: dimensions, window, epochs, least count, negatives, word n-grams, loss (3: softmax), model (3:
    # supervised), buckets, shortest and longest character n-gram, words between updates of the rate, sampling.
    stream.write(struct.pack(
        "<12id", settings.dimensions, 5, settings.epochs, settings.least_count, 5, settings.word_ngrams, 3, 3,
        _buckets(settings), settings.shortest, settings.longest, 100, 1e-4,
    ))
    entries = len(model.words) + len(model.labels)
    stream.write(struct.pack("<iiiqq", entries, len(model.words), len(model.labels), model.tokens, -1))
    for word, count in zip(model.words, model.word_counts, strict=True):
        stream.write(word + b"\0" + struct.pack("<qb", count, 0))
    for label, count in zip(model.labels, model.label_counts, strict=True):
        stream.write(LABEL + label.encode() + b"\0" + struct.pack("<qb", count, 1))
    for matrix in (model.input, model.output):
        stream.write(struct.pack("<?qq", False, *matrix.shape))
        stream.write(matrix.astype("<f4", copy=False).data)


def _check(settings: Settings) -> None:
    wrong = [
        message for message, holds in (
            ("dimensions is 1 to 1,000", 1 <= settings.dimensions <= 1000),
            ("epochs is 1 or more", settings.epochs >= 1),
            ("rate is over 0", 0 < settings.rate < math.inf),
            ("word_ngrams is 1 to 10", 1 <= settings.word_ngrams <= 10),
            (f"buckets is 1 to {_BUCKETS_MOST:,}", 1 <= settings.buckets <= _BUCKETS_MOST),
            ("shortest and longest are both 0, or 1 or more in this order",
             settings.shortest == settings.longest == 0 or 1 <= settings.shortest <= settings.longest <= 100),
            ("least_count is 1 or more", settings.least_count >= 1),
            ("seed is 0 to 2**64 - 1", 0 <= settings.seed < 1 << 64),
            ("most_words is 1 or more", settings.most_words >= 1),
        ) if not holds
    ]
    if wrong:
        raise ValueError(f"{settings}: " + "; ".join(wrong))


def _buckets(settings: Settings) -> int:
    """fastText makes no room for n-grams where there are none."""
    return settings.buckets if settings.word_ngrams > 1 or settings.longest else 0


def _labelled(batches: Iterable[tuple[str, TextBatch]], label_of: list[tuple[str, int]]) -> Iterator[Tokens]:
    """The words of each batch; `label_of` takes its label and how many documents it has."""
    for label, batch in batches:
        if not label or label.split() != [label] or "\0" in label:
            raise ValueError(f"a label is a word without whitespace, not {label!r}")
        label_of.append((label, len(batch)))
        yield _find_words(batch)


def _label_numbers(
    numbered: Numbered, label_of: list[tuple[str, int]]
) -> tuple[tuple[str, ...], Array, tuple[int, ...]]:
    """The names of the labels, the label of each document, -1 without words, and the documents of each label."""
    has_words = np.diff(numbered.first) > 0
    seen: dict[str, int] = {}
    batch_of = np.repeat(np.arange(len(label_of)), [count for _, count in label_of])
    for (label, _), count in zip(label_of, np.bincount(batch_of[has_words], minlength=len(label_of)), strict=True):
        seen[label] = seen.get(label, 0) + int(count)
    names = sorted((label for label, count in seen.items() if count), key=lambda label: (-seen[label], label))
    if len(names) < 2:
        raise ValueError(f"documents with words have {'the label ' + names[0] if names else 'no label'}: "
                         "there must be two labels or more")
    place = {label: index for index, label in enumerate(names)}
    of_batch = np.array([place.get(label, -1) for label, _ in label_of], np.int32)
    labels = np.where(has_words, of_batch[batch_of], -1).astype(np.int32)
    return tuple(names), labels, tuple(seen[label] for label in names)


class _Lexicon(NamedTuple):
    """What fastText makes of each distinct word; the end of a line is the last."""

    word: Array  # int32: its place in the vocabulary, -1 if it has none
    hash: Array  # int64: fastText's 32-bit hash, with its sign
    first: Array  # int64, one more: its character n-grams are ngrams[first[w]:first[w + 1]]
    ngrams: Array  # int32: buckets


def _vocabulary(
    numbered: Numbered, documents: int, settings: Settings
) -> tuple[_Lexicon, tuple[bytes, ...], tuple[int, ...]]:
    kept = often_first(numbered, settings.least_count)
    words = (_END, *(numbered.bytes[word] for word in kept))
    counts = (documents, *(int(numbered.count[word]) for word in kept))
    known = {word: place for place, word in enumerate(words)}
    return _lexicon([*numbered.bytes, _END], known, settings), words, counts


def _lexicon(words: list[bytes], known: dict[bytes, int], settings: Settings) -> _Lexicon:
    place = np.array([known.get(word, -1) for word in words], np.int32)
    ends = np.cumsum(np.array([len(word) for word in words], np.int64))
    data = np.frombuffer(b"".join(words), np.uint8)
    hashes = np.empty(len(words), np.int64)
    first = np.zeros(len(words) + 1, np.int64)
    _hash_words(data, ends, hashes)
    if not settings.longest:
        return _Lexicon(place, hashes, first, np.empty(0, np.int32))
    bounded = np.frombuffer(b"".join(b"<" + word + b">" for word in words[:-1]), np.uint8)
    ends = ends[:-1] + 2 * np.arange(1, len(words))
    most = (settings.longest - settings.shortest + 1) * len(bounded)
    ngrams = np.empty(most, np.int32)
    _find_ngrams(bounded, ends, settings.shortest, settings.longest, settings.buckets, first, ngrams)
    return _Lexicon(place, hashes, first, ngrams[: first[-1]].copy())


def _scratch(numbered: Numbered, lexicon: _Lexicon, settings: Settings) -> Array:
    """Room for the rows of the document that has the most."""
    return np.empty(_most_rows(numbered.first, numbered.number, lexicon.first, settings.word_ngrams), np.int32)


def _run_epochs(model: Model, numbered: Numbered, label: Array, lexicon: _Lexicon, told: Told | None) -> None:
    settings = model.settings
    own = _hashes(numbered, label)
    scratch = _scratch(numbered, lexicon, settings)
    hidden, gradient = np.empty((2, settings.dimensions), np.float32)
    scores = np.empty(len(model.labels))
    in_epoch = len(numbered.number) + 2 * sum(model.label_counts)
    done = 0
    for epoch in range(settings.epochs):
        drawn = np.empty(len(label), np.uint64)
        _draw(own, np.uint64(settings.seed), epoch, drawn)
        order = np.argsort(drawn, kind="stable")
        order = order[label[order] >= 0]
        for start in range(0, len(order), _DOCUMENTS_AT_ONCE):
            done = _learn(
                numbered.first, numbered.number, label, order[start : start + _DOCUMENTS_AT_ONCE],
                lexicon.word, lexicon.hash, lexicon.first, lexicon.ngrams, settings.word_ngrams, _buckets(settings),
                len(model.words), model.input, model.output, scratch, hidden, gradient, scores,
                settings.rate, done, in_epoch * settings.epochs,
            )
            if not np.all(np.isfinite(model.output)):
                raise ValueError(f"the learning rate of {settings.rate} is too high: the model grew without bounds")
            if told is not None:
                told(done, in_epoch * settings.epochs)


def _hashes(numbered: Numbered, label: Array) -> Array:
    """uint64 for each document, from its words and label, and from which of its copies it is: so copies lie apart."""
    own = np.empty(len(label), np.uint64)
    hash_documents(numbered.first, numbered.number, numbered.hash, own)
    told_apart = np.empty_like(own)
    _tell_apart(own, label, np.lexsort((label, own)), told_apart)
    return told_apart


def _find_words(batch: TextBatch) -> Tokens:
    """Words as fastText parts them, at ASCII whitespace and NUL, without those that it would take for labels."""
    most = len(batch.data) // 2 + len(batch)
    first, start, end = np.empty(len(batch) + 1, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    hashes = np.empty(most, np.uint64)
    found = _part(batch.data, batch.offsets, np.frombuffer(LABEL, np.uint8), first, start, end, hashes)
    return Tokens(first, hashes[:found], start[:found], end[:found], batch.data)


_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
# fastText's own hash is the 32-bit form of the same, FNV-1a.
_OFFSET_32 = np.uint32(2166136261)
_PRIME_32 = np.uint32(16777619)
_NEXT_WORD = np.uint64(116049371)  # fastText's, for n-grams of words


@kernel
def _parts(data: Array, position: int, stop: int) -> int:
    """How many bytes at this position part words: 1 for whitespace or NUL, 4 for `</s>`, else 0."""
    byte = data[position]
    if byte == 32 or 9 <= byte <= 13 or byte == 0:
        return 1
    if (
        byte == 60 and stop - position >= 4
        and data[position + 1] == 47 and data[position + 2] == 115 and data[position + 3] == 62
    ):
        return 4
    return 0


@kernel
def _part(
    data: Array, offsets: Array, label: Array, first: Array, start: Array, end: Array, hashes: Array
) -> int:
    found = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        position = offsets[document]
        stop = offsets[document + 1]
        while position < stop:
            between = _parts(data, position, stop)
            if between:
                position += between
                continue
            begin = position
            state = _FNV_OFFSET
            like = True
            while position < stop and not _parts(data, position, stop):
                state = (state ^ np.uint64(data[position])) * _FNV_PRIME
                if position - begin < len(label) and data[position] != label[position - begin]:
                    like = False
                position += 1
            if like and position - begin >= len(label):
                continue
            start[found] = begin
            end[found] = position
            hashes[found] = mix64(state)
            found += 1
    first[len(offsets) - 1] = found
    return found


@kernel
def _hash_on(state: Any, byte: Any) -> Any:
    """One step of fastText's hash, which takes bytes as signed: one over 127 sets all the high bits."""
    return np.uint32((state ^ np.uint32(np.int32(np.int8(byte)))) * _PRIME_32)


@kernel
def _hash_words(data: Array, ends: Array, hashes: Array) -> None:
    position = 0
    for word in range(len(ends)):
        state = _OFFSET_32
        while position < ends[word]:
            state = _hash_on(state, data[position])
            position += 1
        hashes[word] = np.int64(np.int32(state))


@kernel
def _find_ngrams(
    data: Array, ends: Array, shortest: int, longest: int, buckets: int, first: Array, ngrams: Array
) -> None:
    """Character n-grams of words that stand in < and >. The last word, the end of a line, has none."""
    found = 0
    begin = 0
    for word in range(len(ends)):
        first[word] = found
        for start in range(begin, ends[word]):
            if data[start] & 0xC0 == 0x80:
                continue
            state = _OFFSET_32
            position = start
            for length in range(1, longest + 1):
                if position == ends[word]:
                    break
                state = _hash_on(state, data[position])
                position += 1
                while position < ends[word] and data[position] & 0xC0 == 0x80:
                    state = _hash_on(state, data[position])
                    position += 1
                alone = length == 1 and (start == begin or position == ends[word])
                if length >= shortest and not alone:
                    ngrams[found] = state % np.uint32(buckets)
                    found += 1
        begin = ends[word]
    first[len(ends)] = found
    first[len(ends) + 1] = found


@kernel
def _scatter(matrix: Array, seed: Any) -> None:
    """Fills the matrix evenly from -1 / dimensions to 1 / dimensions, in steps of 2 ** -23 of that."""
    rows, dimensions = matrix.shape
    key = mix64(seed + np.uint64(1))
    for row in range(rows):
        for column in range(dimensions):
            bits = mix64(key ^ mix64(np.uint64(row * dimensions + column))) >> np.uint64(40)
            share = np.float32(np.int64(bits) - (1 << 23)) * np.float32(2.0**-23)
            matrix[row, column] = share / np.float32(dimensions)


@kernel
def _tell_apart(own: Array, label: Array, order: Array, told_apart: Array) -> None:
    copy = 0
    for place in range(len(order)):
        document = order[place]
        before = order[place - 1] if place else document
        alike = place and own[document] == own[before] and label[document] == label[before]
        copy = copy + 1 if alike else 0
        which = np.uint64(label[document] + 1) << np.uint64(40) | np.uint64(copy)
        told_apart[document] = mix64(own[document] ^ mix64(which))


@kernel
def _draw(own: Array, seed: Any, epoch: int, drawn: Array) -> None:
    key = mix64(mix64(seed + np.uint64(2)) ^ np.uint64(epoch))
    for document in range(len(own)):
        drawn[document] = mix64(own[document] ^ key)


@kernel
def _rows(
    begin: int, end: int, number: Array, word: Array, hashes: Array, first: Array, ngrams: Array, word_ngrams: int,
    buckets: int, words: int, rows: Array,
) -> int:
    """Writes the rows of the matrix that a document and its end stand for; how many they are."""
    count = 0
    last = len(word) - 1
    for place in range(begin, end + 1):
        distinct = number[place] if place < end else last
        if word[distinct] >= 0:
            rows[count] = word[distinct]
            count += 1
        for ngram in range(first[distinct], first[distinct + 1]):
            rows[count] = words + ngrams[ngram]
            count += 1
    if word_ngrams > 1:
        for place in range(begin, end + 1):
            state = np.uint64(hashes[number[place] if place < end else last])
            for after in range(place + 1, min(place + word_ngrams, end + 1)):
                state = state * _NEXT_WORD + np.uint64(hashes[number[after] if after < end else last])
                rows[count] = words + np.int64(state % np.uint64(buckets))
                count += 1
    return count


@kernel
def _most_rows(first: Array, number: Array, ngram_first: Array, word_ngrams: int) -> int:
    """At least as many as any document has: a row for each word and its end, their n-grams beside them."""
    most = 0
    for document in range(len(first) - 1):
        count = (first[document + 1] - first[document] + 1) * word_ngrams
        for place in range(first[document], first[document + 1]):
            count += ngram_first[number[place] + 1] - ngram_first[number[place]]
        most = max(most, count)
    return most


@kernel
def _forward(rows: Array, matrix: Array, output: Array, hidden: Array, scores: Array) -> None:
    """Fills `hidden` with the mean of the rows and `scores` with the softmax of what the labels have of it."""
    hidden[:] = np.float32(0)
    for row in rows:
        for column in range(len(hidden)):
            hidden[column] += matrix[row, column]
    share = np.float32(1.0 / len(rows))
    for column in range(len(hidden)):
        hidden[column] *= share
    top = -np.inf
    for label in range(len(scores)):
        product = np.float32(0)
        for column in range(len(hidden)):
            product += output[label, column] * hidden[column]
        scores[label] = np.float64(product)
        top = max(top, scores[label])
    total = 0.0
    for label in range(len(scores)):
        scores[label] = _exp(scores[label] - top)
        total += scores[label]
    for label in range(len(scores)):
        scores[label] /= total


_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.693147180369123816490  # its last 21 bits are 0, so that a small whole number times it is exact
_LN2_LOW = 1.90821492927058770002e-10
_TERMS = 14


@kernel
def _exp(x: float) -> float:
    """e ** x for x <= 0, within 4e-16 of it: by additions and products alone, which are the same on every machine."""
    if x != x:
        return x
    if x < -700.0:
        return 0.0
    power = math.floor(x * _LOG2_E + 0.5)
    rest = (x - power * _LN2_HIGH) - power * _LN2_LOW
    result = 1.0
    for term in range(_TERMS, 0, -1):
        result = 1.0 + rest / term * result
    return math.ldexp(result, int(power))


@kernel
def _learn(
    first: Array, number: Array, label: Array, order: Array, word: Array, hashes: Array, ngram_first: Array,
    ngrams: Array, word_ngrams: int, buckets: int, words: int, matrix: Array, output: Array, scratch: Array,
    hidden: Array, gradient: Array, scores: Array, rate: float, done: int, total: int,
) -> int:
    """One step of gradient descent for each of these documents; how many words have been read then."""
    for document in order:
        begin = first[document]
        end = first[document + 1]
        count = _rows(begin, end, number, word, hashes, ngram_first, ngrams, word_ngrams, buckets, words, scratch)
        step = rate * (1.0 - done / total)
        done += end - begin + 2  # its end and its label are words, as fastText counts
        if count == 0:
            continue
        rows = scratch[:count]
        _forward(rows, matrix, output, hidden, scores)
        gradient[:] = np.float32(0)
        for index in range(len(scores)):
            wanted = 1.0 if index == label[document] else 0.0
            move = np.float32(step * (wanted - scores[index]))
            for column in range(len(hidden)):
                gradient[column] += output[index, column] * move
                output[index, column] += hidden[column] * move
        share = np.float32(1.0 / count)
        for column in range(len(gradient)):
            gradient[column] *= share
        for row in rows:
            for column in range(len(gradient)):
                matrix[row, column] += gradient[column]
    return done


@kernel
def _predict(
    first: Array, number: Array, word: Array, hashes: Array, ngram_first: Array, ngrams: Array, word_ngrams: int,
    buckets: int, words: int, matrix: Array, output: Array, scratch: Array, hidden: Array, scores: Array, label: int,
    found: Array,
) -> None:
    for document in range(len(found)):
        begin = first[document]
        end = first[document + 1]
        if begin == end:
            continue
        count = _rows(begin, end, number, word, hashes, ngram_first, ngrams, word_ngrams, buckets, words, scratch)
        _forward(scratch[:count], matrix, output, hidden, scores)
        found[document] = scores[label]
