"""Where a document stands in the mixture of a plan: the data shard of each copy, and in a mixture its line there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow.compute as pc

from jobs.build import data_shards
from mixer import lock, manifest, mixture, rows, sidecars, storage
from mixer.errors import BadInput
from mixer.plan import Plan


def places(plan: Plan, found: Mapping[str, Any], folder: str | None = None) -> list[dict[str, Any]]:
    """Of each copy of an explained document {copy, shard}, the path of its data shard in the mixture; with the mixture
    in `folder` also {line}, from 1. BadInput where that is the mixture of another plan.
    """
    if folder is not None:
        folder = storage.absolute(folder)
        manifest.read(folder)
        made_by = lock.digest(storage.read(storage.join(folder, "recipe.lock")))
        if made_by != plan.body["lock_sha256"]:
            raise BadInput(f"{folder}: this mixture was made by a plan of another lock, {made_by[:16]}, and that of "
                           f"the recipe is {plan.body['lock_sha256'][:16]}; name the recipe and work folder that it "
                           "was made with, or leave --mixture out")
    identity = np.frombuffer(rows.identity(found["source"], found["id"]), np.uint8)[None]
    names = data_shards(plan, found["shard"], found["mix_source"], identity, found["copies"])
    said = []
    for copy, name in enumerate(names):
        path, index = mixture.shard_paths(name)
        said.append({"copy": copy, "shard": path} | ({} if folder is None else {
            "line": _line(folder, index, found, copy)}))
    return said


def _line(folder: str, index: str, found: Mapping[str, Any], copy: int) -> int:
    uri = storage.join(folder, index)
    table, _ = sidecars.read(uri, ["shard", "row", "copy"])
    mine = pc.and_(pc.equal(table.column("shard"), found["shard"]),
                   pc.and_(pc.equal(table.column("row"), found["row"]), pc.equal(table.column("copy"), copy)))
    place = int(pc.index(mine.combine_chunks(), True).as_py())
    if place < 0:
        raise BadInput(f"{uri}: has no copy {copy} of {found['source']!r}, {found['id']!r}, which the plan puts there; "
                       f"run `solera audit {folder}`")
    return place + 1
