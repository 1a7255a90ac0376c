"""What the last plan of a recipe came to, found by the recipe's text alone: no corpus is listed, no lock read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixer import storage
from mixer.recipe import Recipe
from mixer.workspace import Workspace, open_workspace

FORMAT = "solera-known@1"


@dataclass(frozen=True)
class Known:
    """The counts of a plan, as plan.json has them, and the plan's folder."""

    folder: str
    counts: Sequence[Mapping[str, Any]]


def put(place: Workspace, recipe: Recipe, folder: str, counts: Sequence[Mapping[str, Any]]) -> None:
    """Notes a finished plan of a recipe. Not of a split of it, which is another mixture of the same text."""
    if recipe.split is None:
        said = {"format": FORMAT, "plan": folder.rstrip("/").rsplit("/", 1)[-1], "counts": list(counts)}
        storage.put(place.known(recipe.sha256), json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode())


def find(recipe: Recipe, recipe_uri: str, work: str) -> Known | None:
    """The last plan of this very recipe over its corpus below a work folder; None if there is none, or no longer."""
    place = open_workspace(work, storage.beside(recipe_uri, recipe.corpus))
    uri = place.known(recipe.sha256)
    if not storage.exists(uri):
        return None
    try:
        said = json.loads(storage.read(uri))
    except ValueError:
        return None  # damaged, and as good as absent
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        return None
    folder = storage.join(place.plans, said["plan"])
    names = [count["source"] for count in said["counts"]]
    if names != [source.name for source in recipe.sources] or not storage.exists(storage.join(folder, "plan.json")):
        return None
    return Known(folder, said["counts"])
