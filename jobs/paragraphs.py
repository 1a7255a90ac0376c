"""Repeated parts of documents: spans with equal keys, and a report of those that are in the most documents.

1. Keys that occur twice or more, and their spans, are found as for documents (jobs.equal), and counted meanwhile.
2. Of each key that is to be reported, the text is read where it stands first: the first shard in order of path, the
   first row of it, the first place in that. So the report of a set that was found from an earlier one is the same.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pyarrow as pa

from jobs import equal
from jobs.engine import Engine
from jobs.equal import Asked
from jobs.exchange import Array
from jobs.finding import Finding
from mixer import clusters, sidecars
from mixer.clusters import ClusterSet
from mixer.documents import ShardReader
from mixer.errors import StorageError

MOST_REPORTED = 1000  # keys of the whole corpus
TEXT_CHARS = 500  # of a reported text, in the table
TOP = 10  # of the report, in the set itself
TOP_CHARS = 160  # of their texts

SCHEMA = pa.schema([
    ("key", pa.uint64()), ("documents", pa.int64()), ("times", pa.int64()), ("text", pa.string()),
    ("shard", pa.string()), ("row", pa.int64()), ("start", pa.int64()), ("end", pa.int64()), ("bytes", pa.int64()),
])


def find(finding: Finding, engine: Engine) -> ClusterSet:
    """The set of spans with equal keys. What it is `about` says of those in more documents than `report`; the most
    frequent of them are in a table beside it.
    """
    threshold = int(str(finding.related.method.parameters["report"]))
    found = equal.relate(finding, engine, Asked(threshold, MOST_REPORTED))
    table = _report(finding, engine, found.frequent)
    sidecars.write(clusters.report_uri(finding.workspace, finding.name), table, {"set": finding.name})
    top = [{**each, "text": shortened(each["text"], TOP_CHARS)} for each in table.slice(0, TOP).to_pylist()]
    about = {"report": {"threshold": threshold, "keys": found.frequent_keys, "listed": len(table), "top": top}}
    return finding.finish(found.keys, found.written, found.parts, about)


def _report(finding: Finding, engine: Engine, frequent: Array) -> pa.Table:
    """The keys with their texts, in order. Each shard that one is read from is read by one task."""
    numbers = np.unique(frequent["shard"])
    items = [(int(number), frequent["key"][frequent["shard"] == number]) for number in numbers]
    read = engine.on_spark(functools.partial(read_texts, finding), items, f"dedup {finding.related.method.use}: report")
    texts = {each["key"]: each for part in read for each in part}
    rows = [{**texts[int(each["key"])], "documents": int(each["documents"]), "times": int(each["times"])}
            for each in frequent]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def read_texts(finding: Finding, item: tuple[int, Array]) -> list[dict[str, Any]]:
    """Of each of some keys of a shard the first span and its text, shortened; read no further than the last of them."""
    number, keys = item
    name = finding.related.column
    spans, rows = equal.spans_of(finding.read(number, [name]).column(name))
    chosen = np.flatnonzero(equal.is_in(np.asarray(spans.field("key")).reshape(-1, 1), keys.reshape(-1, 1)))
    first: dict[int, dict[str, Any]] = {}
    for row, span in zip(rows[chosen].tolist(), spans.take(pa.array(chosen)).to_pylist(), strict=True):
        first.setdefault(span["key"], {"shard": finding.shards[number], "row": row, **span})
    wanted: dict[int, list[dict[str, Any]]] = {}
    for each in first.values():
        wanted.setdefault(each["row"], []).append(each)
    _read_into(finding.workspace.reader(finding.shards[number]), wanted)
    return list(first.values())


def _read_into(reader: ShardReader, wanted: dict[int, list[dict[str, Any]]]) -> None:
    """Gives each span of these rows its text."""
    seen, left = 0, set(wanted)
    for batch in reader:
        for row in [row for row in left if row < seen + len(batch.documents)]:
            text = batch.documents[row - seen].text
            for each in wanted[row]:
                each["text"] = shortened(text[each["start"] : each["end"]], TEXT_CHARS)
            left.remove(row)
        if not left:
            return
        seen += len(batch.documents)
    raise StorageError(f"{reader.uri}: has no row {min(left)} any more; run `solera tag` with --verify")


def shortened(text: str, most: int) -> str:
    """The text without whitespace at its ends, cut after so many code points, with … in place of the last."""
    text = text.strip()
    return text if len(text) <= most else text[: most - 1] + "…"
