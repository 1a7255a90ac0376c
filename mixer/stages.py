"""Stages: later recipes of the same training, each with a mixture of its own. What the first recipe holds out is held
out of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mixer import storage, yamls
from mixer.errors import BadInput
from mixer.notes import did_you_mean
from mixer.recipe import DedupMethod, First, HoldOut, Recipe, Stage
from mixer.recipe_parser import parse
from mixer.recipe_reference import METHODS

if TYPE_CHECKING:
    from mixer.corpus import Corpus  # which lint does not need


def uri_of(recipe_uri: str, stage: Stage) -> str:
    """Where a stage's recipe lies; a relative path starts at the folder of the recipe that names it."""
    return storage.beside(recipe_uri, stage.recipe)


def read(recipe: Recipe, recipe_uri: str, stage: Stage) -> Recipe:
    """A stage's recipe, as it stands by itself. Raises StorageError, or RecipeError with every mistake in it."""
    uri = uri_of(recipe_uri, stage)
    stat = storage.stat(uri)
    if stat is not None and stat.bytes > yamls.MOST_BYTES:
        raise BadInput(f"{uri}: larger than the {yamls.MOST_BYTES:_} bytes that a recipe may have")
    return parse(storage.read(uri), uri, recipe.own)


def named(recipe: Recipe, recipe_uri: str, name: str) -> Stage:
    """The stage of this name; BadInput where there is none."""
    found = next((stage for stage in recipe.stages if stage.name == name), None)
    if found is None:
        names = [stage.name for stage in recipe.stages]
        hint = did_you_mean(name, names, f"it has {', '.join(names)}") if names else "it has no `stages`"
        raise BadInput(f"{recipe_uri}: the recipe {recipe.name} has no stage {name!r}; {hint}")
    return found


def of_training(first: Recipe, first_uri: str, stage: Stage) -> Recipe:
    """A stage's recipe with what the first holds out. BadInput, with every reason, where that cannot be."""
    recipe, uri = read(first, first_uri, stage), uri_of(first_uri, stage)
    wrong = []
    if recipe.stages:
        wrong.append("it has stages of its own; name all of them in the first recipe")
    if first.holdout and recipe.holdout:
        wrong.append("it has a `holdout` of its own; what the first recipe holds out is held out here too, so write it "
                     "there")
    corpora = [storage.beside(first_uri, first.corpus), storage.beside(uri, recipe.corpus)]
    if first.holdout and corpora[0] != corpora[1]:
        wrong.append(f"its corpus is {corpora[1]}, and that of {first_uri} is {corpora[0]}; which documents are like "
                     "those that are held out is known within one corpus alone, so use the same, or hold out nothing")
    for split in first.holdout:
        column = split.by.parameters.get("column")
        if column is not None and recipe.find_column(str(column)) != first.find_column(str(column)):
            wrong.append(f"{column}, by which {split.name} is held out, is another column here; name the same tagger "
                         "in both recipes")
    if wrong:
        raise BadInput("\n".join(f"{uri}: {each}" for each in wrong))
    if not first.holdout:
        return recipe
    return with_first(recipe, First(first.name, first.version, first.sha256, first.seed, first.holdout))


def with_first(recipe: Recipe, first: First) -> Recipe:
    return replace(recipe, first=first, holdout=first.holdout)


def needs_same_shards(recipe: Recipe) -> bool:
    """Whether a stage holds out by clusters of documents with other identities. More shards, or fewer, change whether a
    document is in one, and so what it is drawn by; and what it is like in the others nobody knows.
    """
    return recipe.first is not None and any(split.by.use != "id@1" for split in recipe.holdout)


def check_shards(recipe: Recipe, corpus: Corpus, first: Corpus) -> None:
    """BadInput where a stage that needs the shards of the first recipe has others."""
    here, there = ({shard.path for shard in each.shards} for each in (corpus, first))
    other = sorted(here ^ there)
    if other:
        where = "the first recipe alone" if other[0] in there else "the stage alone"
        raise BadInput(f"{recipe.name}: documents like those that the first recipe holds out are known among the "
                       f"same shards alone, and {len(other):,} are not in both, such as {other[0]}, in {where}; add "
                       "the others as sources that give nothing (`weight: 0`)")


# ---- in a lock


def as_json(first: First) -> dict[str, Any]:
    """What a lock says of the first recipe: all that decides what a stage holds out."""
    return {"name": first.name, "version": first.version, "sha256": first.sha256, "seed": first.seed,
            "holdout": [{"name": split.name, "share": str(split.share),
                         "by": {"use": split.by.use, "parameters": dict(split.by.parameters)}}
                        for split in first.holdout]}


def from_json(said: Mapping[str, Any], file: str) -> First:
    """The same read back; BadInput for what is none."""
    try:
        splits = tuple(HoldOut(each["name"], Decimal(each["share"]),
                               DedupMethod(each["by"]["use"], dict(each["by"]["parameters"])))
                       for each in said["holdout"])
        found = First(said["name"], said["version"], said["sha256"], int(said["seed"]), splits)
    except (KeyError, TypeError, ValueError, ArithmeticError):
        found = None
    known = {method.use for method in METHODS}
    if found is None or not all(split.by.use in known for split in found.holdout):
        raise BadInput(f"{file}: its lock says of the first recipe of this stage what cannot be read; take the lock "
                       "beside its manifest")
    return found
