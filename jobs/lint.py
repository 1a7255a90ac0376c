"""Lint: what is wrong with a recipe, or had better not stand there; no data is looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mixer import known
from mixer import lint as rules
from mixer.banding import as_json, bandings, curve_lines
from mixer.errors import Mistake
from mixer.recipe import Recipe


@dataclass(frozen=True)
class Linted:
    """A valid recipe, what had better not stand in it, and what could not be judged."""

    file: str
    recipe: Recipe
    warnings: tuple[Mistake, ...]
    remarks: tuple[Mistake, ...]
    plan: str | None  # the folder of its last plan, which some warnings are from

    def as_json(self) -> dict[str, Any]:
        recipe = self.recipe
        return {
            "recipe": recipe.name, "version": recipe.version, "sha256": recipe.sha256,
            "taggers": [use.tagger.key for use in recipe.uses()],
            "bandings": [as_json(*banding) for banding in self._bandings()],
            "plan": self.plan,
            "warnings": [asdict(each) | {"text": each.text} for each in self.warnings],
            "remarks": [asdict(each) | {"text": each.text} for each in self.remarks],
        }

    def text(self) -> str:
        recipe = self.recipe
        lines = [f"warning: {each.text}" for each in self.warnings]
        lines += [f"note: {each.text}" for each in self.remarks]
        lines += [line for banding in self._bandings() for line in curve_lines(*banding)]
        rules = len({rule.text for source in recipe.sources for rule in (*recipe.keep, *source.keep)})
        taggers = ", ".join(dict.fromkeys(use.tagger.key for use in recipe.uses()))
        planned = "" if self.plan is None else " (with what its last plan shows)"
        return "\n".join([*lines, f"{self.file}: {recipe.name} {recipe.version} holds together: "
                          f"{_many(len(recipe.sources), 'source')}, {_many(rules, 'rule')}, "
                          f"{_many(len(recipe.dedup), 'dedup method')}, needs {taggers or 'no tagger'}; "
                          f"{_many(len(self.warnings), 'warning')}{planned}"])

    def _bandings(self) -> list[Any]:
        return list(bandings(method.parameters for method in self.recipe.dedup))


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def lint(recipe: Recipe, file: str, work: str, text: bytes | None = None) -> Linted:
    """`work` is where the recipe's last plan is looked for, by its text. `text` is what stands in the file, where the
    recipe was made of that.
    """
    planned = known.find(recipe, file, work)
    warnings, remarks = rules.judge(recipe, file, None if planned is None else planned.counts, text)
    return Linted(file, recipe, tuple(warnings), tuple(remarks), None if planned is None else planned.folder)
