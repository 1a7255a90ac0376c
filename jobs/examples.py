"""Examples of what a rule drops and barely keeps, with a piece of each text; in a pool of processes, or in Spark."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from jobs import tables
from jobs.engine import Engine
from jobs.plan import current_indexes, current_sets, plan_from, runner
from mixer import examples, explain, plan, rows, sidecars
from mixer.corpus import Corpus
from mixer.difference import shortened
from mixer.examples import Asked, Groups
from mixer.recipe import Recipe
from mixer.selection import Context, read_losers

SNIPPET = 240  # code points of a text that are shown


@dataclass(frozen=True)
class Examples:
    """Of each reason that was asked for the examples by group, each as plain data."""

    found: Sequence[tuple[Asked, Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]]]

    def as_json(self) -> dict[str, Any]:
        return {"rules": [{"rule": question.reason, "sources": list(question.sources),
                           "groups": [{"group": name, "source": source or None, "examples": list(each)}
                                      for (source, name), each in groups.items()]}
                          for question, groups in self.found]}

    @property
    def text(self) -> str:
        lines: list[str] = []
        for question, groups in self.found:
            lines += ["", tables.visible(question.reason)]
            if not any(name.startswith("dropped") for _, name in groups):
                lines.append("  drops nothing that nothing before it dropped")
            for (source, name), found in groups.items():
                lines += ["", f"  {tables.visible(source)}: {name}:" if source else f"  {name}:"]
                for each in found:
                    lines += _lines(question, each)
        return "\n".join(lines[1:])


def show_dropped(
    recipe: Recipe, corpus: Corpus, engine: Engine, words: str, most: int, where: str = "auto"
) -> Examples:
    """At most so many examples of each group for what `words` name: a rule, or another reason. The plan is made if
    there is none.
    """
    indexes = current_indexes(recipe, corpus)
    sets = current_sets(recipe, corpus, indexes)
    # Before the work: whoever misspells a rule need not wait for a plan.
    examples.asked(plan.context_of(recipe, corpus, corpus.workspace.folder, indexes, sets), words)
    made = plan_from(recipe, corpus, indexes, sets, engine, where)
    context = plan.context_of(recipe, corpus, made.folder, indexes, sets)
    questions = examples.asked(context, words)
    parts = [context.part(part, list(indexes)) for part in plan.bins_of(corpus, indexes[rows.KEY], engine.slots)]
    run = runner(corpus, indexes, engine, where)
    chosen = examples.merged(run(functools.partial(examples.best, questions, most), parts, "plan: examples"), most)
    known = _documents(context, corpus, examples.rows_of(chosen))
    return Examples([(question, _shown(context, question, groups, known))
                     for question, groups in zip(questions, chosen, strict=True)])


def _documents(context: Context, corpus: Corpus, wanted: Mapping[int, Sequence[int]]) -> dict[tuple[int, int], Any]:
    """Names, places and the start of the texts of these rows, by slice and row. Each shard is read once, up to the last
    of its rows.
    """
    found: dict[tuple[int, int], Any] = {}
    for number, places in wanted.items():
        shard = context.paths[number]
        named, _ = sidecars.read(context.workspace.sidecar(rows.KEY, shard), ["line", "source", "id", "bytes"])
        texts = explain.texts_of(corpus, shard, places)
        for row, about in zip(places, named.take(places).to_pylist(), strict=True):
            text = texts[row]
            found[number, row] = {
                "mix_source": context.sources[number], "source": about["source"], "id": about["id"], "shard": shard,
                "row": row, "line": about["line"], "bytes": about["bytes"],
                "text": shortened(text[: 4 * SNIPPET] if len(text) > 4 * SNIPPET else text, SNIPPET),
                "whole": len(text) <= SNIPPET,
            }
    return found


def _shown(context: Context, question: Asked, groups: Groups, known: Mapping[tuple[int, int], Any]
           ) -> dict[tuple[str, str], list[dict[str, Any]]]:
    shown: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for of, found in groups.items():
        for _, number, row, value in found:
            about = {**known[number, row]}
            if question.column is not None:
                about["value"] = _plain(value)
            if question.method is not None and of[1] == examples.DROPPED:
                about["lost_to"] = _keeper(context, question.method, number, row)
            shown.setdefault(of, []).append(about)
    return shown


def _plain(value: Any) -> Any:
    """As JSON can have it."""
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _keeper(context: Context, method: int, number: int, row: int) -> Mapping[str, Any] | None:
    """The document that beat one; of a method of spans that which keeps the first of its spans."""
    losers = read_losers(context, method, number)
    mine = losers.filter(pc.equal(losers.column("row"), row)).slice(0, 1).to_pylist()
    return explain.document(context, mine[0]["keeper_shard"], mine[0]["keeper_row"]) if mine else None


def _lines(question: Asked, each: Mapping[str, Any]) -> list[str]:
    place = f"{each['source']} {each['id']} ({each['shard']} line {each['line']})"
    value = ""
    if question.column is not None:
        value = f"{question.column} {tables.value(each['value'])}  "
    lines = [tables.visible(f"    {value}{place}")]
    if each.get("lost_to"):
        keeper = each["lost_to"]
        lines.append(tables.visible(f"      lost to {keeper['source']} {keeper['id']} ({keeper['shard']} line "
                                    f"{keeper['line']})"))
    return [*lines, f"      {tables.visible(' '.join(each['text'].split()))}"]
