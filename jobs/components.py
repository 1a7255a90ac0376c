"""Components of a graph whose edges lie in blocks: in one task while they fit, else by large-star and small-star.

Kiveris, Lattanzi, Mirrokni, Rastogi, Vassilvitskii 2014, "Connected Components in MapReduce and Beyond". Each edge is a
pair of names. In a round

1. large-star: of every name u and its neighbours, m is the least. For each neighbour v > u there is an edge (v, m).
2. small-star: of every name u and its neighbours v < u, m is the least. For each v, and for u, there is an edge to m.
3. The edges are written: a checkpoint, by which the next round depends on files alone, and nothing is done again when
   an executor is lost.
4. Over, once a round has moved no edge: each name then has one edge, to the least of its component. Else from 1.

There are about as many rounds as the logarithm of the names. A task holds what the names of its part have for
neighbours, which for the least name of a component is all of it: 16 bytes for each edge, some times over.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jobs.exchange import Array, Block, KindBlock, Outbox, exchange, exchange_kinds, of_kind, part_of, send
from mixer import storage
from mixer.components import components, distinct

EDGES = np.dtype([("left", "<u8"), ("right", "<u8")])
LABELS = np.dtype([("name", "<u8"), ("label", "<u8")])

# So many edges fit the memory of one task, with 0.9 GB.
MEMORY_EDGES = 10_000_000


def label(
    spark: Any, edges: Any, count: int, parts: int, folder: str, tell: Callable[[str], None]
) -> tuple[Any, int]:
    """(an RDD of blocks of the kind "labels" for the parts of names, rounds that it took; 0 in memory).

    `edges` is an RDD of blocks of EDGES, of `count` records. Every name that has an edge gets the least name of its
    component as its label, once or more often. Checkpoints go below `folder`, for the caller to remove.
    """
    if count <= MEMORY_EDGES:
        return exchange(edges.map(_to_first), 1, EDGES, functools.partial(_in_memory, parts)), 0
    exchange(edges.flatMap(functools.partial(_by_edge, parts)), parts, EDGES,
             functools.partial(_begin, folder)).collect()
    number = 0
    while True:
        sent = send(spark, list(range(parts)), functools.partial(_to_neighbours, folder, number, parts))
        large = exchange(sent, parts, EDGES, functools.partial(_large_star, parts))
        number += 1
        told = exchange_kinds(large, parts, {"edges": EDGES, "moved": np.dtype("<i8")},
                              functools.partial(_small_star, folder, number)).collect()
        moved, edges_now = (sum(each[place] for each in told) for place in (0, 1))
        tell(f"components: round {number} moved {moved:,} edges, which are {edges_now:,}")
        storage.remove_below(_folder(folder, number - 1))
        if not moved:
            return send(spark, list(range(parts)), functools.partial(_labels, folder, number, parts)), number


# ---- in memory


def _to_first(block: Block) -> Block:
    return 0, block[1]


def _in_memory(parts: int, part: int, edges: Array) -> Iterator[KindBlock]:
    names, labels = components(edges["left"], edges["right"])
    found = np.empty(len(names), LABELS)
    found["name"], found["label"] = names, labels
    out = Outbox(LABELS)
    yield from of_kind("labels", out.add(part_of(names, parts), found))
    yield from of_kind("labels", out.rest())


# ---- by stars


def _by_edge(parts: int, block: Block) -> Iterator[Block]:
    edges = np.frombuffer(block[1], EDGES)
    edges = edges[edges["left"] != edges["right"]]  # a label's own, which another name has too
    turned = np.empty(len(edges), EDGES)
    turned["left"] = np.maximum(edges["left"], edges["right"])
    turned["right"] = np.minimum(edges["left"], edges["right"])
    out = Outbox(EDGES)
    yield from out.add(part_of(turned["left"], parts), turned)
    yield from out.rest()


def _begin(folder: str, part: int, edges: Array) -> Iterator[int]:
    _write(folder, 0, part, _grouped(edges)[0])
    yield part


def _to_neighbours(folder: str, number: int, parts: int, part: int) -> Iterator[Block]:
    """Every edge of a checkpoint to both of its names."""
    edges = _read(folder, number, part)
    turned = np.empty(len(edges), EDGES)
    turned["left"], turned["right"] = edges["right"], edges["left"]
    out = Outbox(EDGES)
    for each in (edges, turned):
        yield from out.add(part_of(each["left"], parts), each)
    yield from out.rest()


def _large_star(parts: int, part: int, edges: Array) -> Iterator[KindBlock]:
    """The edges of step 1, to the part of the greater name; and how many of them are others than before."""
    edges, least = _grouped(edges)
    least = np.minimum(least, edges["left"])
    above = edges["right"] > edges["left"]
    found = np.empty(int(above.sum()), EDGES)
    found["left"], found["right"] = edges["right"][above], least[above]
    out = Outbox(EDGES)
    yield from of_kind("edges", out.add(part_of(found["left"], parts), found))
    yield from of_kind("edges", out.rest())
    yield part, ("moved", (found["right"] != edges["left"][above]).sum().astype("<i8").tobytes())


def _small_star(folder: str, number: int, part: int, found: dict[str, Array]) -> Iterator[tuple[int, int]]:
    """(edges that were moved in this round, edges now) of a part; writes those of step 2."""
    edges, least = _grouped(found["edges"])
    to_least = edges["right"] == least
    moved = np.empty(int((~to_least).sum()), EDGES)
    moved["left"], moved["right"] = edges["right"][~to_least], least[~to_least]
    _write(folder, number, part, np.concatenate([edges[to_least], _grouped(moved)[0]]))
    yield int(found["moved"].sum()) + len(moved), len(edges)


def _labels(folder: str, number: int, parts: int, part: int) -> Iterator[KindBlock]:
    """The edges of the last checkpoint as labels of their greater names, and of the least ones themselves."""
    edges = _read(folder, number, part)
    out = Outbox(LABELS)
    least = np.repeat(distinct(edges["right"]), 2).view(LABELS)
    for found in (edges.view(LABELS), least):
        yield from of_kind("labels", out.add(part_of(found["name"], parts), found))
    yield from of_kind("labels", out.rest())


def _grouped(edges: Array) -> tuple[Array, Array]:
    """The different edges, in order; and of each the least `right` of its `left`."""
    edges = edges[np.lexsort([edges["right"], edges["left"]])]
    first = np.ones(len(edges), bool)
    first[1:] = edges["left"][1:] != edges["left"][:-1]
    other = first.copy()
    other[1:] |= edges["right"][1:] != edges["right"][:-1]
    edges, first = edges[other], first[other]
    starts = np.flatnonzero(first)
    return edges, np.repeat(edges["right"][starts], np.diff(starts, append=len(edges)))


def _folder(folder: str, number: int) -> str:
    return storage.join(folder, f"{number:03d}")


def _write(folder: str, number: int, part: int, edges: Array) -> None:
    with storage.writer(storage.join(_folder(folder, number), f"{part:06d}.npy")) as out:
        np.save(out, edges)


def _read(folder: str, number: int, part: int) -> Array:
    uri = storage.join(_folder(folder, number), f"{part:06d}.npy")
    found: Array = np.load(io.BytesIO(storage.read(uri)))
    return found
