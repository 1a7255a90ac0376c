"""Lint: what a valid recipe had better not say."""

from __future__ import annotations

from mixer import published, yamls
from mixer.errors import Mistake
from mixer.notes import Notes, line_of
from mixer.recipe import Recipe, shown
from mixer.recipe_reference import USUAL_EPOCHS
from taggers.declare import SHA256


def warnings(recipe: Recipe, file: str = "", text: bytes | None = None) -> list[Mistake]:
    """What a valid recipe had better not say, in the order of its lines; [] if nothing. `text` is what stands in the
    file, where the recipe was made of that.
    """
    root, _ = yamls.read(recipe.text if text is None else text, file)
    notes = Notes(file, [])
    for source in recipe.sources:
        at = ("sources", source.name)
        if source.max_epochs is not None and source.max_epochs > USUAL_EPOCHS:
            message = f"more than {USUAL_EPOCHS} epochs: further repeats add less and less"
            notes.add(line_of(root, *at, "max_epochs"), (*at, "max_epochs"), shown(source.max_epochs), message, _LOWER)
        if source.weight == 0:
            remedy = "remove the source, unless it is there for dedup"
            notes.add(line_of(root, *at, "weight"), (*at, "weight"), "0", "nothing of this source is taken", remedy)
        if "license" not in source.about and source.shards:  # what stands in for shards says what it is
            remedy = "name the license its documents are under, or say that it is not known"
            notes.add(line_of(root, *at, "about"), (*at, "about", "license"), "", "missing", remedy)
    if recipe.prefer_by is not None and not recipe.dedup:
        notes.add(line_of(root, "prefer_by"), "prefer_by", "", "nothing to choose between: no `dedup` says which "
                  "documents are the same", "add one, or remove this")
    used = {use.name for use in recipe.uses()}
    for use in recipe.taggers:
        at = ("taggers", use.name)
        if use.name not in used:
            notes.add(line_of(root, *at), at, "", "no rule uses this tagger", "remove it")
        if use.file is not None and use.sha256 is None and all(source.shards for source in recipe.sources):
            assert use.tagger.file is not None
            notes.add(line_of(root, *at, use.tagger.file), (*at, use.tagger.file), "",
                      f"a {use.tagger.file} without its sha256",
                      f"add `{SHA256}: …`, or another file in its place makes another mixture")
    published.inconsistencies(notes, root, recipe)
    return sorted(notes.mistakes, key=lambda mistake: mistake.line)


_LOWER = "lower it, or be sure of it"
