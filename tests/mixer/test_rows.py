"""The rows of a shard: identity, hashes and lengths of its documents, and the quarantine beside them."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mixer import rows
from mixer.documents import Bad, Batch, Document

UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def batch_of(*triples: tuple[str, str, str]) -> Batch:
    """A batch of (source, id, text), on every second line."""
    return Batch([Document(id, text, source) for source, id, text in triples],
                 [2 * number + 1 for number in range(len(triples))], [100 * number for number in range(len(triples))])


def rows_of(batch: Batch, first: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rows.rows_of(batch, rows.texts_of(batch), first).to_pylist()
    return found


def test_a_row_says_where_its_document_stands_and_what_it_holds() -> None:
    assert rows_of(batch_of(("web", "1", "naïve 😀"), ("wiki", "", "")), first=7) == [
        {"row": 7, "line": 1, "offset": 0, "source": "web", "id": "1", "identity": rows.identity("web", "1"),
         "text_sha256": hashlib.sha256("naïve 😀".encode()).digest(), "bytes": 11, "chars": 7},
        {"row": 8, "line": 3, "offset": 100, "source": "wiki", "id": "", "identity": rows.identity("wiki", ""),
         "text_sha256": hashlib.sha256(b"").digest(), "bytes": 0, "chars": 0}]


def test_a_batch_of_bad_records_alone_has_no_rows() -> None:
    table = rows.rows_of(Batch(bad=[Bad(1, 0, "r", b"", 0)]), pa.array([], pa.large_string()), 5)
    assert table.num_rows == 0 and table.schema == rows.SCHEMA


@given(st.lists(st.tuples(UNICODE, UNICODE, UNICODE), max_size=6))
def test_rows_measure_any_text(triples: list[tuple[str, str, str]]) -> None:
    for (source, id, text), row in zip(triples, rows_of(batch_of(*triples)), strict=True):
        assert (row["source"], row["id"], row["chars"], row["bytes"]) == (source, id, len(text), len(text.encode()))
        assert row["text_sha256"] == hashlib.sha256(text.encode()).digest()
        assert row["identity"] == rows.identity(source, id)


@given(st.lists(UNICODE, max_size=6), st.integers(0, 3), st.integers(0, 3))
def test_text_bytes_are_those_of_a_slice(texts: list[str], start: int, less: int) -> None:
    array = pa.array(texts, pa.large_string()).slice(start, max(0, len(texts) - start - less))
    assert [bytes(view) for view in rows.text_bytes(array)] == [text.encode() for text in array.to_pylist()]


def test_an_identity_is_fixed_for_good() -> None:
    """Draws depend on it: if these change, so does every mixture."""
    assert rows.identity("web", "1").hex() == hashlib.sha256(b"\3\0\0\0\0\0\0\0web1").hexdigest()[:32]
    assert rows.identity("", "").hex() == hashlib.sha256(bytes(8)).hexdigest()[:32]


@given(UNICODE, UNICODE, UNICODE, UNICODE)
def test_identities_are_of_the_pair_not_of_its_letters(a: str, b: str, c: str, d: str) -> None:
    assert (rows.identity(a, b) == rows.identity(c, d)) == ((a, b) == (c, d))
    assert rows.identity(a, b + c) == rows.identity(a + b, c) or b


def test_the_quarantine_holds_what_was_bad() -> None:
    bad = [Bad(3, 120, "not JSON", b"\xff\0", 9000), Bad(0, -1, "truncated: …", b"", 0)]
    assert rows.quarantine_of(bad).to_pylist() == [
        {"line": 3, "offset": 120, "reason": "not JSON", "raw": b"\xff\0", "length": 9000},
        {"line": 0, "offset": -1, "reason": "truncated: …", "raw": b"", "length": 0}]
    assert rows.quarantine_of([]).schema == rows.QUARANTINE_SCHEMA
