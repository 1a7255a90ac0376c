"""Sample: what taggers say of a few documents, in this process, without writing anything."""

from __future__ import annotations

import hashlib
import heapq
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jobs import tables
from jobs.engine import Engine
from jobs.progress import Counts, State, Tasks, megabytes
from mixer import draw, models, rows
from mixer.corpus import Corpus, Shard
from mixer.distribution import QUANTILES, Distribution, describe
from mixer.documents import Document, ShardReader
from mixer.errors import BadInput
from mixer.recipe import Recipe, Rule
from mixer.rules import passes
from mixer.selection import slice_numbers
from taggers.declare import Column, Use
from taggers.registry import DOCUMENT

# Of a source so many shards are looked at, and of each so much text: a sample should come in seconds.
SHARDS = 8
HEAD_BYTES = 64 << 20

_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Sampled:
    """What a sample measured. Documents are in the order of `documents`, in every column."""

    recipe: Recipe
    documents: Sequence[tuple[str, Document]]  # the recipe's source, and the document
    read: int  # documents that the sample was drawn from
    shards: int
    shards_read: int
    columns: Mapping[str, tuple[Column, pa.Array]]
    rates: Mapping[str, float]  # by tagger, as the recipe calls it: MB of text a second

    def as_json(self) -> dict[str, Any]:
        return {
            "documents": len(self.documents), "read": self.read, "shards": self.shards,
            "shards_read": self.shards_read, "mb_per_second": dict(self.rates),
            "columns": [{"column": name, "type": column.type, "unit": column.unit,
                         **self._about(describe(values), values)} for name, (column, values) in self.columns.items()],
        }

    def _about(self, found: Distribution, values: pa.Array) -> dict[str, Any]:
        def at(places: Sequence[int]) -> list[dict[str, Any]]:
            return [{"source": self.documents[place][1].source, "id": self.documents[place][1].id,
                     "value": values[place].as_py()} for place in places]

        return {"missing": found.missing, "lowest": found.lowest, "highest": found.highest,
                "quantiles": dict(zip(map(str, QUANTILES), found.quantiles, strict=False)),
                "edges": list(found.edges), "bins": list(found.bins), "values": dict(found.values),
                "distinct": found.distinct, "first": at(found.first), "last": at(found.last)}

    @property
    def text(self) -> str:
        size = sum(len(document.text.encode()) for _, document in self.documents)
        blocks = [f"{len(self.documents):,} of {self.read:,} documents ({megabytes(size)} of text), from "
                  f"{self.shards_read:,} of {self.shards:,} shards; nothing was written"]
        blocks += ["\n".join(self._lines(name, column, values)) for name, (column, values) in self.columns.items()]
        blocks.append(tables.table(["tagger", "MB/s, one core"],
                                   [[name, f"{rate:,.1f}"] for name, rate in self.rates.items()]))
        return "\n\n".join(blocks)

    def _lines(self, name: str, column: Column, values: pa.Array) -> Iterator[str]:
        found = describe(values)
        missing = f", missing in {found.missing:,}" if found.missing else ""
        yield f"{name} ({'spans a document' if column.type == 'spans' else column.unit}{missing})"
        if found.values:
            shown = [f"{value} {tables.percent(number, found.count)}" for value, number in found.values]
            more = [f"… {found.distinct:,} in all"] if found.distinct > len(shown) else []
            yield "  " + ", ".join([*shown, *more])
        elif found.lowest is None:
            yield f"  {found.distinct:,} different ones" if found.distinct else "  no values"
        else:
            assert found.highest is not None
            low, middle, high = found.quantiles
            yield (f"  {_number(found.lowest)} {bars(found.bins)} {_number(found.highest)}   median {_number(middle)}, "
                   f"nine tenths in {_number(low)} .. {_number(high)}")
        for rule, sources in self._rules_on(name).items():
            mine = np.isin([source for source, _ in self.documents], sources)
            good, _ = passes(rule, values)
            if mine.any():
                yield f"  the recipe’s {rule.text} keeps {good[mine].mean():.1%} of {', '.join(sources)}"
        if found.lowest != found.highest:
            yield from self._ends("lowest", found.first, found.ties[0], values)
            yield from self._ends("highest", found.last, found.ties[1], values)

    def _ends(self, what: str, places: Sequence[int], ties: int, values: pa.Array) -> Iterator[str]:
        """The documents at one end, or one of them where that many have the same value."""
        if ties > len(places):
            places, what = places[:1], f"{what}, one of {ties:,}:"
        for place in places:
            document, value = self.documents[place][1], values[place].as_py()
            shown = len(value) if isinstance(value, list) else value
            head = " ".join(document.text[:300].split())[:60]
            if isinstance(value, list) and value:
                head = " … ".join(repr(document.text[span["start"]:span["end"]])[:40] for span in value[:2])
            yield f"    {what} {_number(shown)}  {document.source} {document.id}  {head}"

    def _rules_on(self, name: str) -> dict[Rule, list[str]]:
        """The recipe's rules on a column, each with the sources that it is for."""
        found: dict[Rule, list[str]] = {}
        for source in self.recipe.sources:
            for rule in self.recipe.rules_for(source.name):
                if rule.column == name:
                    found.setdefault(rule, []).append(source.name)
        return found


def sample(recipe: Recipe, corpus: Corpus, engine: Engine, size: int, columns: Sequence[str]) -> Sampled:
    """Measures about so many documents, of each source in proportion to the bytes of its shards and at least one.

    The shards are the first by a hash of their path, and the documents those with the lowest draw values among what
    is read of them, up to HEAD_BYTES a shard.
    """
    uses = [use for use in recipe.uses(columns) if not use.tagger.is_imported]
    ruled = [rule.column for source in recipe.sources for rule in recipe.rules_for(source.name)]
    own = [column for column in DOCUMENT.columns if column.name in {*columns, *ruled}]
    if not uses and not own:
        raise BadInput("--sample: the recipe's rules name no column, so there is nothing to measure; name some with "
                       "--columns, such as --columns words.count,language.top")
    chosen = {source.name: _chosen(source.name, corpus.shards) for source in recipe.sources}
    total = sum(shard.stat.bytes for shard in corpus.shards)
    documents: list[tuple[str, Document]] = []
    read = done = 0
    shards = sum(map(len, chosen.values()))
    with engine.progress.step("sample") as step:
        for name, mine in chosen.items():
            share = sum(shard.stat.bytes for shard in corpus.shards if name in shard.sources) / total if total else 0
            heap: list[tuple[int, int, Document]] = []
            for shard in mine:
                for document in _head(corpus, shard):
                    read += 1
                    place = -int(draw.draws(recipe.seed, "sample", _identity(document))[0])
                    held = (place, -read, document)
                    if len(heap) < max(1, math.ceil(size * share)):
                        heapq.heappush(heap, held)
                    elif held[:2] > heap[0][:2]:
                        heapq.heapreplace(heap, held)
                done += 1
                step.update(State(Counts(documents=read), Counts(), Tasks(done, shards), done / shards))
            documents += [(name, document) for _, _, document in sorted(heap, key=lambda held: held[:2], reverse=True)]
    found, rates = _measured([models.local(use) for use in uses], documents)
    found |= {column.name: (column, _OWN[column.name]([document for _, document in documents])) for column in own}
    order = dict.fromkeys([*columns, *ruled, *found])
    return Sampled(recipe, documents, read, len(corpus.shards), shards,
                   {name: found[name] for name in order if name in found}, rates)


def bars(counts: Sequence[int]) -> str:
    """A histogram in one line: a bar for each count, as high as its share of the highest; a dot for none."""
    most = max(counts, default=0)
    return "".join(_BARS[min(len(_BARS) - 1, number * len(_BARS) // most)] if number else "·" for number in counts)


def _measured(
    uses: Sequence[Use], documents: Sequence[tuple[str, Document]]
) -> tuple[dict[str, tuple[Column, pa.Array]], dict[str, float]]:
    from taggers.run import run
    from taggers.text import TextBatch

    texts = pa.array([document.text for _, document in documents], pa.large_string())
    ids, metadata = [document.id for _, document in documents], [document.metadata for _, document in documents]
    found: dict[str, tuple[Column, pa.Array]] = {}
    rates: dict[str, float] = {}
    for use in uses:
        run([use], TextBatch.of_arrow(texts.slice(0, 1), ids[:1], metadata[:1]))  # compiles and loads
        began = time.perf_counter()
        measured = run([use], TextBatch.of_arrow(texts, ids, metadata))[use.key]
        name = use.name or use.tagger.name
        rates[name] = (texts.nbytes / 1e6) / max(time.perf_counter() - began, 1e-9)
        found |= {column.name: (column, measured[stored.name])
                  for column, stored in zip(use.columns, use.stored, strict=True)}
    return found, rates


def _chosen(source: str, shards: Sequence[Shard]) -> list[Shard]:
    mine = [shard for shard in shards if source in shard.sources]
    return sorted(mine, key=lambda shard: hashlib.sha256(shard.path.encode()).digest())[:SHARDS]


def _head(corpus: Corpus, shard: Shard) -> Iterator[Document]:
    size = 0
    for batch in ShardReader(corpus.workspace.shard(shard.path)):
        yield from batch.documents
        size += sum(len(document.text) for document in batch.documents)
        if size > HEAD_BYTES:
            return


def _identity(document: Document) -> Any:
    return np.frombuffer(rows.identity(document.source, document.id), np.uint8)[None]


def _slices(documents: Sequence[Document]) -> pa.Array:
    return slice_numbers(np.concatenate([np.empty((0, 16), np.uint8), *map(_identity, documents)]))


# The columns that documents have themselves.
_OWN: Mapping[str, Callable[[Sequence[Document]], pa.Array]] = {
    "document.source": lambda documents: pa.array([document.source for document in documents], pa.string()),
    "document.slice": _slices,
}


def _number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "-" if value is None else str(value)
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"
