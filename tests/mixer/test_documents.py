"""Reading shards: every format, every kind of bad record, and streams that break."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import random
import resource
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixer import documents
from mixer.documents import Bad, Document, LineReader, ShardReader
from mixer.errors import BadInput, StorageError


@dataclass
class Whole:
    """A shard read to its end."""

    reader: ShardReader
    batches: list[documents.Batch]

    @property
    def documents(self) -> list[Document]:
        return [document for batch in self.batches for document in batch.documents]

    @property
    def bad(self) -> list[Bad]:
        return [bad for batch in self.batches for bad in batch.bad]

    @property
    def reasons(self) -> list[str]:
        return [bad.reason for bad in self.bad]

    @property
    def texts(self) -> list[str]:
        return [document.text for document in self.documents]

    @property
    def lines(self) -> list[int]:
        return [line for batch in self.batches for line in batch.lines]

    @property
    def offsets(self) -> list[int]:
        return [offset for batch in self.batches for offset in batch.offsets]

    @property
    def raws(self) -> list[bytes]:
        return [raw for batch in self.batches for raw in batch.raws]


def read(path: Path, **options: Any) -> Whole:
    reader = ShardReader(str(path), **options)
    return Whole(reader, list(reader))


def read_bytes(tmp_path: Path, data: bytes, name: str = "a.jsonl", **options: Any) -> Whole:
    (tmp_path / name).write_bytes(data)
    return read(tmp_path / name, **options)


def line(**fields: Any) -> bytes:
    return json.dumps({"id": "1", "text": "t", "source": "web", **fields}, ensure_ascii=False).encode()


def with_metadata(raw: bytes) -> bytes:
    return b'{"id":"1","text":"t","source":"web","metadata":' + raw + b"}"


def with_text(raw: bytes) -> bytes:
    return b'{"id":"1","source":"web","text":"' + raw + b'"}'


PLAIN = b"".join(line(id=str(number), text=f"text {number}") + b"\n" for number in range(100))
SKIPPABLE = b"\x50\x2a\x4d\x18\x05\x00\x00\x00hello"


def zst(data: bytes, **options: Any) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True, **options).compress(data)


# ---- formats


def split_gzip(data: bytes) -> bytes:
    return b"".join(gzip.compress(data[start : start + 1000]) for start in range(0, len(data), 1000))


def split_zst(data: bytes) -> bytes:
    return b"".join(zst(data[start : start + 1000]) for start in range(0, len(data), 1000))


FORMS = {
    "plain.jsonl": PLAIN,
    "plain.json": PLAIN,
    "no-final-newline.jsonl": PLAIN[:-1],
    "one-member.jsonl.gz": gzip.compress(PLAIN),
    "one-member.json.gz": gzip.compress(PLAIN),
    "members.jsonl.gz": split_gzip(PLAIN),
    "empty-members.jsonl.gz": gzip.compress(b"") + gzip.compress(PLAIN) + gzip.compress(b""),
    "padded.jsonl.gz": gzip.compress(PLAIN) + b"\0" * 10_000,
    "padded-between.jsonl.gz": gzip.compress(PLAIN[:500]) + b"\0" * 77 + gzip.compress(PLAIN[500:]),
    "one-frame.jsonl.zst": zst(PLAIN),
    "one-frame.json.zst": zst(PLAIN),
    "frames.jsonl.zst": split_zst(PLAIN),
    "no-content-size.jsonl.zst": zst(PLAIN, write_content_size=False),
    "skippable-first.jsonl.zst": SKIPPABLE + zst(PLAIN),
    "skippable-between.jsonl.zst": zst(PLAIN[:500]) + SKIPPABLE + zst(PLAIN[500:]),
    "skippable-last.jsonl.zst": zst(PLAIN) + SKIPPABLE,
    "empty-frame.jsonl.zst": zst(b"") + zst(PLAIN),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_a_shard_reads_the_same(tmp_path: Path, name: str) -> None:
    found = read_bytes(tmp_path, FORMS[name], name)
    assert found.texts == [f"text {number}" for number in range(100)]
    assert found.lines == list(range(1, 101))
    assert [PLAIN[offset:].split(b"\n", 1)[0] for offset in found.offsets] == PLAIN.splitlines()
    assert found.bad == [] and found.reader.broken is None
    assert found.reader.sha256 == hashlib.sha256(FORMS[name]).hexdigest()
    assert found.reader.bytes == len(FORMS[name])


@pytest.mark.parametrize("name", FORMS)
def test_slices_of_any_size_read_the_same(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members, frames and lines may end anywhere in what one read or one call gives."""
    monkeypatch.setattr(documents, "SLICE_BYTES", 7)
    monkeypatch.setattr(documents, "READ_BYTES", 33)
    found = read_bytes(tmp_path, FORMS[name], name)
    assert found.texts == [f"text {number}" for number in range(100)]
    assert found.reader.sha256 == hashlib.sha256(FORMS[name]).hexdigest()


def test_a_window_of_128_mib_is_accepted(tmp_path: Path) -> None:
    """zstd --long=27 and above: decoders refuse windows over 8 MiB unless told otherwise."""
    # What is repeated 20 MB further back proves that the window is used, not only declared.
    noise = random.Random(1).randbytes(9_000_000).hex()
    data = line(text=noise) + b"\n" + line(id="2", text=noise) + b"\n"
    for window in (27, 28):
        parameters = zstandard.ZstdCompressionParameters(window_log=window, enable_ldm=True)
        compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        packed = compressor.compress(data) + compressor.flush()  # of unknown size, so that the window is declared
        assert zstandard.get_frame_parameters(packed).window_size == 1 << window
        assert len(packed) < 0.75 * len(zlib.compress(data, 1))
        assert [len(text) for text in read_bytes(tmp_path, packed, "a.jsonl.zst").texts] == [len(noise)] * 2


@pytest.mark.parametrize("name", ["a.jsonl.bz2", "a.txt", "a.gz", "a.json.zip", "jsonl"])
def test_another_name_is_refused_with_those_that_are_not(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=rf"{name}: not a shard's name; use one of \.jsonl, "):
        read_bytes(tmp_path, bz2.compress(PLAIN), name)


def test_a_missing_shard_is_named() -> None:
    with pytest.raises(StorageError, match=r"/nowhere/a\.jsonl: there is no such file"):
        read(Path("/nowhere/a.jsonl"))


# ---- empty and broken streams


def test_an_empty_plain_shard_has_no_documents(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, b"")
    assert found.batches == [] and found.reader.broken is None
    assert found.reader.sha256 == hashlib.sha256().hexdigest()


@pytest.mark.parametrize(("name", "data"), [("a.jsonl.gz", gzip.compress(b"", mtime=0)), ("a.jsonl.zst", zst(b"")),
                                            ("b.jsonl.zst", SKIPPABLE)])
def test_an_empty_compressed_shard_has_no_documents(tmp_path: Path, name: str, data: bytes) -> None:
    found = read_bytes(tmp_path, data, name)
    assert found.batches == [] and found.reader.broken is None


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_nothing_at_all_is_a_truncated_stream(tmp_path: Path, name: str) -> None:
    found = read_bytes(tmp_path, b"", name)
    assert found.reader.broken is not None and found.reader.broken.startswith("truncated: ")
    assert found.documents == [] and found.reasons == [found.reader.broken]


def pack(name: str, data: bytes) -> bytes:
    return {"gz": gzip.compress, "zst": zst}[name.rpartition(".")[2]](data)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_a_stream_cut_anywhere_is_truncated(tmp_path: Path, name: str) -> None:
    """At every byte of two members: only the cut between them cannot be told from a shorter shard."""
    first = pack(name, PLAIN[:500])
    whole = first + pack(name, PLAIN[500:1000])
    for cut in range(len(whole)):
        found = read_bytes(tmp_path, whole[:cut], name)
        if cut == len(first):
            assert found.reader.broken is None
        else:
            assert found.reader.broken == (
                f"truncated: {'gzip' if name.endswith('gz') else 'zstd'} stream ends inside a frame at compressed byte "
                f"{cut}"), cut
            assert found.bad[-1] == Bad(0, -1, found.reader.broken, b"", 0)
        assert found.reader.sha256 == hashlib.sha256(whole[:cut]).hexdigest()
        assert PLAIN.startswith(b"".join(line(id=d.id, text=d.text) + b"\n" for d in found.documents))
        assert all(bad.raw == PLAIN[bad.offset :][: bad.length] for bad in found.bad[:-1])


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_a_flipped_bit_is_corrupt(tmp_path: Path, name: str) -> None:
    whole = pack(name, PLAIN)
    told = 0
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 0x10
        found = read_bytes(tmp_path, bytes(flipped), name)
        assert found.reader.sha256 == hashlib.sha256(flipped).hexdigest()
        if found.reader.broken is None:  # a flip in the header's time or flags changes nothing that is read
            assert found.texts == [f"text {number}" for number in range(100)], place
        else:
            assert found.reader.broken.split(":")[0] in ("corrupt", "truncated"), place
            assert found.reasons[-1] == found.reader.broken
            told += found.reader.broken.startswith("corrupt: ")
    assert told > 0.8 * len(whole) / 7


def test_what_stands_before_a_break_is_given(tmp_path: Path) -> None:
    frames = [zst(line(id=str(number)) + b"\n") for number in range(5)]
    frames[3] = bytes([*frames[3][:-3], frames[3][-3] ^ 1, *frames[3][-2:]])
    found = read_bytes(tmp_path, b"".join(frames), "a.jsonl.zst")
    assert [document.id for document in found.documents][:3] == ["0", "1", "2"]
    assert found.reader.broken is not None
    place = sum(map(len, frames[:3]))
    assert found.reader.broken.startswith(f"corrupt: zstd stream breaks near compressed byte {place}")


@pytest.mark.parametrize(("name", "tail"), [("a.jsonl.gz", b"garbage"), ("a.jsonl.zst", b"garbage"),
                                            ("a.jsonl.zst", b"\0\0\0\0")])
def test_what_follows_a_stream_is_not_passed_over(tmp_path: Path, name: str, tail: bytes) -> None:
    found = read_bytes(tmp_path, pack(name, PLAIN) + tail, name)
    assert len(found.documents) == 100
    assert found.reader.broken is not None and found.reader.broken.startswith("corrupt: ")


def test_plain_text_named_as_compressed_is_corrupt(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "a.jsonl.zst"):
        found = read_bytes(tmp_path, PLAIN * 1000, name)
        assert str(found.reader.broken).startswith("corrupt: ")
        # What is recorded is the file as a whole, though reading stopped in its first block.
        assert found.reader.sha256 == hashlib.sha256(PLAIN * 1000).hexdigest()
        assert found.reader.bytes == len(PLAIN) * 1000


# ---- records


TYPES = {
    "id": [1, None, True, ["x"], {}, 1.5],
    "text": [1, None, ["a"], {"a": 1}, False],
    "source": [1, None, []],
    "added": [1, 20240101, {}, True],
    "created": [1.5, ["2024"], False],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in TYPES.items() for value in values])
def test_a_wrong_type_is_quarantined_with_its_place(tmp_path: Path, field: str, value: Any) -> None:
    wrong = line(**{field: value})
    found = read_bytes(tmp_path, line() + b"\n" + wrong + b"\n" + line() + b"\n")
    assert len(found.documents) == 2 and found.lines == [1, 3]
    (bad,) = found.bad
    assert (bad.line, bad.offset, bad.raw, bad.length) == (2, len(line()) + 1, wrong, len(wrong))
    assert bad.reason.startswith("not a document: Expected `str") and bad.reason.endswith(f"at `$.{field}`")


@pytest.mark.parametrize("field", ["id", "text", "source"])
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    fields = {"id": "1", "text": "t", "source": "s"}
    del fields[field]
    assert read_bytes(tmp_path, json.dumps(fields).encode()).reasons == [
        f"not a document: Object missing required field `{field}`"]


@pytest.mark.parametrize(("record", "reason"), [
    (line(id=""), "id is empty"),
    (b"[]", "not a document: Expected `object`, got `array`"),
    (b'"text"', "not a document: Expected `object`, got `str`"),
    (b"{", "not JSON: Input data was truncated"),
    (line()[:-1], "not JSON: Input data was truncated"),
    (line() + b" x", "not JSON: JSON is malformed: trailing characters"),
    (line() + line(), "not JSON: JSON is malformed: trailing characters"),
    (line().replace(b'"', b"'"), "not JSON: JSON is malformed"),
    (with_text(b"a\x00b"), "not JSON: JSON is malformed: invalid character"),
    (with_text(b"a\tb"), "not JSON: JSON is malformed: invalid character"),
    (with_text(b"\\ud800"), "not JSON: \\ud800 is half of a surrogate pair (byte 33)"),
    (with_text(b"\\ud83d\\ude00\\\\\\uDFFFabcdefgh"),
     "not JSON: \\uDFFF is half of a surrogate pair (byte 47)"),
    (with_metadata(b'{"a":"\\ud800"}'), "not JSON: \\ud800 is half of a surrogate pair (byte 53)"),
    (with_metadata(b'"\\ud800\\u0041"'), "not JSON: \\ud800 is half of a surrogate pair"),
    (with_text(b"\xff"), "not UTF-8: invalid start byte at byte 33"),
    (with_text(b"\xed\xa0\x80"), "not UTF-8: invalid continuation byte at byte 33"),
    (with_text(b"\xc0\xaf"), "not UTF-8: invalid start byte at byte 33"),
    (with_text(b"\xe2\x82"), "not UTF-8: "),
    (with_metadata(b'{"deep":["\xff"]}'), "not UTF-8: invalid start byte at byte 57"),
    (with_metadata(b'"\x00"'), "not JSON: JSON is malformed: invalid character"),
    (with_metadata(b"NaN"), "not JSON: JSON is malformed: invalid character"),
    (with_metadata(b"01"), "not JSON: JSON is malformed: invalid number"),
    (with_metadata(b"[1,]"), "not JSON: JSON is malformed: trailing comma in array"),
    (with_metadata(b""), "not JSON: JSON is malformed: invalid character"),
    (line(nosuch="x").replace(b'"x"', b'"\xff"'), "not UTF-8: "),
    (with_metadata(b"[" * 100_000 + b"]" * 100_000), "nested over 256 levels"),
    (with_metadata(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "nested over 256 levels"),
    (b'{"id":"1","nosuch":' + b"[" * 3_000_000, "nested over 256 levels"),
])
def test_a_bad_record_is_quarantined_and_the_shard_goes_on(tmp_path: Path, record: bytes, reason: str) -> None:
    found = read_bytes(tmp_path, line() + b"\n" + record + b"\n" + line() + b"\n")
    assert found.lines == [1, 3] and found.reader.broken is None
    (bad,) = found.bad
    assert bad.reason.startswith(reason)
    assert (bad.line, bad.offset, bad.length) == (2, len(line()) + 1, len(record))
    assert bad.raw == record[:4096]


@pytest.mark.parametrize(("escaped", "text"), [
    (rb"\u0000", "\0"), (rb"a\n\r\t\/\\", "a\n\r\t/\\"), (rb"\ud83d\ude00", "😀"), (rb"\u2028\u0085", "\u2028\x85"),
    ("\u2028\u2029\x85".encode(), "\u2028\u2029\x85"), ("\ufeff".encode(), "\ufeff"), (b"\x7f", "\x7f"),
    ("\U0010ffff\uffff".encode(), "\U0010ffff\uffff"), (b"", ""), ("e\u0301é".encode(), "e\u0301é")])
def test_any_unicode_is_text_as_it_stands(tmp_path: Path, escaped: bytes, text: str) -> None:
    found = read_bytes(tmp_path, (with_text(escaped) + b"\n") * 2)
    assert found.texts == [text, text] and found.lines == [1, 2] and found.bad == []


METADATA = [b"{}", b"[]", b"null", b"true", b"1", b"-0.0", b"1e400", b"12345678901234567890123", b'"text"', b'""',
            b'{ "b" : 1.50 ,\t"a" : [ { } ] , "b" : 2 }', rb'{"\u0061":"\/\u00e9"}', '{"é":"\u2028"}'.encode(),
            b"[" * 200 + b"]" * 200]


@pytest.mark.parametrize("raw", METADATA)
def test_metadata_of_any_shape_is_kept_byte_for_byte(tmp_path: Path, raw: bytes) -> None:
    found = read_bytes(tmp_path, with_metadata(raw), keep_raw=True)
    assert [bytes(document.metadata) for document in found.documents] == [raw]
    assert found.raws == [with_metadata(raw)]


def test_what_may_be_missing_may_be_null_too(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, b"\n".join([
        line(), line(added=None, created=None, metadata=None), line(added="a", created="c", metadata={"m": 1})]))
    assert [(d.added, d.created, bytes(d.metadata)) for d in found.documents] == [
        (None, None, b"null"), (None, None, b"null"), ("a", "c", b'{"m": 1}')]


def test_of_a_field_given_twice_the_last_counts_and_unknown_ones_pass(tmp_path: Path) -> None:
    record = b'{"id":"1","text":"first","x":[{"id":2}],"text":"last","id":"2","source":"s","provenance":null}'
    found = read_bytes(tmp_path, record, keep_raw=True)
    assert [(d.id, d.text) for d in found.documents] == [("2", "last")]
    fields = documents.raw_fields(found.raws[0])
    assert {name: bytes(value) for name, value in fields.items()} == {
        "id": b'"2"', "text": b'"last"', "x": b'[{"id":2}]', "source": b'"s"', "provenance": b"null"}


def test_a_byte_order_mark_is_no_part_of_the_first_record(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, b"\xef\xbb\xbf" + line() + b"\n" + line() + b"\n\xef\xbb\xbf" + line(), keep_raw=True)
    assert found.lines == [1, 2] and found.offsets == [3, len(line()) + 4]
    assert found.raws == [line(), line()]
    assert [bad.line for bad in found.bad] == [3]  # anywhere else it is a character like another
    assert read_bytes(tmp_path, b"\xef\xbb\xbf").batches == []


def test_carriage_returns_and_blank_lines_are_no_records(tmp_path: Path) -> None:
    data = b"\r\n" + line() + b"\r\n\n \t\r\n" + line(text="a\rb") + b"\r\n"
    found = read_bytes(tmp_path, data)
    assert found.texts == ["t", "a\rb"] and found.lines == [2, 5] and found.bad == []
    assert found.offsets == [2, data.rindex(b"{")]
    assert found.reader.blank_lines == 3


def test_bare_carriage_returns_do_not_end_lines(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, line() + b"\r" + line())
    assert found.documents == [] and found.reasons[0].startswith("not JSON: JSON is malformed: trailing characters")


def test_batches_are_bounded_by_bytes_of_good_and_of_bad_records(tmp_path: Path) -> None:
    good, bad = line(text="x" * 1000) + b"\n", b'{"bad":"' + b"y" * 100_000 + b'"}\n'
    found = read_bytes(tmp_path, good * 100 + bad * 100, batch_bytes=20_000)
    assert max(sum(len(d.text) for d in batch.documents) for batch in found.batches) <= 21_000
    assert max(sum(len(b.raw) for b in batch.bad) for batch in found.batches) <= 25_000
    assert len(found.documents) == 100 and len(found.bad) == 100
    assert {(len(b.raw), b.length) for b in found.bad} == {(4096, len(bad) - 1)}


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Gives, after the block, the most bytes that Python held in it."""
    most = 0
    tracemalloc.start()
    try:
        yield lambda: most
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


def test_a_line_over_the_limit_is_quarantined_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LINE_BYTES", 10_000)
    monkeypatch.setattr(documents, "READ_BYTES", 1_000)
    long = line(text="x" * 50_000)
    found = read_bytes(tmp_path, line() + b"\n" + long + b"\n" + line())
    assert found.lines == [1, 3] and found.offsets[1] == len(line()) + len(long) + 2
    (bad,) = found.bad
    assert bad.reason == f"line of {len(long)} bytes is over the limit of 10000"
    assert (bad.line, bad.offset, bad.length) == (2, len(line()) + 1, len(long))
    assert long.startswith(bad.raw) and 0 < len(bad.raw) <= 4096
    (tmp_path / "b.jsonl").write_bytes(b"x" * 5_000_000)
    with traced() as most:
        assert [number for number, _, _ in LineReader(str(tmp_path / "b.jsonl"))] == [1]
    assert most() < 1_000_000


def test_a_bomb_of_newlines_is_split_piece_by_piece(tmp_path: Path) -> None:
    """12 kB of zstd grow to 384 MiB, and as one list of lines to eight times that."""
    compressor = zstandard.ZstdCompressor().compressobj()
    bomb = [compressor.compress(b"\n" * (1 << 20)) for _ in range(384)]
    (tmp_path / "a.jsonl.zst").write_bytes(b"".join([*bomb, compressor.flush()]))
    with traced() as most:
        assert next(iter(LineReader(str(tmp_path / "a.jsonl.zst")))) == (1, 0, b"")
    assert most() < 300 << 20


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def test_a_document_of_200_mb_takes_linear_time_and_a_few_times_its_size(tmp_path: Path) -> None:
    def timed(size: int) -> float:
        body = b"lorem ipsum dolor " * (size // 18)
        (tmp_path / "a.jsonl.zst").write_bytes(zst(line(text="TEXT").replace(b"TEXT", body) + b"\n" + line() + b"\n"))
        began = time.process_time()
        found = read(tmp_path / "a.jsonl.zst")
        took = time.process_time() - began
        assert [len(text) for text in found.texts] == [len(body), 1] and found.bad == []
        return took

    small, before = timed(25_000_000), peak()
    large = timed(200_000_000)
    assert large < 8 * 4 * max(small, 0.05)  # were each piece joined to what is held, it would be 64 times
    assert peak() - before < 1.5e9


# ---- any documents, any form


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | FLOATS | TEXTS,
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=5)
RECORDS = st.fixed_dictionaries(
    {"id": TEXTS.filter(bool), "text": TEXTS, "source": TEXTS},
    optional={"added": st.none() | TEXTS, "created": st.none() | TEXTS, "metadata": JSON, "other": JSON})


@settings(max_examples=150, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(records=st.lists(RECORDS, max_size=8), form=st.sampled_from(["jsonl", "jsonl.gz", "json.zst"]),
       ends=st.lists(st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n  \n"]), min_size=8, max_size=8),
       escaped=st.booleans(), final=st.booleans(), bom=st.booleans(), cuts=st.lists(st.integers(0, 4000), max_size=4),
       read_size=st.integers(1, 200), slice_size=st.integers(1, 50), batch_bytes=st.integers(1, 500))
def test_any_documents_in_any_form_read_back(
    tmp_path: Path, records: list[dict[str, Any]], form: str, ends: Sequence[bytes], escaped: bool, final: bool,
    bom: bool, cuts: Sequence[int], read_size: int, slice_size: int, batch_bytes: int,
) -> None:
    lines = [json.dumps(record, ensure_ascii=escaped).encode() for record in records]
    plain = b"".join(each + end for each, end in zip(lines, ends, strict=False))
    plain = (b"\xef\xbb\xbf" if bom else b"") + (plain if final else plain.rstrip(b"\r\n "))
    at = [0, *sorted(min(cut, len(plain)) for cut in cuts), len(plain)]
    parts = [plain[start:end] for start, end in pairwise(at)]
    pack = {"jsonl": bytes, "jsonl.gz": gzip.compress, "json.zst": zst}[form]
    stored = b"".join(map(pack, parts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "READ_BYTES", read_size)
        patch.setattr(documents, "SLICE_BYTES", slice_size)
        found = read_bytes(tmp_path, stored, f"a.{form}", batch_bytes=batch_bytes, keep_raw=True)
    assert found.bad == [] and found.reader.broken is None
    assert [(d.id, d.text, d.source, d.added, d.created) for d in found.documents] == [
        (r["id"], r["text"], r["source"], r.get("added"), r.get("created")) for r in records]
    assert [json.loads(bytes(d.metadata)) for d in found.documents] == [r.get("metadata") for r in records]
    assert [raw.rstrip(b"\r") for raw in found.raws] == lines
    assert [plain[offset : offset + len(raw)] for offset, raw in zip(found.offsets, lines, strict=True)] == lines
    assert [plain[:offset].count(b"\n") + 1 for offset in found.offsets] == found.lines
    assert found.reader.sha256 == hashlib.sha256(stored).hexdigest() and found.reader.bytes == len(stored)


def test_lines_know_whether_the_last_one_ended(tmp_path: Path) -> None:
    for data, ended, count in ((b"a\nb\n", True, 2), (b"a\nb", False, 2), (b"", True, 0), (b"\n", True, 1)):
        (tmp_path / "a.jsonl").write_bytes(data)
        reader = LineReader(str(tmp_path / "a.jsonl"))
        assert (len(list(reader)), reader.ended) == (count, ended)


# ---- Parquet


def parquet(tmp_path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", **options)
    return tmp_path / "a.parquet"


def test_parquet_metadata_may_be_json_text_a_struct_or_missing(tmp_path: Path) -> None:
    base = {"id": ["1"], "text": ["t"], "source": ["s"]}

    def metadata(**more: Any) -> bytes:
        (document,) = read(parquet(tmp_path, base | more)).documents
        return bytes(document.metadata)

    assert metadata() == b"null"
    assert metadata(metadata=pa.array([None], pa.string())) == b"null"
    assert metadata(metadata=['{ "a" : 1.50 }']) == b'{ "a" : 1.50 }'
    assert metadata(metadata=["[1]"]) == b"[1]"
    assert metadata(metadata=["not JSON"]) == b'"not JSON"'
    assert metadata(metadata=["[" * 100_000]) == b'"' + b"[" * 100_000 + b'"'
    assert metadata(metadata=[b'{"a":1}']) == b'{"a":1}'
    assert metadata(metadata=[{"a": 1, "b": [None, "x"]}]) == b'{"a":1,"b":[null,"x"]}'
    assert metadata(metadata=pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64()))) == b'[["k",1]]'
    assert json.loads(metadata(metadata=[{"d": date(2024, 1, 2), "n": Decimal("1.10"), "f": float("nan")}])) == {
        "d": "2024-01-02", "n": "1.10", "f": None}


def test_a_parquet_record_is_one_line(tmp_path: Path) -> None:
    """Its raw form goes into JSON lines, where a newline between two tokens of the metadata would end the record."""
    found = read(parquet(tmp_path, {"id": ["1"], "text": ["a\nb"], "source": ["s"], "metadata": ['{\n "a": "\\n"\n}'],
                                    "extra": [[1, 2]]}), keep_raw=True)
    assert found.raws == [
        rb'{"id":"1","text":"a\nb","source":"s","metadata":{  "a": "\n" },"extra":[1,2]}']
    assert msgspec.json.decode(found.raws[0], type=Document).text == "a\nb"


def test_parquet_rows_are_checked_like_lines(tmp_path: Path) -> None:
    found = read(parquet(tmp_path, {"id": ["1", None, "", "4"], "text": ["t", "u", "v", None],
                                    "source": pa.array(["s"] * 4).dictionary_encode()}))
    assert found.texts == ["t"] and found.lines == [1] and found.offsets == [-1]
    assert [(bad.line, bad.offset, bad.reason) for bad in found.bad] == [
        (2, -1, "not a document: Expected `str`, got `null` - at `$.id`"), (3, -1, "id is empty"),
        (4, -1, "not a document: Expected `str`, got `null` - at `$.text`")]
    assert found.bad[0].raw == b'{"id":null,"text":"u","source":"s"}'
    assert found.reader.sha256 == hashlib.sha256((tmp_path / "a.parquet").read_bytes()).hexdigest()
    long = read(parquet(tmp_path, {"id": [""], "text": ["x" * 9000], "source": ["s"]})).bad[0]
    assert len(long.raw) == 4096 and long.length > 9000


def test_parquet_dates_become_text_and_numbers_do_not(tmp_path: Path) -> None:
    base = {"id": ["1"], "text": ["t"], "source": ["s"]}
    when = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    (document,) = read(parquet(tmp_path, base | {"created": [when], "added": [date(2024, 1, 2)]})).documents
    assert (document.created, document.added) == ("2024-01-02T03:04:05+00:00", "2024-01-02")
    nanoseconds = pa.array([1_704_164_645_123_456_789], pa.timestamp("ns"))
    (document,) = read(parquet(tmp_path, base | {"created": nanoseconds})).documents
    assert document.created == "2024-01-02T03:04:05.123456789"
    assert read(parquet(tmp_path, base | {"created": [1704164645]})).reasons == [
        "not a document: Expected `str | null`, got `int` - at `$.created`"]
    assert read(parquet(tmp_path, base | {"id": [1]})).reasons == [
        "not a document: Expected `str`, got `int` - at `$.id`"]


def test_parquet_bytes_are_text_if_they_are_utf8(tmp_path: Path) -> None:
    """Older writers mark no column as text; base64 of it, as JSON has bytes, would pass for a document."""
    found = read(parquet(tmp_path, {"id": [b"1", b"2"], "text": ["é".encode(), b"\xff"], "source": [b"s"] * 2}))
    assert found.texts == ["é"] and [document.id for document in found.documents] == ["1"]
    assert [(bad.line, bad.reason, bad.raw) for bad in found.bad] == [
        (2, "not UTF-8: invalid start byte at byte 0", b"")]


def test_parquet_text_that_is_not_utf8_is_quarantined(tmp_path: Path) -> None:
    wrong = pa.array([b"ok", b"a\xff", b"ok"]).view(pa.binary()).cast(pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 3, wrong.buffers())
    found = read(parquet(tmp_path, {"id": ["1", "2", "3"], "text": texts, "source": ["s"] * 3}))
    assert found.lines == [1, 3]
    assert [(bad.line, bad.reason, bad.raw) for bad in found.bad] == [
        (2, "not UTF-8: invalid start byte at byte 1", b"a\xff")]


def test_parquet_row_groups_are_read_in_bounded_batches(tmp_path: Path) -> None:
    texts = [f"{number} " + random.Random(number).randbytes(2000).hex() for number in range(500)]
    path = parquet(tmp_path, {"id": [str(n) for n in range(500)], "text": texts, "source": ["s"] * 500},
                   row_group_size=200)
    found = read(path, batch_bytes=100_000)
    assert found.texts == texts and found.lines == list(range(1, 501))
    assert max(sum(len(d.text) for d in batch.documents) for batch in found.batches) < 200_000


def test_parquet_that_cannot_be_read_is_corrupt(tmp_path: Path) -> None:
    rows = {"id": ["1"] * 3000, "text": [random.Random(n).randbytes(50).hex() for n in range(3000)],
            "source": ["s"] * 3000}
    whole = parquet(tmp_path, rows, row_group_size=1000, compression="zstd").read_bytes()
    for data in (b"", b"not Parquet", whole[:-100], whole[: len(whole) // 2]):
        found = read_bytes(tmp_path, data, "b.parquet")
        assert found.documents == []
        assert str(found.reader.broken).startswith("corrupt: Parquet cannot be read after row 0 (")
        assert found.reasons == [found.reader.broken]
        assert found.reader.sha256 == hashlib.sha256(data).hexdigest()
    holed = whole[: len(whole) // 2] + bytes(1000) + whole[len(whole) // 2 + 1000 :]
    found = read_bytes(tmp_path, holed, "b.parquet")
    assert str(found.reader.broken).startswith("corrupt: Parquet cannot be read after row 1000 (")
    assert found.lines == list(range(1, 1001)) and found.reasons == [found.reader.broken]


def test_parquet_without_a_column_says_which(tmp_path: Path) -> None:
    found = read(parquet(tmp_path, {"id": ["1"], "content": ["t"]}))
    assert found.reader.broken == "corrupt: Parquet without the column source, text"


def test_empty_parquet_has_no_documents(tmp_path: Path) -> None:
    columns = {name: pa.array([], pa.string()) for name in ("id", "text", "source")}
    found = read(parquet(tmp_path, columns))
    assert found.documents == [] and found.bad == [] and found.reader.broken is None


@pytest.mark.parametrize(("text", "deep"), [
    (b"[" * 255 + b"]" * 255, False),  # with the record's own braces: 256
    (b"[" * 256 + b"]" * 256, True),
    (b'"' + b"[{" * 500 + b'"', False),  # in a string
    (b'"' + b"\\\\\\\"[" * 500 + b'"', False),
    (b"[" + b"[],{}," * 500 + b"1]", False),
])
def test_depth_has_a_limit_of_its_own_at_any_call_depth(tmp_path: Path, text: bytes, deep: bool) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(with_metadata(text) + b"\n")

    def good(depth: int) -> int:
        if depth:
            return good(depth - 1)
        return sum(len(batch.documents) for batch in ShardReader(str(path)))

    assert good(0) == good(300) == (0 if deep else 1)


def test_depth_of_an_endless_string_is_found_in_linear_time() -> None:
    began = time.process_time()
    for start in (b"", b'{"a":"', b'{"a":"' + b"\\" * 2_000_001):  # no JSON either way
        assert documents._too_deep(start + b"[" * 2_000_000)
    assert time.process_time() - began < 5


def test_parquet_that_is_written_again_while_it_is_read_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"id": ["1", "2"], "text": ["one", "two"], "source": ["s", "s"]})
    pq.write_table(table, path, row_group_size=1)
    reader = ShardReader(str(path))
    batches = iter(reader)
    next(batches)
    pq.write_table(table.slice(1), path)
    rest = list(batches)
    assert reader.broken is not None and rest[-1].bad[-1].reason == reader.broken


def test_documents_of_a_reference_need_no_source(tmp_path: Path) -> None:
    """One that names none is of the source given; any other record is as good or bad as ever."""
    data = b'{"id":"1","text":"t"}\n{"id":"2","text":"t","source":""}\n' + line(id="3") + b'\n{"text":"t"}\n'
    given = read_bytes(tmp_path, data, source="bench")
    assert [(document.id, document.source) for document in given.documents] == [
        ("1", "bench"), ("2", "bench"), ("3", "web")]
    assert [bad.line for batch in given.batches for bad in batch.bad] == [4]
    assert [document.id for document in read_bytes(tmp_path, data).documents] == ["2", "3"]
    pq.write_table(pa.table({"id": ["1"], "text": ["t"]}), tmp_path / "a.parquet")
    assert [document.source for document in read(tmp_path / "a.parquet", source="bench").documents] == ["bench"]
    assert read(tmp_path / "a.parquet").documents == []
