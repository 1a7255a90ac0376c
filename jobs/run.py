"""Run: do what is not done yet of tag, dedup, plan and build; and each of these as a stage that is counted."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs import rates, report, tables
from jobs.build import BuildSummary, build
from jobs.dedup import DedupSummary, dedup
from jobs.engine import Engine
from jobs.plan import current_indexes, current_sets, plan_from
from jobs.progress import Counts, Stage
from jobs.tag import MAX_BAD_SHARE, TagSummary, tag
from mixer.clusters import ClusterSet
from mixer.corpus import Corpus
from mixer.index import Index
from mixer.plan import Plan
from mixer.recipe import Recipe


@dataclass(frozen=True)
class RunSummary:
    """What a run did, stage by stage. Seconds are of the wall clock; the first Spark stage bears Spark's start."""

    arguments: str
    tag: TagSummary
    dedup: DedupSummary
    plan: Plan
    build: BuildSummary
    stages: tuple[Stage, ...]

    def as_json(self) -> dict[str, Any]:
        return {"stages": [stage.as_json() for stage in self.stages], "plan": report.plan_json(self.plan),
                "build": report.build_json(self.build)}

    def text(self) -> str:
        (planned,) = [stage.seconds for stage in self.stages if stage.name == "plan"]
        return "\n\n".join([
            # Without what it says of a build, which has been made.
            report.plan_text(self.plan, self.arguments, planned).rsplit("\n", 2)[0],
            tables.stages(self.stages),
            report.build_text(self.build, self.build.out),
        ])


def run(
    recipe: Recipe,
    corpus: Corpus,
    out: str,
    engine: Engine,
    *,
    where: str = "auto",
    keep_broken: bool = False,
    verify: bool = False,
    max_bad_share: float = MAX_BAD_SHARE,
) -> RunSummary:
    """Tags, deduplicates, plans and builds; each stage does only what is not done."""
    tagged = run_tag(recipe, corpus, engine, keep_broken=keep_broken, verify=verify, max_bad_share=max_bad_share)
    if tagged.bad:
        engine.progress.say(report.quarantine_text(tagged, corpus))
    indexes = current_indexes(recipe, corpus, tagged.current)
    found = run_dedup(recipe, corpus, engine, indexes)
    plan = run_plan(recipe, corpus, engine, where, indexes, found.sets)
    built = run_build(plan, corpus, out, engine)
    return RunSummary(corpus.arguments, tagged, found, plan, built, tuple(engine.progress.stages))


def run_tag(recipe: Recipe, corpus: Corpus, engine: Engine, **options: Any) -> TagSummary:
    with engine.stage("tag") as stage:
        found = tag(recipe, corpus, engine, warn=engine.progress.warn, **options)
        stage.done(f"{found.redone:,} of {found.shards:,} shards",
                   Counts(found.redone_documents, found.redone_text_bytes, found.read_bytes, found.redone_bad))
    rates.record(corpus.workspace, "tag", found.redone_text_bytes, found.seconds, engine.slots)
    return found


def run_dedup(
    recipe: Recipe, corpus: Corpus, engine: Engine, indexes: Mapping[str, Index] | None = None
) -> DedupSummary:
    """`indexes` are the current ones, where they are known."""
    with engine.stage("dedup") as stage:
        found = dedup(recipe, corpus, indexes or current_indexes(recipe, corpus), engine)
        stage.done(f"{len(found.made):,} of {len(found.sets):,} cluster sets",
                   Counts(documents=found.keys // max(1, len(found.made))))
    return found


def run_plan(
    recipe: Recipe, corpus: Corpus, engine: Engine, where: str = "auto", indexes: Mapping[str, Index] | None = None,
    sets: Sequence[ClusterSet] | None = None,
) -> Plan:
    """`indexes` and `sets` are the current ones, where they are known."""
    with engine.stage("plan") as stage:
        indexes = indexes or current_indexes(recipe, corpus)
        sets = current_sets(recipe, corpus, indexes) if sets is None else sets
        plan = plan_from(recipe, corpus, indexes, sets, engine, where)
        read, pool = (sum(count[what]["docs"] for count in plan.body["counts"]) for what in ("read", "pool"))
        stage.done(f"{pool:,} documents left", Counts(documents=read if stage.tasks else 0))
    return plan


def run_build(plan: Plan, corpus: Corpus, out: str, engine: Engine) -> BuildSummary:
    with engine.stage("build") as stage:
        found = build(plan, corpus, out, engine)
        stage.done(f"{found.made:,} of {found.manifest['mixture']['totals']['shards']:,} data shards",
                   Counts(documents=found.moved_documents, bytes=found.moved_bytes))
    rates.record(corpus.workspace, "build", found.moved_bytes, found.seconds, engine.slots)
    engine.progress.result |= {"out": found.out, "digest": found.manifest["digest"]}
    return found


if __name__ == "__main__":
    from jobs.cli import main

    sys.exit(main(["run", *sys.argv[1:]]))
