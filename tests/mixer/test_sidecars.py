"""Sidecars: a content digest that depends on the content alone, and files that are whole or made again."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixer import sidecars
from mixer.errors import StorageError

SPAN = pa.struct([("start", pa.int64()), ("end", pa.int64()), ("bytes", pa.int64()), ("score", pa.float64())])
SCHEMA = pa.schema([
    ("row", pa.int64()), ("n.small", pa.int32()), ("score", pa.float32()), ("wide", pa.float64()), ("flag", pa.bool_()),
    ("name", pa.string()), ("id", pa.large_string()), ("raw", pa.binary()), ("key", pa.binary(16)),
    ("spans", pa.list_(SPAN)), ("words", pa.large_list(pa.string())), ("about", pa.struct([("n", pa.int64())]))])

TYPES = {"spans": "list<struct<start: int64, end: int64, bytes: int64, score: double>>", "words": "large_list<string>",
         "about": "struct<n: int64>"}

INT64 = st.integers(-(2**63), 2**63 - 1)
UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
FLOAT64 = st.floats(allow_nan=False)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "row": INT64, "n.small": st.integers(-(2**31), 2**31 - 1), "score": st.floats(width=32, allow_nan=False),
    "wide": FLOAT64, "flag": st.booleans(), "name": UNICODE, "id": UNICODE, "raw": st.binary(max_size=4),
    "key": st.binary(min_size=16, max_size=16),
    "spans": st.lists(st.none() | st.fixed_dictionaries(
        {"start": st.none() | INT64, "end": INT64, "bytes": INT64, "score": st.none() | FLOAT64}), max_size=3),
    "words": st.lists(st.none() | UNICODE, max_size=3), "about": st.fixed_dictionaries({"n": st.none() | INT64})}
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | value for name, value in VALUES.items()}), max_size=6)
quick = settings(max_examples=100, deadline=None,
                 suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def table_of(rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


# ---- the digest


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def naive_digest(rows: Sequence[dict[str, Any]]) -> str:
    """`columns@1` as its description has it, value by value."""
    streams: dict[str, bytearray] = {}

    def add(stream: str, data: bytes) -> None:
        streams.setdefault(stream, bytearray()).extend(data)

    def take(name: str, kind: pa.DataType, value: Any) -> None:
        add(f"{name} valid", b"\0" if value is None else b"\1")
        add(f"{name} values", b"")
        if pa.types.is_struct(kind):
            for field in kind:
                take(f"{name}.{field.name}", field.type, None if value is None else value[field.name])
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            add(f"{name} lengths", struct.pack("<q", len(value or [])))
            for each in value or []:
                take(f"{name}[]", kind.value_type, each)
        elif pa.types.is_fixed_size_binary(kind):
            add(f"{name} values", bytes(16) if value is None else value)
        elif pa.types.is_boolean(kind):
            add(f"{name} values", b"\1" if value else b"\0")
        elif isinstance(value, (str, bytes)) or kind in (pa.string(), pa.large_string(), pa.binary()):
            data = b"" if value is None else value.encode() if isinstance(value, str) else value
            add(f"{name} lengths", struct.pack("<q", len(data)))
            add(f"{name} values", data)
        else:
            form = {pa.int64(): "<q", pa.int32(): "<i", pa.float32(): "<f", pa.float64(): "<d"}[kind]
            add(f"{name} values", struct.pack(form, 0 if value is None else value))

    def declare(name: str, kind: pa.DataType) -> None:  # what has no element has a stream all the same
        add(f"{name} valid", b"")
        add(f"{name} values", b"")
        if pa.types.is_struct(kind):
            for field in kind:
                declare(f"{name}.{field.name}", field.type)
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            add(f"{name} lengths", b"")
            declare(f"{name}[]", kind.value_type)
        elif kind in (pa.string(), pa.large_string(), pa.binary()):
            add(f"{name} lengths", b"")

    for field in SCHEMA if rows else []:
        declare(field.name, field.type)
        for row in rows:
            take(field.name, field.type, row[field.name])
    columns = [[field.name, TYPES.get(field.name) or str(field.type)] for field in SCHEMA]
    hexes = {name: hashlib.sha256(data).hexdigest() for name, data in streams.items()}
    return hashlib.sha256(canonical([len(rows), columns, hexes])).hexdigest()


@quick
@given(ROWS)
def test_the_digest_is_what_its_description_says(rows: list[dict[str, Any]]) -> None:
    assert sidecars.digest(table_of(rows)) == naive_digest(rows)


@quick
@given(rows=ROWS, cuts=st.lists(st.integers(0, 6), max_size=4), before=ROWS, after=ROWS)
def test_batches_chunks_and_slices_do_not_enter_the_digest(
    rows: list[dict[str, Any]], cuts: list[int], before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    expected = sidecars.digest(table_of(rows))
    sliced = table_of([*before, *rows, *after]).combine_chunks().slice(len(before), len(rows))
    at = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    pieces = [sliced.slice(start, end - start) for start, end in pairwise(at)]
    assert sidecars.digest(sliced) == expected
    assert sidecars.digest(pa.concat_tables(pieces)) == expected
    batches = sidecars.ColumnsDigest(SCHEMA)
    for piece in pieces:
        for batch in piece.to_batches():
            batches.update(batch)
    assert batches.hexdigest() == expected


@quick
@given(rows=ROWS.filter(bool), data=st.data())
def test_any_changed_value_changes_the_digest(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(sorted(VALUES)))
    value = data.draw(st.none() | VALUES[name])
    changed = [*rows[:number], {**rows[number], name: value}, *rows[number + 1 :]]
    same = repr(value) == repr(rows[number][name])  # repr, for which 0.0 and -0.0 differ too
    assert (sidecars.digest(table_of(changed)) == sidecars.digest(table_of(rows))) == same


ZEROES = [("int64", pa.int64(), 0), ("float32", pa.float32(), 0.0), ("bool", pa.bool_(), False),
          ("string", pa.large_string(), ""), ("key", pa.binary(4), b"\0\0\0\0"), ("list", pa.list_(pa.int64()), []),
          ("struct", pa.struct([("n", pa.int64())]), {"n": None})]


@pytest.mark.parametrize(("kind", "zero"), [case[1:] for case in ZEROES], ids=[case[0] for case in ZEROES])
def test_null_is_not_zero(kind: pa.DataType, zero: Any) -> None:
    def digest(*values: Any) -> str:
        return sidecars.digest(pa.table({"x": pa.array(values, kind)}))

    assert len({digest(), digest(None), digest(zero), digest(zero, None), digest(None, zero), digest(None, None)}) == 6


def test_names_order_and_types_enter_the_digest() -> None:
    one, two = pa.array([1, 2], pa.int64()), pa.array([1, 2], pa.int64())
    tables = [pa.table({"a": one, "b": two}), pa.table({"b": two, "a": one}), pa.table({"a": one, "c": two}),
              pa.table({"a": one}), pa.table({"a": one, "b": two.cast(pa.uint64())}),
              pa.table({"a": one[:1], "b": two[:1]}), pa.table({"a": one[:0], "b": two[:0]}),
              pa.table({"b": one[:0], "a": two[:0]})]
    assert len({sidecars.digest(table) for table in tables}) == len(tables)


def test_text_does_not_run_into_its_neighbour() -> None:
    tables = [pa.table({"a": values}) for values in (["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"])]
    assert len({sidecars.digest(table) for table in tables}) == 4


def test_what_stands_under_a_null_does_not_enter_the_digest() -> None:
    """Arrow leaves any bytes under a null; a filter or a cast may change them."""
    valid = pa.py_buffer(b"\x05")  # of three rows the first and the last
    for kind, width in ((pa.int64(), 8), (pa.binary(16), 16)):
        given = [pa.Array.from_buffers(kind, 3, [valid, pa.py_buffer(b"a" * width + under * width + b"c" * width)])
                 for under in (b"\0", b"x")]
        assert len({sidecars.digest(pa.table({"x": array})) for array in given}) == 1


# ---- the files


@quick
@given(ROWS)
def test_what_is_written_is_read_back(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    uri, table = str(tmp_path / "deep" / "x.parquet"), table_of(rows)
    stored = sidecars.write(uri, table, {"shard": "a", "info": {"é": 1}})
    assert stored == {"shard": "a", "info": {"é": 1}, "rows": len(rows), "digest": naive_digest(rows)}
    read, metadata = sidecars.read(uri)
    assert read.schema == SCHEMA and repr(read.to_pylist()) == repr(table.to_pylist())
    assert metadata == sidecars.metadata(uri) == stored
    assert sidecars.digest(read) == stored["digest"]


def test_columns_are_read_as_asked(tmp_path: Path) -> None:
    uri = str(tmp_path / "x.parquet")
    sidecars.write(uri, pa.table({"a": [1], "b": ["x"], "c": [True]}), {})
    assert sidecars.read(uri, ["b", "a"])[0].to_pylist() == [{"b": "x", "a": 1}]


def test_a_table_of_other_types_is_digested_as_it_is_stored(tmp_path: Path) -> None:
    uri, schema = str(tmp_path / "x.parquet"), pa.schema([("a", pa.int64()), ("b", pa.large_string())])
    with sidecars.writer(uri, schema) as out:
        out.write(pa.table({"a": pa.array([1], pa.int32()), "b": pa.array(["x"], pa.string())}))
        stored = out.finish({})
    assert sidecars.digest(sidecars.read(uri)[0]) == stored["digest"]


def test_nothing_appears_of_a_writer_that_fails_or_does_not_finish(tmp_path: Path) -> None:
    schema = pa.schema([("a", pa.int64())])
    with pytest.raises(KeyError), sidecars.writer(str(tmp_path / "x"), schema) as out:
        out.write(pa.table({"a": [1]}))
        raise KeyError
    with pytest.raises(AssertionError, match="finish was not called"), sidecars.writer(str(tmp_path / "x"), schema):
        pass
    assert list(tmp_path.iterdir()) == []


def without_metadata(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)


def with_metadata_damaged(path: Path) -> None:
    data = path.read_bytes()
    at = data.index(b'"shard_bytes":123')
    path.write_bytes(data[: at + 15] + b"9" + data[at + 16 :])


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "not Parquet": lambda path: path.write_bytes(b"x" * 1000),
    "of another program": without_metadata,
    "with other metadata": with_metadata_damaged,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_cannot_be_read_is_as_good_as_absent(tmp_path: Path, damage: Callable[[Path], Any]) -> None:
    path = tmp_path / "x.parquet"
    sidecars.write(str(path), pa.table({"a": [1]}), {"shard_bytes": 123})
    damage(path)
    assert sidecars.metadata(str(path)) is None
    with pytest.raises(StorageError, match=r"x\.parquet: this sidecar .*; remove it and run again"):
        sidecars.read(str(path))


def test_an_absent_sidecar_has_no_metadata(tmp_path: Path) -> None:
    assert sidecars.metadata(str(tmp_path / "x.parquet")) is None
    with pytest.raises(StorageError, match="there is no such file"):
        sidecars.read(str(tmp_path / "x.parquet"))


def test_no_flipped_byte_passes_for_what_was_written(tmp_path: Path) -> None:
    """Parquet has no checksum of its own here, so digest and metadata have to notice all that matters."""
    path, rows = tmp_path / "x.parquet", [{"a": number, "b": f"text {number}" * 3} for number in range(30)]
    stored = sidecars.write(str(path), pa.Table.from_pylist(rows), {"shard": "a", "info": {"bad": 0}})
    whole = path.read_bytes()
    noticed = 0
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x01]) + whole[place + 1 :])
        try:
            table, metadata = sidecars.read(str(path))
        except StorageError:
            noticed += 1
            continue
        if metadata != stored or sidecars.digest(table) != metadata["digest"]:
            noticed += 1
        else:  # in what no one reads, such as the writer's name
            assert table.to_pylist() == rows and metadata == stored, place
    assert noticed > 0.6 * len(whole) / 3


def test_keys_and_positions_are_written_without_dictionaries_and_come_back(tmp_path: Path) -> None:
    """How a column is encoded is Parquet's matter: neither values nor content digest know of it."""
    spans = pa.list_(pa.struct([("start", pa.int64()), ("key", pa.uint64())]))
    keys = [2**64 - 1, 0, 2**63, 7]
    table = pa.table({
        "spans": pa.array([[{"start": 2**62, "key": keys[0]}, {"start": -1, "key": keys[1]}], [], None], spans),
        "bands": pa.array([keys, [], None], pa.list_(pa.uint64())),
        "row": pa.array([5, None, -(2**63)], pa.int64()),
        "name": ["a", None, "b"],
    })
    stored = sidecars.write(str(tmp_path / "x.parquet"), table, {})
    found, metadata = sidecars.read(str(tmp_path / "x.parquet"))
    assert found.to_pylist() == table.to_pylist()
    assert metadata["digest"] == stored["digest"] == sidecars.digest(table) == sidecars.digest(found)
    group = pq.read_metadata(tmp_path / "x.parquet").row_group(0)
    encodings = {group.column(place).path_in_schema: group.column(place).encodings for place in range(5)}
    assert {path for path, each in encodings.items() if "DELTA_BINARY_PACKED" in each} == \
        {"spans.list.element.start", "row"}
    assert {path for path, each in encodings.items() if any("DICTIONARY" in name for name in each)} == {"name"}
