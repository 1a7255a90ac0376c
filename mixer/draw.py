"""Draw values: 64 bits that decide, from a document's own identity and a seed, where it stands in an order."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def draws(seed: int, purpose: str, identities: Array, copy: int = 0) -> Array:
    """A uint64 for each identity (uint8, shape (rows, 16)); shape (rows,).

    Each half of the identity is combined with a key of its own, one of the first two words of sha256("solera draw@1",
    seed, purpose, copy), and mixed by the finaliser of MurmurHash3, which is one to one: of two identities with one
    half in common the draws never collide.
    """
    keys = _keys(seed, purpose, copy)
    halves = np.ascontiguousarray(identities).view("<u8").reshape(-1, 2)
    return mixed(halves[:, 0] ^ keys[0], halves[:, 1] ^ keys[1])


@functools.lru_cache(maxsize=1024)
def _keys(seed: int, purpose: str, copy: int) -> Array:
    key = hashlib.sha256(f"solera draw@1\0{seed}\0{purpose}\0{copy}".encode()).digest()
    return np.frombuffer(key[:16], "<u8")


def mixed(first: Array, second: Array) -> Array:
    """64 bits of each pair of uint64, all of which depend on all of theirs."""
    with np.errstate(over="ignore"):
        return _mix(_mix(first) + second)


def order_keys(draw: Array, identities: Array, sha256s: Array) -> list[Array]:
    """The total order (draw, identity, text hash) as uint64 columns, most significant first."""
    big = [words(part) for part in (identities, sha256s)]
    return [draw, *(part[:, column] for part in big for column in range(part.shape[1]))]


def words(data: Array) -> Array:
    """Bytes (uint8, shape (rows, width)) as uint64, shape (rows, width / 8), whose order is that of the bytes."""
    return np.ascontiguousarray(data).view(">u8").astype(np.uint64)


def argsort(keys: list[Array]) -> Array:
    """Row numbers in the order of the key columns, most significant first."""
    return np.lexsort(keys[::-1])


def below(keys: list[Array], cutoff: tuple[int, ...]) -> Array:
    """Which rows come before the cutoff, in the order of the key columns; bool, shape (rows,)."""
    before = np.zeros(len(keys[0]), bool)
    tied = np.ones(len(keys[0]), bool)
    for column, value in zip(keys, cutoff, strict=True):
        before |= tied & (column < np.uint64(value))
        tied &= column == np.uint64(value)
    return before


def _mix(x: Array) -> Array:
    x = (x ^ (x >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    x = (x ^ (x >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    mixed: Array = x ^ (x >> np.uint64(33))
    return mixed
