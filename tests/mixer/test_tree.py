"""The document tree against a plain one over Python bytes."""

import hashlib

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from mixer import mixture, rows, tree

records = st.lists(st.tuples(st.text(max_size=3), st.text(min_size=1, max_size=3), st.integers(0, 300),
                             st.sampled_from(["one text", "another", ""]), st.sampled_from(["", "one"])), max_size=40)


def index_of(found):
    table = {"source": pa.array([r[0] for r in found], pa.large_string()),
             "id": pa.array([r[1] for r in found], pa.large_string()),
             "copy": pa.array([r[2] for r in found], pa.int32()),
             "text_sha256": pa.array([hashlib.sha256(r[3].encode()).digest() for r in found], pa.binary(32)),
             "emitted_sha256": pa.array([hashlib.sha256(r[4].encode()).digest() for r in found], pa.binary(32))}
    return pa.table(table)


def plain_leaves(found):
    leaves = []
    for source, id, copy, *texts in found:
        text, emitted = (hashlib.sha256(each.encode()).digest() for each in texts)
        leaves.append(text + rows.identity(source, id) + copy.to_bytes(4, "big") + emitted)
    return leaves


@given(records, st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_files_hold_the_sorted_leaves_of_their_prefix(tmp_path_factory, found, bits):
    folder = str(tmp_path_factory.mktemp("tree"))
    leaves = tree.leaves_of(index_of(found))
    assert [leaf.tobytes() for leaf in leaves] == plain_leaves(found)
    numbers = tree.file_numbers(leaves, bits)
    files = [tree.write_file(folder, number, leaves[numbers == number]) for number in range(1 << bits)]
    expected = sorted(plain_leaves(found))
    read = [leaf.tobytes() for number in range(1 << bits) for leaf in tree.read_file(folder, number)]
    assert read == expected  # files in order are one sorted run
    for number, file in enumerate(files):
        mine = [leaf for leaf in expected if int.from_bytes(leaf[:4], "big") >> (32 - bits) == number]
        assert file["leaves"] == len(mine)
        assert file["root"] == mixture.merkle_root(mine).hex()


def test_a_copy_above_255_sorts_as_a_number():
    found = [("s", "a", copy, "text", "") for copy in (256, 1, 255)]
    ordered = tree.sort(tree.leaves_of(index_of(found)))
    assert [int.from_bytes(leaf[48:52].tobytes(), "big") for leaf in ordered] == [1, 255, 256]


def test_bits_leave_about_a_million_leaves_in_a_file():
    assert [tree.prefix_bits(n) for n in (0, 1, 1 << 20, (1 << 20) + 1, 3 << 20, 5 << 20)] == [0, 0, 0, 1, 2, 3]


def test_the_root_of_one_file_stands_under_a_root_of_its_own():
    root = hashlib.sha256(b"leaf").hexdigest()
    assert tree.root_of([root]) == hashlib.sha256(b"\0" + bytes.fromhex(root)).hexdigest()
    assert np.empty((0, 84), np.uint8).shape == tree.sort(np.empty((0, 84), np.uint8)).shape
