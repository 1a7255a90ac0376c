"""What a supervised fastText model (Joulin et al. 2016) says of parts of texts, computed on the Arrow buffers.

The same as the C++ library says but for the last digits, as it adds up floats in another order. benchmarks/language.py
measures it beside the library. It is faster because no text is decoded or copied, because the vector of a word that
occurs again is remembered, and because of the labels only the best and those asked for are computed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers import fasttext_file
from taggers.characters import SPACE, classes
from taggers.compiled import kernel
from taggers.fasttext_file import FNV_OFFSET, HIERARCHICAL, SOFTMAX, Matrix, Words, fnv
from taggers.text import TextBatch, decode, same_bytes

Array = NDArray[Any]


@dataclass(frozen=True)
class Predictions:
    """What a model says of each part of a text. Where nothing in a part is known to it, `known` is False."""

    known: Array  # bool, parts
    top: Array  # int32, parts: the number of the likeliest label, which finds it in `labels`
    score: Array  # float32, parts: its probability, 0 to 1
    asked: Array  # float32, labels asked for x parts
    labels: tuple[str, ...]

    def columns(self, name: str, asked: Sequence[str]) -> dict[str, pa.Array]:
        """name.top, name.score, and name.<label> for each label that was asked for; null where not known."""
        unknown = ~self.known
        tops = pa.DictionaryArray.from_arrays(pa.array(self.top, mask=unknown), pa.array(self.labels, pa.string()))
        return {
            f"{name}.top": tops.cast(pa.string()),
            f"{name}.score": pa.array(self.score, pa.float32(), mask=unknown),
            **{f"{name}.{label}": pa.array(scores, pa.float32(), mask=unknown)
               for label, scores in zip(asked, self.asked, strict=True)},
        }


def predict(batch: TextBatch, start: Array, end: Array, path: str, asked: Sequence[str]) -> Predictions:
    """What the model at `path` says of the parts from start to end, which are byte positions in `batch.data`.

    Each part is read as one line, as fastText's own predict() takes it with newlines and `</s>` turned into spaces.
    ValueError for a label that the model does not have.
    """
    model = _load(path)
    missing = [label for label in asked if label not in model.numbers]
    if missing:
        raise ValueError(f"this model knows no {', '.join(missing)}")
    numbers = np.array([model.numbers[label] for label in asked], np.int32)
    parts = len(start)
    known = np.zeros(parts, np.bool_)
    top = np.zeros(parts, np.int32)
    score = np.zeros(parts, np.float32)
    scores = np.zeros((len(asked), parts), np.float32)
    # One type of positions, whatever the parts are: the kernel is large, and would be compiled for each.
    _predict(batch.data, classes(), start.astype(np.int64), end.astype(np.int64), model.words, model.input,
             _scratch(model), model.output, numbers, known, top, score, scores)
    return Predictions(known, top, score, scores, model.labels)


def heads(batch: TextBatch, max_chars: int) -> tuple[Array, Array]:
    """Where the first max_chars code points of each text start and end, in bytes; all of it if max_chars is 0."""
    start = batch.offsets[:-1]
    return start, cut(batch, start, batch.offsets[1:], max_chars)


def cut(batch: TextBatch, start: Array, end: Array, max_chars: int) -> Array:
    """Where the first max_chars code points of each part end, in bytes; where it ends itself if max_chars is 0."""
    if max_chars == 0:
        return end
    found = np.empty(len(start), np.int64)
    _cut(batch.data, start, end, max_chars, found)
    return found


def check_labels(path: str, asked: Iterable[str]) -> None:
    """ValueError where the file is no whole fastText model, or has no label of those that are asked for."""
    known = fasttext_file.labels(path)
    missing = [label for label in asked if label not in known]
    if missing:  # else it would have the probability 0 in every text
        raise ValueError(f"this model knows no {', '.join(missing)}; its labels are "
                         f"{', '.join(known[:20])}" + (f" and {len(known) - 20} more" if len(known) > 20 else ""))


class _Output(NamedTuple):
    """From the mean of the rows of a text to probabilities."""

    loss: int
    weights: Array  # float32, columns x rows of the output matrix; so that a loop over rows runs over memory in order
    left: Array  # int32, nodes of the tree of labels, which are its first nodes: the node to the left, -1 for a label
    right: Array  # int32
    parent: Array  # int32, -1 for the root
    sigmoid: Array  # float32: fastText's table of the logistic function from -8 to 8


class _Scratch(NamedTuple):
    """Room for the kernel, and the vectors of words that it met, by the hash of the word."""

    sum: Array  # float32, columns
    rows: Array  # float32, labels or inner nodes
    begun: Array  # uint64: hashes of the word n-grams that may go on, shortest first
    waiting: Array  # int64: rows that will be added
    stack: Array  # int32, nodes of the tree
    scores: Array  # float32, nodes of the tree
    word_start: Array  # int64, by slot; -1: empty
    word_end: Array  # int64
    word_rows: Array  # int32: how many rows its vector is the sum of
    vectors: Array  # float32, slots x columns, flat


@dataclass(frozen=True)
class _Loaded:
    labels: tuple[str, ...]
    numbers: Mapping[str, int]
    words: Words
    input: Matrix
    output: _Output


_REMEMBERED, _REMEMBERED_BYTES = 1 << 16, 8 << 20  # words at most, and their vectors; powers of two
_WAITING = 256  # rows; a last word and the end token may bring a few more
_SIGMOID_TABLE, _SIGMOID_MOST = 512, 8.0


@functools.cache
def _load(path: str) -> _Loaded:
    model = fasttext_file.read(path)
    left, right, parent = _tree(model.counts)
    output = np.empty((model.output.columns, len(model.labels)), np.float32)
    for number in range(len(model.labels)):
        row = np.zeros(model.output.columns, np.float32)
        _add_row(row, 0, number, *model.output[:4], model.output.width, model.output.last)
        output[:, number] = row
    at = (np.arange(_SIGMOID_TABLE + 1) * 2 * _SIGMOID_MOST / _SIGMOID_TABLE - _SIGMOID_MOST).astype(np.float32)
    sigmoid = (1 / (1 + np.exp(-at))).astype(np.float32)
    return _Loaded(model.labels, {label: number for number, label in enumerate(model.labels)}, model.words, model.input,
                   _Output(model.loss, output, left, right, parent, sigmoid))


def _scratch(model: _Loaded) -> _Scratch:
    columns, labels = model.input.columns, len(model.labels)
    fit = 1 << (_REMEMBERED_BYTES // (4 * columns)).bit_length() - 1
    slots = min(_REMEMBERED, fit) if model.words.longest > 0 else 0
    begun = max(1, model.words.word_ngrams - 1)
    return _Scratch(
        np.empty(columns, np.float32), np.empty(labels, np.float32), np.empty(begun, np.uint64),
        np.empty(_WAITING + 2 * (1 + begun), np.int64), np.empty(2 * labels, np.int32),
        np.empty(2 * labels, np.float32), np.full(slots, -1, np.int64), np.empty(slots, np.int64),
        np.empty(slots, np.int32), np.empty(slots * columns, np.float32),
    )


def _tree(counts: Array) -> tuple[Array, Array, Array]:
    """The binary tree over labels, which fastText builds by Huffman's way from how often each was seen."""
    labels = len(counts)
    weight = np.full(max(1, 2 * labels - 1), 10**15, np.int64)
    weight[:labels] = counts
    left, right, parent = (np.full(len(weight), -1, np.int32) for _ in range(3))
    leaf, node = labels - 1, labels
    for inner in range(labels, len(weight)):
        pair = []
        for _ in range(2):
            if leaf >= 0 and weight[leaf] < weight[node]:
                pair.append(leaf)
                leaf -= 1
            else:
                pair.append(node)
                node += 1
        left[inner], right[inner] = pair
        weight[inner] = weight[pair[0]] + weight[pair[1]]
        parent[pair] = inner
    return left, right, parent


@kernel
def _cut(data: Array, start: Array, end: Array, max_chars: int, found: Array) -> None:
    for part in range(len(start)):
        stop = end[part]
        position = start[part]
        if stop - position > max_chars:  # else it has no more code points than bytes
            chars = 0
            while position < stop:
                chars += (data[position] & 0xC0) != 0x80
                if chars > max_chars:
                    break
                position += 1
            stop = position
        found[part] = stop


@kernel
def _predict(
    data: Array,
    table: Array,
    start: Array,
    end: Array,
    words: Words,
    matrix: Matrix,
    scratch: _Scratch,
    output: _Output,
    asked: Array,
    known: Array,
    top: Array,
    score: Array,
    scores: Array,
) -> None:
    for part in range(len(start)):
        if _is_blank(data, table, start[part], end[part]):
            continue
        rows = _read_line(data, start[part], end[part], words, matrix, scratch)
        if rows == 0:
            continue
        known[part] = True
        _scale(scratch.sum, np.float32(1.0 / rows))
        if output.loss == HIERARCHICAL:
            top[part] = _climb(output, scratch)
            score[part] = _leaf(output, scratch, top[part])
            for number in range(len(asked)):
                scores[number, part] = _leaf(output, scratch, asked[number])
        else:
            top[part], score[part] = _weigh(output, scratch)
            for number in range(len(asked)):
                scores[number, part] = _probability(scratch.rows[asked[number]])


@kernel
def _is_blank(data: Array, table: Array, start: int, end: int) -> bool:
    while start < end:
        code, width = decode(data, start)
        if not table[code] & SPACE:
            return False
        start += width
    return True


# What ends a word for fastText: bytes, so no other kind of whitespace does.
_ENDS = np.zeros(256, np.bool_)
_ENDS[[ord(char) for char in " \n\r\t\v\f\0"]] = True
_OPEN, _CLOSE = np.uint8(ord("<")), np.uint8(ord(">"))
_END_TOKEN = np.frombuffer(b"</s>", np.uint8)
_LABEL = np.frombuffer(fasttext_file.PREFIX.encode(), np.uint8)


@kernel
def _read_line(data: Array, start: int, end: int, words: Words, matrix: Matrix, scratch: _Scratch) -> int:
    """Adds up the rows of all words, their n-grams, and the end token, into scratch.sum; how many there are.

    What it calls for each word is given arrays one by one: to take them out of a tuple costs more than to use them.
    """
    text, starts, ends, hashes, slots = words.text, words.start, words.end, words.hash, words.slots
    is_kept, kept = words.is_kept, words.kept
    dense, codes, scale, centroids = matrix.dense, matrix.codes, matrix.scale, matrix.centroids
    total, vectors, word_start, word_end, word_rows = (
        scratch.sum, scratch.vectors, scratch.word_start, scratch.word_end, scratch.word_rows)
    columns = len(total)
    begun, waiting = scratch.begun, scratch.waiting
    total[:] = 0
    rows = 0
    waits = 0
    before = 0  # words in n-grams that may go on
    position = start
    while position < end:
        byte = data[position]
        if _ENDS[byte]:
            position += 1
            continue
        if byte == _OPEN and _begins(data, position, end, _END_TOKEN):
            position += 4
            continue
        word = position
        state = FNV_OFFSET
        while position < end:
            byte = data[position]
            if _ENDS[byte] or (byte == _OPEN and _begins(data, position, end, _END_TOKEN)):
                break
            state = fnv(state, byte)
            position += 1
        entry = _find(data, word, position, state, text, starts, ends, hashes, slots)
        if entry >= words.words or (entry < 0 and _begins(data, word, position, _LABEL)):
            continue  # a label is no word
        if words.longest <= 0:
            if entry >= 0:
                waiting[waits] = entry
                waits += 1
        else:
            slot = int(state & np.uint64(len(word_start) - 1))
            if word_start[slot] < 0 or not same_bytes(data, word_start[slot], word_end[slot], word, position):
                word_start[slot] = word
                word_end[slot] = position
                for column in range(slot * columns, (slot + 1) * columns):
                    vectors[column] = 0
                word_rows[slot] = _add_ngrams(
                    data, word, position, words.shortest, words.longest, words.buckets, words.inverse, words.words,
                    words.has_buckets, is_kept, kept, dense, codes, scale, centroids, matrix.width, matrix.last,
                    vectors, slot * columns,
                )
                if entry >= 0:
                    _add_row(vectors, slot * columns, entry, dense, codes, scale, centroids, matrix.width, matrix.last)
                    word_rows[slot] += 1
            for column in range(columns):
                total[column] += vectors[slot * columns + column]
            rows += word_rows[slot]
        if words.word_ngrams > 1:
            waits = _find_word_ngrams(
                state, before, begun, words.buckets, words.words, words.has_buckets, is_kept, kept, waiting, waits)
            before = min(before + 1, len(begun))
        if waits >= _WAITING:
            _add_rows(total, waiting, waits, dense, codes, scale, centroids, matrix.width, matrix.last)
            rows += waits
            waits = 0
    state = FNV_OFFSET
    for byte in _END_TOKEN:
        state = fnv(state, byte)
    entry = _find(_END_TOKEN, 0, len(_END_TOKEN), state, text, starts, ends, hashes, slots)
    if 0 <= entry < words.words:
        waiting[waits] = entry
        waits += 1
    if words.word_ngrams > 1:
        waits = _find_word_ngrams(
            state, before, begun, words.buckets, words.words, words.has_buckets, is_kept, kept, waiting, waits)
    _add_rows(total, waiting, waits, dense, codes, scale, centroids, matrix.width, matrix.last)
    return rows + waits


@kernel
def _begins(data: Array, start: int, end: int, what: Array) -> bool:
    if end - start < len(what):
        return False
    for step in range(len(what)):  # noqa: SIM110 (numba compiles a loop, but not all())
        if data[start + step] != what[step]:
            return False
    return True


@kernel
def _find(
    data: Array, start: int, end: int, state: Any, text: Array, starts: Array, ends: Array, hashes: Array, slots: Array
) -> int:
    """The entry of the dictionary that is this word, or -1."""
    mask = np.uint64(len(slots) - 1)
    slot = state & mask
    while True:
        entry = slots[slot]
        if entry < 0:
            return -1
        if hashes[entry] == state and ends[entry] - starts[entry] == end - start:
            step = 0
            while step < end - start and text[starts[entry] + step] == data[start + step]:
                step += 1
            if step == end - start:
                return int(entry)
        slot = (slot + np.uint64(1)) & mask


@kernel
def _add_ngrams(
    data: Array,
    start: int,
    end: int,
    shortest: int,
    longest: int,
    buckets: int,
    inverse: float,
    before: int,
    has_buckets: bool,
    is_kept: Array,
    kept: Array,
    dense: Array,
    codes: Array,
    scale: Array,
    centroids: Array,
    width: int,
    last: int,
    vectors: Array,
    at: int,
) -> int:
    """Adds the rows of the n-grams of characters of <word> to vectors[at:]; how many there are."""
    rows = 0
    for first in range(start - 1, end + 1):
        if start <= first < end and (data[first] & 0xC0) == 0x80:
            continue
        state = FNV_OFFSET
        after = first
        for size in range(1, longest + 1):
            if after > end:
                break
            state = fnv(state, _OPEN if after < start else _CLOSE if after == end else data[after])
            after += 1
            while after < end and (data[after] & 0xC0) == 0x80:
                state = fnv(state, data[after])
                after += 1
            if size < shortest or (size == 1 and (first < start or after > end)):
                continue
            row = _row_of(_bucket(state, buckets, inverse), before, has_buckets, is_kept, kept)
            if row >= 0:
                _add_row(vectors, at, row, dense, codes, scale, centroids, width, last)
                rows += 1
    return rows


@kernel
def _find_word_ngrams(
    state: Any,
    before: int,
    begun: Array,
    buckets: int,
    words: int,
    has_buckets: bool,
    is_kept: Array,
    kept: Array,
    waiting: Array,
    waits: int,
) -> int:
    """Puts the rows of the n-grams of two words or more that end with this one into waiting[waits:]; where they end.

    begun[:before] are the hashes of the n-grams that end with the word before it, and then with it, shortest first.
    """
    signed = np.uint64(np.int64(np.int32(np.uint32(state))))  # fastText keeps hashes as int32
    for place in range(before - 1, -1, -1):
        gram = begun[place] * np.uint64(116049371) + signed
        row = _row_of(gram % np.uint64(buckets), words, has_buckets, is_kept, kept)
        if row >= 0:
            waiting[waits] = row
            waits += 1
        if place + 1 < len(begun):
            begun[place + 1] = gram
    begun[0] = signed
    return waits


@kernel
def _bucket(state: Any, buckets: int, inverse: float) -> Any:
    """state % buckets for a state of 32 bits, by a multiplication, which is four times as fast."""
    guess = np.int64(np.float64(state) * inverse)  # off by one at most
    rest = np.int64(state) - guess * buckets
    if rest < 0:
        rest += buckets
    elif rest >= buckets:
        rest -= buckets
    return np.uint64(rest)


@kernel
def _row_of(bucket: Any, before: int, has_buckets: bool, is_kept: Array, kept: Array) -> int:
    """The row of a bucket, after the words, -1 if it was pruned."""
    if not has_buckets:
        return -1
    if len(kept) == 0:
        return before + int(bucket)
    if not is_kept[bucket >> np.uint64(3)] >> (bucket & np.uint64(7)) & np.uint64(1):
        return -1
    return before + int(kept[bucket])


@kernel
def _scale(vector: Array, factor: Any) -> None:
    for column in range(len(vector)):
        vector[column] *= factor


@kernel
def _add_rows(
    total: Array,
    rows: Array,
    count: int,
    dense: Array,
    codes: Array,
    scale: Array,
    centroids: Array,
    width: int,
    last: int,
) -> None:
    """Adds many rows: one after the other, so that the processor fetches the next while it adds one."""
    for place in range(count):
        _add_row(total, 0, rows[place], dense, codes, scale, centroids, width, last)


@kernel
def _add_row(
    vectors: Array, at: int, row: int, dense: Array, codes: Array, scale: Array, centroids: Array, width: int, last: int
) -> None:
    """Adds a row of a matrix, whose parts these are, to vectors[at:]."""
    if len(dense) > 0:
        for column in range(dense.shape[1]):
            vectors[at + column] += dense[row, column]
        return
    factor = scale[row]
    parts = codes.shape[1] - 1
    if width == 2:  # as fastText quantises unless it is told otherwise; a loop that is unrolled
        for part in range(parts):
            centroid = (part * 256 + np.int64(codes[row, part])) * 2
            vectors[at + 2 * part] += factor * centroids[centroid]
            vectors[at + 2 * part + 1] += factor * centroids[centroid + 1]
    else:
        for part in range(parts):
            centroid = (part * 256 + np.int64(codes[row, part])) * width
            for step in range(width):
                vectors[at + part * width + step] += factor * centroids[centroid + step]
    centroid = parts * 256 * width + np.int64(codes[row, parts]) * last
    for step in range(last):
        vectors[at + parts * width + step] += factor * centroids[centroid + step]


@kernel
def _log(probability: Any) -> Any:
    return np.log(probability + 1e-5)  # as fastText has it, so that probabilities add up to a little more than 1


@kernel
def _probability(value: Any) -> Any:
    """What fastText gives for an output: a little more, but not more than 1 here; 0 for less than 0."""
    return min(np.float32(1), np.float32(np.exp(np.float32(_log(value)))))


@kernel
def _turn(output: _Output, scratch: _Scratch, node: int) -> Any:
    """The probability of going right at an inner node."""
    row = node - len(scratch.rows)
    product = np.float32(0)
    for column in range(len(scratch.sum)):
        product += scratch.sum[column] * output.weights[column, row]
    return np.float32(1) / (np.float32(1) + np.float32(np.exp(-product)))


@kernel
def _climb(output: _Output, scratch: _Scratch) -> int:
    """The likeliest leaf; a branch is left where it can be no better than what was found."""
    best = 0
    best_score = np.float32(-np.inf)
    scratch.stack[0] = len(output.left) - 1
    scratch.scores[0] = 0
    height = 1
    while height > 0:
        height -= 1
        node = scratch.stack[height]
        score = scratch.scores[height]
        if score <= best_score:
            continue
        if output.left[node] < 0:
            best = node
            best_score = score
            continue
        right = _turn(output, scratch, node)
        to_left = np.float32(score + _log(1.0 - right))
        to_right = np.float32(score + _log(right))
        likelier_left = to_left > to_right  # looked at first, so on top of the stack
        scratch.stack[height] = output.right[node] if likelier_left else output.left[node]
        scratch.scores[height] = to_right if likelier_left else to_left
        scratch.stack[height + 1] = output.left[node] if likelier_left else output.right[node]
        scratch.scores[height + 1] = to_left if likelier_left else to_right
        height += 2
    return best


@kernel
def _leaf(output: _Output, scratch: _Scratch, label: int) -> Any:
    """The probability of one label: 0 where it is under 0.00001, which fastText does not give."""
    score = 0.0
    node = label
    while output.parent[node] >= 0:
        parent = output.parent[node]
        right = _turn(output, scratch, parent)
        score += _log(right if output.right[parent] == node else 1.0 - right)
        node = parent
    return np.float32(0) if score < _log(0.0) else min(np.float32(1), np.float32(np.exp(score)))


@kernel
def _weigh(output: _Output, scratch: _Scratch) -> Any:
    """(label, probability) of the likeliest label; leaves all outputs in scratch.rows."""
    rows = scratch.rows
    rows[:] = 0
    for column in range(len(scratch.sum)):
        weights = output.weights[column]
        factor = scratch.sum[column]
        for label in range(len(rows)):
            rows[label] += factor * weights[label]
    if output.loss == SOFTMAX:
        most = rows.max()
        total = np.float32(0)
        for label in range(len(rows)):
            rows[label] = np.float32(np.exp(np.float64(rows[label] - most)))
            total += rows[label]
        for label in range(len(rows)):
            rows[label] /= total
    else:
        for label in range(len(rows)):
            rows[label] = _sigmoid(output, rows[label])
    best = 0
    for label in range(len(rows)):
        if rows[label] > rows[best]:
            best = label
    return best, _probability(rows[best])


@kernel
def _sigmoid(output: _Output, value: Any) -> Any:
    if value < -_SIGMOID_MOST:
        return np.float32(0)
    if value > _SIGMOID_MOST:
        return np.float32(1)
    return output.sigmoid[int((value + _SIGMOID_MOST) * _SIGMOID_TABLE / _SIGMOID_MOST / 2)]
