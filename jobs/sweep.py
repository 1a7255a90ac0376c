"""Sweep: what each threshold on a column would keep, by source; in a pool of processes, or in Spark, as a plan is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jobs import tables
from jobs.engine import Engine
from jobs.plan import check_column, current_indexes, runner
from mixer import plan, rows, sweep
from mixer.corpus import Corpus
from mixer.recipe import Recipe
from mixer.selection import Context
from mixer.sweep import OTHERS, Swept

SHOWN = 25  # values of a column of text


@dataclass(frozen=True)
class Sweep:
    """What a sweep found. `thresholds` are empty for a column of text or of true and false."""

    recipe: Recipe
    column: str
    thresholds: tuple[int | Decimal, ...]
    kept: Mapping[str, Swept]

    def as_json(self) -> dict[str, Any]:
        def three(sums: Any) -> dict[str, int]:
            return {"docs": int(sums[0]), "units": int(sums[1]), "bytes": int(sums[2])}

        return {"column": self.column, "unit": self.recipe.unit, "sources": [{
            "source": source, "whole": three(kept.whole), "missing": three(kept.missing),
            "thresholds": [{"threshold": float(at) if isinstance(at, Decimal) else at, "min": three(low),
                            "max": three(high)}
                           for at, low, high in zip(self.thresholds, kept.at_least, kept.at_most, strict=True)],
            "values": [{"value": None if value == OTHERS else value, **three(sums)}
                       for value, sums in _by_size(kept.values)],
        } for source, kept in self.kept.items()]}

    @property
    def text(self) -> str:
        unit = self.recipe.unit
        lines = [f"what each {'threshold on' if self.thresholds else 'value of'} {self.column} keeps, in {unit}, of "
                 "the documents that pass all other rules; before dedup and the draw", ""]
        lines.append(self._by_threshold() if self.thresholds else self._by_value())
        missing = [f"{source} {tables.short(int(kept.missing[1]))}" for source, kept in self.kept.items()
                   if kept.missing[0]]
        if missing:
            lines += ["", f"without a value, so never kept: {', '.join(missing)} {unit}"]
        return "\n".join(lines)

    def _by_threshold(self) -> str:
        own = {rule.value: rule.kind for source in self.recipe.sources for rule in self.recipe.rules_for(source.name)
               if rule.column == self.column and rule.kind in ("min", "max")}
        head = [self.column, *(f"{source} {kind}" for source in self.kept for kind in ("min", "max")), "all min",
                "all max"]
        body: list[list[object]] = []
        wholes = [int(kept.whole[1]) for kept in self.kept.values()]
        for number, at in enumerate(self.thresholds):
            row: list[object] = [f"{at}{f'  <- the recipe’s {own[at]}' if at in own else ''}"]
            sums = [(int(kept.at_least[number][1]), int(kept.at_most[number][1])) for kept in self.kept.values()]
            for (low, high), whole in zip(sums, wholes, strict=True):
                row += [_of(low, whole), _of(high, whole)]
            body.append([*row, _of(sum(low for low, _ in sums), sum(wholes)),
                         _of(sum(high for _, high in sums), sum(wholes))])
        return tables.table(head, body)

    def _by_value(self) -> str:
        whole = {source: int(kept.whole[1]) for source, kept in self.kept.items()}
        together: dict[str, Any] = {}
        for kept in self.kept.values():
            for value, sums in kept.values.items():
                together[value] = together.get(value, 0) + sums
        body = []
        for value, sums in _by_size(together)[:SHOWN]:
            of = [kept.values.get(value) for kept in self.kept.values()]
            cells = [_of(0 if each is None else int(each[1]), whole[source])
                     for source, each in zip(self.kept, of, strict=True)]
            body.append(["(rarer ones)" if value == OTHERS else value, *cells, _of(int(sums[1]), sum(whole.values()))])
        more = len(together) - len(body)
        return tables.table([self.column, *self.kept, "all"], body) + (f"\n  … and {more:,} more" if more else "")


def make_sweep(recipe: Recipe, corpus: Corpus, engine: Engine, column: str, where: str = "auto") -> Sweep:
    """What each threshold on this column would keep. Its sidecars are there and current, or NotDone."""
    found = check_column(recipe, column)
    corpus = corpus.own
    indexes = current_indexes(recipe, corpus, also=[column])
    context = plan.context_of(recipe, corpus, corpus.workspace.folder, indexes, [], also=[column])
    run = runner(corpus, indexes, engine, where)
    bins = plan.bins_of(corpus, indexes[rows.KEY], engine.slots)
    parts = [context.part(part, list(indexes)) for part in bins]

    def over(phase: Callable[[Context], Any], label: str) -> list[Any]:
        return run(phase, parts, label)

    at: Sequence[int | Decimal] = ()
    if found.column.type in ("int64", "float64", "float32"):
        samples = over(functools.partial(sweep.sampled, column), "sweep: values")
        at = sweep.thresholds(recipe, column, samples, found.column.type == "int64")
    kept = sweep.merged(over(functools.partial(sweep.count, column, at), "sweep: counts"))
    order = [source.name for source in recipe.sources if source.name in kept]
    return Sweep(recipe, column, tuple(at), {source: kept[source] for source in order})


def _by_size(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(values.items(), key=lambda item: (item[0] == OTHERS, -int(item[1][1]), item[0]))


def _of(part: int, whole: int) -> str:
    return f"{tables.short(part)} {part / whole:4.0%}" if whole else "-"
