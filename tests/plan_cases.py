"""Small corpora on disk, tagged and deduplicated without Spark, and strategies that make them up."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from plan_oracle import Doc, Outcome, key_number, key_of, label_of, slice_name, spans_of

from jobs.tagging import Order, Settings, entry_of, tag_shard
from mixer import attributes, clusters, index, plan, rows, selection, sidecars, storage
from mixer.clusters import ClusterSet, Relation
from mixer.corpus import Corpus, find
from mixer.index import Entry, Index
from mixer.plan import Plan
from mixer.recipe import Recipe
from mixer.recipe_parser import parse
from mixer.selection import Context
from taggers.arrow_types import ARROW_TYPES
from taggers.declare import Use

Shards = Mapping[str, Sequence[Doc]]
PLACE = ("start", "end", "first_byte", "bytes")


@dataclass
class Case:
    """A corpus on disk that is ready to be planned, and the documents that it holds."""

    recipe: Recipe
    corpus: Corpus
    docs: Shards
    indexes: dict[str, Index]
    sets: list[ClusterSet]

    @property
    def owner(self) -> dict[str, tuple[str, ...]]:
        return {shard.path: shard.sources for shard in self.corpus.shards}

    def plan(self, bins: Sequence[Sequence[int]] | None = None) -> tuple[Plan, Outcome]:
        """A plan made now, in this process, with these bins of slice numbers (else one), and what it says."""
        bins = [list(range(len(self.corpus.slices)))] if bins is None else bins
        storage.remove_below(storage.join(self.corpus.workspace.folder, "plans"))
        made = plan.make(self.recipe, self.corpus, self.indexes, self.sets, bins,
                         lambda phase, parts, label: [phase(part) for part in parts], selection.resolve_in_memory)
        return made, self.outcome(made)

    def context(self, made: Plan) -> Context:
        return plan.context_of(self.recipe, self.corpus, made.folder, self.indexes, self.sets)

    def outcome(self, made: Plan) -> Outcome:
        """What a plan's files say, in the oracle's shape."""
        context = self.context(made)
        chosen: dict[str, list[tuple[int, str]]] = {}
        losers: list[dict[tuple[str, int], Any]] = [{} for _ in self.recipe.dedup]
        edits: dict[tuple[str, int], list[Any]] = {}
        paths = [each.path for each in self.corpus.slices]
        names = [slice_name(each.path, each.source, self.owner) for each in self.corpus.slices]
        for number, path in enumerate(paths):
            table = sidecars.read(context.selection_uri(number))[0].to_pylist()
            chosen[names[number]] = [(row["copies"], context.reasons[row["reason"]]) for row in table]
            for method, lost in enumerate(losers):
                for row in selection.read_losers(context, method, number).to_pylist():
                    keeper = paths[row["keeper_shard"]], row["keeper_row"]
                    if context.finds_spans(method):
                        place = *(row[name] for name in PLACE), *keeper, row["keeper_start"]
                        lost.setdefault((path, row["row"]), []).append(place)
                    else:
                        lost[path, row["row"]] = keeper
            if made.body["selections"][number]["edits"] is not None:
                table, meta = sidecars.read(context.edits_uri(number))
                assert meta["digest"] == made.body["selections"][number]["edits"]
                for row in table.to_pylist():
                    place = tuple(row[name] for name in (*PLACE, "replacement"))
                    edits.setdefault((path, row["row"]), []).append(place)
        about = {slice_name(each["shard"], each["source"], self.owner):
                 {name: each[name] for name in ("rows", "docs", "bytes", "max_copies")}
                 for each in made.body["selections"]}
        return Outcome(made.body["counts"], made.body["losses"], made.body["links"], chosen, losers, about,
                       edits)


def recipe_text(sources: Mapping[str, Mapping[str, Any]], **fields: Any) -> bytes:
    """A recipe over folders that are called like its sources, unless they say otherwise. JSON is YAML too."""
    whole = {name: {"shards": f"{name}/*.jsonl", **source} for name, source in sources.items()}
    return json.dumps({"name": "case", "version": "1.0.0", "seed": 7, "corpus": "corpus", "unit": "tokens",
                       "policy": {"kind": "proportional"}, **fields, "sources": whole}).encode()


def write_shards(folder: Path, docs: Shards) -> None:
    for path, each in docs.items():
        target = folder / "corpus" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        records = [{"id": doc.id, "source": doc.source, "text": doc.text} for doc in each]
        target.write_text("".join(json.dumps(record) + "\n" for record in records))


def case(folder: Path, recipe: bytes, docs: Shards) -> Case:
    """Writes a corpus below `folder`, its sidecars, their indexes and its cluster sets."""
    write_shards(folder, docs)
    made = opened(folder, recipe)
    indexes = tagged(made, docs)
    related = clusters.relations(made[0])
    sets = [found_set(each, made[1], indexes[each.sidecar], docs) for each in related]
    return Case(*made, docs, indexes, sets)


def opened(folder: Path, recipe: bytes) -> tuple[Recipe, Corpus]:
    """The recipe written to a file, and its corpus, as every command begins."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "recipe.yaml"
    file.write_bytes(recipe)
    parsed = parse(recipe, str(file))
    return parsed, find(parsed, str(file), str(folder / "work"))


def tagged(made: tuple[Recipe, Corpus], docs: Shards) -> dict[str, Index]:
    """Sidecars and indexes: rows, sizes and text keys as the tag stage makes them, other columns as the documents say.

    A plan sees sidecars alone, so that values may be whatever is worth a test, nulls above all.
    """
    recipe, corpus = made
    place = corpus.workspace
    uses = {attributes.key_of(use): use for use in recipe.uses()}
    real = {key: use for key, use in uses.items() if use.tagger.name in ("sizes", "text_hash", "fingerprints")}
    entries: dict[str, dict[str, Entry]] = {key: {} for key in (rows.KEY, *uses)}
    for shard in corpus.shards:
        done = tag_shard(Settings(place, real), Order(shard.path, shard.stat.bytes, frozenset(real)))
        assert done.broken is None
        for key, entry in done.entries.items():
            entries[key][shard.path] = entry
        for key in uses.keys() - real.keys():
            values = {column.name: [_span_values(doc, column.name) if column.type == "spans" else
                                    doc.values.get(column.name) for doc in docs[shard.path]]
                      for column in uses[key].columns}
            entries[key][shard.path] = write_sidecar(corpus, shard.path, uses[key], values, entries[rows.KEY])
    indexes = {key: Index.of(found.values()) for key, found in entries.items()}
    for key, made_index in indexes.items():
        index.write(place.index(key), made_index)
    return indexes


def write_sidecar(corpus: Corpus, shard: str, use: Use, values: Mapping[str, Sequence[Any]],
                  of_rows: Mapping[str, Entry]) -> Entry:
    """An attribute sidecar with these values; its entry for the index."""
    place, key = corpus.workspace, attributes.key_of(use)
    schema = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in use.columns])
    stat = storage.stat(place.shard(shard))
    assert stat is not None
    entry = of_rows[shard]
    meta = {"key": key, "shard": shard, "shard_bytes": stat.bytes, "shard_token": stat.token,
            "shard_sha256": entry.sha256, "rows_digest": entry.digest,
            "info": {"parameters": use.identity, "model_sha256": attributes.model_sha256(use),
                     "unicode": "15.0.0"}}
    return entry_of(shard, stat, sidecars.write(place.sidecar(key, shard), pa.table(dict(values), schema=schema), meta))


def found_set(related: Relation, corpus: Corpus, entries: Index, docs: Shards) -> ClusterSet:
    """A cluster set from a dict over the documents, written as the dedup stage has to write it."""
    if related.kind == "spans":
        return found_spans(related, corpus, entries, docs)
    place = corpus.workspace
    members: defaultdict[Any, list[tuple[str, int]]] = defaultdict(list)
    for shard in corpus.shards:
        for row, doc in enumerate(docs[shard.path]):
            members[key_of(related.method, doc)].append((shard.path, row))
    by_shard: defaultdict[str, dict[int, bytes]] = defaultdict(dict)
    for key, places in members.items():
        if len(places) > 1:
            for path, row in places:
                by_shard[path][row] = label_of(related.method, key)
    name = clusters.name_of(related, corpus, entries)
    written = {}
    for path, found in sorted(by_shard.items()):
        table = pa.table([pa.array(sorted(found)), [found[row] for row in sorted(found)]], schema=clusters.SCHEMA)
        meta = sidecars.write(clusters.member_uri(place, name, path), table, {"set": name, "shard": path})
        written[path] = {"rows": meta["rows"], "digest": meta["digest"]}
    made = ClusterSet(name, related.method.use, related.method.finds_by,
                      sum(len(places) > 1 for places in members.values()),
                      sum(map(len, by_shard.values())), written)
    clusters.put_set(place, made)
    return made


def found_spans(related: Relation, corpus: Corpus, entries: Index, docs: Shards) -> ClusterSet:
    """The same of spans."""
    place = corpus.workspace
    times: Counter[int] = Counter()
    spans: dict[str, list[dict[str, int]]] = {}
    for shard in corpus.shards:
        spans[shard.path] = []
        for row, doc in enumerate(docs[shard.path]):
            for start, end, key in spans_of(related.method, doc):
                times[key_number(key)] += 1
                spans[shard.path].append({
                    "row": row, "start": start, "end": end, "first_byte": len(doc.text[:start].encode()),
                    "bytes": len(doc.text[start:end].encode()), "key": key_number(key)})
    name = clusters.name_of(related, corpus, entries)
    written = {}
    for path, found in sorted(spans.items()):
        repeated = sorted((span for span in found if times[span["key"]] > 1),
                          key=lambda span: [span[name] for name in ("row", "start", "end", "key")])
        if repeated:
            table = pa.Table.from_pylist(repeated, schema=clusters.SPAN_SCHEMA)
            meta = sidecars.write(clusters.member_uri(place, name, path), table, {"set": name, "shard": path})
            written[path] = {"rows": meta["rows"], "digest": meta["digest"]}
    made = ClusterSet(name, related.method.use, related.method.finds_by,
                      sum(count > 1 for count in times.values()),
                      sum(int(str(member["rows"])) for member in written.values()), written, "spans")
    clusters.put_set(place, made)
    return made


def _span_values(doc: Doc, column: str) -> list[dict[str, Any]]:
    return [{"start": start, "end": end, "first_byte": len(doc.text[:start].encode()),
             "bytes": len(doc.text[start:end].encode()), "score": score}
            for start, end, score in doc.found.get(column, ())]


# ---- strategies

F32 = [float(np.float32(value)) for value in (0.1, 0.65, np.nextafter(np.float32(0.65), np.float32(0)), 0.9)]
# Equal texts, texts that are equal once normalised, empty ones and some of equal size.
TEXTS = ["", " ", "a", "A", "a.", "b", "aaaa", "bbbb", "é", "e\u0301", "word " * 5, "Word " * 5, "x" * 33]
# With lines that stand in others, of characters of one byte and of several.
LINES = ["a\nb\n", "b\nword word\na", "é😀\na\né😀\n", "a\na\na\n", "word word\nlast line, which is longer\né😀"]
NORMALISE = ["lower", "nfc", "punctuation", "whitespace"]
RULES: list[tuple[str, dict[str, Any]]] = [
    ("words.count", {"min": 1}), ("words.count", {"max": 2.0, "min": 1}), ("sizes.bytes", {"min": 1}),
    ("language.en", {"min": 0.65}), ("language.en", {"max": 0.65}), ("language.top", {"in": ["en", "fr"]}),
    ("language.top", {"not_in": ["de"]}), ("words.count", {"is": 1}), ("words.mean_length", {"max": 3.5}),
]
VALUES = {"words.count": [None, 0, 1, 2, 3], "language.en": [None, *F32], "language.top": [None, "en", "de"],
          "words.mean_length": [None, 3.4999999999999996, 3.5, 3.5000000000000004],
          "language.fr": [None, -1.0, 0.0, *F32, 1.0, 1.5, float("nan")]}
EDITED = ["secrets.token", "pii.email", "pii.ip"]
# Rules of two sources that share shards: of the first pairs no document passes both.
APART: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"document.slice": {"max": 399_999}}, {"document.slice": {"min": 400_000}}),
    ({"document.source": {"is": "x"}}, {"document.source": {"not_in": ["x"]}}),
    ({"document.source": {"in": ["x"]}, "sizes.chars": {"min": 1}}, {"document.source": {"is": "y"}}),
    ({"document.slice": {"min": 400_000}}, {"document.slice": {"max": 400_001}, "document.source": {"is": "y"}}),
    ({}, {"sizes.chars": {"min": 5}}),
]
CURVES = [{"column": "words.count", "buckets": 4, "discard": 0.5, "max_upsample": 3},
          {"column": "language.en", "buckets": 5}, {"column": "words.mean_length", "buckets": 3, "discard": 0},
          {"column": "sizes.bytes", "buckets": 1, "discard": 0, "max_upsample": 1.5},
          {"column": "sizes.chars", "buckets": 20, "discard": 0.1, "max_upsample": 2.5}]
WEIGHTS = {4: [[0.1, 0.2, 0.3, 0.4], [1, 0, 0, 0]], 1: [[1]], 2: [[0.5, 0.5], [0.7, 0.3], [1, 0]],
           3: [[0.2, 0.3, 0.5], [0.25, 0.75, 0], [0.4, 0.4, 0.2]]}


@st.composite
def corpora(draw: Callable[[Any], Any], repeated: bool, sources: int | None = None) -> dict[str, list[Doc]]:
    """Shards of a few tiny documents each, under the folders a, b and c. `repeated` allows repeated identities."""
    values = st.fixed_dictionaries({name: st.sampled_from(each) for name, each in VALUES.items()})
    fits = st.sampled_from(TEXTS + LINES).flatmap(lambda text: st.builds(
        Doc, st.sampled_from("xy"), st.sampled_from("0123456789") if repeated else st.just(""), st.just(text), values,
        st.lists(spans(len(text)), max_size=4).map(tuple), found_spans_of(len(text))))
    shards: dict[str, list[Doc]] = {}
    for folder in "abc"[: sources or draw(st.integers(1, 3))]:
        for number in range(draw(st.integers(1, 3))):
            docs = draw(st.lists(fits, max_size=7))
            path = f"{folder}/{number}.jsonl"
            shards[path] = [doc if repeated else replace(doc, id=f"{path}:{row}")
                            for row, doc in enumerate(docs)]
    return shards


def spans(size: int) -> st.SearchStrategy[tuple[int, int, int]]:
    """(start, end, key) within a text of so many characters, which may be empty; they may overlap in any way."""
    ends = st.tuples(st.integers(0, size), st.integers(0, size))
    return st.tuples(ends, st.sampled_from([0, 1, 2**64 - 1])).map(lambda each: (*sorted(each[0]), each[1]))


def found_spans_of(size: int) -> st.SearchStrategy[dict[str, list[tuple[int, int, float]]]]:
    """Spans of columns that are edited, in any order."""
    span = st.tuples(spans(size), st.sampled_from([0.25, 0.5, 1.0])).map(lambda each: (*each[0][:2], each[1]))
    return st.dictionaries(st.sampled_from(EDITED), st.lists(span, max_size=3), max_size=3)


@st.composite
def edits(draw: Callable[[Any], Any], columns: Sequence[str]) -> dict[str, Any]:
    """What is done to the spans of these columns, in any order."""
    found = {}
    for column in draw(st.permutations(columns)):
        edit: dict[str, Any] = draw(st.sampled_from([{"cut": True}, {"replace": "é|"}, {"replace": "x" * 9}]))
        limits = {"min_score": draw(st.sampled_from([0.25, 0.5, 0.6])),
                  "max_removed": draw(st.sampled_from([0, 0.3, 0.5, 1]))}
        found[column] = edit | {name: value for name, value in limits.items() if draw(st.booleans())}
    return found


@st.composite
def holdouts(draw: Callable[[Any], Any], methods: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Splits by methods that are among these, or are not."""
    by = st.sampled_from([{"use": "text@1", "normalise": []}, {"use": "text@1", "normalise": ["lower", "punctuation"]},
                          {"use": "id@1"}, *(each for each in methods if each["use"] == "text@1")])
    return {name: {"share": draw(st.sampled_from([0, 0.2, 0.5, 1])), "by": draw(by)}
            for name in draw(st.lists(st.sampled_from(["validation", "test", "third"]), max_size=3, unique=True))}


@st.composite
def recipes(draw: Callable[[Any], Any], folders: Sequence[str], identity: bool, **fixed: Any) -> bytes:
    """Recipes over these folders; `identity` lists id@1 among the dedup methods."""
    texts = st.lists(st.lists(st.sampled_from(NORMALISE), unique=True).map(sorted), max_size=2, unique_by=tuple)
    methods: list[dict[str, Any]] = [{"use": "text@1", "normalise": steps} for steps in draw(texts)]
    if identity:
        methods.insert(draw(st.integers(0, len(methods))), {"use": "id@1"})
    for use, unit in (("paragraph@1", "lines"), ("substring@1", "bytes")):
        if draw(st.booleans()):
            method = {"use": use, "unit": unit, "max_removed": draw(st.sampled_from([0, 0.3, 0.5, 0.8, 1]))}
            methods.insert(draw(st.integers(0, len(methods))), method)
    rules = draw(st.lists(st.sampled_from(RULES), max_size=3, unique_by=lambda rule: rule[0]))
    tops = st.tuples(st.sampled_from(["words.count", "language.en", "words.mean_length", "sizes.bytes"]),
                     st.sampled_from([0, 0.1, 0.5, 0.75, 1]))
    for column, share in draw(st.lists(tops, max_size=2, unique_by=lambda top: top[0])):
        bounds = dict(rules).get(column, {})
        rules = [rule for rule in rules if rule[0] != column] + [(column, {**bounds, "top": share})]
    shared = {column for column, _ in rules}
    own = [rule for rule in RULES if rule[0] not in shared]
    policy = draw(st.sampled_from([{"kind": "fixed"}, {"kind": "proportional"}, {"kind": "temperature", "tau": 3.33},
                                   {"kind": "temperature", "tau": 0.7}, {"kind": "unimax", "max_epochs": 2.5}]))
    is_fixed = policy["kind"] == "fixed"
    apart = draw(st.sampled_from(APART)) if draw(st.booleans()) else None  # the first folder is of two sources
    names = [*folders, "z"] if apart else folders
    weights = draw(st.sampled_from(WEIGHTS[len(names)]))
    order = draw(st.permutations(names))
    chosen: dict[str, Any] = {}
    for folder, weight in zip(order, weights, strict=True):
        source: dict[str, Any] = {"weight": weight} if is_fixed else {}
        if draw(st.booleans()):
            source["max_epochs"] = draw(st.sampled_from([0.3, 1, 2.45, 4]))
        if draw(st.booleans()):
            source["min_weight"] = weight if is_fixed else draw(st.sampled_from([0.001, 0.1, 0.33]))
        if own and draw(st.booleans()):
            column, bounds = draw(st.sampled_from(own))
            source["keep"] = {column: bounds if column == "language.top" or draw(st.booleans()) else
                              {**bounds, "top": 0.6}}
        if draw(st.integers(0, 3)) == 0:
            source["curve"] = draw(st.sampled_from(CURVES))
        if apart and folder in (folders[0], "z"):
            source["keep"] = apart[folder == "z"]
            source["shards"] = f"{folders[0]}/*.jsonl"
        source |= {"edit": draw(edits(EDITED[2:]))} if draw(st.booleans()) else {}
        if draw(st.integers(0, 3)) == 0:
            source["sample"] = draw(st.sampled_from([{"column": "language.fr", "rule": "proportional"},
                                                     {"column": "language.fr", "rule": "pareto", "alpha": 3}]))
        chosen[folder] = source
    fields: dict[str, Any] = {
        "seed": draw(st.integers(0, 3)), "unit": draw(st.sampled_from(["tokens", "bytes", "docs"])),
        "policy": policy,
        "budget": draw(st.one_of(st.integers(1, 300), st.integers(1, 20))),
        "dedup": methods, "prefer": draw(st.permutations(names))[: draw(st.integers(0, 3))],
        "keep": dict(rules), "on_shortfall": draw(st.sampled_from(["error", "redistribute", "redistribute"])),
    }
    if policy["kind"] == "proportional" and draw(st.booleans()):
        del fields["budget"]
    if draw(st.booleans()):
        column = draw(st.sampled_from(["words.count", "language.en", "words.mean_length", "sizes.chars"]))
        fields["prefer_by"] = {"column": column, "best": draw(st.sampled_from(["max", "min"]))}
    if draw(st.booleans()):
        fields |= {"edit": draw(edits(EDITED[:2])), "holdout": draw(holdouts(methods))}
    return recipe_text(chosen, **{**fields, **fixed})


@st.composite
def cases(draw: Callable[[Any], Any]) -> tuple[bytes, dict[str, list[Doc]]]:
    """A recipe and the documents of a corpus for it."""
    identity = draw(st.booleans())
    docs = draw(corpora(identity))
    return draw(recipes(sorted({path[0] for path in docs}), identity)), docs
