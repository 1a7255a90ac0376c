"""Layers: records come back as they were put, under the numbers that their shards have now."""

from __future__ import annotations

import numpy as np
import pytest

from mixer import layers
from mixer.errors import StorageError
from mixer.layers import Layer

RECORD = np.dtype([("key", "<u8"), ("shard", "<i4")])


def test_records_come_back_with_the_numbers_of_now(tmp_path):
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    layers.put(first, 0, np.array([(5, 0), (7, 1), (2**64 - 1, 1)], RECORD))
    layers.put(first, 1, np.array([], RECORD))
    layers.put(second, 0, np.array([(5, 0)], RECORD))
    layers.put(second, 1, np.array([(9, 1)], RECORD))
    both = [Layer(first, 2, np.array([0, 3], np.int32)), Layer(second, 2, np.array([1, 2], np.int32))]
    assert layers.read(both, 0, RECORD).tolist() == [(5, 0), (7, 3), (2**64 - 1, 3), (5, 1)]
    assert layers.read(both, 1, RECORD).tolist() == [(9, 2)]
    assert layers.read([], 0, RECORD).dtype == RECORD and not len(layers.read([], 0, RECORD))


def test_a_task_that_is_tried_again_writes_the_same(tmp_path):
    records = np.array([(5, 0), (7, 1)], RECORD)
    for _ in range(2):
        layers.put(str(tmp_path), 3, records)
        assert len(list(tmp_path.iterdir())) == 1
    assert layers.file_name(3) == "000003.npy" and layers.file_name(3, "bands") == "bands/000003.npy"


def test_a_part_that_has_gone_is_an_error(tmp_path):
    with pytest.raises(StorageError, match=r"000000\.npy: there is no such file"):
        layers.read([Layer(str(tmp_path), 1, np.array([0], np.int32))], 0, RECORD)
