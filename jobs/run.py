"""Run: do what is not done yet of tag, dedup, plan and build, and say what each stage did."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobs import report, tables
from jobs.build import BuildSummary, build
from jobs.dedup import DedupSummary, dedup
from jobs.engine import Engine
from jobs.plan import current_indexes, make_plan
from jobs.tag import MAX_BAD_SHARE, TagSummary, tag
from mixer.corpus import Corpus
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
    seconds: dict[str, float]

    def stages(self) -> list[dict[str, Any]]:
        tagged, found, counts = self.tag, self.dedup, self.plan.body["counts"]
        pool = sum(count["pool"]["docs"] for count in counts)
        kept = self.build.manifest["mixture"]["totals"]
        return [
            {"stage": "tag", "seconds": self.seconds["tag"], "bytes": tagged.redone_text_bytes,
             "did": f"{tagged.redone:,} of {tagged.shards:,} shards, {tagged.documents:,} documents, "
                    f"{tagged.bad:,} bad"},
            {"stage": "dedup", "seconds": self.seconds["dedup"], "bytes": tagged.text_bytes if found.made else 0,
             "did": f"{len(found.made)} of {len(found.sets)} cluster sets, {found.keys:,} keys"},
            {"stage": "plan", "seconds": self.seconds["plan"], "bytes": tagged.text_bytes,
             "did": f"{pool:,} documents left of {tagged.documents:,}"},
            {"stage": "build", "seconds": self.seconds["build"],
             "bytes": self.build.moved_bytes,
             "did": f"{self.build.made:,} of {kept['shards']:,} data shards, {kept['docs']:,} documents"},
        ]

    def as_json(self) -> dict[str, Any]:
        return {"stages": self.stages(), "plan": report.plan_json(self.plan), "build": report.build_json(self.build)}

    def text(self) -> str:
        return "\n\n".join([
            report.plan_text(self.plan, self.arguments, self.seconds["plan"]).rpartition("\n")[0],
            tables.stages(self.stages()),
            report.build_text(self.build, self.build.out),
        ])


def run(
    recipe: Recipe,
    corpus: Corpus,
    out: str,
    engine: Engine,
    *,
    say: Callable[[str], None],
    where: str = "auto",
    keep_broken: bool = False,
    verify: bool = False,
    max_bad_share: float = MAX_BAD_SHARE,
) -> RunSummary:
    """Tags, deduplicates, plans and builds; each stage does only what is not done."""
    seconds = {}

    def timed(stage: str, work: Callable[[], Any]) -> Any:
        began = time.monotonic()
        done = work()
        seconds[stage] = time.monotonic() - began
        return done

    tagged = timed("tag", lambda: tag(recipe, corpus, engine, keep_broken=keep_broken, verify=verify,
                                      max_bad_share=max_bad_share, say=say))
    say(report.tag_text(tagged, corpus).rpartition("\n")[0])
    found = timed("dedup", lambda: dedup(recipe, corpus, current_indexes(recipe, corpus), engine))
    plan = timed("plan", lambda: make_plan(recipe, corpus, engine, where))
    built = timed("build", lambda: build(plan, corpus, out, engine))
    return RunSummary(corpus.arguments, tagged, found, plan, built, seconds)


if __name__ == "__main__":
    from jobs.cli import main

    sys.exit(main(["run", *sys.argv[1:]]))
