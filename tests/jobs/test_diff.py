"""`solera diff`: what it prints, when it says that a version is not enough, and what it makes of anything else."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plan_cases import Case, case, recipe_text
from plan_oracle import Doc
from small_mixture import write_mixture

from jobs.cli import main
from mixer import lock, lock_diff, sides, storage, version_bump

ROOT = Path(__file__).parents[2]
DOCS = {
    "web/0.jsonl": [Doc("crawl", f"{row}", "word " * (row + 1), {"words.count": row + 1}) for row in range(8)],
    "wiki/0.jsonl": [Doc("wiki", "a", "word word ", {"words.count": 2}), Doc("wiki", "b\x1b[31m", "other",
                                                                            {"words.count": 1})],
}
KEEP = {"words.count": {"min": 1}}


@pytest.fixture(autouse=True, scope="module")
def unflushed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "_flush", lambda out: out.flush())
        yield


def text(**fields: Any) -> bytes:
    return recipe_text({"web": {}, "wiki": {}}, **{"keep": KEEP, "dedup": [{"use": "text@1"}], **fields})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A corpus that is tagged and planned by one recipe, and a second recipe beside it."""
    found = case(tmp_path_factory.mktemp("diff"), text(), DOCS)
    found.plan()
    folder = Path(found.corpus.workspace.corpus).parent
    (folder / "other.yaml").write_bytes(text(version="1.0.1", keep={"words.count": {"min": 4}}))
    return found


@pytest.fixture
def place(made: Case) -> Path:
    return Path(made.corpus.workspace.corpus).parent


def diff(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = main(["diff", *map(str, arguments), "--quiet"])
    said = capsys.readouterr()
    return code, said.out if code != 2 else said.err


def test_a_recipe_and_itself(place, capsys):
    code, said = diff(capsys, place / "recipe.yaml", place / "recipe.yaml", "--work", place / "work")
    assert code == 0
    assert "recipe: the same\n" in said and "documents: the same 9" in said and "nothing differs" in said


def test_recipes_alone_where_one_is_not_planned(place, capsys):
    other = place / "unplanned.yaml"
    other.write_bytes(text(keep={"words.count": {"min": 3}}))
    code, said = diff(capsys, place / "recipe.yaml", other, "--work", place / "work")
    assert code == 1
    assert "keep words.count min  1 for all sources -> 3 for all sources  minor" in said
    assert "not planned:" in said and "run `solera plan" in said
    assert "raise it to 1.1.0" in said


def test_a_recipe_whose_shards_were_not_published_is_compared_alone(place, capsys):
    published = ROOT / "recipes" / "published"
    code, said = diff(capsys, published / "redpajama.yaml", published / "slimpajama.yaml", "--work", place / "work")
    assert code == 0 and "keep sizes.chars min" in said
    assert said.count("its shards were not published, so that recipes alone are compared") == 2
    assert "solera dedup" not in said and "no file" not in said


def test_a_plan_is_made_where_that_is_asked_for(place, capsys):
    arguments = [place / "recipe.yaml", place / "other.yaml", "--work", place / "work"]
    code, said = diff(capsys, *arguments, "--plan")
    assert code == 1 and "which is patch: raise it to 1.1.0" in said
    assert "words.count min 4" in said and "now: words.count 1 < 4" in said
    assert "documents: 4 out, 0 in, 0 otherwise than before, 5 as before" in said
    assert "\x1b" not in said
    assert diff(capsys, *arguments) == (1, said)  # and then it is there
    code, back = diff(capsys, *reversed(arguments[:2]), *arguments[2:])
    assert code == 1 and "went back from 1.0.1 to 1.0.0" in back and "was: words.count 1 < 4" in back


def test_json_has_everything(place, made, capsys):
    diff(capsys, place / "recipe.yaml", place / "other.yaml", "--work", place / "work", "--plan")
    code, said = diff(capsys, place / "recipe.yaml", place / "other.yaml", "--work", place / "work", "--json",
                      "--examples", 1)
    found = json.loads(said)
    assert code == 1 and found["version"] == {
        "old": "1.0.0", "new": "1.0.1", "asked": "minor", "given": "patch", "enough": False,
        "because": [kind.what for kind in version_bump.KINDS if kind.name in ("documents", "taken")]}
    assert [(each["path"], each["bump"]) for each in found["recipe"]] == [("keep words.count min", "minor")]
    assert found["documents"]["out"] == 4 and found["documents"]["same"] == 5
    assert len(found["documents"]["examples"]) == 2  # one of each source
    assert [pair["source"] for pair in found["sources"]] == ["web", "wiki", None]
    assert found["sources"][0]["old"]["read"] == 8 and found["lock"]["same"] == 2


def test_the_version_that_says_enough(place, tmp_path, capsys):
    for version, code in (("1.0.0", 1), ("1.0.9", 1), ("1.1.0", 0), ("2.0.0", 0), ("0.9.0", 1)):
        other = tmp_path / "other.yaml"
        other.write_bytes(text(version=version, keep={"words.count": {"min": 3}}))
        assert diff(capsys, place / "recipe.yaml", other)[0] == code, version
    other.write_bytes(text(description="what decides nothing"))
    code, said = diff(capsys, place / "recipe.yaml", other)
    assert code == 0 and "asks for patch" in said and "it may stay" in said
    other.write_bytes(text(name="another", seed=9))
    code, said = diff(capsys, place / "recipe.yaml", other)
    assert code == 0 and "another name" in said


def test_a_plan_and_its_mixture_and_the_mixture_of_another(made, place, tmp_path, capsys):
    plan, _ = made.plan()
    first = write_mixture(made, plan, tmp_path / "first")
    assert diff(capsys, plan.folder, first)[0] == 0
    again = case(tmp_path / "again", b"# a comment\n" + made.recipe.text, DOCS)
    second = write_mixture(again, again.plan()[0], tmp_path / "second")
    code, said = diff(capsys, first, second)
    assert code == 0 and "but for how it is written" in said and "documents: the same 9" in said
    assert "asks for patch" in said


def test_locks(made, place, tmp_path, capsys):
    plan, _ = made.plan()
    old = tmp_path / "a-lock.json"
    old.write_bytes(plan.lock)
    assert diff(capsys, old, plan.folder)[0] == 0
    whole = json.loads(plan.lock)
    shard = whole["shards"][0]
    whole["shards"] = [{**shard, "sha256": "0" * 64, "bytes": 1}, {**shard, "path": "web/9.jsonl", "sha256": "9" * 64}]
    new = tmp_path / "b.txt"
    new.write_bytes(lock.encode(whole))
    code, said = diff(capsys, old, new)
    assert code == 1 and "lock: 0 shards the same" in said
    for line in ("shards added    1: web/9.jsonl (8 documents)", "shards removed  1: wiki/0.jsonl (2 documents)",
                 "shards changed  1: web/0.jsonl ("):
        assert line in said
    assert "the same: other shards, measures or clusters" in said


def test_a_lock_of_the_first_format_is_read():
    shard = {"path": "web/0.jsonl", "source": "web", "bytes": 1, "sha256": "0", "rows": 1, "sidecars": {"rows@1": "1"}}
    about = {"name": "a", "version": "1.0.0", "sha256": "0"}
    whole = {"format": "solera-lock@1", "plan": "solera-plan@4", "recipe": about, "taggers": {}, "clusters": []}
    old = sides.read_lock(json.dumps({**whole, "shards": [shard]}).encode(), "old")
    new = sides.read_lock(json.dumps({**whole, "format": "solera-lock@2", "shards": [
        {**{name: value for name, value in shard.items() if name != "source"}, "sources": ["web", "news"]}]}).encode(),
        "new")
    assert lock_diff.compare(old, old).differs is False
    assert lock_diff.compare(old, new).resourced == (("web/0.jsonl", ("web",), ("web", "news")),)


def test_what_locks_say_of_measures_and_clusters(made):
    old = sides.read_lock(made.plan()[0].lock, "old")
    new = json.loads(json.dumps(old))
    (key,) = [key for key in old["taggers"] if key.startswith("text_hash@")]
    new["taggers"]["text_hash@9-0"] = {**new["taggers"].pop(key), "parameters": {"normalise": ["lower"]}}
    new["clusters"][0] |= {"digest": "0" * 64, "documents": 7}
    (words,) = [key for key in old["taggers"] if key.startswith("words@")]
    new["shards"][0]["sidecars"][words] = "0" * 64
    found = lock_diff.compare(old, new)
    assert found.taggers == (("text_hash", f"{key.partition('-')[0]} normalise=[]", "text_hash@9 normalise=['lower']"),)
    assert found.remeasured == ((words, 1),)
    assert found.clusters == (("text@1", "2 documents in 1 clusters", "7 documents in 1 clusters"),)
    back = lock_diff.compare(new, old)
    assert back.taggers == tuple((name, now, was) for name, was, now in found.taggers)


def test_shards_that_lie_elsewhere_are_the_same(made):
    old = sides.read_lock(made.plan()[0].lock, "old")
    new = json.loads(json.dumps(old))
    new["shards"][0]["path"] = "elsewhere.jsonl"
    found = lock_diff.compare(old, new)
    assert found.moved == (("web/0.jsonl", "elsewhere.jsonl"),) and not found.added and not found.removed
    assert found.same_contents and found.differs


def test_another_corpus_of_the_same_shards_is_no_other_meaning(made, tmp_path, capsys):
    again = case(tmp_path / "moved", made.recipe.text.replace(b'"corpus": "corpus"', b'"corpus": "./corpus"'), DOCS)
    code, said = diff(capsys, made.plan()[0].folder, again.plan()[0].folder)
    assert code == 0 and "corpus  corpus -> ./corpus  patch" in said


@pytest.mark.parametrize(("make", "message"), [
    (lambda path: None, "no such file"),
    (lambda path: path.mkdir(), "this is a folder"),
    (lambda path: path.write_text("name: [\n"), "line|YAML|:1|:2"),
    (lambda path: path.write_text('{"format": "solera-lock@99"}'), "not a lock of a format"),
    (lambda path: path.write_text('{"format": "solera-lock@1", "shards": [1]}'), "cannot be read"),
    (lambda path: path.write_text('{"digest": "", "mixture": {}, "build": {}}'), "one file of a mixture"),
    (lambda path: path.write_text('{"format": "solera-plan@4"}'), "one file of a plan"),
    (lambda path: (path.mkdir(), (path / "manifest.json").write_text("{}")), "not a manifest"),
    (lambda path: (path.mkdir(), (path / "plan.json").write_text("{")), "not a finished plan"),
])
def test_what_cannot_be_compared_is_a_mistake(make, message, place, tmp_path, capsys):
    make(tmp_path / "strange")
    code, said = diff(capsys, place / "recipe.yaml", tmp_path / "strange")
    assert code == 2 and str(tmp_path / "strange") in said
    assert any(part in said for part in message.split("|")), said


def test_a_recipe_from_a_pipe(place, tmp_path, capsys):
    """As `solera diff <(git show HEAD:recipe.yaml) recipe.yaml` gives one: read once, and never by its name."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes((place / "recipe.yaml").read_bytes()))
    writer.start()
    code, said = diff(capsys, pipe, place / "recipe.yaml")
    writer.join()
    assert code == 0 and "recipe: the same" in said


def test_the_table_of_bumps_is_in_the_docs():
    said = (ROOT / "docs/operations.md").read_text()
    for kind in version_bump.KINDS:
        assert f"| {kind.bump} | {kind.what} |" in said
