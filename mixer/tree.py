"""The document tree: proof that a document is in a mixture, or is not, from one file and a path of hashes.

A leaf is one record: sha256 of its original text (32 bytes), identity (16), copy (4, big-endian), sha256 of its emitted
text (32). Leaves are sorted and spread over 2^bits files by the first bits of the text's hash, so each file holds a
contiguous run; a file's root is the Merkle tree hash of RFC 6962 over its leaves, and the tree's root that over the
files' roots in order. Presence is one path; absence is the two neighbours between which a leaf would stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mixer import rows, sidecars, storage
from mixer.mixture import merkle_root
from mixer.sidecars import fixed_bytes

Array = np.ndarray[Any, np.dtype[Any]]

LEAF_BYTES = 84
FILE_LEAVES = 1 << 20
COLUMNS = ["source", "id", "copy", "text_sha256", "emitted_sha256"]  # of an index, that leaves are made of
NO_LEAVES: Array = np.empty((0, LEAF_BYTES), np.uint8)
SCHEMA = pa.schema([("text_sha256", pa.binary(32)), ("identity", pa.binary(16)), ("copy", pa.int32()),
                    ("emitted_sha256", pa.binary(32))])


def prefix_bits(documents: int) -> int:
    """How many bits of the text's hash choose a file: the fewest that leave about a million leaves in each."""
    return (max(1, -(-documents // FILE_LEAVES)) - 1).bit_length()


def file_path(number: int) -> str:
    """Path of a file of the tree, relative to the mixture."""
    return f"tree/{number:05d}.parquet"


def leaves_of(index: pa.Table) -> Array:
    """The leaves of an index's records in its order, uint8 of shape (records, 84)."""
    text = fixed_bytes(index.column("text_sha256"))
    identities = b"".join(rows.identity(source, id) for source, id in zip(
        index.column("source").to_pylist(), index.column("id").to_pylist(), strict=True))
    identity = np.frombuffer(identities, np.uint8).reshape(-1, 16)
    copy = np.asarray(index.column("copy")).astype(">u4").view(np.uint8).reshape(-1, 4)
    return np.concatenate([text, identity, copy, fixed_bytes(index.column("emitted_sha256"))], axis=1)


def file_numbers(leaves: Array, bits: int) -> Array:
    """The file of each leaf: the first bits of its text's hash."""
    first = np.ascontiguousarray(leaves[:, :4]).view(">u4").reshape(-1).astype(np.int64)
    numbers: Array = first >> (32 - bits)
    return numbers


def sort(leaves: Array) -> Array:
    """Leaves in the order of their bytes."""
    padded = np.zeros((len(leaves), 88), np.uint8)
    padded[:, :LEAF_BYTES] = leaves
    words = padded.view(">u8")
    return leaves[np.lexsort([words[:, column] for column in range(words.shape[1] - 1, -1, -1)])]


def write_file(folder: str, number: int, leaves: Array) -> dict[str, Any]:
    """Writes one file of the tree from its leaves in any order; {path, leaves, root, digest}."""
    ordered = sort(leaves)
    columns = [_binary(ordered[:, :32]), _binary(ordered[:, 32:48]),
               np.ascontiguousarray(ordered[:, 48:52]).view(">u4").reshape(-1).astype(np.int32),
               _binary(ordered[:, 52:])]
    table = pa.table(columns, schema=SCHEMA)
    meta = sidecars.write(storage.join(folder, file_path(number)), table, {}, durable=True)
    return {"path": file_path(number), "leaves": len(ordered), "root": file_root(ordered).hex(),
            "digest": meta["digest"]}


def file_root(ordered: Array) -> bytes:
    """Merkle tree hash over sorted leaves."""
    return merkle_root([leaf.tobytes() for leaf in ordered])


def root_of(roots: Sequence[str]) -> str:
    """The tree's root, in hex, from the roots of its files in order."""
    return merkle_root([bytes.fromhex(root) for root in roots]).hex()


def read_file(folder: str, number: int) -> Array:
    """The leaves of a file as they stand in it, uint8 of shape (leaves, 84)."""
    table, _ = sidecars.read(storage.join(folder, file_path(number)))
    copy = np.asarray(table.column("copy")).astype(">u4").view(np.uint8).reshape(-1, 4)
    parts = [fixed_bytes(table.column(name)) for name in ("text_sha256", "identity", "emitted_sha256")]
    return np.concatenate([parts[0], parts[1], copy, parts[2]], axis=1)


def _binary(values: Array) -> pa.FixedSizeBinaryArray:
    kind = pa.binary(values.shape[1])
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(values), [None, pa.py_buffer(values.tobytes())])
