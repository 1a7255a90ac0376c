"""Labels of components are those of a walk along the edges; of any graph, and quick on those that are hard."""

from __future__ import annotations

import functools
import itertools
import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_rdd import LocalSpark

from jobs import components as on_spark
from jobs.exchange import part_of
from mixer.components import cluster_bytes, components, distinct

MOST = (1 << 64) - 1
Edges = Sequence[tuple[int, int]]


def walk(edges: Edges) -> dict[int, int]:
    """The least name that each is connected with, breadth first."""
    near = defaultdict(set)
    for one, other in edges:
        near[one].add(other)
        near[other].add(one)
    labels: dict[int, int] = {}
    for name in sorted(near):
        if name not in labels:
            todo = [name]
            for each in todo:  # grows
                if labels.setdefault(each, name) == name:
                    todo += [other for other in near[each] if other not in labels]
    return labels


def arrays(edges: Edges) -> tuple[np.ndarray, np.ndarray]:
    found = np.array(edges, np.uint64).reshape(-1, 2)
    return found[:, 0].copy(), found[:, 1].copy()


def in_memory(edges: Edges) -> dict[int, int]:
    names, labels = components(*arrays(edges))
    assert (np.diff(names) > 0).all()
    return dict(zip(names.tolist(), labels.tolist(), strict=True))


def by_stars(edges: Edges, parts: int, folder: str, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[int, int], int]:
    monkeypatch.setattr(on_spark, "MEMORY_EDGES", -1)
    spark = LocalSpark()
    records = np.array(edges, np.uint64).reshape(-1, 2).view(on_spark.EDGES).ravel()
    blocks = spark.parallelize([(0, records[:3].tobytes()), (5, records[3:].tobytes())], 2)
    told: list[str] = []
    found, rounds = on_spark.label(spark, blocks, len(edges), parts, folder, told.append)
    assert len(told) == rounds
    labels: dict[int, int] = {}
    for part, (kind, block) in found.collect():
        assert kind == "labels"
        for name, label in np.frombuffer(block, on_spark.LABELS).tolist():
            assert int(part_of(np.array([name], np.uint64), parts)[0]) == part
            assert labels.setdefault(name, label) == label
    return labels, rounds


# Few names, so that they are connected; some at the ends of what 64 bits hold.
NAMES = st.one_of(st.integers(0, 12), st.sampled_from([MOST, MOST - 1, 1 << 63, (1 << 63) - 1, 1 << 40]),
                  st.integers(0, MOST))


@given(st.lists(st.tuples(NAMES, NAMES), max_size=40))
def test_labels_are_those_of_a_walk(edges):
    assert in_memory(edges) == walk(edges)


@functools.cache
def hard(kind: str, size: int = 2000) -> Edges:
    names = np.random.default_rng(7).integers(0, MOST, size, np.uint64, endpoint=True)
    ordered = np.sort(names)
    graphs = {
        "chain": itertools.pairwise(ordered), "shuffled chain": itertools.pairwise(names),
        "star about the least": ((ordered[0], name) for name in ordered[1:]),
        "star about the greatest": ((ordered[-1], name) for name in ordered),
        "one component": ((names[place], names[place * 7919 % 977]) for place in range(size)),
        "small components": ((names[place // 3 * 3], names[place]) for place in range(size)),
        "tree": ((names[place], names[(place - 1) // 2]) for place in range(1, size)),
        "comb": ((ordered[place if place % 2 else place - 2], ordered[-place]) for place in range(2, size)),
    }
    return [(int(one), int(other)) for one, other in graphs[kind]]


HARD = ["chain", "shuffled chain", "star about the least", "star about the greatest", "one component",
        "small components", "tree", "comb"]


@pytest.mark.parametrize("kind", HARD)
def test_long_chains_stars_and_giants(kind):
    assert in_memory(hard(kind)) == walk(hard(kind))


@pytest.mark.parametrize("kind", HARD)
def test_stars_give_the_same_labels(tmp_path, monkeypatch, kind):
    edges = [edge for edge in hard(kind) if edge[0] != edge[1]]
    labels, rounds = by_stars(edges, 3, str(tmp_path), monkeypatch)
    assert labels == walk(edges)
    assert rounds <= 12


@pytest.mark.parametrize("seed", range(5))
def test_stars_give_the_same_labels_on_random_graphs(tmp_path, monkeypatch, seed):
    choose = np.random.default_rng(seed)
    names = choose.integers(0, MOST, 300, np.uint64)
    edges = [(int(one), int(other)) for one, other in names[choose.integers(0, 300, (100 + 40 * seed, 2))]
             if one != other]
    assert by_stars(edges, seed + 1, str(tmp_path), monkeypatch)[0] == walk(edges)
    assert in_memory(edges) == walk(edges)


def test_many_edges_take_a_moment():
    choose = np.random.default_rng(3)
    names = choose.integers(0, MOST, 200_000, np.uint64)
    left, right = names[choose.integers(0, len(names), (2, 300_000))]
    began = time.process_time()
    found, labels = components(left, right)
    assert time.process_time() - began < 5
    assert len(found) == len(distinct(np.concatenate([left, right]))) == len(labels)


def test_no_edges_have_no_labels():
    names, labels = components(*arrays([]))
    assert names.dtype == labels.dtype == np.uint64
    assert len(names) == len(labels) == 0


def test_cluster_bytes():
    found = cluster_bytes(np.array([0, 258, MOST], np.uint64))
    assert [each.tobytes() for each in found] == [bytes(16), bytes(14) + b"\x01\x02", bytes(8) + b"\xff" * 8]
