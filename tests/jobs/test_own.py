"""A user's own tagger: from a file that goes along to the tasks, held to its contract, and known to an auditor."""

from __future__ import annotations

import json
import re
import sys

import pytest
from plan_cases import recipe_text

from jobs import cli, own
from mixer import attributes
from mixer.errors import BadInput
from taggers.declare import Use

SHOUTING = '''
import pyarrow as pa
from taggers.declare import Column, Tagger

SHOUTING = Tagger(
    name="shouting", version=1, doc="Capitals.", run="shouting:run", parameters={"marks": ["!"]},
    columns=(Column("shouting.marks", "int64", "marks", "Marks of the kinds asked for."),),
)


def run(batch, parameters):
    texts = [batch.string(number) for number in range(len(batch))]
    return {"shouting.marks": pa.array([sum(text.count(mark) for mark in parameters["marks"]) for text in texts],
                                       pa.int64())}
'''
TEXTS = ["quiet", "loud!", "very loud!!!", "so quiet as to be hardly there"]


@pytest.fixture
def place(tmp_path, write_shard, monkeypatch):
    """A folder with a corpus, a recipe that names a column of `shouting`, and the file of that tagger."""
    monkeypatch.chdir(tmp_path)
    # Spark leaves the folder of its files on the path, and with it the file of an earlier test.
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if "/spark-" not in folder])
    (tmp_path / "shouting.py").write_text(SHOUTING)
    write_shard("corpus/web/0.jsonl", TEXTS)
    (tmp_path / "recipe.yaml").write_bytes(recipe_text(
        {"web": {}}, policy={"kind": "proportional"}, unit="docs", keep={"shouting.marks": {"max": 1}},
        corpus="corpus"))
    yield tmp_path
    sys.modules.pop("shouting", None)


def said(capsys, *arguments: str) -> tuple[int, str, str]:
    code = cli.main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_recipe_alone_names_no_code(place, capsys):
    code, _, err = said(capsys, "lint", "recipe.yaml")
    assert code == 2 and "shouting.marks: unknown column" in err
    assert "shouting" not in sys.modules


def test_from_tagging_to_an_audit_without_the_file(place, spark, capsys):
    named = ("--taggers", "shouting:SHOUTING")
    assert said(capsys, "lint", "recipe.yaml", *named)[0] == 0
    code, out, err = said(capsys, "run", "recipe.yaml", "--out", "mixture", *named)
    assert code == 0, err
    assert "shouting.marks max 1" in out
    lines = [json.loads(line) for line in _records(place / "mixture")]
    assert sorted(line["text"] for line in lines) == sorted(text for text in TEXTS if text.count("!") <= 1)
    assert said(capsys, "run", "recipe.yaml", "--out", "mixture", *named)[1].count("0 of 1 shards") == 1
    assert "shouting.marks" in said(capsys, "explain", "recipe.yaml", "web", "2", *named)[1]
    (place / "shouting.py").unlink()
    code, out, _ = said(capsys, "audit", "mixture")
    assert code == 0, out
    lock = json.loads((place / "mixture" / "recipe.lock").read_text())
    (about,) = lock["taggers"].values()
    assert about["own"]["columns"][0]["name"] == "shouting.marks" and about["model_sha256"] == about["own"]["own"]


def test_a_changed_file_is_another_tagger(place):
    (one,) = own.load(["shouting:SHOUTING"]).taggers
    assert own.load(["shouting:SHOUTING"]).taggers == (one,)
    sys.modules.pop("shouting")
    (place / "shouting.py").write_text(SHOUTING + "# another edition\n")
    (other,) = own.load(["shouting:SHOUTING"]).taggers
    keys = {attributes.key_of(Use(tagger, tagger.parameters)) for tagger in (one, other)}
    assert len(keys) == 2


def test_parameters_and_another_name(place, capsys):
    text = recipe_text({"web": {}}, policy={"kind": "proportional"}, unit="docs", corpus="corpus",
                       taggers={"asking": {"use": "shouting@1", "marks": ["?"]}}, keep={"asking.marks": {"max": 0}})
    (place / "recipe.yaml").write_bytes(text)
    code, out, _ = said(capsys, "tag", "recipe.yaml", "--taggers", "shouting:SHOUTING", "--sample", "9")
    assert code == 0 and "the recipe’s asking.marks max 0 keeps 100.0% of web" in out


def test_a_path_to_a_file_elsewhere(place, monkeypatch):
    (place / "sub").mkdir()
    (place / "sub" / "louder.py").write_text(SHOUTING.replace("shouting", "louder"))
    found = own.load(["sub/louder.py:SHOUTING"])
    assert [tagger.name for tagger in found.taggers] == ["louder"] and found.files == (str(place / "sub/louder.py"),)
    sys.modules.pop("louder")


@pytest.mark.parametrize(("reference", "change", "says"), [
    ("shouting", None, "names no tagger; write --taggers MODULE:TAGGER"),
    ("whispering:A", None, "there is no file"),
    ("shouting:QUIET", None, "has no taggers.declare.Tagger called QUIET; it has SHOUTING"),
    ("shouting:run", None, "has no taggers.declare.Tagger called run"),
    ("shouting:SHOUTING", ("import pyarrow", "import nowhere"), "cannot be imported: ModuleNotFoundError"),
    ("shouting:SHOUTING", ('name="shouting"', 'name="words"'), "words is the name of one of Solera's taggers"),
    ("shouting:SHOUTING", ('name="shouting"', 'name="Sh"'), "is no name of a tagger"),
    ("shouting:SHOUTING", ('Column("shouting.marks"', 'Column("other.marks"'), "does not begin with `shouting.`"),
    ("shouting:SHOUTING", ('"int64", "marks"', '"int32", "marks"'), "of type int32; the types are"),
    ("shouting:SHOUTING", ('run="shouting:run"', 'run="os:system"'), "a function of the same file"),
    ("shouting:SHOUTING", ('["!"]}', '[set("!")]}'), "parameters are no JSON"),
    ("shouting:SHOUTING", ("pa.int64())", "pa.int32())"), "is int32, declared as int64"),
    ("shouting:SHOUTING", ("text.count(mark)", "text.split()[0].count(mark)"), "IndexError"),
])
def test_what_is_wrong_is_said_before_anything_starts(place, reference, change, says):
    if change is not None:
        assert SHOUTING.count(change[0])
        (place / "shouting.py").write_text(SHOUTING.replace(*change))
    with pytest.raises(BadInput, match=re.escape(says)):
        own.load([reference])


def test_no_module_is_taken_for_another(place):
    (place / "json.py").write_text(SHOUTING)
    with pytest.raises(BadInput, match="there is another module json"):
        own.load(["json:SHOUTING"])
    with pytest.raises(BadInput, match="named twice"):
        own.load(["shouting:SHOUTING", "shouting:SHOUTING"])


def _records(out):
    import zstandard

    for path in sorted((out / "data").rglob("*.zst")):
        with path.open("rb") as file:
            yield from zstandard.ZstdDecompressor().stream_reader(file).read().splitlines()
