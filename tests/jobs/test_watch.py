"""The watch, as a person uses it: a real process, real saves of a file, mistakes, and Ctrl-C."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest
from plan_cases import case, recipe_text
from plan_oracle import Doc

from jobs import watch
from jobs.cli import main
from mixer.errors import BadInput, NotDone

SHARDS = {"web/0.jsonl": [Doc("x", f"{row}", f"page {row}", {"words.count": row, "language.en": None})
                          for row in range(9)]}


def text_of(least: int, **fields: object) -> bytes:
    return recipe_text({"web": {}}, unit="docs", keep={"words.count": {"min": least}}, **fields)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    case(tmp_path, text_of(3), SHARDS)
    return tmp_path / "recipe.yaml"


@pytest.fixture
def watching(recipe: Path) -> Iterator[tuple[subprocess.Popen[str], Queue[str]]]:
    command = [sys.executable, "-m", "jobs.cli", "plan", str(recipe), "--work", str(recipe.parent / "work"), "--watch",
               "--html", str(recipe.parent / "plan.html")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          cwd=Path(__file__).parents[2]) as process:
        said: Queue[str] = Queue()

        def read() -> None:
            assert process.stdout is not None
            block: list[str] = []
            for line in process.stdout:
                block.append(line)
                if line.startswith("waiting for the next save"):
                    said.put("".join(block))
                    block = []

        threading.Thread(target=read, daemon=True).start()
        yield process, said
        process.kill()


def save(path: Path, text: bytes) -> None:
    """As most editors do: another file takes the name."""
    new = path.with_suffix(".new")
    new.write_bytes(text)
    os.replace(new, path)


def test_each_save_is_planned_and_what_changed_is_marked(recipe, watching):
    process, said = watching
    assert "the first plan" in (first := said.get(timeout=30)) and "\x1b" not in first
    assert "words.count min 3" in first and "->" not in first
    save(recipe, text_of(5))
    changed = said.get(timeout=30)
    assert "words.count min 3 -> 5" in changed and "3 -> 5" in changed and "figures changed" in changed
    assert "words.count min 5" in (recipe.parent / "plan.html").read_text()
    # In place, and longer than before: seen as well.
    recipe.write_bytes(text_of(5, description="said"))
    assert "no figure changed" in said.get(timeout=30)
    save(recipe, text_of(5).replace(b'"unit"', b'"unti"'))
    mistake = said.get(timeout=30)
    assert f"{recipe}:1 unti" in mistake and "did you mean" in mistake
    recipe.unlink()
    time.sleep(0.3)
    assert process.poll() is None and said.empty()
    save(recipe, text_of(3).replace(b'"min": 3', b'"min": 3, "max": 8'))
    assert "+ words.count max 8" in said.get(timeout=30)
    save(recipe, recipe_text({"web": {}}, unit="docs", keep={"lines.count": {"min": 1}}))
    assert "run `solera tag" in said.get(timeout=30)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    assert process.stderr is not None and "Traceback" not in process.stderr.read()


def test_what_cannot_be_watched_is_told(capsys):
    assert main(["plan", "/nowhere/recipe.yaml", "--watch"]) == 2
    assert "there is no such file" in capsys.readouterr().err
    with pytest.raises(BadInput, match="only a local file can be watched"):
        watch.watch("s3://bucket/recipe.yaml", "auto", False, None, None, None)  # type: ignore[arg-type]


def test_contents_come_once_for_each_save(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "POLL", 0.001)
    path = tmp_path / "recipe.yaml"
    looks = watch.contents(str(path))
    assert next(looks) is None  # it may come yet
    path.write_bytes(b"one")
    assert [each for each in (next(looks) for _ in range(9)) if each is not None] == [b"one"]
    os.utime(path, (5, 5))  # touched, and the same
    assert not any(next(looks) for _ in range(9))
    path.write_bytes(b"two")
    os.utime(path, (5, 5))  # of the same size and time as before
    monkeypatch.setattr(watch, "REREAD", 0.0)
    assert next(each for each in looks if each) == b"two"
    path.unlink()
    assert not any(next(looks) for _ in range(3))
    path.write_bytes(b"two")  # gone for a moment
    assert not any(next(looks) for _ in range(5))


def test_the_same_error_is_told_once_and_json_is_a_line_each():
    out = io.StringIO()
    shown = watch.Watch("recipe.yaml", "auto", True, out=out)
    for _ in range(3):
        shown.tell(NotDone("not tagged", command="solera tag"))
    shown.tell(BadInput("another"))
    assert [json.loads(line)["error"] for line in out.getvalue().splitlines()] == ["NotDone", "BadInput"]
