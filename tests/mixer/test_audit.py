from __future__ import annotations

import copy
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from mixtures import Made, by_source, inflated, restore, retell_shards, rewrite_shard, shuffled, words

from jobs.cli import main
from mixer import ledger, manifest, mixture, sidecars, tree
from mixer.audit import Check, audit
from mixer.errors import BadInput


@pytest.fixture
def mixed(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return shuffled(tmp_path_factory.getbasetemp())


@pytest.fixture
def parted(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return by_source(tmp_path_factory.getbasetemp())


@pytest.fixture
def made(mixed: Made, tmp_path: Path) -> Made:
    """A copy of the shuffled mixture, to be tampered with."""
    return mixed.copied(tmp_path / "out")


def failed(out: Path, digest: str | None = None) -> dict[str, tuple[str, ...]]:
    """The failures of each check that does not hold."""
    return {check.name: check.failures for check in audit(str(out), digest) if not check.ok}


def test_a_good_mixture_passes(mixed: Made, parted: Made, capsys: pytest.CaptureFixture[str]) -> None:
    for each in (mixed, parted):
        assert main(["audit", str(each.out)]) == 0
        assert "all 12 checks hold" in capsys.readouterr().out
        digest = each.manifest["digest"]
        for said in (digest, "sha256:" + digest, digest.upper()):
            assert main(["audit", str(each.out), "--digest", said]) == 0
            capsys.readouterr()


def test_an_audit_needs_nothing_but_the_folder(mixed: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither corpus nor work; and where it lies says nothing."""
    made = mixed.copied(tmp_path / "elsewhere" / "renamed")
    monkeypatch.chdir(made.out)
    assert failed(Path(".")) == {}
    for path in made.out.rglob("*"):
        if path.is_file() and path.suffix != ".zst":
            assert str(mixed.work).encode() not in path.read_bytes(), path


def test_what_was_published_is_not_this(mixed: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(mixed.out), "--digest", "0" * 64]) == 1
    assert mixed.manifest["digest"] in capsys.readouterr().out


@pytest.mark.parametrize("digest", ["", "abc", "g" * 64, "sha256:"])
def test_a_digest_that_is_none_is_an_error(mixed: Made, digest: str) -> None:
    with pytest.raises(BadInput, match="64 hexadecimal digits"):
        audit(str(mixed.out), digest)


# ---- damage


def flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


FILES = ("data/00000.jsonl.zst", "data/00004.jsonl.zst", "index/00000.parquet", "shards.parquet", "recipe.lock",
         "recipe.yaml", "manifest.json")


@pytest.mark.parametrize("name", FILES)
def test_any_flipped_bit_is_found(made: Made, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """First, last, and some in between; the command says so with exit code 1, or 2 where no manifest can be read."""
    path = made.out / name
    good = path.read_bytes()
    for at in sorted({0, 1, 4, 5, len(good) // 3, len(good) // 2, len(good) - 9, len(good) - 5, len(good) - 1}):
        flipped(path, at)
        if name == "manifest.json" and (good[at : at + 1].isspace() or at > good.index(b'"build"')):
            path.write_bytes(good)
            continue  # space is no content; of how it was built, below
        code = main(["audit", str(made.out)])
        said = capsys.readouterr()
        assert code == 1 or (code == 2 and name == "manifest.json"), at
        assert "Traceback" not in said.err + said.out
        if code == 1 and name.startswith(("data", "index")):
            assert f"data/{path.name.split('.')[0]}.jsonl.zst" in said.out
        path.write_bytes(good)
    assert failed(made.out) == {}


@pytest.mark.parametrize("size", [0, 1, 100, -1, -4, -100])
@pytest.mark.parametrize("name", FILES)
def test_any_cut_is_found(made: Made, name: str, size: int) -> None:
    path = made.out / name
    data = path.read_bytes()[:size]
    path.write_bytes(data)
    if name == "manifest.json" and data.rstrip().endswith(b"}") and size == -1:
        assert failed(made.out) == {}  # it lacks nothing but its last newline
    elif name == "manifest.json":
        with pytest.raises(BadInput, match="manifest"):
            audit(str(made.out))
    else:
        assert failed(made.out)


@pytest.mark.parametrize("name", ["data/00002.jsonl.zst", "index/00002.parquet", "shards.parquet", "recipe.lock",
                                  "recipe.yaml"])
def test_a_missing_file_is_named(made: Made, name: str) -> None:
    (made.out / name).unlink()
    assert any(name in failure for failures in failed(made.out).values() for failure in failures)


@pytest.mark.parametrize("name", ["data/00006.jsonl.zst", "data/web/00000.jsonl.zst", "notes.txt", "index/x.parquet",
                                  "data/.hidden", ".solera/log", "building.json"])
def test_an_extra_file_is_named(made: Made, name: str) -> None:
    (made.out / name).parent.mkdir(exist_ok=True, parents=True)
    shutil.copy(made.out / "data/00000.jsonl.zst", made.out / name)
    assert failed(made.out)["listing"] == (f"{name}: extra; the manifest does not know it",)


@pytest.mark.parametrize(("name", "text"), [("manifest.json", "null"), ("recipe.yaml", "name: [")])
def test_nothing_that_cannot_be_read_is_a_stack_trace(made: Made, name: str, text: str) -> None:
    (made.out / name).write_text(text)
    assert main(["audit", str(made.out)]) in (1, 2)


# ---- tampering by one who knows the format: every digest but the published one is made to agree


def integers(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from integers(each, (*path, key))
    elif isinstance(value, int) and not isinstance(value, bool):
        yield path


def parent_of(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        value = value[key]
    return value


def unknowable(part: dict[str, Any], path: tuple[Any, ...]) -> str | None:
    """Why a folder alone cannot tell that this number is one off; None if it has to.

    All of these are in the digest, so a published digest tells, and so does a plan made again from the corpus.
    """
    if path[0] == "sources" and path[2] == "rules" and path[4] in ("own", "only", "missing"):
        return ("what fails a rule beside others that drop it first, and what it misses, are counts of documents that "
                "are not in the mixture: only bounds follow from what was dropped")
    if path[:2] == ("dedup", "links") and path[3] == "alive":
        return "how many linked documents were still there is a count of documents that are not in the mixture"
    return None


def test_every_changed_count_is_found(mixed: Made, tmp_path: Path) -> None:
    """Each integer of `mixture` one more and one less, digested anew, against the checks of the folder alone."""
    made = mixed.copied(tmp_path / "out")
    for path in made.out.glob("data/*"):
        path.unlink()  # each change is looked for without reading data again; those that need it are below
    known = {name for name, _ in failed(made.out).items()}
    base = made.manifest
    slipped, unseen = [], []
    for path in integers(base["mixture"]):
        for change in (1, -1):
            whole = copy.deepcopy(base)
            parent_of(whole["mixture"], path)[path[-1]] += change
            whole["digest"] = manifest.digest(whole["mixture"])
            (made.out / "manifest.json").write_text(json.dumps(whole))
            if not set(failed(made.out)) - known:
                slipped.append((path, change))
    for path, change in slipped:  # what only the records can tell
        again = mixed.copied(tmp_path / "whole")

        def change_it(part: dict[str, Any], path: tuple[Any, ...] = path, change: int = change) -> None:
            parent_of(part, path)[path[-1]] += change

        again.retold(change_it)
        found = failed(again.out)
        shutil.rmtree(again.out)
        if not found:
            unseen.append(path)
    assert {".".join(map(str, path)) for path in unseen if unknowable(base["mixture"], path) is None} == set()
    assert len(list(integers(base["mixture"]))) > 150  # so that much was looked at
    assert len(unseen) < 20


def strings(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from strings(each, (*path, key))
    elif value is None or isinstance(value, str | bool):
        yield path


def test_every_changed_text_is_found(made: Made) -> None:
    base = made.manifest
    for path in strings(base["mixture"]):
        whole = copy.deepcopy(base)
        parent = parent_of(whole["mixture"], path)
        before = parent[path[-1]]
        if isinstance(before, bool):
            parent[path[-1]] = not before
        elif path[-1] == "cutoff" and parent["copies"] == 0:
            # Which document was the first that no longer fitted is not to be seen: it is not here. Those that are here
            # bound it from below.
            parent[path[-1]] = "0" * 112
        elif before is not None and len(before) in (64, 112):
            parent[path[-1]] = before[:-1] + ("0" if before[-1] != "0" else "1")
        else:
            parent[path[-1]] = (before or "") + "1"
        whole["digest"] = manifest.digest(whole["mixture"])
        (made.out / "manifest.json").write_text(json.dumps(whole))
        found = failed(made.out)
        assert found, path


def test_a_changed_manifest_that_was_not_digested_anew(made: Made) -> None:
    made.retold(lambda part: part.update(description="better"), digested=False)
    assert "digest" in failed(made.out)


@pytest.mark.parametrize("change", [
    lambda part: part["sources"].pop(),
    lambda part: part["sources"].reverse(),
    lambda part: part["sources"].append(part["sources"][0]),
    lambda part: part["sources"][0]["rules"].pop(),
    lambda part: part["sources"][0]["rules"].reverse(),
    lambda part: part["sources"][1]["dedup"].clear(),
    lambda part: part["dedup"]["links"].clear(),
    lambda part: part["dedup"]["losses"].pop(),
    lambda part: part["dedup"]["losses"].reverse(),
    lambda part: part["dedup"]["losses"].append(dict(
        part["dedup"]["losses"][0], lost_to="moon", docs=0, units=0, bytes=0)),
    lambda part: part["about"].update(more="1"),
    lambda part: part["about"].clear(),
    lambda part: part["sources"][0].pop("weights"),
    lambda part: part.update(note="all is well"),
    lambda part: part.update(totals=None),
    lambda part: part.update(sources={}),
    lambda part: part.clear(),
])
def test_every_list_and_key_is_held_to_the_recipe(made: Made, change: Callable[[dict[str, Any]], object]) -> None:
    made.retold(change)
    assert failed(made.out)


def test_a_recipe_that_was_edited_and_named_anew(made: Made) -> None:
    text = (made.out / "recipe.yaml").read_text()
    for new in (text.replace("min: 20", "min: 19"), text.replace("weight: 0.5", "weight: 0.50"), text + "\n# ok\n",
                text.replace("max_epochs: 4", "max_epochs: 3"), text.replace("seed: 20261121", "seed: 20261122"),
                text.replace("shard_bytes: 40000", "shard_bytes: 50000")):
        assert new != text
        (made.out / "recipe.yaml").write_text(new)
        sha256 = hashlib.sha256(new.encode()).hexdigest()
        made.retold(lambda part, sha256=sha256: part["recipe"].update(sha256=sha256))
        restore(made, "recipe.yaml")
        assert "lock" in failed(made.out)


def test_a_lock_that_was_edited_and_named_anew(made: Made) -> None:
    text = (made.out / "recipe.lock").read_text()
    cases = {
        "other rows": text.replace('"rows":120', '"rows":121', 1),
        "a shard of another source": text.replace('"sources":["book"]', '"sources":["web"]', 1),
        "a shard of no source": text.replace('"sources":["book"]', '"sources":["moon"]', 1),
        "a shard shared": text.replace('"sources":["book"]', '"sources":["book","web"]', 1),
        "other clusters": text.replace('"clusters": ', '"clusters": 1', 1),
        "another recipe's": text.replace('"version": "1.2.3"', '"version": "1.2.4"'),
        "not JSON": text[:-10],
        "another format": text.replace("solera-lock@2", "solera-lock@1"),
        "no shards": json.dumps({**json.loads(text), "shards": []}),
        "shards of odd types": json.dumps({**json.loads(text), "shards": [1, None]}),
    }
    for what, new in cases.items():
        assert new != text, what
        (made.out / "recipe.lock").write_text(new)
        sha256 = hashlib.sha256(new.encode()).hexdigest()
        made.retold(lambda part, sha256=sha256: part["lock"].update(sha256=sha256))
        restore(made, "recipe.lock")
        assert failed(made.out), what


# ---- records, rewritten with index, table, digest


def changed(line: bytes, **fields: Any) -> bytes:
    record = json.loads(line)
    for name, value in fields.items():
        (record["provenance"] if name in ("shard", "row", "copy") else record)[name] = value
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def test_a_text_that_was_changed_is_caught_by_the_published_digest(mixed: Made, made: Made) -> None:
    """A tamperer who changes one letter and makes all else agree is caught by nothing in the folder, and by the digest.

    The original text of a record is not in the folder, so no check of the folder can know it.
    """
    published = mixed.manifest["digest"]
    rewrite_shard(made, "00002", lambda lines: [lines[0].replace(b" the ", b" teh ", 1), *lines[1:]])
    assert made.manifest["digest"] != published
    assert set(failed(made.out, published)) == {"digest"}


def test_a_record_that_does_not_agree_with_its_index(made: Made) -> None:
    rewrite_shard(made, "00002", lambda lines: [lines[0].replace(b" the ", b" teh ", 1), *lines[1:]], index=False)
    assert any("record 1: text_sha256" in failure for failure in failed(made.out)["data shards"])


def other_text(lines: list[bytes]) -> list[bytes]:
    return [changed(lines[0], text=words(99, 500)), *lines[1:]]


def swapped(lines: list[bytes]) -> list[bytes]:
    return [lines[1], lines[0], *lines[2:]]


def dropped(lines: list[bytes]) -> list[bytes]:
    return lines[1:]


def repeated(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[0], *lines[1:]]


def another_copy(lines: list[bytes]) -> list[bytes]:
    return [*lines, changed(lines[0], copy=5)]


def another_row(lines: list[bytes]) -> list[bytes]:
    return [changed(lines[0], row=json.loads(lines[1])["provenance"]["row"] + 1), *lines[1:]]


def far_row(lines: list[bytes]) -> list[bytes]:
    return [changed(lines[0], row=10**9), *lines[1:]]


def another_shard(lines: list[bytes]) -> list[bytes]:
    return [changed(lines[0], shard="web/7.jsonl.zst"), *lines[1:]]


def another_id(lines: list[bytes]) -> list[bytes]:
    """Many: the draw takes any one with the share that it takes of the pool, and order by source knows no ids."""
    return [*(changed(line, id=f"forged {number}") for number, line in enumerate(lines[:20])), *lines[20:]]


def another_source(lines: list[bytes]) -> list[bytes]:
    record = json.loads(lines[0])
    record["provenance"]["source"] = "wiki" if record["provenance"]["source"] == "web" else "web"
    return [json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(), *lines[1:]]


def two_texts(lines: list[bytes]) -> list[bytes]:
    """A reader that takes the first of two fields of one name reads what no digest speaks of."""
    return [b'{"text":"what else was said",' + lines[0][1:], *lines[1:]]


def with_space(lines: list[bytes]) -> list[bytes]:
    return [lines[0].replace(b',"text":', b', "text": ', 1), *lines[1:]]


CHANGES = (other_text, swapped, dropped, repeated, another_copy, another_row, far_row, another_shard, another_id,
           another_source, two_texts, with_space)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("order", ["shuffled", "by-source"])
def test_records_that_were_changed_with_everything_else(
    mixed: Made, parted: Made, tmp_path: Path, order: str, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    made = (mixed if order == "shuffled" else parted).copied(tmp_path / "out")
    rewrite_shard(made, "00001" if order == "shuffled" else "web/00001", change)
    assert set(failed(made.out)) & {"data shards", "selection"}, failed(made.out)


def test_a_record_moved_to_another_shard(made: Made) -> None:
    taken = inflated(made.out / "data/00000.jsonl.zst").split(b"\n")[0]
    rewrite_shard(made, "00000", lambda lines: lines[1:])
    rewrite_shard(made, "00003", lambda lines: [taken, *lines])
    assert any("record 1: belongs into another data shard" in failure for failure in failed(made.out)["data shards"])


def test_a_document_drawn_in_place_of_another(mixed: Made, made: Made) -> None:
    """One that the draw left out, of the same size, stands in the place of one that it took: only the draw can tell."""
    lock = json.loads((made.out / "recipe.lock").read_bytes())
    numbers = {shard["path"] for shard in lock["shards"] if shard["sources"] == ["web"] and shard["rows"] > 100}
    there = {(by["shard"], by["row"]) for _, line in records_of(made) for by in [json.loads(line)["provenance"]]}
    free = next((path, row) for path in sorted(numbers) for row in range(120) if (path, row) not in there)
    target = next(line for _, line in records_of(made) if json.loads(line)["provenance"]["shard"] in numbers)
    name = next(name for name, line in records_of(made) if line == target)
    text = json.loads(target)["text"]
    given = json.loads(inflated(mixed.corpus / free[0]).split(b"\n")[free[1]])
    forged = changed(target, id=given["id"], shard=free[0], row=free[1], text=text)
    assert forged != target
    rewrite_shard(made, name, lambda lines: [forged if line == target else line for line in lines])
    found = failed(made.out)
    assert any("its draw does not give it so many copies" in failure for failure in found["selection"])


def records_of(made: Made) -> list[tuple[str, bytes]]:
    return [(path.name.split(".")[0], line) for path in sorted((made.out / "data").iterdir())
            for line in inflated(path).split(b"\n")[:-1]]


@pytest.mark.parametrize(("path", "index_path"), [
    ("../out/data/00000.jsonl.zst", "index/00000.parquet"), ("/etc/passwd", "index/00000.parquet"),
    ("data/00000.jsonl.zst", "../out/index/00000.parquet"), ("data/0.jsonl.zst", "index/0.parquet"),
    ("data/../00000.jsonl.zst", "index/../00000.parquet"), (None, None),
    ("data/web/00000.jsonl.zst", "index/web/00000.parquet"),
])
def test_a_table_that_leads_out_of_the_folder_is_not_followed(
    made: Made, path: str | None, index_path: str | None
) -> None:
    row = pq.read_table(made.out / "shards.parquet").to_pylist()[0]
    before = row["path"]
    rows = [{**each, "path": path, "index_path": index_path} if each["path"] == before else each
            for each in pq.read_table(made.out / "shards.parquet").to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=mixture.SHARD_SCHEMA), made.out / "shards.parquet")
    restore(made, "shards.parquet")
    found = failed(made.out)
    assert any("is no name of a data shard" in failure for failure in found["shard table"])
    assert "data shards" not in found  # nothing was read


@pytest.mark.parametrize("name", [name for name in mixture.SHARD_SCHEMA.names if "path" not in name])
def test_every_value_of_the_shard_table_is_held_to_the_shards(made: Made, name: str) -> None:
    """One value of one row, and where it is summed another row the other way round, with digest and totals to match."""
    rows = {row["path"]: row for row in pq.read_table(made.out / "shards.parquet").to_pylist()}
    one, other = sorted(rows)[:2]
    if isinstance(rows[one][name], int):
        rows[one][name] += 1
        rows[other][name] -= 1
    elif name == "sources":
        rows[one][name], rows[other][name] = rows[other][name], rows[one][name]
    else:
        rows[one][name] = hashlib.sha256(b"else").hexdigest()
    retell_shards(made, rows)
    assert any(one in failure for failure in failed(made.out)["data shards"])


def test_an_index_with_other_columns_or_holes(made: Made) -> None:
    path = made.out / "index/00001.parquet"
    table = pq.read_table(path)
    holes = pa.array([None, *table["row"].to_pylist()[1:]], pa.int64())
    for other in (table.drop_columns(["copy"]), table.append_column("more", table["row"]),
                  table.set_column(6, "row", table["row"].cast(pa.int32())), table.set_column(6, "row", holes),
                  table.slice(1), table.slice(0, 0)):
        pq.write_table(other, path)
        retell_shards(made, {"data/00001.jsonl.zst": {
            **pq.read_table(made.out / "shards.parquet").to_pylist()[1], **mixture.index_file(str(path))}})
        assert any("data/00001" in failure for failure in failed(made.out)["data shards"])


def test_data_that_is_no_json_lines(made: Made) -> None:
    for data in (b"", b"\n", b"not JSON\n", b"[]\n", b'{"id":1}\n', b"\xff\xfe\n", b"[" * 100_000 + b"\n",
                 b'{"text":"x"}'):
        stored = zstandard.ZstdCompressor(write_checksum=True).compress(data)
        (made.out / "data/00001.jsonl.zst").write_bytes(stored)
        row = pq.read_table(made.out / "shards.parquet").to_pylist()[1]
        retell_shards(made, {row["path"]: {**row, "file_bytes": len(stored), "record_bytes": len(data),
                                           "file_sha256": hashlib.sha256(stored).hexdigest(),
                                           "content_sha256": hashlib.sha256(data).hexdigest()}})
        assert any("data/00001" in failure for failure in failed(made.out)["data shards"])


# ---- the ledger


def test_the_ledger_judges_in_parts_as_it_does_at_once(
    mixed: Made, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite_shard(made, "00001", another_id)
    rewrite_shard(made, "00002", repeated)
    monkeypatch.setattr("mixer.audit.MOST_FAILURES", 10_000)

    def kinds() -> set[str]:  # each part names a few examples of its own
        return {re.sub(r" \S+/\S+ row .*", "", failure) for failure in failed(made.out)["selection"]}

    at_once = kinds()
    monkeypatch.setattr(ledger, "LIMIT", 100)
    for files in (256, 2):  # each part in a file of its own; some parts in each file
        monkeypatch.setattr(ledger, "FILES", files)
        assert kinds() == at_once
        assert failed(mixed.out) == {}


def test_sizes_that_are_only_said_cost_nothing(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A total that would be 250,000 temporary files, and a lock whose rows are 125 terabytes of bits."""
    opened: list[object] = []
    spill = ledger.Spill
    monkeypatch.setattr(ledger, "Spill", lambda *given: opened.append(given) or spill(*given))
    base = made.manifest["mixture"]["totals"]["docs"]
    for docs in (10**12, 10**30, 0):
        made.retold(lambda part, docs=docs: part["totals"].update(docs=docs))
        assert "counts" in failed(made.out)
    assert opened == []
    text = (made.out / "recipe.lock").read_text()
    for rows in (10**15, 10**30):
        (made.out / "recipe.lock").write_text(text.replace('"rows":120', f'"rows":{rows}', 1))
        restore(made, "recipe.lock")
        made.retold(lambda part: part["totals"].update(docs=base))
        assert "lock" in failed(made.out) and "selection" in failed(made.out)
        made.retold(lambda part, rows=rows: part["sources"][0]["read"].update(docs=rows))
        assert "counts" in failed(made.out)


def test_what_does_not_fit_into_memory_is_a_finding(mixed: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Iterator[str]:
        raise MemoryError
        yield ""

    monkeypatch.setattr(ledger, "judge", full)
    assert failed(mixed.out) == {"selection": ("cannot be read: MemoryError: ",)}


@pytest.mark.parametrize("limit", [40, 10**6])
def test_two_documents_of_one_row_are_found_across_parts(
    made: Made, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Which rows were seen outlasts a part. Ten records take the place of others, so that some are in other parts."""
    monkeypatch.setattr(ledger, "LIMIT", limit)
    monkeypatch.setattr(ledger, "FILES", 4)  # each part names five examples, and an audit twenty in all
    by = [json.loads(line)["provenance"] for _, line in records_of(made)]
    singles = [each for each in by if each["source"] == "web" and sum(
        (each["shard"], each["row"]) == (other["shard"], other["row"]) for other in by) == 1]
    moved = dict(zip([(each["shard"], each["row"]) for each in singles[:10]], singles[10:20], strict=True))

    def forge(line: bytes) -> bytes:
        to = moved.get((json.loads(line)["provenance"]["shard"], json.loads(line)["provenance"]["row"]))
        return changed(line, shard=to["shard"], row=to["row"]) if to else line

    for name in sorted({name for name, _ in records_of(made)}):
        rewrite_shard(made, name, lambda lines: [forge(line) for line in lines])
    found = failed(made.out)["selection"]
    said = sum("two documents say that they are" in failure for failure in found)
    assert said >= 5  # which is as many as one part names


def test_checks_say_what_they_prove(mixed: Made) -> None:
    checks = audit(str(mixed.out))
    assert all(isinstance(check, Check) and check.proves for check in checks)
    assert len({check.name for check in checks}) == len(checks) == 12


def test_a_document_tree_that_disagrees_with_the_records_fails(made: Made) -> None:
    """A leaf exchanged for another, with every hash above it made again."""
    leaves = tree.read_file(str(made.out), 0).copy()
    leaves[0, 40] ^= 1
    file = tree.write_file(str(made.out), 0, leaves)
    made.retold(lambda part: part.update(documents=manifest.documents_of([file])))
    assert set(failed(made.out)) == {"document tree"}


@pytest.mark.parametrize("files", [256, 4])
def test_a_tree_of_many_files_is_made_again_from_one_reading(
    made: Made, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """Also where one temporary file holds several files of the tree."""
    leaves = tree.read_file(str(made.out), 0)
    monkeypatch.setattr(tree, "FILE_LEAVES", len(leaves) // 12)
    monkeypatch.setattr(ledger, "FILES", files)
    bits = tree.prefix_bits(len(leaves))
    assert bits == 4
    numbers = tree.file_numbers(leaves, bits)
    written = [tree.write_file(str(made.out), number, leaves[numbers == number]) for number in range(1 << bits)]
    made.retold(lambda part: part.update(documents=manifest.documents_of(written)))
    read: list[str] = []
    sidecar = sidecars.read

    def counted(uri: str, *columns: list[str]) -> Any:
        read.append(Path(uri).parent.name)
        return sidecar(uri, *columns)

    monkeypatch.setattr(sidecars, "read", counted)
    assert failed(made.out) == {}
    assert read.count("index") == len(list((made.out / "index").iterdir()))
    path = made.out / tree.file_path(9)
    before = path.read_bytes()
    tree.write_file(str(made.out), 9, leaves[numbers == 9][1:])
    assert set(failed(made.out)) == {"document tree"} and path.read_bytes() != before


def test_a_tree_file_with_other_bytes_fails(made: Made) -> None:
    path = made.out / tree.file_path(0)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    assert "document tree" in failed(made.out)
