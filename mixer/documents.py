"""Documents in Dolma's form, read from a shard as a stream of batches.

A shard is `.jsonl` or `.json` (one object a line), plain, `.gz` or `.zst`, or `.parquet`. What cannot be read comes out
beside the good records as `Bad`, with its place and reason. The sha256 of the shard's stored bytes is taken on the way.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, Any, TypeAlias

import msgspec
import zstandard

from mixer import storage
from mixer.errors import BadInput, StorageError

SUFFIXES = (".jsonl", ".json", ".jsonl.gz", ".json.gz", ".jsonl.zst", ".json.zst", ".parquet")
READ_BYTES = 1 << 20
# A compressed block can grow by 32,000 times: small slices bound what one call can return, here to 128 MiB.
SLICE_BYTES = 4 << 10
BATCH_BYTES = 16 << 20
LINE_BYTES = 1 << 30
RAW_BYTES = 4 << 10
PARQUET_ROWS = 1024
BOM = b"\xef\xbb\xbf"
# A limit of our own: the decoder's is what is left of the interpreter's stack, which one task has and another has not.
MAX_DEPTH = 256
TOO_DEEP = f"nested over {MAX_DEPTH} levels"
WINDOW_BYTES = 1 << 31

Chunk: TypeAlias = bytes  # LineReader has a field named bytes


class Document(msgspec.Struct, gc=False):
    """One document. `metadata` is the raw JSON that it came as; text is any Unicode without lone surrogates."""

    id: str
    text: str
    source: str
    added: str | None = None
    created: str | None = None
    metadata: msgspec.Raw = msgspec.Raw(b"null")


class _Sourceless(Document, kw_only=True, gc=False):
    """A document of a reference, which may say nothing of its source."""

    source: str = ""


@dataclass(frozen=True)
class Bad:
    """A record that could not be read: where it stands, why, and the start of its bytes."""

    line: int
    offset: int
    reason: str
    raw: bytes
    length: int


@dataclass
class Batch:
    """Good documents in order with their places, and the bad records met on the way."""

    documents: list[Document] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)  # counted from 1; Parquet: the row, counted from 1
    offsets: list[int] = field(default_factory=list)  # bytes into the uncompressed stream; Parquet: -1
    raws: list[bytes] = field(default_factory=list)  # the lines, if asked for
    bad: list[Bad] = field(default_factory=list)


@dataclass
class LineReader:
    r"""Iterate once over (line from 1, byte offset, line without its newline); afterwards the totals hold.

    Only \n ends a line; a line over LINE_BYTES comes out as Bad. `sha256` and `bytes` are of the stored bytes, all of
    them. `broken` says how a compressed stream ended early (None: it did not); `ended` whether the last line had its
    newline.
    """

    uri: str
    sha256: str = ""
    bytes: int = 0
    broken: str | None = None
    ended: bool = True

    def __iter__(self) -> Iterator[tuple[int, int, Chunk | Bad]]:
        digest = hashlib.sha256()
        with storage.open_read(self.uri) as stream:
            yield from self._split(self._decompressed(stream, digest))
        self.sha256 = digest.hexdigest()

    def _decompressed(self, stream: IO[Chunk], digest: Any) -> Iterator[Chunk]:
        def blocks() -> Iterator[Chunk]:
            while block := _read_block(stream, self.uri, self.bytes):
                digest.update(block)
                self.bytes += len(block)
                yield block

        if self.uri.endswith(".zst"):
            self.broken = yield from _inflate(blocks(), _zstd, zstandard.ZstdError, "zstd")
        elif self.uri.endswith(".gz"):
            self.broken = yield from _inflate(blocks(), lambda: zlib.decompressobj(31), zlib.error, "gzip")
        else:
            yield from blocks()
        for _ in blocks():  # after a break: the digest is of the whole file, whatever state it is in
            pass

    def _split(self, chunks: Iterator[Chunk]) -> Iterator[tuple[int, int, Chunk | Bad]]:
        number, offset, held = 1, 0, 0
        pieces: list[Chunk] = []
        for chunk in chunks:
            for start in range(0, len(chunk), READ_BYTES):  # a chunk of newlines alone would be a vast list
                parts = chunk[start : start + READ_BYTES].split(b"\n")
                for part in parts[:-1]:
                    yield number, offset, _whole(number, offset, held + len(part), [*pieces, part])
                    number, offset = number + 1, offset + held + len(part) + 1
                    held, pieces = 0, []
                held += len(parts[-1])
                if held <= LINE_BYTES or not pieces:
                    pieces.append(parts[-1])
        self.ended = not held
        if held:
            yield number, offset, _whole(number, offset, held, pieces)


@dataclass
class ShardReader:
    """Iterate once over its batches; afterwards the totals hold, as LineReader's do.

    Records before a break of the stream are good and given; the break itself is the last of the bad.
    """

    uri: str
    batch_bytes: int = BATCH_BYTES
    keep_raw: bool = False
    source: str | None = None  # of documents that name none; None: they are bad records
    sha256: str = ""
    bytes: int = 0
    blank_lines: int = 0
    broken: str | None = None

    def __iter__(self) -> Iterator[Batch]:
        if self.uri.endswith(".parquet"):
            return self._parquet()
        if not self.uri.endswith(SUFFIXES):
            raise BadInput(f"{self.uri}: not a shard's name; use one of {', '.join(SUFFIXES)}")
        return self._lines()

    def _lines(self) -> Iterator[Batch]:
        decode = self._decode
        batch, size = Batch(), 0
        reader = LineReader(self.uri)
        for number, offset, line in reader:
            if isinstance(line, Bad):
                batch.bad.append(line)
                continue
            if offset == 0 and line.startswith(BOM):  # which is no part of the first record
                line, offset = line[len(BOM) :], len(BOM)
            if not line or line.isspace():
                self.blank_lines += 1
                continue
            try:
                if not line.isascii():
                    line.decode()  # msgspec checks the strings it decodes, not those that stay raw
                reason = TOO_DEEP if _too_deep(line) else None
                if reason is None:
                    document = decode(line)
                    reason = None if document.id else "id is empty"
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                reason = _reason(error, line)
            if reason is not None:
                batch.bad.append(Bad(number, offset, reason, line[:RAW_BYTES], len(line)))
                size += min(len(line), RAW_BYTES)
            else:
                batch.documents.append(document)
                batch.lines.append(number)
                batch.offsets.append(offset)
                if self.keep_raw:
                    batch.raws.append(line)
                size += len(line)
            if size >= self.batch_bytes:
                self.bytes = reader.bytes
                yield batch
                batch, size = Batch(), 0
        self.sha256, self.bytes, self.broken = reader.sha256, reader.bytes, reader.broken
        if self.broken is not None:
            batch.bad.append(Bad(0, -1, self.broken, b"", 0))
        if batch.documents or batch.bad:
            yield batch

    @cached_property
    def _decode(self) -> Callable[[Chunk], Document]:
        if self.source is None:
            return msgspec.json.Decoder(Document, strict=True).decode
        decode, source = msgspec.json.Decoder(_Sourceless, strict=True).decode, self.source

        def with_source(line: bytes) -> Document:
            document = decode(line)
            document.source = document.source or source
            return document

        return with_source

    def _parquet(self) -> Iterator[Batch]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        # Parquet is read from its end, so it is read twice: for its digest, and for its rows.
        before = storage.stat(self.uri)
        digest = hashlib.sha256()
        with storage.open_read(self.uri) as stream:
            while block := _read_block(stream, self.uri, self.bytes):
                digest.update(block)
                self.bytes += len(block)
        self.sha256 = digest.hexdigest()
        number = 0
        with storage.open_read(self.uri) as stream:
            try:
                file = pq.ParquetFile(stream)
                required = {"id", "text"} | ({"source"} if self.source is None else set())
                missing = required - set(file.schema_arrow.names)
                if missing:
                    self.broken = f"corrupt: Parquet without the column {', '.join(sorted(missing))}"
                    yield Batch(bad=[Bad(0, -1, self.broken, b"", 0)])
                    return
                for group in range(file.num_row_groups):
                    about = file.metadata.row_group(group)
                    fit = self.batch_bytes * about.num_rows // max(1, about.total_byte_size)
                    size = max(1, min(fit, PARQUET_ROWS))
                    for table in file.iter_batches(size, row_groups=[group], use_threads=False):
                        batch = Batch()
                        for row in _pylist(table):
                            number += 1
                            _take_row(batch, row, number, self.keep_raw, self._decode)
                        yield batch
            except (pa.ArrowException, OSError) as error:
                self.broken = f"corrupt: Parquet cannot be read after row {number} ({_first_line(error)})"
                yield Batch(bad=[Bad(0, -1, self.broken, b"", 0)])
        if self.broken is None and storage.stat(self.uri) != before:
            self.broken = "changed: the file was written again while it was read"
            yield Batch(bad=[Bad(0, -1, self.broken, b"", 0)])


def raw_fields(line: bytes) -> dict[str, msgspec.Raw]:
    """A record's fields in their order, each as the JSON it came as."""
    fields: dict[str, msgspec.Raw] = _FIELDS.decode(line)
    return fields


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _read_block(stream: IO[bytes], uri: str, at: int) -> bytes:
    try:
        return stream.read(READ_BYTES)
    except OSError as error:
        raise StorageError(f"{uri}: cannot be read after byte {at} ({error.strerror or error}); try again, or fetch "
                           "it again") from None


def _zstd() -> Any:
    return zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES).decompressobj()


def _inflate(
    blocks: Iterator[bytes], new: Any, error_type: type[Exception], name: str
) -> Generator[bytes, None, str | None]:
    """Yields uncompressed bytes of a stream of frames; returns None, or how the stream broke.

    decompressobj, unlike stream_reader, tells an unfinished frame (eof is False) from a finished one.
    """
    inflater, taken, fed = None, 0, False
    for block in blocks:
        view = memoryview(block)
        while view:
            piece, view = view[:SLICE_BYTES], view[SLICE_BYTES:]
            while piece:
                if inflater is None and fed and name == "gzip":
                    padding = len(piece) - len(bytes(piece).lstrip(b"\0"))  # of tapes and blocks, as gzip has it
                    piece, taken = piece[padding:], taken + padding
                    if not piece:
                        break
                if inflater is None:
                    inflater, fed = new(), True
                try:
                    out = inflater.decompress(piece)
                except error_type as error:
                    return f"corrupt: {name} stream breaks near compressed byte {taken} ({_first_line(error)})"
                taken += len(piece)
                if out:
                    yield out
                if not inflater.eof:
                    break
                piece = memoryview(inflater.unused_data)
                taken -= len(piece)
                inflater = None
    if inflater is not None or not fed:
        return f"truncated: {name} stream ends inside a frame at compressed byte {taken}"
    return None


def _whole(number: int, offset: int, length: int, pieces: list[bytes]) -> bytes | Bad:
    if length > LINE_BYTES:
        return Bad(number, offset, f"line of {length} bytes is over the limit of {LINE_BYTES}",
                   pieces[0][:RAW_BYTES], length)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _pylist(table: Any) -> Iterator[dict[str, Any] | UnicodeDecodeError]:
    """The rows of a Parquet batch; in place of one whose text is not UTF-8, which Arrow does not check, the error."""
    try:
        yield from table.to_pylist()
    except UnicodeDecodeError:
        for number in range(len(table)):
            try:
                yield table.slice(number, 1).to_pylist()[0]
            except UnicodeDecodeError as error:
                yield error


def _take_row(
    batch: Batch, row: dict[str, Any] | UnicodeDecodeError, number: int, keep_raw: bool,
    decode: Callable[[bytes], Document],
) -> None:
    raw = b""
    try:
        if isinstance(row, UnicodeDecodeError):
            raw = row.object
            raise row
        raw = _row_json(row)
        reason = TOO_DEEP if _too_deep(raw) else None
        if reason is None:
            document = decode(raw)
            reason = None if document.id else "id is empty"
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = _reason(error, raw)
    if reason is not None:
        batch.bad.append(Bad(number, -1, reason, raw[:RAW_BYTES], len(raw)))
        return
    batch.documents.append(document)
    batch.lines.append(number)
    batch.offsets.append(-1)
    if keep_raw:
        batch.raws.append(raw)


def _row_json(row: dict[str, Any]) -> bytes:
    """A Parquet row as one JSON object on one line; metadata that is JSON text already stays as it is."""
    for key in _TEXTS:
        if isinstance(row.get(key), bytes):  # older writers do not say that their bytes are text
            row[key] = row[key].decode()
    metadata = row.get("metadata")
    if isinstance(metadata, str):
        try:
            msgspec.json.decode(metadata, type=msgspec.Raw)
            # Between tokens a newline means no more than a space; inside strings JSON has it escaped.
            row["metadata"] = msgspec.Raw(metadata.replace("\n", " ").encode())
        except (msgspec.DecodeError, RecursionError):
            pass  # a plain string is metadata too
    for key in ("added", "created"):
        if row.get(key) is not None and not isinstance(row[key], str):
            row[key] = row[key].isoformat() if hasattr(row[key], "isoformat") else row[key]
    return msgspec.json.encode(row, enc_hook=str)


_TEXTS = ("id", "text", "source", "added", "created", "metadata")
# Escapes one after another; the group is one of half a surrogate pair, which no Unicode text can hold.
_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


def _too_deep(line: bytes) -> bool:
    """Whether arrays and objects nest over MAX_DEPTH levels. Brackets inside strings don't count."""
    if line.count(b"[") + line.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", line)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


# Possessive, so that a string without an end costs no more than one with it.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def _reason(error: Exception, line: bytes) -> str:
    if isinstance(error, msgspec.ValidationError):
        return f"not a document: {error}"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: {error.reason} at byte {error.start}"
    if isinstance(error, RecursionError):
        return TOO_DEEP
    for escape in _ESCAPES.finditer(line) if "surrogate" in str(error) or "truncated" in str(error) else ():
        if escape[1]:  # msgspec says of some of these that the data was truncated
            return f"not JSON: {escape[1].decode()} is half of a surrogate pair (byte {escape.start()})"
    return f"not JSON: {error}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def encode(value: Any) -> bytes:
    """JSON bytes, unsorted, of a value that may hold raw JSON."""
    return msgspec.json.encode(value)


def canonical_json(value: Any) -> bytes:
    """The one JSON form that is digested: keys sorted, no spaces, UTF-8 as it is, no floats but what json prints."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
