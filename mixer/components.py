"""Components: which names are connected by edges. A component is called by its least name, so that the same edges
give the same labels in whatever order, and however often, they come.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def components(left: Array, right: Array) -> tuple[Array, Array]:
    """(names, labels) as uint64: every name that has an edge, sorted, and the least name that it is connected with.

    Edge i connects left[i] with right[i], uint64. Takes about 60 bytes for each edge beside them.

    1. Every name is its own root.
    2. Each root that has an edge to a lesser one is put under the least of those.
    3. Every name is put under the root of its root, until nothing changes. Edges inside a component are dropped.
    4. From 2, while there are edges.

    Two rounds halve the roots at least: one that has not gone under another in two rounds has taken in all of its
    neighbours in the first. So the rounds are no more than twice the logarithm of the names, on chains too.
    """
    names, places = _numbered(np.concatenate([left, right]))
    root = np.arange(len(names), dtype=places.dtype)
    one, other = places[: len(left)], places[len(left) :]
    while True:
        one, other = root[one], root[other]
        apart = one != other
        one, other = one[apart], other[apart]
        if not len(one):
            return names, names[root]
        lesser, greater = np.minimum(one, other), np.maximum(one, other)
        np.minimum.at(root, greater, lesser)
        _flatten(root)


def distinct(values: Array) -> Array:
    """The different ones of these numbers, ascending. np.unique goes by a hash table, and takes 70 times as long."""
    ordered = np.sort(values)
    return ordered[is_first(ordered)]


def _numbered(values: Array) -> tuple[Array, Array]:
    """The different values, ascending, and of each value its place among them."""
    by = np.argsort(values)
    ordered = values[by]
    first = is_first(ordered)
    places = np.empty(len(values), np.int32 if len(values) < 1 << 31 else np.int64)
    places[by] = np.cumsum(first, dtype=places.dtype) - 1
    return ordered[first], places


def is_first(ordered: Array) -> Array:
    """bool: whether a value is another than the one before."""
    first = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return first


def _flatten(root: Array) -> None:
    """Nothing; puts every name right under its last root."""
    while True:
        above = root[root]
        if np.array_equal(above, root):
            return
        root[:] = above


def cluster_bytes(labels: Array) -> Array:
    """uint8 of shape (labels, 16): how a cluster is written that is called by 64 bits. Eight zeros, then the label,
    big-endian.
    """
    whole = np.zeros((len(labels), 2), ">u8")
    whole[:, 1] = labels
    found: Array = whole.view(np.uint8).reshape(-1, 16)
    return found
