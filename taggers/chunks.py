"""Many bytes of text at a time: what kernels load, compare, count and hash with.

A chunk is eight bytes as a little-endian uint64: the first byte of the text is the lowest. A mask is a uint64 of one
bit for each of 64 bytes, the lowest for the first. Loads need no alignment, and LLVM makes vector instructions of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from taggers.compiled import helper

Array = NDArray[Any]

ONES = np.uint64(0x0101010101010101)
HIGHS = np.uint64(0x8080808080808080)
LOWS = np.uint64(0x7F7F7F7F7F7F7F7F)
CASE = np.uint64(0x2020202020202020)  # or-ed over ASCII letters it makes them lower case
_0 = np.uint64(0)
_1 = np.uint64(1)
_6 = np.uint64(6)
_7 = np.uint64(7)
_8 = np.uint64(8)


def _load8(typing: Any, data: Any, position: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.gep(array.data, [arguments[1]])
        return builder.load(builder.bitcast(pointer, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(data, types.int64), generate


def _count_trailing_zeros(typing: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


def _count_ones(typing: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def _multiply_fold(typing: Any, first: Any, second: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(*[builder.zext(argument, wide) for argument in arguments])
        high = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))
        return builder.xor(builder.trunc(product, ir.IntType(64)), high)

    return types.uint64(types.uint64, types.uint64), generate


def _swap_bytes(typing: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bswap(arguments[0])

    return types.uint64(types.uint64), generate


def _mask(predicate: str, fold: int) -> Callable[..., Any]:
    def mask(typing: Any, data: Any, position: Any, byte: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            block = ir.VectorType(ir.IntType(8), 64)
            pointer = builder.bitcast(builder.gep(array.data, [arguments[1]]), block.as_pointer())
            values = builder.or_(builder.load(pointer, align=1), ir.Constant(block, [fold] * 64))
            one = builder.insert_element(
                ir.Constant(block, ir.Undefined), builder.trunc(arguments[2], ir.IntType(8)),
                ir.Constant(ir.IntType(32), 0))
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)
            all_ones = builder.shuffle_vector(one, one, lanes)
            return builder.bitcast(builder.icmp_unsigned(predicate, values, all_ones), ir.IntType(64))

        return types.uint64(data, types.int64, types.int64), generate

    return cast(Callable[..., Any], intrinsic(mask))


def _mask_same(typing: Any, data: Any, position: Any, distance: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        block = ir.VectorType(ir.IntType(8), 64).as_pointer()
        near = builder.gep(array.data, [arguments[1]])
        far = builder.gep(near, [arguments[2]])
        values = [builder.load(builder.bitcast(pointer, block), align=1) for pointer in (near, far)]
        return builder.bitcast(builder.icmp_unsigned("==", *values), ir.IntType(64))

    return types.uint64(data, types.int64, types.int64), generate


# For kernels: which of the 64 bytes from a position on equal the byte that stands a distance further on.
mask_same = cast(Callable[..., Any], intrinsic(_mask_same))
# For kernels, of the 64 bytes from a position on: which are below a byte, which equal it, and which equal it once
# 0x20 is or-ed to them, as lower case is. The caller knows that 64 bytes of data follow.
mask_below = _mask("<", 0)
mask_equal = _mask("==", 0)
mask_folded = _mask("==", 0x20)
# For kernels: the chunk at a position of which the caller knows that eight bytes of data follow.
load8 = cast(Callable[..., Any], intrinsic(_load8))
# For kernels: zero bits below the lowest one, 64 if there is none; and how many ones there are.
count_trailing_zeros = cast(Callable[..., Any], intrinsic(_count_trailing_zeros))
count_ones = cast(Callable[..., Any], intrinsic(_count_ones))
# For kernels: both halves of the 128-bit product, xor-ed; and the bytes in the other order.
multiply_fold = cast(Callable[..., Any], intrinsic(_multiply_fold))
swap_bytes = cast(Callable[..., Any], intrinsic(_swap_bytes))


@helper
def chunk_at(data: Array, position: Any) -> Any:
    """The chunk at a position of the data; zeros stand for what is past its end."""
    if position + 8 <= len(data):
        return load8(data, position)
    chunk = np.uint64(0)
    for step in range(len(data) - position):
        chunk |= np.uint64(data[position + step]) << np.uint64(8 * step)
    return chunk


@helper
def first_bytes(count: Any) -> Any:
    """A mask of the first bytes of a chunk, up to eight."""
    if count >= 8:
        return ~np.uint64(0)
    return (_1 << np.uint64(8 * count)) - _1


@helper
def count_code_points(data: Array, start: Any, end: Any) -> Any:
    """The code points of a byte range that begins and ends between code points."""
    points = end - start
    position = start
    while position + 8 <= end:
        chunk = load8(data, position)
        if chunk & HIGHS:
            points -= count_ones((chunk >> _7) & (~chunk >> _6) & ONES)  # bytes 10xxxxxx continue a code point
        position += 8
    while position < end:
        points -= (data[position] & 0xC0) == 0x80
        position += 1
    return points


_SHORT = np.uint64(1 << 63)
_SIZE_SHIFT = np.uint64(56)
_LOW_63 = np.uint64((1 << 63) - 1)
# Of MurmurHash3's finaliser; any odd number would make a bijection, these spread every bit over all.
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_31 = np.uint64(31)
_32 = np.uint64(32)
_33 = np.uint64(33)
_63 = np.uint64(63)


@helper
def mix64(value: Any) -> Any:
    """MurmurHash3's finaliser: a bijection of uint64 that spreads every bit over all."""
    value = (value ^ (value >> _33)) * _MIX_1
    value = (value ^ (value >> _33)) * _MIX_2
    return value ^ (value >> _33)


@helper
def hash_bytes(data: Array, start: Any, end: Any) -> Any:
    """A uint64 of the bytes. Up to seven of them it tells apart for certain: then its highest bit is set."""
    size = end - start
    if size < 8:
        value = chunk_at(data, start) & first_bytes(size) | np.uint64(size) << _SIZE_SHIFT
        value = (value * _MIX_1) & _LOW_63  # each step is a bijection of 63 bits
        value ^= value >> _31
        value = (value * _MIX_2) & _LOW_63
        return value ^ (value >> _32) | _SHORT
    state = np.uint64(size)
    position = start
    while position + 8 < end:
        state = (state ^ load8(data, position)) * _MIX_1
        state ^= state >> _32
        position += 8
    state = (state ^ load8(data, end - 8)) * _MIX_1
    return mix64(state) & _LOW_63


@helper
def hash_word(size: Any, head: Any, rest: Any) -> Any:
    """As hash_bytes, for up to 16 bytes, without a branch; `head` and `rest` are its chunks, zeros past the end."""
    short = np.uint64(size < 8)
    more = rest * _MIX_2
    value = (head | (short * np.uint64(size)) << _SIZE_SHIFT) ^ more ^ (more >> _32)
    value = (value * _MIX_1) & _LOW_63
    value ^= value >> _31
    value = (value * _MIX_2) & _LOW_63
    return value ^ (value >> _32) | short << _63


@helper
def same_piece(data: Array, start: Array, end: Array, hashes: Array, piece: Any, other: Any) -> Any:
    """Whether two pieces, hashed in the same way, hold the same bytes."""
    if hashes[piece] != hashes[other]:
        return False
    if hashes[piece] & _SHORT:
        return True
    return same_bytes(data, start[piece], end[piece], start[other], end[other])


@helper
def is_short(hashed: Any) -> Any:
    """Whether a hash tells what it is of apart for certain."""
    return hashed >> _63 != _0


@helper
def same_bytes(data: Array, start: Any, end: Any, other_start: Any, other_end: Any) -> Any:
    """Whether two ranges of the data hold the same bytes."""
    size = end - start
    if size != other_end - other_start:
        return False
    if size < 8:
        return (chunk_at(data, start) ^ chunk_at(data, other_start)) & first_bytes(size) == _0
    step = 8
    while step < size:
        if load8(data, start + step - 8) != load8(data, other_start + step - 8):
            return False
        step += 8
    return load8(data, end - 8) == load8(data, other_end - 8)


@helper
def table_size(entries: Any) -> int:
    """The slots of a hash table for so many entries: a power of two, at most half of it used."""
    size = 2
    while size < 2 * entries:
        size *= 2
    return size
