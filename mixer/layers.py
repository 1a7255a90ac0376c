"""Layers: the records that a cluster set was found from, by part, so that a later set is found without them again."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixer import storage
from mixer.workspace import Workspace

Array = np.ndarray[Any, np.dtype[Any]]

# A set is found from an earlier one while that has fewer layers than these, and its parts are no larger than so many
# times what a task is to get; then it is found anew.
MOST_LAYERS = 8
MOST_GROWTH = 4


@dataclass(frozen=True)
class Layer:
    """The records of one set's new shards, and what those shards are called now."""

    folder: str
    parts: int
    numbers: Array  # int32: by its own number of a shard, the number that the shard has in the set to be found


def folder(place: Workspace, name: str) -> str:
    return storage.join(place.clusters(name), "layer")


def put(folder: str, part: int, records: Array, kind: str = "") -> None:
    """Writes the records of one part of a new layer, whose field `shard`, where they have one, numbers its set's shards
    in order of path. A layer of several kinds of records has a folder for each.
    """
    out = io.BytesIO()
    np.save(out, records)
    storage.put(storage.join(folder, file_name(part, kind)), out.getvalue())


def read(layers: Sequence[Layer], part: int, dtype: np.dtype[Any], kind: str = "") -> Array:
    """The records of one part in all these layers, with the numbers that their shards have now."""
    found = [np.empty(0, dtype)]
    for layer in layers:
        records = np.load(io.BytesIO(storage.read(storage.join(layer.folder, file_name(part, kind)))))
        if "shard" in (dtype.names or ()):
            records["shard"] = layer.numbers[records["shard"]]
        found.append(records.astype(dtype, copy=False))
    return np.concatenate(found)


def file_name(part: int, kind: str = "") -> str:
    """Where the records of a part lie, below the layer's folder."""
    return f"{kind}/{part:06d}.npy" if kind else f"{part:06d}.npy"
