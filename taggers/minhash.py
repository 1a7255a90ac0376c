"""MinHash (Broder 1997) of a text's shingles, in bands (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, 3.4).

1. A shingle's 64-bit hash is two numbers of 32 bits, x and y. Hash i of it is p x + q y modulo 2^32, p and q odd, of
   the seed and i: as good as 64 bits, since no two shingles are taken for one, at a third of their cost where the
   machine cannot multiply 64 bits in vectors.
2. The signature of a text is, for each i, the least hash i of its shingles. Of two texts, two such minima are equal as
   often as one of their shingles in both is among all of theirs: their Jaccard similarity.
3. The signature is cut into bands of some rows; the key of a band is a hash of its number and its minima.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import pyarrow as pa
import xxhash
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from taggers.arrow_types import ARROW_TYPES
from taggers.characters import classes
from taggers.chunks import mix64
from taggers.compiled import helper, kernel
from taggers.shingles import CHUNK, are_by_chars, keep_units, powers, read_units, roll, room_for_units, sizes_of
from taggers.text import TextBatch

Array = NDArray[Any]

alloca_once: Any = cgutils.alloca_once  # numba has no types for it

LANES = 16  # minima that are computed at once: 64 bytes


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """minhash.bands, `bands` keys, null for a text without words; minhash.text, xxh3-64 of the UTF-8, never null."""
    bands = parameters["bands"]
    keys, known = band_keys(batch, parameters)
    first = np.arange(0, (len(batch) + 1) * bands, bands)
    lists = pa.ListArray.from_arrays(pa.array(first, pa.int32()), pa.array(keys.reshape(-1)),
                                     type=ARROW_TYPES["keys"], mask=pa.array(~known))
    texts = np.array([xxhash.xxh3_64_intdigest(batch.utf8(document)) for document in range(len(batch))], np.uint64)
    return {"minhash.bands": lists, "minhash.text": pa.array(texts.view(np.int64))}


def band_keys(batch: TextBatch, parameters: Mapping[str, Any]) -> tuple[Array, Array]:
    """(keys, known): uint64 of shape (documents, bands), and for each text whether it has any shingle."""
    bands, rows = parameters["bands"], parameters["rows"]
    keys = np.zeros((len(batch), bands), np.uint64)
    known = np.diff(batch.words.first) != 0
    arguments = [*_shingled(batch, parameters), *factors(parameters["seed"], bands * rows), known, rows, keys, _NONE]
    _sign(*arguments)
    return keys, known


def signatures(batch: TextBatch, parameters: Mapping[str, Any]) -> tuple[Array, Array]:
    """(minima, known): uint32 of shape (documents, bands * rows), and for each text whether it has any shingle.

    What band_keys makes keys of, for those who want to estimate a similarity.
    """
    hashes = parameters["bands"] * parameters["rows"]
    minima = np.zeros((len(batch), hashes), np.uint32)
    known = np.diff(batch.words.first) != 0
    arguments = [*_shingled(batch, parameters), *factors(parameters["seed"], hashes), known, 1, _NO_KEYS, minima]
    _sign(*arguments)
    return minima, known


def factors(seed: int, hashes: int) -> tuple[Array, Array]:
    """uint32 p and q of each hash, odd: the halves of splitmix64 (Steele, Lea, Flood 2014), started from the seed.

    Padded to whole blocks of LANES; the first ones do not depend on how many there are.
    """
    padded = -(-hashes // LANES) * LANES
    numbers = _splitmix64(np.uint64(seed & _MASK), padded)
    low, high = numbers.astype(np.uint32), (numbers >> np.uint64(32)).astype(np.uint32)
    return low | np.uint32(1), high | np.uint32(1)


_NONE = np.empty((0, 0), np.uint32)
_NO_KEYS = np.empty((0, 0), np.uint64)
_0 = np.uint64(0)
_MASK = (1 << 64) - 1
_LARGEST = np.uint32(0xFFFFFFFF)


def _splitmix64(seed: Any, count: int) -> Array:
    """The first numbers that splitmix64 gives."""
    numbers: Array = seed + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = numbers ^ (numbers >> np.uint64(31))
    return mixed


def _shingled(batch: TextBatch, parameters: Mapping[str, Any]) -> tuple[Array, ...]:
    sizes = sizes_of(parameters)
    return (batch.data, batch.offsets, classes(), are_by_chars(batch, parameters), batch.words.first, batch.word_keys,
            sizes, powers(sizes), room_for_units(sizes), np.empty(CHUNK + 1, np.uint64))


def _lower(blocks: int) -> Callable[..., None]:
    """For kernels: lower(shingles, count, p, q, minima, place) puts into minima, from place on, the least hashes of the
    first shingles and what was there, of so many blocks of LANES.

    A vector has one shingle in all lanes and a hash in each, so that nothing is left to be done at the end. A loop in
    numba would be a vector of shingles for each hash: half as fast for a page of text.
    """
    lanes = ir.VectorType(ir.IntType(32), LANES)
    word = ir.IntType(32)
    zeros = ir.Constant(ir.VectorType(word, LANES), [0] * LANES)

    def lower(typing: Any, shingles: Any, count: Any, p: Any, q: Any, minima: Any, place: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def vectors(which: int) -> list[Any]:
                array = context.make_array(signature.args[which])(context, builder, arguments[which])
                base = builder.gep(array.data, [arguments[5]])
                return [builder.bitcast(builder.gep(base, [ir.Constant(ir.IntType(64), LANES * block)]),
                                        lanes.as_pointer()) for block in range(blocks)]

            def spread(pointer: Any) -> Any:
                value = builder.insert_element(ir.Constant(lanes, ir.Undefined), builder.load(pointer, align=4),
                                               ir.Constant(word, 0))
                return builder.shuffle_vector(value, value, zeros)

            least = vectors(4)
            by_p, by_q = ([builder.load(each, align=4) for each in vectors(which)] for which in (2, 3))
            held: list[Any] = [alloca_once(builder, lanes) for _ in least]
            for pointer, slot in zip(least, held, strict=True):
                builder.store(builder.load(pointer, align=4), slot)
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            halves = builder.bitcast(array.data, word.as_pointer())
            with cgutils.for_range(builder, arguments[1]) as loop:
                low = builder.gep(halves, [builder.shl(loop.index, ir.Constant(loop.index.type, 1))])
                high = builder.gep(low, [ir.Constant(ir.IntType(64), 1)])
                x, y = spread(low), spread(high)
                for slot, p_block, q_block in zip(held, by_p, by_q, strict=True):
                    hashed = builder.add(builder.mul(x, p_block), builder.mul(y, q_block))
                    so_far = builder.load(slot)
                    is_less = builder.icmp_unsigned("<", hashed, so_far)
                    builder.store(builder.select(is_less, hashed, so_far), slot)
            for pointer, slot in zip(least, held, strict=True):
                builder.store(builder.load(slot), pointer, align=4)
            return context.get_dummy_value()

        return types.void(shingles, types.int64, p, q, minima, types.int64), generate

    return cast(Callable[..., None], intrinsic(lower))


_lower_1 = _lower(1)
_lower_2 = _lower(2)


@helper
def _lower_all(shingles: Array, count: Any, p: Array, q: Array, minima: Array) -> None:
    place = 0
    while place + 2 * LANES <= len(minima):
        _lower_2(shingles, count, p, q, minima, place)
        place += 2 * LANES
    if place < len(minima):
        _lower_1(shingles, count, p, q, minima, place)


@kernel
def _sign(
    data: Array, offsets: Array, table: Array, by_chars: Array, first: Array, words: Array, sizes: Array, powers: Array,
    units: Array, shingles: Array, p: Array, q: Array, known: Array, rows: Any,
    keys: Array,  # documents, bands: gets the keys, if it has any rows
    signatures: Array,  # documents, hashes: gets the minima, if it has any rows
) -> None:
    minima = np.empty(len(p), np.uint32)
    for document in range(len(known)):
        if not known[document]:
            continue
        minima[:] = _LARGEST
        state = _0
        seen = 0
        if by_chars[document]:
            size = sizes[1]
            units[:size] = _0
            position = offsets[document]
            while position < offsets[document + 1]:
                position, end = read_units(data, position, offsets[document + 1], table, units, size, CHUNK)
                state, found = roll(units, size, end, 0, seen, size, powers[1], state, 0, shingles)
                seen += end - size
                keep_units(units, size, end)
                _lower_all(shingles, found, p, q, minima)
        else:
            size = sizes[0]
            begin = first[document]
            while begin + seen < first[document + 1]:
                start = begin + seen
                stop = min(start + CHUNK, first[document + 1])
                state, found = roll(words, start, stop, begin, seen, size, powers[0], state, 0, shingles)
                seen += stop - start
                _lower_all(shingles, found, p, q, minima)
        if seen < size:
            _lower_all(shingles, 1, p, q, minima)
        if len(keys):
            for band in range(keys.shape[1]):
                keys[document, band] = _key(band, minima[band * rows : (band + 1) * rows])
        if len(signatures):
            signatures[document] = minima[: signatures.shape[1]]


@helper
def _key(band: Any, minima: Array) -> Any:
    key = mix64(np.uint64(band + 1))
    for least in minima:
        key = mix64(key ^ np.uint64(least))
    return key
