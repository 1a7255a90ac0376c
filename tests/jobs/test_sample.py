"""`solera tag --sample` and `solera plan --sweep`: what they say of documents, without Spark, and what they refuse."""

from __future__ import annotations

import json

import pytest
from plan_cases import recipe_text

from jobs import cli
from jobs.sample import bars

TEXTS = ["one", "two words", "three words here", "four words in all", ""]


@pytest.fixture
def recipe(tmp_path, write_shard, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_shard("corpus/web/0.jsonl", [{"text": text, "id": f"document {text}"} for text in TEXTS])
    write_shard("corpus/wiki/0.jsonl", [{"text": "a b c d e f", "id": "w"}], source="wiki")
    (tmp_path / "recipe.yaml").write_bytes(recipe_text(
        {"web": {"keep": {"words.mean_length": {"max": 4.2}}}, "wiki": {}}, policy={"kind": "proportional"},
        unit="docs", keep={"words.count": {"min": 2}}, corpus="corpus"))
    return str(tmp_path / "recipe.yaml")


def said(capsys, *arguments: str) -> tuple[int, str, str]:
    code = cli.main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_sample_shows_each_column_and_writes_nothing(recipe, tmp_path, capsys):
    code, out, _ = said(capsys, "tag", recipe, "--sample", "100", "--columns", "sizes.*")
    assert code == 0
    assert "6 of 6 documents" in out and "from 2 of 2 shards; nothing was written" in out
    assert "words.count (words)" in out and "sizes.chars (characters)" in out
    assert "the recipe’s words.count min 2 keeps 66.7% of web, wiki" in out
    assert "the recipe’s words.mean_length max 4.2 keeps 60.0% of web" in out  # 3, 4, 4.67, 3.5, and one is missing
    assert "highest 6  wiki w  a b c d e f" in out
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_sample_as_json(recipe, capsys):
    code, out, _ = said(capsys, "tag", recipe, "--sample", "100", "--json")
    found = json.loads(out)
    (count,) = [each for each in found["columns"] if each["column"] == "words.count"]
    assert code == 0 and (count["lowest"], count["highest"], count["missing"]) == (0, 6, 0)
    assert count["last"][0] == {"source": "wiki", "id": "w", "value": 6}
    (length,) = [each for each in found["columns"] if each["column"] == "words.mean_length"]
    assert length["missing"] == 1


def test_a_sample_is_the_same_each_time_and_of_every_source(recipe, capsys):
    def ids() -> list[str]:
        found = json.loads(said(capsys, "tag", recipe, "--sample", "2", "--json", "--columns", "sizes.bytes")[1])
        return sorted({end["id"] for each in found["columns"] for end in [*each["first"], *each["last"]]})

    assert ids() == ids() and "w" in ids()


@pytest.mark.parametrize(("arguments", "says"), [
    (["tag", "--sample", "0"], "no number of documents"),
    (["tag", "--sample", "9", "--columns", "words.cuont"], "did you mean words.count?"),
    (["tag", "--columns", "wrods.*"], "matches no column"),
    (["plan", "--sweep", "words.cuont"], "did you mean words.count?"),
    (["plan", "--sweep", "words.count"], "solera tag"),
])
def test_what_is_refused(recipe, capsys, arguments, says):
    try:
        code, _, err = said(capsys, arguments[0], recipe, *arguments[1:])
    except SystemExit as exit:
        code, err = exit.code, capsys.readouterr().err
    assert code == 2 and says in err and "Traceback" not in err


def test_a_recipe_without_rules_says_what_to_measure(recipe, tmp_path, capsys):
    (tmp_path / "recipe.yaml").write_bytes(recipe_text(
        {"web": {}}, policy={"kind": "proportional"}, unit="docs", corpus="corpus"))
    code, _, err = said(capsys, "tag", recipe, "--sample", "9")
    assert code == 2 and "--columns words.count" in err


def test_a_pattern_leaves_out_what_has_no_file_and_a_name_does_not(recipe, capsys):
    code, out, _ = said(capsys, "tag", recipe, "--sample", "9", "--columns", "tok*,s*.b*")
    assert code == 2  # nothing but tokens@1 begins like that
    code, out, _ = said(capsys, "tag", recipe, "--sample", "9", "--columns", "[st]*.bytes*")
    assert code == 0 and "sizes.bytes (bytes)" in out and "tokens." not in out
    assert "tokens@1 needs a tokenizer" in said(capsys, "tag", recipe, "--columns", "tokens.count")[2]


def test_bars():
    assert bars([0, 1, 4, 8]) == "·▂▅█"
    assert bars([]) == ""


def test_a_sweep_over_what_was_tagged(recipe, spark, capsys):
    assert said(capsys, "tag", recipe, "--columns", "lines.count,language.top")[0] == 0
    code, out, _ = said(capsys, "plan", recipe, "--sweep", "words.count", "--json")
    web, wiki = json.loads(out)["sources"]
    assert code == 0 and web["whole"]["docs"] == 3 and wiki["whole"]["docs"] == 1
    at = {each["threshold"]: (each["min"]["docs"], each["max"]["docs"]) for each in web["thresholds"]}
    assert at[2] == (2, 2) and at[4] == (1, 3)  # of 1, 2 and 4 words; the fourth has words that are too long
    text = said(capsys, "plan", recipe, "--sweep", "words.count")[1]
    assert "2  <- the recipe’s min" in text and "before dedup and the draw" in text
    assert "language.top" in said(capsys, "plan", recipe, "--sweep", "language.top")[1]
    _, _, err = said(capsys, "plan", recipe, "--sweep", "paragraphs.count")
    assert "--columns paragraphs.count" in err


def test_what_documents_say_themselves_is_shown_and_listed(recipe, tmp_path, capsys):
    """Beside what is measured of them, and where nothing is."""
    (tmp_path / "recipe.yaml").write_bytes(recipe_text(
        {"web": {"keep": {"document.source": {"is": "web"}}, "shards": "*/*.jsonl"},
         "rest": {"keep": {"document.source": {"not_in": ["web"]}}, "shards": "*/*.jsonl"}}, unit="docs"))
    code, out, _ = said(capsys, "tag", recipe, "--sample", "100", "--columns", "document.*")
    assert code == 0 and "  the recipe’s document.source is web keeps 83.3% of web" in out
    assert "document.slice (slice)" in out
    code, out, _ = said(capsys, "taggers", "document")
    assert code == 0 and "document.slice" in out
