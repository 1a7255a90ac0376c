from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from mixtures import frames

from mixer import mixture, sidecars, tree
from mixer.mixture import Edit, Record, is_written_so, merkle_root, record_line, shard_of, write_shard
from mixer.selection import units_of_bytes


def rfc6962(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, as it is written there."""
    if len(leaves) == 0:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + rfc6962(leaves[:k]) + rfc6962(leaves[k:])).digest()


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=40))
def test_merkle_root_is_the_rfc_s(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == rfc6962(leaves)


def test_merkle_root_of_the_rfc_s_published_vectors() -> None:
    # From the test vectors of certificate-transparency (merkletree/tree_test).
    leaves = [bytes.fromhex(each) for each in
              ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]
    assert merkle_root(leaves[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle_root(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@pytest.mark.parametrize(("raw", "expected"), [
    # Dolma's fields come first and in its order; the rest follow in theirs; values are the same bytes.
    (b'{"z":1.50,"text":"\\u00e9","id":"a\\/b","source":"web","added":null}',
     b'{"id":"a\\/b","text":"\\u00e9","source":"web","added":null,"z":1.50,"provenance":%s}'),
    # Space between fields goes, and inside a value stays.
    (b' { "id" : "1" ,\t"text":"x", "source":"s", "metadata": { "a" : [ 1e400, -0 ] } } ',
     b'{"id":"1","text":"x","source":"s","metadata":{ "a" : [ 1e400, -0 ] },"provenance":%s}'),
    # Of a name that stands twice the last value counts, here and for the reader that measured it.
    (b'{"id":"1","text":"no","text":"yes","source":"s"}',
     b'{"id":"1","text":"yes","source":"s","provenance":%s}'),
    (b'{"":0,"id":"1","text":"x","source":"s","p\\u0072ov":1}',
     b'{"id":"1","text":"x","source":"s","":0,"prov":1,"provenance":%s}'),
])
def test_record_is_the_input_with_its_provenance(raw: bytes, expected: bytes) -> None:
    said = b'{"source":"web","shard":"web/1.jsonl","row":7,"copy":2}'
    line = record_line(raw, "web", "web/1.jsonl", 7, 2)
    assert line == expected % said
    assert is_written_so(line)


def test_record_of_which_something_was_cut_says_what() -> None:
    edit = Edit(((1, 3), (4, 5)), (), "né\n\u2028", bytes(range(32)), 12, 8)
    line = record_line(b'{"z":1.50,"te\\u0078t":"caf\\u00e9","id":"1"}', "web", "w", 7, 2, edit)
    sha256 = bytes(range(32)).hex()
    assert line.decode() == (
        '{"id":"1","text":"né\\n\u2028","z":1.50,"provenance":{"source":"web","shard":"w","row":7,"copy":2,"cut":[[1,3],'
        '[4,5]],"original":{"sha256":"' + sha256 + '","bytes":12,"chars":8}}}')
    assert is_written_so(line)


def test_record_of_which_something_was_replaced_says_by_what() -> None:
    edit = Edit((), ((0, 3, "|é|"), (4, 5, "")), "|é|f", bytes(32), 5, 5)
    line = record_line(b'{"text":"caf\\u00e9s","id":"1"}', "web", "w", 7, 2, edit)
    assert json.loads(line)["text"] == "|é|f"
    said = json.loads(line)["provenance"]
    assert said["replaced"] == [[0, 3, "|é|"], [4, 5, ""]] and "cut" not in said
    assert said["original"] == {"sha256": "00" * 32, "bytes": 5, "chars": 5}
    assert (edit.spans, edit.added) == (2, 4)


@pytest.mark.parametrize("older", [b'{"source":"a", "from":{"b":1}}', b'"by hand"', b"null", b"[1, 2]"])
def test_older_provenance_is_nested_as_it_came(older: bytes) -> None:
    line = record_line(b'{"provenance":' + older + b',"id":"1","text":"x","source":"s"}', "m", "p", 0, 0)
    assert line.endswith(b',"provenance":{"source":"m","shard":"p","row":0,"copy":0,"from":' + older + b"}}")
    again = json.loads(record_line(line, "n", "q", 1, 1))["provenance"]
    assert again["source"] == "n" and again["from"]["from"] == json.loads(older)


@pytest.mark.parametrize("line", [
    b'{"text":"a","text":"b"}', b'{"text" :"a"}', b'{"text":"a"} ', b'{"te\\u0078t":"a"}',
])
def test_a_line_that_a_build_does_not_write(line: bytes) -> None:
    assert not is_written_so(line)


def some(count: int, size: int = 50) -> list[Record]:
    found = []
    for number in range(count):
        text = f"{number} ".encode() * size
        line = json.dumps({"id": str(number), "text": text.decode()}).encode()
        original = text + b"and more" * (number % 2)
        found.append(Record(line, "web" if number % 3 else "wiki", "own", str(number), f"{number % 2}.jsonl", number, 0,
                            hashlib.sha256(original).digest(), len(original), hashlib.sha256(text).digest(), len(text),
                            number % 2, 0, int(units_of_bytes("tokens", np.array([len(original)]))[0])))
    return found


def test_frames_stand_alone_with_a_checksum_and_end_with_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixture, "FRAME_BYTES", 1000)
    records = some(40)
    row = write_shard(str(tmp_path), "00000", records, "bytes", "key")
    data = (tmp_path / "data/00000.jsonl.zst").read_bytes()
    parts = frames(data)
    assert len(parts) > 5
    lines: list[bytes] = []
    for part in parts:
        about = zstandard.get_frame_parameters(part)
        assert about.has_checksum
        # RFC 8878: the Content_Checksum is the low 4 bytes of xxh64; a flipped bit of it has to be seen.
        with pytest.raises(zstandard.ZstdError, match="checksum"):
            zstandard.ZstdDecompressor().decompress(part[:-1] + bytes([part[-1] ^ 1]))
        plain = zstandard.ZstdDecompressor().decompress(part)  # of this frame alone
        assert about.content_size == len(plain) and plain.endswith(b"\n")
        lines += plain.split(b"\n")[:-1]
    assert lines == [record.line for record in records]
    assert row is not None
    assert (row["file_bytes"], row["file_sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert row["content_sha256"] == hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()


@pytest.mark.parametrize(("unit", "each"), [("docs", lambda size: 1), ("bytes", lambda size: size),
                                            ("tokens", lambda size: -(-size // 4))])
def test_index_tiles_the_shard_and_row_adds_up(tmp_path: Path, unit: str, each: object) -> None:
    assert callable(each)
    records = some(33, 7)
    row = write_shard(str(tmp_path), "web/00004", records, unit, "key")
    assert row is not None and row["path"] == "data/web/00004.jsonl.zst"
    plain = b"".join(map(zstandard.ZstdDecompressor().decompress, frames((tmp_path / row["path"]).read_bytes())))
    index = pq.read_table(tmp_path / row["index_path"]).to_pylist()
    assert index[0]["start"] == 0 and index[-1]["end"] == len(plain) == row["record_bytes"]
    for before, after in itertools.pairwise(index):
        assert before["end"] == after["start"]
    for entry, record in zip(index, records, strict=True):
        assert plain[entry["start"] : entry["end"]] == record.line + b"\n"
        names = [name for name in Record.__annotations__ if name != "line"]
        assert [entry[name] for name in names] == [getattr(record, name) for name in names]
    assert row["docs"] == 33 and row["text_bytes"] == sum(record.emitted_bytes for record in records)
    assert row["units"] == sum(each(record.emitted_bytes) for record in records)
    wiki = [record for record in records if record.mix_source == "wiki"]
    assert json.loads(row["sources"])["wiki"] == \
        {"docs": 11, "units": sum(each(record.emitted_bytes) for record in wiki)}
    assert row["merkle_root"] == rfc6962([record.emitted_sha256 for record in records]).hex()


def test_no_records_make_no_shard(tmp_path: Path) -> None:
    assert write_shard(str(tmp_path), "00000", [], "docs", "key") is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_data_shard_and_its_index_and_the_tree_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the manifest that names them: no build would ever make them again."""
    flushed: list[str] = []
    monkeypatch.setattr("mixer.storage._flush", lambda out: flushed.append(Path(out.name).name.split(".")[1]))
    write_shard(str(tmp_path), "00004", some(5), "docs", "key")
    tree.write_file(str(tmp_path), 7, tree.NO_LEAVES)
    assert flushed == ["00004", "00004", "00007"]


def test_finished_shard_is_found_only_by_its_own_build_and_whole(tmp_path: Path) -> None:
    row = write_shard(str(tmp_path), "00000", some(5), "docs", "mine")
    assert mixture.finished_shard(str(tmp_path), "00000", "mine") == row
    assert mixture.finished_shard(str(tmp_path), "00000", "other") is None
    assert mixture.finished_shard(str(tmp_path), "00001", "mine") is None
    with (tmp_path / "data/00000.jsonl.zst").open("ab") as out:
        out.write(b"x")
    assert mixture.finished_shard(str(tmp_path), "00000", "mine") is None


def test_a_shard_of_another_build_loses_its_index_before_its_data(tmp_path: Path) -> None:
    """Otherwise a build that is killed between the two leaves an index that vouches for another build's data."""
    write_shard(str(tmp_path), "00000", some(5), "docs", "first")

    def killed() -> object:
        yield from some(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shard(str(tmp_path), "00000", killed(), "docs", "second")  # type: ignore[arg-type]
    assert mixture.finished_shard(str(tmp_path), "00000", "first") is None
    assert list((tmp_path / "index").iterdir()) == []


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1), st.integers(1, 2**31))
def test_shard_of_a_place_is_its_share_of_the_shards(places: list[int], count: int) -> None:
    assert shard_of(np.array(places, np.uint64), count).tolist() == [place * count >> 64 for place in places]


def test_content_digest_knows_no_files(tmp_path: Path) -> None:
    row = write_shard(str(tmp_path), "00000", some(5), "docs", "mine")
    assert row is not None
    other = {**row, "file_bytes": 1, "file_sha256": "x", "index_file_bytes": 2, "index_file_sha256": "y",
             "index_path": "z"}
    digests = {mixture.content_digest(mixture.shards_table([each])) for each in (row, other)}
    assert len(digests) == 1
    for name in mixture.CONTENT_COLUMNS:
        changed = {**row, name: row[name] + 1 if isinstance(row[name], int) else row[name] + "x"}
        assert mixture.content_digest(mixture.shards_table([changed])) not in digests
    assert sidecars.digest(mixture.shards_table([row])) not in digests
