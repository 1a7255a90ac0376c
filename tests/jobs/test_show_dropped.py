"""plan --show-dropped, as it is given: the documents with their places, values, keepers and a piece of text."""

from __future__ import annotations

import json

import pytest
from plan_cases import case, recipe_text
from plan_oracle import Doc

from jobs.cli import main

DOCS = {
    "web/0.jsonl": [Doc("x", "far", "first\nline\x1b[31m " + "long " * 100, {"words.count": 1}),
                    Doc("x", "near", "second", {"words.count": 4}), Doc("x", "unknown", "third", {"words.count": None}),
                    Doc("x", "barely", "fourth", {"words.count": 5}), Doc("x", "copy", "same", {"words.count": 9})],
    "wiki/0.jsonl": [Doc("y", "kept", "same", {"words.count": 7})],
}


@pytest.fixture
def ask(tmp_path, capsys):
    case(tmp_path, recipe_text({"web": {}, "wiki": {}}, prefer=["wiki"], dedup=[{"use": "text@1"}],
                               keep={"words.count": {"min": 5}}), DOCS)

    def asked(*words: str) -> str:
        assert main(["plan", str(tmp_path / "recipe.yaml"), "--work", str(tmp_path / "work"), "--quiet", *words]) == 0
        return capsys.readouterr().out

    return asked


def test_examples_are_shown_with_value_place_and_text(ask):
    said = ask("--show-dropped", "words.count min 5", "--examples", "1").splitlines()
    assert said[0] == "words.count min 5"
    assert said[2:5] == ["  dropped, the nearest to the bound:", "    words.count 4  x near (web/0.jsonl line 2)",
                         "      second"]
    assert said[6:8] == ["  dropped, the furthest from it:", "    words.count 1  x far (web/0.jsonl line 1)"]
    assert said[8].startswith(r"      first line\x1b[31m long long") and " … " in said[8] and len(said[8]) < 300
    assert said[10:12] == ["  kept, the nearest to the bound:", "    words.count 5  x barely (web/0.jsonl line 4)"]
    assert said[14:16] == ["  dropped without a value, in order of the draw:",
                           "    words.count missing  x unknown (web/0.jsonl line 3)"]


def test_what_lost_to_a_copy_names_it_and_json_has_it_all(ask):
    assert "    x copy (web/0.jsonl line 5)\n      lost to y kept (wiki/0.jsonl line 1)\n      same\n" in \
        ask("--show-dropped", "dedup text@1")
    (found,) = json.loads(ask("--show-dropped", "text@1", "--json"))["rules"]
    assert found["rule"] == "dedup text@1" and found["groups"][0]["examples"] == [{
        "mix_source": "web", "source": "x", "id": "copy", "shard": "web/0.jsonl", "row": 4, "line": 5, "bytes": 4,
        "text": "same", "whole": True,
        "lost_to": {"shard": "wiki/0.jsonl", "row": 0, "line": 1, "source": "y", "id": "kept"}}]
    (found,) = json.loads(ask("--show-dropped", "words.count", "--json"))["rules"]
    assert [each["group"].split(",")[0] for each in found["groups"]] == ["dropped", "kept", "dropped without a value"]
    assert "drops nothing" in ask("--show-dropped", "not drawn")


def test_what_does_not_go_together_is_told(tmp_path, capsys):
    for other in (["--show-dropped", "x"], ["--sweep", "words.count"]):
        assert main(["plan", "recipe.yaml", "--html", str(tmp_path / "plan.html"), *other]) == 2
        assert "--html draws a plan" in capsys.readouterr().err
    assert main(["plan", "recipe.yaml", "--examples", "3"]) == 2
    assert "--examples is for --show-dropped" in capsys.readouterr().err


def test_page_is_written_beside_what_is_printed(ask, tmp_path):
    assert "dropped by" in ask("--html", str(tmp_path / "plan.html"))
    assert (tmp_path / "plan.html").read_text().endswith("</html>\n")
