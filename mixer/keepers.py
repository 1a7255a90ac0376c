"""Keepers: of all documents or spans with one key, the one that stays.

What a bin of shards says of a key is its best candidate; the best over all bins is the key's keeper, and each bin is
told the keepers of its own keys. So nothing that is lost ever travels.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]

# A span's key has 8 bytes, and 0 for the rest. The order is that of preference, the least is best: the rank of the
# source and whether the preferred column is missing, its value, draw value, identity, text hash; then come shard, row
# and start.
ORDER_WORDS = 9
CANDIDATE = np.dtype([("key", "<u8", 2), ("order", "<u8", ORDER_WORDS), ("shard", "<i4"), ("row", "<i8"),
                      ("start", "<i8"), ("rank", "<i2")])
KEEPER = np.dtype([("key", "<u8", 2), ("shard", "<i4"), ("row", "<i8"), ("start", "<i8"), ("rank", "<i2")])


def winners(records: Array) -> Array:
    """int64: for each candidate the place of the best of its key."""
    by = np.lexsort([records["key"][:, 1], records["key"][:, 0]])
    keys = records["key"][by]
    is_first = np.ones(len(by), bool)
    is_first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    del keys
    group = np.cumsum(is_first) - 1
    left, groups = by, group
    columns = [*(("order", word) for word in range(ORDER_WORDS)), ("shard", None), ("row", None), ("start", None)]
    for name, word in columns:  # most are decided by the first few
        first = np.flatnonzero(np.diff(groups, prepend=-1))
        if len(first) == len(left):
            break
        values = records[name][left] if word is None else records[name][left, word]
        best = values == np.minimum.reduceat(values, first)[groups]
        left, groups = left[best], groups[best]
    best_of = left[np.flatnonzero(np.diff(groups, prepend=-1))]
    found = np.empty(len(by), np.int64)
    found[by] = best_of[group]
    return found


def best(records: Array) -> Array:
    """The best candidate of each key."""
    found: Array = records[np.unique(winners(records))]
    return found


def keepers_of(records: Array, chosen: Array) -> Array:
    """The keeper of each candidate's key, where `chosen` is its place."""
    found = np.empty(len(records), KEEPER)
    for name in KEEPER.names or ():
        found[name] = records["key"] if name == "key" else records[name][chosen]
    return found


def by_key(keepers: Array) -> Array:
    """Keepers in order of their keys, each key once."""
    keepers = keepers[np.lexsort([keepers["key"][:, 1], keepers["key"][:, 0]])]
    is_first = np.ones(len(keepers), bool)
    is_first[1:] = (keepers["key"][1:] != keepers["key"][:-1]).any(axis=1)
    return keepers[is_first]


def find(keepers: Array, keys: Array) -> Array:
    """The keeper of each key (uint64, shape (keys, 2)) among keepers by key; KeyError where there is none."""
    place = np.searchsorted(keepers["key"][:, 0], keys[:, 0])
    while True:  # once, but for keys whose first halves are equal
        if len(place) and place.max(initial=0) >= len(keepers):
            raise KeyError
        other = (keepers["key"][place] != keys).any(axis=1) if len(place) else np.zeros(0, bool)
        if not other.any():
            found: Array = keepers[place]
            return found
        place[other] += 1


def best_first(column: pa.Array, which: Literal["min", "max"]) -> tuple[Array, Array]:
    """(missing, order), uint64: numbers in the order of their own type, the best first; null and NaN are missing."""
    missing = np.asarray(column.is_null())
    values = np.asarray(column.fill_null(0))
    if values.dtype.kind == "f":
        values = values.astype(np.float64)  # exact
        missing = missing | np.isnan(values)
        bits = (values + 0.0).view(np.uint64)  # -0.0 is 0.0
        order = np.where(bits >> np.uint64(63), ~bits, bits | np.uint64(1 << 63))
    else:
        order = values.astype(np.int64).view(np.uint64) ^ np.uint64(1 << 63)
    order = ~order if which == "max" else order
    return missing.astype(np.uint64), np.where(missing, np.uint64(0), order)
