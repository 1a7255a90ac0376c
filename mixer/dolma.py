"""Attribute files of the dolma toolkit: written from our sidecars, and read into sidecars of ours.

Beside `documents/<path>` dolma keeps `attributes/<experiment>/<path>`, a line for each line of the documents:
{"id": …, "source": …, "attributes": {name: [[start, end, score], …]}}. Start and end count code points. A value of the
document as a whole is one span over all of its text.
"""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa
import zstandard

from mixer import attributes, rows, selection, sidecars, storage
from mixer.documents import Bad, Document, LineReader, ShardReader
from mixer.errors import BadInput
from mixer.recipe import Recipe
from mixer.selection import Context
from mixer.workspace import Workspace
from taggers import registry
from taggers.declare import Use

EXPORT_ROWS = 10_000  # documents that are encoded at a time

TYPES = {"float64": pa.float64(), "int64": pa.int64(), "spans": attributes.SPANS}  # of DOLMA_MEASURES

Spans = list[tuple[int, int, float | None]]


def experiment_of(use: Use) -> str:
    """The experiment of an imported tagger."""
    return use.tagger.name.removeprefix("dolma.")


def import_command(arguments: str, key: str) -> str:
    """What to type for the sidecars of this key; `arguments` name the recipe and its work folder."""
    return f"solera import {arguments} --from DIR --experiment {key.removeprefix('dolma.').partition('@')[0]}"


def check_experiment(name: str) -> str:
    if not registry.DOLMA_EXPERIMENT.fullmatch(name):
        raise BadInput(f"--experiment {name}: not a name that a column can have; use A-Z, a-z, 0-9, _ and -")
    return name


def attribute_path(shard: str, experiment: str) -> str:
    """Where the attributes of a shard lie, relative to the folder that has `documents` and `attributes` in it."""
    whole = f"/{shard}".replace("/documents/", f"/attributes/{experiment}/")[1:]
    return whole if whole != shard else f"attributes/{experiment}/{shard}"


def variable_name(name: str) -> str:
    """As dolma makes names of attributes: what JSONPath or jq could not address without quotes becomes `_`."""
    return re.sub("[^A-Za-z0-9_]", "_", name)


# ---- export


@dataclass(frozen=True)
class Exported:
    """A column that becomes an attribute. Without a sidecar's key it is one that only the plan knows."""

    attribute: str
    column: str
    type: str = "int64"
    key: str | None = None
    stored: str = ""  # the name in the sidecar, if it is another
    method: int | None = None  # of the recipe's dedup: 1 for the losers


def exported_columns(
    recipe: Recipe, experiment: str, names: Sequence[str] | None, plan: bool
) -> tuple[list[Exported], list[str]]:
    """(what an export writes, the columns that it leaves out since a span's score is a number).

    `names` are the columns asked for, None for all that the recipe has measured. A name that cannot be had is an error.
    """
    prefix = variable_name(experiment)
    known = {column.name: (column.type, attributes.key_of(use), stored.name) for use in recipe.uses()
             for column, stored in zip(use.columns, use.stored, strict=True)}
    wrong, found, left_out = [], [], []
    for name in dict.fromkeys(known if names is None else names):
        imported = registry.find_column(name)
        if name not in known and imported is not None and imported.tagger.is_imported:
            known[name] = imported.column.type, imported.tagger.key, name
        if imported is not None and imported.tagger is registry.DOCUMENT:
            wrong.append(f"{name}: nothing that is measured, but what every document says itself; leave it out")
        elif name not in known:
            wrong.append(f"{name}: the recipe does not measure this column; it has {', '.join(known) or 'none'}")
        elif known[name][0] in ("string", "key128", "keys", "keyed_spans"):
            left_out.append(name)
        else:
            tagger, _, rest = name.partition(".")
            found.append(Exported(f"{prefix}__{tagger}__{variable_name(rest)}", name, *known[name]))
    if names is not None:
        wrong += [f"{name}: its values are no numbers, and the score of a dolma span is one; name another"
                  for name in left_out]
    if plan:
        uses: list[str] = []
        for number, method in enumerate(recipe.dedup):
            use = method.use.partition("@")[0]
            uses.append(use)
            again = f"_{uses.count(use)}" if uses.count(use) > 1 else ""
            found.append(Exported(f"{prefix}__dedup__{use}{again}", selection.method_text(method), method=number))
        found.append(Exported(f"{prefix}__plan__copies", "copies"))
    by_name: dict[str, str] = {}
    for each in found:
        other = by_name.setdefault(each.attribute, each.column)
        if other != each.column:
            wrong.append(f"{other} and {each.column} would both be {each.attribute}; name one of them in --columns")
    if wrong:
        raise BadInput("\n".join(f"--columns {line}" for line in wrong))
    return found, left_out


@dataclass(frozen=True)
class Export:
    """What all tasks of an export share. `context` is of the plan, where there is one."""

    workspace: Workspace
    to: str
    experiment: str
    columns: tuple[Exported, ...]
    context: Context | None = None


def export_shard(export: Export, shard: str) -> int:
    """Writes the attribute file of a shard; returns its bytes as stored."""
    place = export.workspace
    table, meta = sidecars.read(place.sidecar(rows.KEY, shard), ["line", "source", "id", "chars"])
    values: dict[str, Any] = {}
    keys = dict.fromkeys(each.key for each in export.columns if each.key is not None)
    for key in keys:
        part, about = attributes.read(place.sidecar(key, shard),
                                      [each.stored or each.column for each in export.columns if each.key == key])
        if about["rows_digest"] != meta["digest"]:
            raise BadInput(f"{place.sidecar(key, shard)}: not aligned with the rows of its shard; tag it again "
                           "with --verify")
        values |= {each.attribute: part.column(each.stored or each.column) for each in export.columns
                   if each.key == key}
    for each in export.columns:
        if each.key is None:
            assert export.context is not None
            values[each.attribute] = _planned(export.context, each, shard)
    others = _other_ids(place, shard) if meta["info"]["bad"] else {}
    uri = storage.join(export.to, attribute_path(shard, export.experiment))
    nothing: dict[str, Spans] = {each.attribute: [] for each in export.columns}
    line = 0
    encode = msgspec.json.Encoder().encode
    with storage.writer(uri) as stored, _compressed(stored, uri) as out:
        for first in range(0, table.num_rows, EXPORT_ROWS):
            part = table.slice(first, EXPORT_ROWS)
            chars = part.column("chars").to_pylist()
            spans = {each.attribute: _spans_of(each, values[each.attribute].slice(first, EXPORT_ROWS), chars, uri)
                     for each in export.columns}
            names = list(spans)
            for where, source, id, *found in zip(
                part.column("line").to_pylist(), part.column("source").to_pylist(), part.column("id").to_pylist(),
                *spans.values(), strict=True,
            ):
                for missed in range(line + 1, where):
                    out.write(_other_line(encode, others, missed, nothing))
                line = where
                out.write(encode({"id": id, "source": source, "attributes": dict(zip(names, found, strict=True))}))
                out.write(b"\n")
        for missed in range(line + 1, max(others, default=0) + 1):
            out.write(_other_line(encode, others, missed, nothing))
    stat = storage.stat(uri)
    return stat.bytes if stat else 0


def _planned(context: Context, each: Exported, shard: str) -> pa.Array:
    """1 for the documents that went by a dedup method, null for others; or the copies of each row. A document is of one
    source at most, whatever sources share its shard.
    """
    chosen = [sidecars.read(context.selection_uri(number))[0] for number in context.slices_of(shard)]
    if each.method is None:
        return pa.array(sum(np.asarray(table.column("copies")) for table in chosen))
    reason = context.dedup_reason(each.method)
    lost = np.logical_or.reduce([np.asarray(table.column("reason")) == reason for table in chosen])
    return pa.array(np.ones(len(lost), np.int64), mask=~lost)


def _spans_of(each: Exported, column: Any, chars: Sequence[int], uri: str) -> list[Spans]:
    """The spans of each document; none for null. A number is one span over the whole text."""
    if each.type == "spans":
        return [[(span["start"], span["end"], span["score"]) for span in found] for found in column.to_pylist()]
    found: list[Spans] = []
    for value, end in zip(column.to_pylist(), chars, strict=True):
        if isinstance(value, float) and not math.isfinite(value):
            raise BadInput(f"{uri}: {each.column} has the value {value}, which JSON cannot hold")
        found.append([] if value is None else [(0, end, int(value) if isinstance(value, bool) else value)])
    return found


def _other_ids(place: Workspace, shard: str) -> dict[int, msgspec.Raw]:
    """By line, the id as raw JSON of each record in quarantine, or null: dolma may be able to read the record."""
    wanted = set(sidecars.read(place.quarantine(shard), ["line"])[0].column("line").to_pylist())
    found: dict[int, msgspec.Raw] = {}
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    for number, _, line in LineReader(place.shard(shard)):
        if number in wanted:
            found[number] = msgspec.Raw(b"null")
            if not isinstance(line, Bad):
                with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    found[number] = decode(line).get("id", found[number])
    return found


def _other_line(
    encode: Any, others: Mapping[int, msgspec.Raw], number: int, nothing: Mapping[str, Spans]
) -> bytes:
    """For a line of the shard that is no document of ours. Dolma stops at one that is not JSON, such as a blank one."""
    id = others.get(number, msgspec.Raw(b"null"))
    line: bytes = encode({"id": id, "attributes": nothing})
    return line + b"\n"


@contextmanager
def _compressed(stored: IO[bytes], uri: str) -> Iterator[Any]:
    if uri.endswith(".gz"):
        with gzip.GzipFile(filename="", mode="wb", fileobj=stored, mtime=0) as out:
            yield out
    elif uri.endswith(".zst"):
        with zstandard.ZstdCompressor(write_checksum=True).stream_writer(stored, closefd=False) as out:
            yield out
    else:
        yield stored


# ---- import


class Misaligned(BadInput):
    """An attribute file that does not belong to its shard, or holds what is no span."""


class _Line(msgspec.Struct):
    id: str
    attributes: dict[str, list[tuple[int, int, float | None]]]
    source: str | None = None


class _Names(msgspec.Struct):
    attributes: dict[str, msgspec.Raw]


def import_shard(
    place: Workspace, experiment: str, shard: str, uri: str, shard_stat: storage.Stat, rows_meta: Mapping[str, Any]
) -> dict[str, Any]:
    """Writes the sidecar of a shard from the attribute file at `uri`; returns its metadata. The file is read twice.

    Columns are the attributes of this shard, sorted. Raises Misaligned at the first line that does not fit.
    """
    names, sha256 = _names(uri)
    key = registry.dolma_tagger(experiment).key
    # The line of the file is there to say where values come from, and in a file without any attribute.
    schema = pa.schema([(f"dolma.{experiment}.line", pa.int64()), *_fields(experiment, names, uri)])
    reader, lines = ShardReader(place.shard(shard)), _Lines(uri)
    count, bad = 0, 0
    with sidecars.writer(place.sidecar(key, shard), schema) as out:
        for batch in reader:
            found = [lines.of(number, document) for number, document in zip(batch.lines, batch.documents, strict=True)]
            texts = [document.text for document in batch.documents]
            arrays = [array for name in names for array in _arrays([each.get(name, []) for each in found], texts)]
            out.write(pa.RecordBatch.from_arrays([pa.array(batch.lines, pa.int64()), *arrays], schema=schema))
            count += len(found)
            bad += len(batch.bad)
        if reader.sha256 != rows_meta["shard_sha256"] or count != rows_meta["rows"]:
            raise Misaligned(f"{place.shard(shard)}: changed since its rows were read; tag it again")
        if reader.broken is None:  # else nobody knows how many lines there were
            lines.end(count + bad + reader.blank_lines)
        info = {"attributes": names, "file_sha256": sha256}
        return out.finish({
            "key": key, "shard": shard, "shard_bytes": shard_stat.bytes, "shard_token": shard_stat.token,
            "shard_sha256": reader.sha256, "rows_digest": rows_meta["digest"], "info": info,
        })


class _Lines:
    """An attribute file, to be asked for the lines of documents in their order."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._lines = iter(LineReader(uri))
        self._decode = msgspec.json.Decoder(_Line).decode

    def of(self, number: int, document: Document) -> dict[str, Spans]:
        """The attributes at this line, which have to be of this document. Lines before it are of no document."""
        for found, _, line in self._lines:
            if found < number:
                continue
            where = f"{self._uri}:{found}"
            if isinstance(line, Bad):
                raise Misaligned(f"{where}: {line.reason}")
            try:
                read = self._decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise Misaligned(f"{where}: for the document {document.id!r}, not a line of attributes ({error})"
                                 ) from None
            if read.id != document.id:
                raise Misaligned(f"{where}: attributes of the id {read.id!r}, where the shard has {document.id!r}")
            if read.source and read.source != document.source:
                raise Misaligned(f"{where}: attributes of {document.id!r} of the source {read.source!r}, where the "
                                 f"shard has the source {document.source!r}")
            for name, spans in read.attributes.items():
                for start, end, score in spans:
                    if not 0 <= start <= end <= len(document.text):
                        raise Misaligned(f"{where}: {name} of {document.id!r} has the span [{start}, {end}], and the "
                                         f"text {len(document.text)} code points")
                    if score is not None and not math.isfinite(score):
                        raise Misaligned(f"{where}: {name} of {document.id!r} has the score {score}")
            return read.attributes
        raise Misaligned(f"{self._uri}: ends before line {number}, where the shard has the document {document.id!r}")

    def end(self, lines: int) -> None:
        """Reads on to the end; there may be no line beyond those of the shard."""
        for found, _, line in self._lines:
            if found > lines and (isinstance(line, Bad) or line.strip()):
                raise Misaligned(f"{self._uri}:{found}: a line of attributes, where the shard has no more than {lines} "
                                 "lines")


def _names(uri: str) -> tuple[list[str], str]:
    """(the names of all attributes in a file, sorted; the hex sha256 of the file as stored)."""
    names: set[str] = set()
    decode = msgspec.json.Decoder(_Names).decode
    reader = LineReader(uri)
    for _, _, line in reader:
        if not isinstance(line, Bad):
            # What is wrong with a line is said where it meets its document, if it is of one.
            with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                names.update(decode(line).attributes)
    if reader.broken is not None:
        raise Misaligned(f"{uri}: {reader.broken}")
    return sorted(names), reader.sha256


def _fields(experiment: str, names: Sequence[str], uri: str) -> list[tuple[str, pa.DataType]]:
    fields = []
    for name in names:
        for measure, (kind, _, _) in registry.DOLMA_MEASURES.items():
            column = f"dolma.{experiment}.{name}.{measure}"
            if registry.find_column(column) is None:
                raise Misaligned(f"{uri}: the attribute {name!r} cannot be a column: its name is empty or has white "
                                 "space in it")
            fields.append((column, TYPES[kind]))
    return fields


def _arrays(found: Sequence[Spans], texts: Sequence[str]) -> list[pa.Array]:
    """score, count and spans of one attribute, as DOLMA_MEASURES has them."""
    counts = np.fromiter(map(len, found), np.int64, len(found))
    offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(counts)]).astype(np.int32)
    flat = [span for spans in found for span in spans]
    before = [_utf8_length(text, 0, start) for spans, text in zip(found, texts, strict=True) for start, _, _ in spans]
    sizes = [_utf8_length(text, start, end)
             for spans, text in zip(found, texts, strict=True) for start, end, _ in spans]
    columns = [pa.array([span[0] for span in flat], pa.int64()), pa.array([span[1] for span in flat], pa.int64()),
               pa.array(before, pa.int64()), pa.array(sizes, pa.int64()),
               pa.array([span[2] for span in flat], pa.float64())]
    structs = pa.StructArray.from_arrays(columns, fields=list(TYPES["spans"].value_type))
    return [
        pa.array([spans[0][2] if spans else None for spans in found], pa.float64()),
        pa.array(counts),
        pa.ListArray.from_arrays(pa.array(offsets), structs),
    ]


def _utf8_length(text: str, start: int, end: int) -> int:
    return end - start if text.isascii() else len(text[start:end].encode())


# ---- what was imported


def check_columns(use: Use, infos: Iterable[Mapping[str, Any]]) -> None:
    """That each column asked for is of an attribute that some shard has."""
    there = sorted({name for info in infos for name in info["attributes"]})
    prefix = f"{use.tagger.name}."
    wrong = [column.name for column in use.columns
             if column.name.removeprefix(prefix).rpartition(".")[0] not in there]
    if wrong:
        raise BadInput(f"{', '.join(wrong)}: no such attribute was imported of the experiment {experiment_of(use)}; "
                       f"it has {', '.join(there) or 'none'}")
