"""Plan of a sample: what a recipe takes of its corpus, estimated from a share of the corpus, with error bars."""

from __future__ import annotations

import functools
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from jobs import tables
from jobs.engine import Engine
from jobs.plan import current_indexes, current_sets, resolver, runner, runs_on_spark
from jobs.progress import Counts
from mixer import estimates, index, lock, plan, plan_sample, rows, selection, storage, weights
from mixer.corpus import Corpus
from mixer.documents import canonical_json
from mixer.errors import BadInput
from mixer.estimates import Estimates
from mixer.plan import Plan
from mixer.plan_sample import Sample
from mixer.recipe import Recipe
from mixer.selection import Context, Part, Tallies
from mixer.workspace import Workspace

FORMAT = "solera-plan-estimate@1"


@dataclass(frozen=True)
class SamplePlan:
    """What is estimated. `body` is plain data, with counts and errors of the same shape; there is nothing to build."""

    recipe: Recipe
    place: Workspace  # of the sample
    arguments: str
    body: Mapping[str, Any]
    estimates: Estimates
    cut: bool  # whether something of the sample had to be cut now

    def as_json(self) -> dict[str, Any]:
        return {"recipe": {"name": self.recipe.name, "version": self.recipe.version, "sha256": self.recipe.sha256},
                **self.body}


def sample_stage(recipe: Recipe, corpus: Corpus, engine: Engine, share: Fraction, where: str = "auto") -> SamplePlan:
    """The same as a stage that is counted."""
    with engine.stage("plan") as stage:
        made = make_sample_plan(recipe, corpus, engine, share, where)
        about = made.body["sample"]
        stage.done(f"estimate from {about['documents']:,} documents", Counts(documents=about["of"] if made.cut else
                                                                            about["documents"]))
    return made


def make_sample_plan(
    recipe: Recipe, corpus: Corpus, engine: Engine, share: Fraction, where: str = "auto"
) -> SamplePlan:
    """Estimates from the stored sample of this share; makes it first where it is not there. `where` is auto, pool or
    spark.
    """
    indexes = current_indexes(recipe, corpus)
    sample = Sample(share, recipe, corpus, indexes, current_sets(recipe, corpus, indexes))
    plan.check_identities(recipe, corpus, sample.sets)
    missing = sample.missing()
    try:
        if missing:
            cut(sample, missing, engine, where)
        groups, made = planned(sample, engine, "pool" if where == "pool" else "auto")
        found = estimates.of(recipe, share, groups, made, sample.unread)
    except BadInput as error:
        raise BadInput(f"estimated from a share of {shown(share)}: {error}") from None
    return SamplePlan(recipe, sample.place, corpus.arguments, body_of(sample, made, groups, found), found,
                      bool(missing))


def shown(share: Fraction) -> str:
    """As one would write it."""
    return f"{float(share):.6g}"


def cut(sample: Sample, parts: Sequence[plan_sample.Part], engine: Engine, where: str) -> None:
    """Makes what is missing of a sample: cuts it out of the shards, then joins it to shards of the sample."""
    out = storage.join(sample.place.root, "scratch", secrets.token_hex(8))
    total = sample.indexes[rows.KEY].sum("rows")
    on_spark = runs_on_spark(sample.indexes, where)

    def run(function: Callable[[Any], Any], tasks: Sequence[Any], label: str) -> list[Any]:
        return engine.on_spark(function, tasks, label) if on_spark else engine.in_pool(function, tasks, label, total)

    if on_spark:
        engine.spark  # noqa: B018 - the number of slots is known once Spark is there
    try:
        counts = run(plan_sample.cut, sample.cut_tasks(parts, out, engine.slots), "sample: cut")
        known = None if any(part.kind == "rows" for part in parts) else index.read(sample.place.index(rows.KEY))
        joined = run(plan_sample.join, sample.join_tasks(parts, out, counts, known), "sample: shards")
        sample.finish(parts, joined)
    finally:
        storage.remove_below(out)


Groups = list[tuple[Tallies, Tallies]]  # of each, what was counted, and what was lost to what


def planned(sample: Sample, engine: Engine, where: str) -> tuple[Groups, Plan]:
    """What a plan of the sample counts in each group, and the plan; as it was stored where it has been made."""
    indexes, sets = sample.opened()
    recipe, corpus = estimates.recipe_of(sample.recipe, sample.share), sample.corpus
    lock_sha256 = lock.digest(lock.encode(lock.make(recipe, corpus, indexes, sets)))
    folder = sample.place.plan(lock_sha256)
    uri = storage.join(folder, "groups.json")
    done = plan.read(folder, lock_sha256)
    if done is not None and storage.exists(uri):
        return [(_tallies(tallies), _tallies(losses)) for tallies, losses in json.loads(storage.read(uri))], done
    storage.remove(storage.join(folder, "plan.json"))  # what was counted in groups is known only if it is made now
    groups: Groups = [({}, {}) for _ in range(plan_sample.GROUPS)]
    run = runner(corpus, indexes, engine, where)

    def counted(phase: Callable[[Context], Any], parts: Sequence[Context], label: str) -> list[Any]:
        found = run(phase, parts, f"sample {label}")
        for number, result in enumerate(found):
            for held, news in zip(groups[number], _counted(result), strict=True):
                for key, value in news.items():
                    held[key] = held[key] + value if key in held else value
        return found

    try:
        made = plan.make(recipe, corpus, indexes, sets, sample.bins, counted, resolver(indexes, sets, engine, where))
    except BadInput as error:
        if error.place != weights.PLACE:
            raise  # of documents, such as those that two sources keep: no pool may be known yet
        # The budget cannot be met: said of the pools of the corpus.
        estimates.check_budget(sample.recipe, sample.share, [tallies for tallies, _ in groups])
        raise
    storage.put(uri, canonical_json([[_listed(tallies), _listed(losses)] for tallies, losses in groups]))
    return groups, made


def _counted(result: Any) -> tuple[Tallies, Tallies]:
    """What a phase has counted of a bin, alone or beside other things, and what it says was lost."""
    if isinstance(result, Part):
        return result.tallies, result.losses
    found: Tallies = {}
    for each in result if isinstance(result, tuple) else (result,):
        if isinstance(each, dict) and all(isinstance(key, tuple) and isinstance(key[0], str) for key in each):
            found |= each
    return found, {}


def _listed(tallies: Tallies) -> list[Any]:
    return [[list(key), value.tolist()] for key, value in sorted(tallies.items())]


def _tallies(listed: Sequence[Any]) -> Tallies:
    return {(source, what, rule): np.array(value, np.int64) for (source, what, rule), value in listed}


# ---- what it says


def body_of(sample: Sample, made: Plan, groups: Groups, found: Estimates) -> dict[str, Any]:
    """Plain data: the counts and losses as a plan has them, their standard errors, and shares and epochs."""
    keyed = [selection.method_text(sample.relations[number].method) for number in sample.keyed]
    return {
        "format": FORMAT,
        "estimate": True,
        "sample": {"share": shown(sample.share), "documents": _read(groups), "of": sample.documents,
                   "groups": len(groups), "drawn_by": [*keyed, "identity"], "folder": sample.place.folder},
        "understated": [selection.method_text(method) for method in sample.recipe.dedup
                        if method.about.kind == "spans"],
        "shortfall": found.shortfall,
        "counts": found.counts,
        "errors": found.errors,
        "losses": found.losses,
        "loss_errors": found.loss_errors,
        "sources": [{
            "source": each["source"],
            "share": _pair(found.of(functools.partial(_share, each["source"]))),
            "epochs": _pair(found.of(functools.partial(_epochs, each["source"]))),
        } for each in found.counts],
    }


def _read(groups: Groups) -> int:
    return sum(int(tallies[selection.READ][0]) for tallies, _ in groups if selection.READ in tallies)


def _pair(found: tuple[float, float] | None) -> dict[str, float] | None:
    return None if found is None else {"estimate": round(found[0], 6), "error": round(found[1], 6)}


def _share(source: str | None, counts: Any) -> float | None:
    """The part of a source in what is emitted and left of it after cuts."""
    left = {each["source"]: each["emitted"]["units"] - each["edited"]["units"] for each in counts}
    whole = sum(left.values())
    return (whole if source is None else left[source]) / whole if whole else None


def _epochs(source: str | None, counts: Any) -> float | None:
    mine = [each for each in counts if source in (None, each["source"])]
    pool = sum(each["pool"]["units"] for each in mine)
    return sum(each["emitted"]["units"] for each in mine) / pool if pool else None


def text_of(made: SamplePlan, seconds: float) -> str:
    """For a terminal: what a plan would say, about."""
    recipe, found, about = made.recipe, made.estimates, made.body["sample"]
    unit = [] if recipe.unit == "docs" else [recipe.unit]
    lines = [
        f"ESTIMATE from {about['documents']:,} of {about['of']:,} documents, a share of {about['share']}; "
        "not a plan, and nothing to build",
        f"{recipe.name} {recipe.version}: {recipe.unit}" + (f" ({recipe.counter})" if recipe.counter else "") +
        (f", budget {recipe.budget:,}" if recipe.budget is not None else ", no budget: all there is"), "",
        tables.table(["dropped by", "docs", *unit, "fail it", "only it"], _dropped(found, bool(unit))), "",
    ]
    if found.losses:
        lines += [tables.table(["by", "lost in", "to", "docs", *unit], _lost(found, bool(unit))), ""]
    lines += [tables.table(["source", "read docs", "pool docs", f"pool {recipe.unit}", "allocated", "selected",
                            "emitted", "share", "epochs"], _sources(found)), ""]
    lines += [
        "  ± is what 19 of 20 such estimates are within (2.1 standard errors, from how "
        f"{about['groups']} groups of clusters differ);",
        f"  a count of 0 says: fewer than {tables.count(round(3 / found.share))} documents. Drawn by clusters, which "
        "are whole:",
        f"  {tables.visible(', else '.join(about['drawn_by']))}",
        "  emitted and share: besides, off by up to a document of each source, since it ends with a whole one",
    ]
    lines += [f"warning: {tables.visible(each)}: what it removes is understated, since parts of documents in the "
              "sample stand also in documents that are not" for each in made.body["understated"]]
    if found.shortfall is not None:
        lines += [f"warning: if the pools are what they are estimated to be: {tables.visible(each)}; a plan with "
                  "`on_shortfall: error` would stop" for each in found.shortfall.splitlines()]
    others = about["drawn_by"][1:-1]
    lines += [f"warning: {tables.visible(each)}: what it removes is understated where its clusters lie across those of "
              f"{tables.visible(about['drawn_by'][0])}" for each in others]
    lines += [f"{'cut and planned' if made.cut else 'planned'} in {seconds:.1f} s; the sample is kept in "
              f"{about['folder']}", f"next: solera plan {made.arguments}"]
    return "\n".join(lines)


def _cell(found: tuple[float, float] | None, form: Callable[[float], str]) -> str:
    return "-" if found is None else f"{form(found[0])} ±{form(found[1] * estimates.WITHIN)}"


def _docs(value: float) -> str:
    return tables.count(round(value))


def _units(value: float) -> str:
    return tables.short(round(value))


def _dropped(found: Estimates, units: bool) -> list[list[str]]:
    """A row for each step that drops documents, over all sources."""
    names: dict[tuple[str, str], list[str]] = {}
    for each in found.counts:
        for step, name, _ in _steps(each):
            names.setdefault((step, name), []).append(each["source"])
    body = []
    for (step, name), sources in names.items():
        where = "" if len(sources) == len(found.counts) else f"  ({', '.join(sources)})"

        def total(counts: Any, what: str, inside: str, step: str = step, name: str = name) -> float:
            return float(sum(dropped[inside][what] for each in counts for at, called, dropped in _steps(each)
                             if (at, called) == (step, name)))

        def cell(what: str, inside: str, form: Callable[[float], str],
                 total: Callable[..., float] = total) -> str:
            return _cell(found.of(functools.partial(total, what=what, inside=inside)), form)

        own = [cell("docs", inside, _docs) if step == "rules" else "" for inside in ("own", "only")]
        body.append([tables.visible(name + where), cell("docs", "first", _docs),
                     *([cell("units", "first", _units)] if units else []), *own])
    return body


def _steps(count: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(kind of step, its text, what it drops under "first") of all steps before the draw."""
    for rule in count["rules"]:
        yield "rules", rule["rule"], rule
    for top in count["tops"]:
        yield "tops", top["rule"], {"first": top["dropped"]}
    for method in count["dedup"]:
        yield "dedup", method["method"], {"first": method["dropped"]}
    for edit in count["edits"]:
        yield "edits", edit["edit"], {"first": edit["dropped"]}
    for split in count["held_out"]:
        yield "held out", f"held out {split['split']}", {"first": split}
    if any(count["not_held_out"].values()):
        yield "not held out", selection.NOT_HELD_OUT, {"first": count["not_held_out"]}
    if count["sample"] is not None:
        yield "sample", count["sample"]["sample"], {"first": count["sample"]["dropped"]}


def _lost(found: Estimates, units: bool) -> list[list[str]]:
    body = []
    for number, each in enumerate(found.losses):
        def value(losses: Any, what: str, number: int = number) -> float:
            return float(losses[number][what])

        body.append([*map(tables.visible, (each["method"], each["source"], each["lost_to"])),
                     _cell(found.of_losses(functools.partial(value, what="docs")), _docs),
                     *([_cell(found.of_losses(functools.partial(value, what="units")), _units)] if units else [])])
    return body


def _sources(found: Estimates) -> list[list[str]]:
    def row(name: str | None) -> list[str]:
        def total(counts: Any, step: str, what: str) -> float:
            return float(sum(each[step][what] if what else each[step] for each in counts
                             if name in (None, each["source"])))

        cells = ["total" if name is None else tables.visible(name)]
        for step, what, form in (("read", "docs", _docs), ("pool", "docs", _docs), ("pool", "units", _units),
                                 ("allocated", "", _units), ("selected", "docs", _docs), ("emitted", "units", _units)):
            cells.append(_cell(found.of(functools.partial(total, step=step, what=what)), form))
        cells.append(_cell(found.of(functools.partial(_share, name)), lambda value: f"{value:.2%}"))
        cells.append(_cell(found.of(functools.partial(_epochs, name)), lambda value: f"{value:.3f}"))
        return cells

    return [*(row(each["source"]) for each in found.counts), row(None)]
