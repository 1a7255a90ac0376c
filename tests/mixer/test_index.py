"""The index of a stage: one file, read back as written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixer import index
from mixer.corpus import Corpus, Shard
from mixer.errors import StorageError
from mixer.index import Entry, Index
from mixer.storage import Stat
from mixer.workspace import open_workspace

NUMBER = st.integers(0, 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ENTRIES = st.builds(Entry, TEXT, NUMBER, TEXT, TEXT, NUMBER, TEXT, TEXT,
                    st.dictionaries(TEXT, st.none() | NUMBER | TEXT | st.dictionaries(TEXT, NUMBER, max_size=2)))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ENTRIES, max_size=5, unique_by=lambda entry: entry.shard))
def test_what_is_written_is_read_back_in_order_of_shard(tmp_path: Path, entries: list[Entry]) -> None:
    uri = str(tmp_path / "index" / "rows@1.parquet")
    index.write(uri, Index.of(entries))
    found = index.read(uri)
    assert found == {entry.shard: entry for entry in entries}
    assert list(found) == sorted(found)


def test_equal_entries_give_equal_files(tmp_path: Path) -> None:
    entries = [Entry(str(number), number, "t", "s", 1, "d", "r", {"b": 1, "a": {"d": 1, "c": 2}})
               for number in range(9)]
    again = [Entry(**{**entry.__dict__, "info": {"a": {"c": 2, "d": 1}, "b": 1}}) for entry in reversed(entries)]
    index.write(str(tmp_path / "one"), Index.of(entries))
    index.write(str(tmp_path / "two"), Index.of(again))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_stage_that_never_finished_has_no_entries(tmp_path: Path) -> None:
    assert index.read(str(tmp_path / "none.parquet")) == {}


def test_an_index_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    index.write(str(path), Index.of([Entry("a", 1, "t", "s", 1, "d", "r")]))
    whole = path.read_bytes()
    info = pq.read_table(path).set_column(7, "info", pa.array(["{"]))
    for damage in (lambda: path.write_bytes(b""), lambda: path.write_bytes(whole[:-9]),
                   lambda: path.write_bytes(b"{}"), lambda: pq.write_table(info, path),
                   lambda: pq.write_table(pa.table({"shard": ["a"]}), path)):
        damage()
        with pytest.raises(StorageError, match=r"x\.parquet: this index cannot be read .*; remove it, the next run"):
            index.read(str(path))




# ---- columns against plain dicts

NAMES = st.sampled_from(["a", "b", "b/c", "é", "z.jsonl"])
PLAIN = st.dictionaries(NAMES, st.builds(
    Entry, st.just(""), st.integers(0, 2), st.sampled_from(["t", "u"]), st.just("s"), st.integers(0, 9),
    st.sampled_from(["d", "e"]), st.sampled_from(["r", "q"]), st.fixed_dictionaries({"n": st.integers(0, 2)}),
)).map(lambda found: {shard: replace(entry, shard=shard) for shard, entry in found.items()})


@settings(max_examples=200, deadline=None)
@given(PLAIN, PLAIN)
def test_an_index_says_what_a_dict_of_entries_does(old: dict[str, Entry], new: dict[str, Entry]) -> None:
    found = Index.of(old.values())
    assert found == old and len(found) == len(old) and list(found) == sorted(old)
    assert found.pylist("rows") == [old[shard].rows for shard in sorted(old)]
    assert found.sum("rows") == sum(entry.rows for entry in old.values())
    assert found.info("n") == [old[shard].info["n"] for shard in sorted(old)]
    assert sorted(info["n"] for info in found.infos()) == sorted({entry.info["n"] for entry in old.values()})
    both = found.updated(Index.of(new.values()))
    assert both == old | new and list(both) == sorted(old | new)
    assert both.same(Index.of((old | new).values())) and both.same(found) == (old | new == old)
    assert Index.unpacked([each.packed() for each in (found, Index.of([]))]).same(found)
    for order in (sorted(both), sorted(both, reverse=True), sorted(both)[:1]):
        assert list(both.at(pa.array(order, pa.string())).items()) == [(shard, both[shard]) for shard in order]
    with pytest.raises(KeyError, match="absent"):
        both.at(pa.array([*both, "absent"], pa.string()))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(NAMES, st.tuples(st.integers(0, 2), st.sampled_from(["t", "u"])), min_size=1), PLAIN, PLAIN,
       st.sets(NAMES))
def test_what_is_stale_is_what_a_look_at_each_shard_says(
    shards: dict[str, tuple[int, str]], entries: dict[str, Entry], of_rows: dict[str, Entry], there: set[str]
) -> None:
    listed = tuple(Shard(path, "web", Stat(*shards[path])) for path in sorted(shards))
    expected = []
    for shard in listed:
        entry, row = entries.get(shard.path), of_rows.get(shard.path)
        good = entry and row and entry.rows_digest == row.rows_digest and shard.path in there
        expected.append(not (good and entry and (entry.bytes, entry.token) == shards[shard.path]))
    corpus = Corpus(open_workspace("work", "corpus"), listed, "")
    found = index.stale(corpus, Index.of(entries.values()), Index.of(of_rows.values()), there)
    assert found.tolist() == expected


def test_sidecars_are_found_whatever_their_names(tmp_path: Path) -> None:
    for name in ("web/0.jsonl.parquet", "web/.1.jsonl.parquet", ".old/2.parquet", "web/.0.jsonl.parquet.9-a.tmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert index.present(str(tmp_path)) == {"web/0.jsonl", "web/.1.jsonl", ".old/2"}
    assert index.present(str(tmp_path / "none")) == set()
