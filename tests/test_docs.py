"""What README and docs say, held to what is so."""

import re
import tomllib
from pathlib import Path

import pytest

from jobs.cli import parser
from mixer import recipe_parser, recipe_reference

TOP = Path(__file__).parents[1]
README = (TOP / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_ci_runs_the_test_command_of_the_readme():
    (command,) = [block.strip() for block in blocks("sh") if "pytest" in block]
    assert command in (TOP / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_recipe_of_the_readme_holds_together():
    text, more = blocks("yaml")
    parsed = recipe_parser.parse(text.encode(), "README.md")
    whole = recipe_parser.parse((TOP / "recipes" / "web_heavy.yaml").read_bytes(), "web_heavy.yaml")
    assert [(source.name, source.weight, source.max_epochs) for source in parsed.sources] == \
        [(source.name, source.weight, source.max_epochs) for source in whole.sources]
    assert set(parsed.keep) <= set(whole.keep)
    # The other block is a part of a recipe, with each method that there is but those of a single key.
    begin, end = text.index("dedup:"), text.index("keep:")
    parsed = recipe_parser.parse((text[:begin] + more + text[end:]).encode(), "README.md")
    shown = {method.use for method in parsed.dedup}
    assert shown == {method.use for method in recipe_reference.METHODS} - {"id@1", "column@1"}
    assert [reference.name for reference in parsed.reference] == ["published"]


@pytest.mark.parametrize("path", [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))], ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link


def test_commands_that_docs_name_exist():
    commands = next(action.choices for action in parser()._actions if action.choices)
    pages = [TOP / "README.md", *(TOP / "docs").glob("*.md"), *(TOP / "recipes").glob("*.yaml")]
    named = {name for page in pages for name in re.findall(r"solera ([a-z]+) ", page.read_text(encoding="utf-8"))}
    assert named and named <= set(commands)


def test_lock_files_hold_no_addresses():
    for path in TOP.glob("requirements*.lock"):
        text = path.read_text()
        assert "://" not in text and "--hash=sha256:" in text, path.name


def test_the_supported_versions_are_those_that_are_declared_and_run():
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    (spark,) = [each for each in project["dependencies"] if each.startswith("pyspark")]
    oldest, above = re.fullmatch(r"pyspark>=(\d+\.\d+),<(\d+\.\d+)", spark).groups()
    pinned = {name: re.search(r"^pyspark==(\d+\.\d+)", (TOP / name).read_text(), re.MULTILINE)[1]
              for name in ("requirements-dev.lock", "requirements-spark40.lock")}
    newest = pinned["requirements-dev.lock"]
    assert pinned["requirements-spark40.lock"] == oldest  # which .ci/run puts before the newest
    assert [int(part) for part in above.split(".")] == [int(newest.split(".")[0]), int(newest.split(".")[1]) + 1]
    assert f"PySpark {oldest} to {newest}" in README
    assert f"Python {project['requires-python'].removeprefix('>=')} and later" in README
    assert "requirements-spark40.lock" in (TOP / ".ci/run").read_text()
