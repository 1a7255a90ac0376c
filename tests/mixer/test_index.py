"""The index of a stage: one file, read back as written."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixer import index
from mixer.errors import StorageError
from mixer.index import Entry
from mixer.storage import Stat

NUMBER = st.integers(0, 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ENTRIES = st.builds(Entry, TEXT, NUMBER, TEXT, TEXT, NUMBER, TEXT, TEXT,
                    st.dictionaries(TEXT, st.none() | NUMBER | TEXT | st.dictionaries(TEXT, NUMBER, max_size=2)))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ENTRIES, max_size=5, unique_by=lambda entry: entry.shard))
def test_what_is_written_is_read_back_in_order_of_shard(tmp_path: Path, entries: list[Entry]) -> None:
    uri = str(tmp_path / "index" / "rows@1.parquet")
    index.write(uri, entries)
    found = index.read(uri)
    assert found == {entry.shard: entry for entry in entries}
    assert list(found) == sorted(found)


def test_equal_entries_give_equal_files(tmp_path: Path) -> None:
    entries = [Entry(str(number), number, "t", "s", 1, "d", "r", {"b": 1, "a": {"d": 1, "c": 2}})
               for number in range(9)]
    again = [Entry(**{**entry.__dict__, "info": {"a": {"c": 2, "d": 1}, "b": 1}}) for entry in reversed(entries)]
    index.write(str(tmp_path / "one"), entries)
    index.write(str(tmp_path / "two"), again)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_stage_that_never_finished_has_no_entries(tmp_path: Path) -> None:
    assert index.read(str(tmp_path / "none.parquet")) == {}


def test_an_index_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    index.write(str(path), [Entry("a", 1, "t", "s", 1, "d", "r")])
    whole = path.read_bytes()
    info = pq.read_table(path).set_column(7, "info", pa.array(["{"]))
    for damage in (lambda: path.write_bytes(b""), lambda: path.write_bytes(whole[:-9]),
                   lambda: path.write_bytes(b"{}"), lambda: pq.write_table(info, path),
                   lambda: pq.write_table(pa.table({"shard": ["a"]}), path)):
        damage()
        with pytest.raises(StorageError, match=r"x\.parquet: this index cannot be read .*; remove it, the next run"):
            index.read(str(path))


def test_a_shard_is_unchanged_by_size_and_token_together() -> None:
    entry = Entry("a", 10, "token", "sha", 1, "d", "r")
    assert entry.unchanged(Stat(10, "token"))
    assert not entry.unchanged(Stat(11, "token")) and not entry.unchanged(Stat(10, "other"))
