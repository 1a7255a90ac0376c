"""Training: the plans of all stages of a recipe, and how often they see each document together."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobs import tables
from jobs.engine import Engine
from jobs.plan import current_indexes, runner
from mixer import manifest, plan, rows, training
from mixer.corpus import Corpus
from mixer.plan import Plan
from mixer.recipe import Recipe


@dataclass(frozen=True)
class Planned:
    """A stage of a training and its plan; the first is the recipe's own."""

    name: str
    recipe: Recipe
    corpus: Corpus
    plan: Plan


@dataclass(frozen=True)
class Training:
    """What stages give of each source, and how often documents are seen over all of them."""

    stages: tuple[Planned, ...]
    seen: training.Seen

    @property
    def unit(self) -> str:
        return self.stages[0].recipe.unit

    def emitted(self) -> dict[str, dict[str, int]]:
        """Units by source and stage, as they stand in the mixtures."""
        found: dict[str, dict[str, int]] = {}
        for stage in self.stages:
            for count in stage.plan.body["counts"]:
                found.setdefault(count["source"], {})[stage.name] = manifest.emitted_units(count)
        return found

    def as_json(self) -> dict[str, Any]:
        return {"unit": self.unit, "emitted": self.emitted(), "seen": self.seen.as_json()}

    def text(self) -> str:
        names = [stage.name for stage in self.stages]
        body = [[source, *(tables.count(given.get(name, 0)) for name in names), tables.count(sum(given.values()))]
                for source, given in self.emitted().items()]
        sums = [sum(given.get(name, 0) for given in self.emitted().values()) for name in names]
        body.append(["total", *map(tables.count, sums), tables.count(sum(sums))])
        said = self.seen.as_json()
        mean = float(said["mean_epochs"])
        return "\n".join([
            f"the whole training, in {self.unit}:",
            tables.table(["source", *names, "all stages"], body), "",
            f"  {said['docs']:,} documents of {said['unique_units']:,} {self.unit} are seen, {mean:.2f} times "
            f"on average and {said['max_epochs']:,} times at most; worth {said['effective_units']:,} unique "
            f"{self.unit} (arXiv:2305.16264)",
        ])


def whole(stages: Sequence[Planned], engine: Engine, where: str) -> Training:
    """Adds up plans over one corpus, or over several; each shard is read once, whichever stages have it."""
    parts: list[training.Times] = []
    done: set[tuple[str, str]] = set()
    plans = [(stage.plan.folder, tuple(source.name for source in stage.recipe.sources)) for stage in stages]
    for stage in stages:
        corpus = stage.corpus
        root = corpus.workspace.corpus
        mine = set()
        for number, each in enumerate(corpus.slices):
            if not each.is_reference and (root, each.path) not in done:
                mine.add(number)
                done.add((root, each.path))
        indexes = current_indexes(stage.recipe, corpus)
        context = plan.context_of(stage.recipe, corpus, stage.plan.folder, indexes, [])
        counted = stage.recipe.unit_column
        keys = [rows.KEY, *([context.columns[counted][0]] if counted is not None else [])]
        bins = [[number for number in part if number in mine]
                for part in plan.bins_of(corpus, indexes[rows.KEY], engine.slots)]
        phase = functools.partial(training.count, [each for each, other in zip(plans, stages, strict=True)
                                                   if other.corpus.workspace.corpus == root])
        contexts = [context.part(part, keys) for part in bins if part]
        if contexts:
            parts += runner(corpus, indexes, engine, where)(phase, contexts, f"plan: seen in {stage.name}")
    return Training(tuple(stages), training.merge(parts))
