"""Which shards a recipe reads, and all that is wrong with its patterns at once."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from mixer import storage
from mixer.corpus import Corpus, find
from mixer.errors import BadInput
from mixer.recipe_parser import parse
from mixer.workspace import open_workspace


def recipe_text(corpus: str, **sources: str) -> str:
    lines = [f"  {name}: {{shards: {shards}, weight: {1 / len(sources)}}}" for name, shards in sources.items()]
    return "\n".join(["name: x", "version: 1.0.0", "seed: 1", f"corpus: {corpus}", "unit: docs", "budget: 10",
                      "policy: {kind: fixed}", "sources:", *lines, ""])


def found(tmp_path: Path, corpus: str = "corpus", **sources: str) -> Corpus:
    uri = str(tmp_path / "recipes" / "x.yaml")
    return find(parse(recipe_text(corpus, **sources).encode(), uri), uri, str(tmp_path / "work"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A corpus beside the recipe."""
    for path in ("web/b.jsonl", "web/a.jsonl.zst", "web/deep/c.json.gz", "web/.part.jsonl", "wiki/a.parquet",
                 "wiki/notes.txt"):
        (tmp_path / "recipes" / "corpus" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "recipes" / "corpus" / path).write_bytes(path.encode())
    return tmp_path


def test_shards_come_in_order_of_path_with_their_source(tree: Path) -> None:
    corpus = found(tree, wiki="wiki/*.parquet", web='["**/*.jsonl", "web/*", "**/*.gz"]')
    assert [(shard.path, *shard.sources) for shard in corpus.shards] == [
        ("web/a.jsonl.zst", "web"), ("web/b.jsonl", "web"), ("web/deep/c.json.gz", "web"), ("wiki/a.parquet", "wiki")]
    assert corpus.bytes == sum(len(shard.path) for shard in corpus.shards)
    assert corpus.shards[0].stat == storage.stat(str(tree / "recipes" / "corpus" / "web" / "a.jsonl.zst"))


def test_sources_that_share_a_shard_have_slices_of_it(tree: Path) -> None:
    corpus = found(tree, wiki='["wiki/*.parquet", "web/b.*"]', web='["**/*.jsonl", "web/*.zst"]')
    assert [(shard.path, shard.sources) for shard in corpus.shards] == [
        ("web/a.jsonl.zst", ("web",)), ("web/b.jsonl", ("web", "wiki")), ("wiki/a.parquet", ("wiki",))]
    assert [(each.shard, each.source, each.file) for each in corpus.slices] == [
        (0, "web", "web/a.jsonl.zst"), (1, "web", "web/b.jsonl@web"), (1, "wiki", "web/b.jsonl@wiki"),
        (2, "wiki", "wiki/a.parquet")]


def test_a_corpus_is_relative_to_its_recipe_or_absolute(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree / "recipes")
    absolute = str(tree / "recipes" / "corpus")
    for corpus in ("corpus", "./corpus", "../recipes/corpus", absolute, f"file://{absolute}"):
        assert found(tree, corpus, web="web/*.jsonl").workspace.corpus == absolute
    assert find(parse(recipe_text("corpus", web="web/*.jsonl").encode(), "x.yaml"), "x.yaml", "w").workspace == (
        open_workspace(str(tree / "recipes" / "w"), absolute))


def test_all_that_is_wrong_is_told_at_once(tree: Path) -> None:
    with pytest.raises(BadInput) as error:
        found(tree, web='["web/*.jsonl", "nowhere/*.jsonl"]', wiki='["wiki/*", "web/b.*"]')
    said = str(error.value).splitlines()
    folder = f"{tree}/recipes/corpus"
    assert [line.removeprefix(f"{tree}/recipes/x.yaml: ") for line in said] == [
        f"sources.web.shards: 'nowhere/*.jsonl' matches no file below {folder}; correct the pattern or the corpus",
        "sources.wiki.shards: 'wiki/*' matches wiki/notes.txt, which is not a shard's name; use one of .jsonl, .json, "
        ".jsonl.gz, .json.gz, .jsonl.zst, .json.zst, .parquet"]


def test_of_many_mistakes_twenty_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    (tmp_path / "recipes" / "corpus").mkdir(parents=True)
    for number in range(30):
        (tmp_path / "recipes" / "corpus" / f"{number}.txt").write_bytes(b"")
    with pytest.raises(BadInput) as error:
        found(tmp_path, web='"*"')
    said = str(error.value).splitlines()
    assert len(said) == 21 and said[-1] == "… and 10 more like these"


def test_a_corpus_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"'web/\*' matches no file below /nowhere; correct the pattern or the corpus"):
        found(tmp_path, "/nowhere", web="web/*")


def test_a_corpus_may_lie_in_an_object_store() -> None:
    files = fsspec.filesystem("memory")
    files.pipe({"/bucket-of-tests/v2/web/a.jsonl": b"x", "/bucket-of-tests/v22/web/b.jsonl": b"x"})
    uri = "memory://bucket-of-tests/x.yaml"
    try:
        for name in ("memory://bucket-of-tests/v2", "v2"):
            corpus = find(parse(recipe_text(name, web="web/*.jsonl").encode(), uri), uri, "memory://bucket-of-tests/w")
            assert [shard.path for shard in corpus.shards] == ["web/a.jsonl"]
            assert corpus.workspace.shard("web/a.jsonl") == "memory://bucket-of-tests/v2/web/a.jsonl"
            assert corpus.workspace.root == "memory://bucket-of-tests/w"
    finally:
        files.rm("/bucket-of-tests", recursive=True)


def test_corpora_of_one_name_do_not_share_a_folder() -> None:
    """The folder can be recognised by the corpus's name, and is another for each corpus."""
    one, two = open_workspace("/w", "/a/corpus"), open_workspace("/w", "/b/corpus/")
    assert one.folder != two.folder and one.folder.startswith("/w/corpus-") and two.folder.startswith("/w/corpus-")
    assert open_workspace("/w", "/a/corpus/").folder == one.folder
    assert one.sidecar("rows@1", "web/a.jsonl") == f"{one.folder}/sidecars/rows@1/web/a.jsonl.parquet"


def with_references(tree: Path, references: str) -> Corpus:
    uri = str(tree / "recipes" / "x.yaml")
    text = recipe_text("corpus", web="web/*.jsonl") + f"dedup: [{{use: text@1}}]\nreference: {references}\n"
    return find(parse(text.encode(), uri), uri, str(tree / "work"))


def test_references_are_found_here_or_in_a_corpus_of_their_own(tree: Path) -> None:
    """Those elsewhere are called by the reference's name, so that nothing depends on where it lies."""
    other = tree / "mixture" / "data" / "0.jsonl.zst"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"x")
    corpus = with_references(tree, "{old: {corpus: ../mixture, shards: data/*}, wiki: {shards: wiki/*.parquet}}")
    assert [(shard.path, *shard.sources, shard.is_reference) for shard in corpus.shards] == [
        ("@old/data/0.jsonl.zst", "old", True), ("web/b.jsonl", "web", False), ("wiki/a.parquet", "wiki", True)]
    place = corpus.workspace
    assert place.shard("@old/data/0.jsonl.zst") == str(other)
    assert place.shard("@new/data/0.jsonl.zst") == str(tree / "recipes/corpus/@new/data/0.jsonl.zst")
    assert place.sidecar("rows@1", "@old/data/0.jsonl.zst").endswith("/rows@1/@old/data/0.jsonl.zst.parquet")
    assert [shard.path for shard in corpus.own.shards] == ["web/b.jsonl"] and corpus.own.own is corpus.own
    # Its work folder is that of the corpus, whatever it is compared with.
    assert place.folder == found(tree, web="web/*.jsonl").workspace.folder


def test_what_is_wrong_with_references_is_told(tree: Path) -> None:
    with pytest.raises(BadInput) as error:
        with_references(tree, "{old: {corpus: /nowhere, shards: data/*}, more: {shards: ['web/*', 'wiki/*']}}")
    said = [line.removeprefix(f"{tree}/recipes/x.yaml: ") for line in str(error.value).splitlines()]
    assert said[0] == ("reference.old.shards: 'data/*' matches no file below /nowhere; correct the pattern or the "
                       "corpus")
    assert said[1].startswith("web/b.jsonl: belongs to web and to the reference more")
    assert said[2].startswith("reference.more.shards: 'wiki/*' matches wiki/notes.txt, which is not a shard's name")
