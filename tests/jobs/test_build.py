from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mixtures import ODD, Made, by_source, files, inflated, make, odd_line, records, run, shuffled, words, write_recipe

import jobs.build
from jobs.cli import main
from mixer import manifest, mixture, sidecars
from mixer.workspace import Workspace


@pytest.fixture(params=["shuffled", "by-source"])
def made(request: pytest.FixtureRequest, spark: object, tmp_path_factory: pytest.TempPathFactory) -> Made:
    base = tmp_path_factory.getbasetemp()
    return shuffled(base) if request.param == "shuffled" else by_source(base)


@pytest.fixture
def mixed(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The shuffled one."""
    return shuffled(tmp_path_factory.getbasetemp())


@pytest.fixture
def parted(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The one in by-source order."""
    return by_source(tmp_path_factory.getbasetemp())


# ---- what a draw is, once more and in plain Python, so that an error in the one does not hide in the other


def identity(source: str, id: str) -> bytes:
    encoded = source.encode()
    return hashlib.sha256(len(encoded).to_bytes(8, "little") + encoded + id.encode()).digest()[:16]


def mixed_up(x: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        x = (x ^ x >> 33) * factor % 2**64
    return x ^ x >> 33


def place(seed: int, own: bytes, copy: int) -> int:
    key = hashlib.sha256(f"solera draw@1\0{seed}\0order\0{copy}".encode()).digest()
    keys = [int.from_bytes(key[at : at + 8], "little") for at in (0, 8)]
    halves = [int.from_bytes(own[at : at + 8], "little") for at in (0, 8)]
    return mixed_up((mixed_up(halves[0] ^ keys[0]) + (halves[1] ^ keys[1])) % 2**64)


# ---- records


def test_every_record_is_its_input_with_provenance(made: Made) -> None:
    inputs: dict[str, list[bytes]] = {}
    lock = json.loads((made.out / "recipe.lock").read_bytes())
    seen = 0
    for _, line in records(made.out):
        record = json.loads(line)
        by = record["provenance"]
        if by["shard"].endswith(".parquet"):
            row = pq.read_table(made.corpus / by["shard"]).slice(by["row"], 1).to_pylist()[0]
            assert {name: record[name] for name in row} == row
            continue
        if by["shard"] not in inputs:
            raw = (made.corpus / by["shard"]).read_bytes()
            if by["shard"].endswith(".zst"):
                raw = inflated(made.corpus / by["shard"])
            elif by["shard"].endswith(".gz"):
                import gzip

                raw = gzip.decompress(raw)
            inputs[by["shard"]] = raw.split(b"\n")[:-1]
        assert sum(shard["path"] == by["shard"] and by["source"] in shard["sources"] for shard in lock["shards"]) == 1
        if "odd" in by["shard"]:
            continue  # below
        # Input records were written by json.dumps with a space after each comma and colon, and so hold `metadata`.
        given = inputs[by["shard"]][by["row"]]
        assert record["text"] == json.loads(given)["text"]
        text = given[given.index(b'"text": ') + 8 : given.index(b', "source": ')]
        assert line.startswith(b'{"id":' + json.dumps(record["id"]).encode() + b',"text":' + text + b',"source":')
        assert b',"metadata":{"row": ' + str(by["row"]).encode() + b'},"provenance":{' in line
        seen += 1
    assert seen > 300


def test_odd_fields_keep_their_bytes_and_get_dolma_s_order(made: Made) -> None:
    found = {json.loads(line)["provenance"]["row"]: line for _, line in records(made.out)
             if json.loads(line)["provenance"]["shard"] == "web/odd.jsonl"
             and json.loads(line)["provenance"]["copy"] == 0}
    assert len(found) >= 3  # the draw took these, with a fixed seed
    for row, line in found.items():
        fields = [(name.encode().decode("unicode_escape") if name.isascii() else name, raw) for name, raw in ODD[row]]
        text = words(10_000 + row, 80)
        values = {name: json.dumps(text) if raw == "TEXT" else raw for name, raw in fields}
        older = values.pop("provenance", None)
        dolma = [name for name in ("id", "text", "source", "added", "created", "metadata") if name in values]
        order = dolma + [name for name in values if name not in dolma]
        by = f'{{"source":"web","shard":"web/odd.jsonl","row":{row},"copy":0' + (f',"from":{older}' if older else "")
        expected = "{" + ",".join(f'"{name}":{values[name]}' for name in order) + f',"provenance":{by}}}}}'
        assert line == expected.encode()
        assert odd_line(ODD[row], text) in (made.corpus / "web/odd.jsonl").read_bytes()


def test_counts_are_the_selection_s(made: Made) -> None:
    (folder,) = made.work.glob(f"*/plans/{made.manifest['mixture']['lock']['sha256'][:16]}")
    plan = json.loads((folder / "plan.json").read_bytes())
    found: Counter[tuple[str, int]] = Counter()
    for _, line in records(made.out):
        by = json.loads(line)["provenance"]
        found[by["shard"], by["row"]] += 1
    expected: Counter[tuple[str, int]] = Counter()
    for about in plan["selections"]:
        selection = pq.read_table(folder / "selection" / f"{about['shard']}.parquet")
        for row, copies in enumerate(selection["copies"].to_pylist()):
            if copies:
                expected[about["shard"], row] = copies
    assert found == expected
    totals = made.manifest["mixture"]["totals"]
    assert totals["docs"] == sum(expected.values()) and totals["unique_docs"] == len(expected)
    assert totals["unique_docs"] < totals["docs"]  # so that copies were looked at


def test_copies_are_numbered_from_0(made: Made) -> None:
    copies: dict[tuple[str, int], list[int]] = {}
    for _, line in records(made.out):
        by = json.loads(line)["provenance"]
        copies.setdefault((by["shard"], by["row"]), []).append(by["copy"])
    assert max(map(len, copies.values())) > 1
    for found in copies.values():
        assert sorted(found) == list(range(len(found)))


# ---- order


def test_shuffled_records_stand_where_their_hash_puts_them(mixed: Made) -> None:
    shards = sorted((mixed.out / "data").iterdir())
    total = mixed.manifest["mixture"]["totals"]["text_bytes"]
    assert len(shards) == -(-total // 40_000) >= 5
    for number, path in enumerate(shards):
        assert path.name == f"{number:05d}.jsonl.zst"
        found = []
        for line in inflated(path).split(b"\n")[:-1]:
            record = json.loads(line)
            own, copy = identity(record["source"], record["id"]), record["provenance"]["copy"]
            found.append((place(20261121, own, copy), own, copy))
        assert found == sorted(found)
        assert {each[0] * len(shards) >> 64 for each in found} == {number}


def test_each_shuffled_shard_is_a_sample_of_the_mixture(mixed: Made) -> None:
    """Chi-square of documents by source over data shards; with this seed, and so always, the same."""
    counts: dict[str, Counter[str]] = {}
    for path, line in records(mixed.out):
        counts.setdefault(path, Counter())[json.loads(line)["provenance"]["source"]] += 1
    whole = sum(counts.values(), Counter())
    docs = whole.total()
    statistic = 0.0
    for shard in counts.values():
        for source, of_source in whole.items():
            expected = shard.total() * of_source / docs
            assert expected > 3
            statistic += (shard[source] - expected) ** 2 / expected
    free = (len(counts) - 1) * (len(whole) - 1)
    # Wilson-Hilferty: the 0.999 quantile of chi-square with `free` degrees of freedom.
    limit = free * (1 - 2 / (9 * free) + 3.09 * (2 / (9 * free)) ** 0.5) ** 3
    assert statistic < limit
    # The test can see a difference: shards of one source each would be far over the limit.
    assert docs * (len(whole) - 1) > 3 * limit


def test_by_source_order_goes_through_shards_pass_by_pass(parted: Made) -> None:
    shards: dict[str, list[tuple[int, str, int]]] = {}
    names: dict[str, list[str]] = {}
    for path, line in records(parted.out):
        source = path.split("/")[1]
        by = json.loads(line)["provenance"]
        assert by["source"] == source
        shards.setdefault(source, []).append((by["copy"], by["shard"], by["row"]))
        if path not in names.setdefault(source, []):
            names[source].append(path)
    assert set(shards) == {"web", "wiki", "book"}
    for source, found in shards.items():
        assert found == sorted(found)
        assert names[source] == [f"data/{source}/{number:05d}.jsonl.zst" for number in range(len(names[source]))]
    assert max(len(each) for each in names.values()) > 1


def test_both_orders_hold_the_same_records(mixed: Made, parted: Made) -> None:
    assert sorted(line for _, line in records(mixed.out)) == sorted(line for _, line in records(parted.out))
    one, other = mixed.manifest["mixture"], parted.manifest["mixture"]
    assert one["sources"] == other["sources"]
    assert mixed.manifest["digest"] != parted.manifest["digest"]


# ---- what has changed since the plan


def planned(folder: Path, **changes: object) -> Made:
    """A plan of a small corpus, and no mixture of it yet."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True)
    for name in ("web", "wiki", "book"):
        (corpus / name).mkdir()
        lines = [json.dumps({"id": f"{name}-{row}", "source": name, "text": words(row + 1000 * len(name), 40)})
                 for row in range(30)]
        (corpus / name / "0.jsonl").write_text("\n".join(lines) + "\n")
    recipe = write_recipe(folder / "recipe.yaml", corpus, **{"budget": 2_000} | changes)
    text = recipe.read_text().replace("[wiki/*.jsonl.gz, wiki/*.parquet]", "wiki/*.jsonl")
    recipe.write_text(text.replace("max_epochs: 1.2", "max_epochs: 9"))
    made = Made(recipe, corpus, folder / "work", folder / "out")
    for stage in ("tag", "dedup", "plan"):
        assert main([stage, str(recipe), "--work", str(made.work), "--quiet"]) == 0
    return made


def build(made: Made, *options: str) -> int:
    return main(["build", str(made.recipe), "--work", str(made.work), "--out", str(made.out), "--quiet", *options])


@pytest.mark.parametrize("order", ["shuffled", "by-source"])
def test_a_shard_that_changed_unseen_stops_the_build(
    spark: object, tmp_path: Path, capfd: pytest.CaptureFixture[str], order: str
) -> None:
    """Size and time are as they were, so that only the reading of it can tell."""
    made = planned(tmp_path, order=order)
    shard = made.corpus / "web/0.jsonl"
    stat, data = shard.stat(), shard.read_bytes()
    shard.write_bytes(data.replace(b" the ", b" teh ", 1))
    os.utime(shard, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    capfd.readouterr()
    assert build(made) == 2
    said = capfd.readouterr().err
    assert str(shard) in said and f"solera tag {made.recipe} --work {made.work} --verify" in said
    assert "Traceback" not in said and len(said.splitlines()) == 1
    assert not (made.out / "manifest.json").exists()
    if order == "by-source":
        return
    # The remedy is one: after it the mixture is what it would have been from the start.
    assert main(["tag", str(made.recipe), "--work", str(made.work), "--quiet", "--verify"]) == 0
    assert main(["dedup", str(made.recipe), "--work", str(made.work), "--quiet"]) == 0
    assert build(made) == 0
    assert main(["audit", str(made.out)]) == 0


@pytest.mark.parametrize("footer", ["none", "its own", "the planned one's"])
def test_a_selection_that_is_not_the_plan_s_stops_the_build(
    spark: object, tmp_path: Path, capfd: pytest.CaptureFixture[str], footer: str
) -> None:
    """One document of a shard changes places with another, so that all counts are the plan's."""
    made = planned(tmp_path, unit="docs", budget=20, order="by-source")
    (uri,) = made.work.glob("*/plans/*/selection/web/0.jsonl.parquet")
    table, about = sidecars.read(str(uri))
    turned = table.take(list(reversed(range(len(table)))))
    assert turned != table
    if footer == "none":
        uri.unlink()
    elif footer == "its own":
        sidecars.write(str(uri), turned, {"shard": about["shard"], "rows_digest": about["rows_digest"]})
    else:
        pq.write_table(turned.replace_schema_metadata(pq.read_metadata(uri).metadata), uri)
    capfd.readouterr()
    assert build(made) == 2
    said = capfd.readouterr().err
    folder = uri.parents[2]
    assert str(uri) in said and f"remove {folder} and build again" in said and "Traceback" not in said
    assert not (made.out / "manifest.json").exists()
    if footer == "none":
        shutil.rmtree(folder)
        assert build(made) == 0


def test_records_that_do_not_add_up_to_the_plan_are_a_clear_error(
    mixed: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    part = manifest.mixture_part
    monkeypatch.setattr(manifest, "mixture_part", lambda *given: {**part(*given), "totals": {"docs": 1}})
    assert run(mixed.recipe, mixed.work, tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "the build wrote 1 docs, and the plan has" in said and "remove" in said
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_copies_of_one_document_are_sent_on_as_they_come(
    mixed: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after the last of them: with many epochs they are more than a task may hold."""
    size = 1000
    record = mixture.Record(json.dumps({"id": "1", "source": "web", "text": "x" * size}).encode(), "web", "web", "1",
                            "0.jsonl", 0, 0, b"\0" * 32, size, b"\0" * 32, size, 0, size)
    own = np.frombuffer(identity("web", "1"), np.uint8).reshape(1, 16)
    monkeypatch.setattr(jobs.build, "emitted", lambda job, number: iter([(own, 100, record, None)]))
    monkeypatch.setattr(jobs.build, "HELD_BYTES", 10 * size)
    job = jobs.build.Job(Workspace("", ""), "", "", 7, "docs", None, "", 1, frozenset(["00000"]), "")
    shard = jobs.build.Input("", "", "", "", None, "", None)
    blocks = [pa.ipc.open_stream(block).read_all() for _, block in jobs.build.blocks_of(job, [shard])]
    assert [len(block) for block in blocks] == [10] * 10
    places = [each for block in blocks for each in block["place"].to_pylist()]
    assert places == [place(7, identity("web", "1"), copy) for copy in range(100)]


def test_a_shard_that_changed_visibly_or_went_has_to_be_tagged_first(
    spark: object, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = planned(tmp_path)
    shard = made.corpus / "web/0.jsonl"
    data = shard.read_bytes()
    shard.write_bytes(data + b"\n")
    assert build(made) == 2
    said = capfd.readouterr().err
    assert "web/0.jsonl" in said and f"solera tag {made.recipe}" in said
    shard.unlink()
    assert build(made) == 2
    assert "'web/*.jsonl*' matches no file" in capfd.readouterr().err
    assert not made.out.exists()


# ---- the folder


def test_the_same_mixture_is_not_built_twice(mixed: Made, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in mixed.out.rglob("*")}
    assert build(mixed) == 0
    said = capsys.readouterr().out
    assert "nothing to build" in said and mixed.manifest["digest"] in said
    assert {path: path.stat().st_mtime_ns for path in mixed.out.rglob("*")} == before
    assert build(mixed, "--json") == 0
    assert json.loads(capsys.readouterr().out)["made"] == 0


@pytest.mark.parametrize("name", ["index/00001.parquet", "tree/00000.parquet", "data/00002.jsonl.zst", "recipe.lock",
                                  "shards.parquet"])
def test_a_mixture_with_a_file_lost_or_cut_is_not_taken_for_whole(
    mixed: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    made = mixed.copied(tmp_path / "out")
    path = made.out / name
    if name.startswith("data"):
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()
    assert build(made) == 2
    assert f"{name}, which its manifest names, is missing or cut short; remove {made.out}" in capsys.readouterr().err


def test_another_mixture_is_never_overwritten(
    mixed: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(mixed.out)
    recipe = write_recipe(tmp_path / "recipe.yaml", mixed.corpus, budget=9_000)
    assert run(recipe, mixed.work, mixed.out) == 2
    said = capsys.readouterr().err
    assert str(mixed.out) in said and "small 1.2.3" in said and "choose another --out" in said
    assert files(mixed.out) == before


@pytest.mark.parametrize("name", ["notes.txt", "data/00000.jsonl.zst"])
def test_a_folder_with_other_files_is_left_alone(
    mixed: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    assert run(mixed.recipe, mixed.work, tmp_path) == 2
    said = capsys.readouterr().err
    assert "is not empty" in said and name in said and "choose another --out" in said
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [Path(name).name]


def test_out_that_is_a_file_or_locked_is_a_clear_error(
    mixed: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert run(mixed.recipe, mixed.work, tmp_path / "file") == 2
    said = capsys.readouterr().err
    assert str(tmp_path / "file") in said and "Traceback" not in said
    assert (tmp_path / "file").read_text() == "mine"


def test_what_another_build_left_unfinished_is_cleared(mixed: Made, tmp_path: Path) -> None:
    """A build was killed: its shards, an index, and temporary files of tasks and of the driver are still there."""
    for name in ("data/00099.jsonl.zst", "data/00000.jsonl.zst", "data/web/.00001.jsonl.zst.17-ab.tmp",
                 "index/.00003.parquet.1-cd.tmp", "index/00099.parquet", ".manifest.json.5-ef.tmp", "building.json"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(b"{}")
    assert run(mixed.recipe, mixed.work, tmp_path / "out") == 0
    assert files(tmp_path / "out") == files(mixed.out)


def test_a_build_goes_on_from_finished_shards(
    mixed: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = mixed.copied(tmp_path / "out")
    shards = len(list((made.out / "data").iterdir()))
    (made.out / "manifest.json").unlink()
    (made.out / "shards.parquet").unlink()
    (made.out / "index/00001.parquet").unlink()
    (made.out / "data/00003.jsonl.zst").write_bytes(b"short")
    (made.out / "building.json").write_text("{}")
    kept = (made.out / "data/00000.jsonl.zst").stat().st_mtime_ns
    assert build(made, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["made"], said["kept"]) == (2, shards - 2)
    assert (made.out / "data/00000.jsonl.zst").stat().st_mtime_ns == kept
    assert files(made.out) == files(mixed.out)


def test_a_build_that_lacked_only_its_manifest_says_so(
    mixed: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And takes no credit, in its rate, for what an earlier one wrote."""
    made = mixed.copied(tmp_path / "an out")
    shards = len(list((made.out / "data").iterdir()))
    (made.out / "manifest.json").unlink()
    (made.out / "building.json").write_text("{}")
    assert build(made) == 0
    said = capsys.readouterr().out
    assert f"wrote 0 data shards ({shards} were there from an earlier, interrupted build)" in said
    assert "nothing to build" not in said and "MB/s" not in said
    assert f"solera audit '{made.out}'" in said
    (made.out / "manifest.json").unlink()
    (made.out / "index/00001.parquet").unlink()
    (made.out / "building.json").write_text("{}")
    assert main(["run", str(made.recipe), "--work", str(made.work), "--out", str(made.out), "--quiet", "--json"]) == 0
    (stage,) = [each for each in json.loads(capsys.readouterr().out)["stages"] if each["stage"] == "build"]
    assert stage["bytes"] == pq.read_table(made.out / "shards.parquet")["text_bytes"][1].as_py()


@pytest.mark.parametrize(("left", "says"), [
    ({"key": "another", "machine": platform.node(), "process": 1}, "another build is under way here (process 1)"),
    ({"key": "MINE", "machine": platform.node(), "process": 1}, "another build is under way here (process 1)"),
    ({"key": "another", "machine": "elsewhere", "process": 1}, "begun here from the machine elsewhere"),
    ({"key": "MINE", "machine": "elsewhere", "process": 1}, None),
    ({"key": "another", "machine": platform.node(), "process": 2**30}, None),
    ({"key": "another", "machine": platform.node(), "process": os.getpid()}, None),
])
def test_only_what_an_ended_build_left_is_taken_over(
    mixed: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], left: dict[str, Any], says: str | None
) -> None:
    made = mixed.copied(tmp_path / "out")
    (made.out / "manifest.json").unlink()
    meta = sidecars.metadata(str(made.out / "index/00000.parquet"))
    assert meta is not None
    claim = json.dumps({**left, "key": left["key"].replace("MINE", meta["build_key"])})
    (made.out / "building.json").write_text(claim)
    (made.out / "data/00099.jsonl.zst").write_bytes(b"theirs")
    assert build(made) == (2 if says else 0)
    assert (made.out / "data/00099.jsonl.zst").exists() == bool(says)
    if says:
        said = capsys.readouterr().err
        assert says in said and f"remove {made.out}/building.json" in said
        assert (made.out / "building.json").read_text() == claim


@pytest.mark.parametrize("what", ["manifest", "claim"])
def test_two_builds_of_one_folder_never_publish_a_mix(
    mixed: Made, parted: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    what: str
) -> None:
    """The other one puts its manifest, or takes the folder, while this one writes its tree."""
    out = tmp_path / "out"
    write_tree = jobs.build.write_tree

    def meanwhile(*given: Any) -> Any:
        if what == "manifest":
            shutil.copy(parted.out / "manifest.json", out)
        else:
            (out / "building.json").write_text('{"key": "another"}')
            (out / "data/00099.jsonl.zst").write_bytes(b"theirs")
        return write_tree(*given)

    monkeypatch.setattr(jobs.build, "write_tree", meanwhile)
    assert run(mixed.recipe, mixed.work, out) == 2
    said = capsys.readouterr().err
    if what == "manifest":
        assert "another build has put the mixture small 1.2.3 here meanwhile" in said and "--out of its own" in said
        assert (out / "manifest.json").read_bytes() == (parted.out / "manifest.json").read_bytes()
    else:
        assert "another build has begun here meanwhile" in said
        assert (out / "data/00099.jsonl.zst").exists() and not (out / "manifest.json").exists()


def test_a_budget_that_takes_nothing_is_an_empty_mixture(
    spark: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One unit of a corpus whose documents are all longer."""
    made = planned(tmp_path)
    made.recipe.write_text(made.recipe.read_text().replace("budget: 2000", "budget: 1"))
    assert build(made) == 0
    assert made.manifest["mixture"]["totals"]["docs"] == 0
    assert "wrote 0 data shards in" in capsys.readouterr().out
    assert main(["audit", str(made.out)]) == 0


def test_without_a_budget_shares_are_of_all_there_is(spark: object, tmp_path: Path) -> None:
    made = planned(tmp_path)
    text = made.recipe.read_text().replace("budget: 2000\n", "").replace("kind: fixed", "kind: proportional")
    made.recipe.write_text(re.sub(r"weight: [0-9.]+(, )?", "", text))
    assert build(made) == 0
    sources = made.manifest["mixture"]["sources"]
    for name in ("requested", "allocated"):
        whole = sum(source[name] for source in sources)
        assert [source["weights"][name] for source in sources] == [
            f"{Decimal(source[name]) / whole:.12f}" for source in sources]
    assert main(["audit", str(made.out)]) == 0


@pytest.mark.parametrize(("unit", "budget"), [("docs", 200), ("bytes", 60_000)])
def test_other_units_build_and_audit(mixed: Made, tmp_path: Path, unit: str, budget: int) -> None:
    made = make(tmp_path, mixed.corpus, work=mixed.work, unit=unit, budget=budget)
    totals: dict[str, Any] = made.manifest["mixture"]["totals"]
    assert totals["units"] == totals["docs" if unit == "docs" else "text_bytes"] <= budget
    assert main(["audit", str(made.out)]) == 0
