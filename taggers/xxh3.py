"""XXH3 with 64 bits and no seed (xxHash 0.8, BSD 2-Clause, by Yann Collet), for kernels.

For keys that have to tell apart what all the documents of a corpus hold. chunks.hash_bytes is twice as fast on short
words, but each of its steps leaves the lower bits of a difference as they are, so that texts which differ in three
places alone, as tables of numbers do, collide about once in 256.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taggers.chunks import chunk_at, load8, multiply_fold, swap_bytes
from taggers.compiled import helper, kernel

Array = NDArray[Any]

ROOM = 8  # lanes, uint64, that long texts are hashed in

_SECRET = np.frombuffer(bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248e"
    "e03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d8a"
    "51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8f"
    "f8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
), np.uint8)


def _word(at: int) -> np.uint64:
    return np.uint64(int.from_bytes(_SECRET[at : at + 8].tobytes(), "little"))


_32_1, _32_2, _32_3 = np.uint64(0x9E3779B1), np.uint64(0x85EBCA77), np.uint64(0xC2B2AE3D)
_64_1, _64_2, _64_3, _64_4, _64_5 = (
    np.uint64(0x9E3779B185EBCA87), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9),
    np.uint64(0x85EBCA77C2B2AE63), np.uint64(0x27D4EB2F165667C5),
)
_MIX_1, _MIX_2 = np.uint64(0x165667919E3779F9), np.uint64(0x9FB21C651E98DF25)
_LOW_32 = np.uint64(0xFFFFFFFF)
_FLIP_0 = _word(56) ^ _word(64)
_FLIP_1 = (_word(0) & _LOW_32) ^ (_word(0) >> np.uint64(32))
_FLIP_4 = _word(8) ^ _word(16)
_FLIP_9, _FLIP_9_HIGH = _word(24) ^ _word(32), _word(40) ^ _word(48)
_8, _15, _16, _24, _28, _29 = (np.uint64(bits) for bits in (8, 15, 16, 24, 28, 29))
_32, _33, _35, _37, _40, _47, _49 = (np.uint64(bits) for bits in (32, 33, 35, 37, 40, 47, 49))


@helper
def xxh3(data: Array, start: Any, end: Any, room: Array) -> Any:
    """uint64: xxh3-64 of a range of the data. `room` is for ROOM numbers of this call."""
    size = end - start
    if size > 240:
        return _long(data, start, end, room)
    if size > 128:
        return _middle(data, start, size)
    if size > 16:
        total = np.uint64(size) * _64_1
        for step in range((size - 1) // 32, -1, -1):
            total += _mix(data, start + 16 * step, 32 * step)
            total += _mix(data, end - 16 * (step + 1), 32 * step + 16)
        return _avalanche(total)
    if size > 8:
        low, high = load8(data, start) ^ _FLIP_9, load8(data, end - 8) ^ _FLIP_9_HIGH
        return _avalanche(np.uint64(size) + swap_bytes(low) + high + multiply_fold(low, high))
    if size >= 4:
        head, tail = chunk_at(data, start) & _LOW_32, chunk_at(data, end - 4) & _LOW_32
        value = (head << _32 | tail) ^ _FLIP_4
        value ^= (value << _49 | value >> _15) ^ (value << _24 | value >> _40)
        value *= _MIX_2
        value ^= (value >> _35) + np.uint64(size)
        value *= _MIX_2
        return value ^ value >> _28
    if size > 0:
        value = np.uint64(data[start]) << _16 | np.uint64(data[start + (size >> 1)]) << _24
        value |= np.uint64(data[end - 1]) | np.uint64(size) << _8
        return _avalanche_short(value ^ _FLIP_1)
    return _avalanche_short(_FLIP_0)


@helper
def _mix(data: Array, position: Any, secret: Any) -> Any:
    return multiply_fold(load8(data, position) ^ load8(_SECRET, secret),
                         load8(data, position + 8) ^ load8(_SECRET, secret + 8))


@helper
def _avalanche(value: Any) -> Any:
    value = (value ^ value >> _37) * _MIX_1
    return value ^ value >> _32


@helper
def _avalanche_short(value: Any) -> Any:
    value = (value ^ value >> _33) * _64_2
    value = (value ^ value >> _29) * _64_3
    return value ^ value >> _32


@kernel
def _middle(data: Array, start: Any, size: Any) -> Any:
    total = np.uint64(size) * _64_1
    for step in range(8):
        total += _mix(data, start + 16 * step, 16 * step)
    total = _avalanche(total)
    for step in range(8, size // 16):
        total += _mix(data, start + 16 * step, 16 * (step - 8) + 3)
    return _avalanche(total + _mix(data, start + size - 16, 119))


@kernel
def _long(data: Array, start: Any, end: Any, lanes: Array) -> Any:
    lanes[0], lanes[1], lanes[2], lanes[3] = _32_3, _64_1, _64_2, _64_3
    lanes[4], lanes[5], lanes[6], lanes[7] = _64_4, _32_2, _64_5, _32_1
    size = end - start
    stripes = (size - 1) // 64
    for stripe in range(stripes):
        place = stripe % 16
        _accumulate(data, start + 64 * stripe, 8 * place, lanes)
        if place == 15:
            for lane in range(8):
                value = lanes[lane]
                lanes[lane] = (value ^ value >> _47 ^ load8(_SECRET, 128 + 8 * lane)) * _32_1
    _accumulate(data, end - 64, 121, lanes)
    total = np.uint64(size) * _64_1
    for pair in range(4):
        total += multiply_fold(lanes[2 * pair] ^ load8(_SECRET, 11 + 16 * pair),
                               lanes[2 * pair + 1] ^ load8(_SECRET, 19 + 16 * pair))
    return _avalanche(total)


@helper
def _accumulate(data: Array, position: Any, secret: Any, lanes: Array) -> None:
    for lane in range(8):
        value = load8(data, position + 8 * lane)
        keyed = value ^ load8(_SECRET, secret + 8 * lane)
        lanes[lane ^ 1] += value
        lanes[lane] += (keyed & _LOW_32) * (keyed >> _32)
