"""Stages: later recipes of the same training, each with a mixture of its own."""

from __future__ import annotations

from mixer import storage
from mixer.recipe import Recipe, Stage
from mixer.recipe_parser import parse


def uri_of(recipe_uri: str, stage: Stage) -> str:
    """Where a stage's recipe lies; a relative path starts at the folder of the recipe that names it."""
    return storage.beside(recipe_uri, stage.recipe)


def read(recipe: Recipe, recipe_uri: str, stage: Stage) -> Recipe:
    """A stage's recipe. Raises FileMissing, or RecipeError with every mistake in it."""
    uri = uri_of(recipe_uri, stage)
    return parse(storage.read(uri), uri, recipe.own)
