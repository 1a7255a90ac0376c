"""The recipes that come along: each holds together, and together they show the whole language."""

from importlib import resources
from pathlib import Path

import pytest

from mixer import lint, yamls
from mixer.recipe_parser import parse
from mixer.recipe_reference import (
    CURVE,
    EDIT,
    HOLDOUT,
    POLICY,
    PREFER_BY,
    PUBLISHED,
    PUBLISHED_SOURCE,
    RECIPE,
    RULE,
    SAMPLE,
    SOURCE,
    STAND_IN,
    STAND_INS,
)

RECIPES = Path(__file__).parents[1] / "recipes"
OURS = sorted(RECIPES.glob("*.yaml"))
ALL = [*OURS, *sorted(RECIPES.glob("published/*.yaml"))]


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_ours_hold_together_and_lint_has_nothing_to_say(path):
    recipe = parse(path.read_bytes(), path.name)
    assert recipe.name == path.stem
    assert lint.warnings(recipe, str(path)) == []


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_recipe_is_for_a_reader(path):
    """It begins with what it is and how it is run, fits on a screen, and says something of itself all along."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ") and max(map(len, lines)) <= 120
    assert path.name == "demo.yaml" or any("solera " in line for line in lines if line.startswith("#"))
    assert sum("#" in line for line in lines) >= 4


# What no recipe that comes along has a use for, and why.
UNUSED = {
    "Recipe": {"reference"},  # names data that others have
    "Keep": {"in", "not_in"},  # in a comment of code_heavy
    "Hold-out": {"by"},  # by default the last method of documents
    "Policy": {"max_epochs"},  # of unimax
    "Stand-ins": {"columns"},  # in a comment there
}


def test_every_key_of_the_language_is_shown():
    used: dict[str, set[str]] = {}

    def look(vocabulary, node):
        if isinstance(node, yamls.Section):
            used.setdefault(vocabulary.title, set()).update(node.nodes)

    def each(node):
        return node.nodes.values() if isinstance(node, yamls.Section) else ()

    for path in ALL:
        root, _ = yamls.read(path.read_bytes(), path.name)
        if path.name == "stand_ins.yaml":
            look(STAND_INS, root)
            for kind in each(root.nodes["kinds"]):
                look(STAND_IN, kind)
            continue
        look(RECIPE, root)
        found = root.nodes
        for name, vocabulary in (("policy", POLICY), ("published", PUBLISHED), ("prefer_by", PREFER_BY)):
            look(vocabulary, found.get(name))
        for split in each(found.get("holdout")):
            look(HOLDOUT, split)
        for section in (root, *each(found["sources"])):
            nodes = section.nodes
            look(SOURCE, section if section is not root else None)
            for name, vocabulary in (("keep", RULE), ("edit", EDIT)):
                for bounds in each(nodes.get(name)):
                    look(vocabulary, bounds)
            for name, vocabulary in (("sample", SAMPLE), ("curve", CURVE)):
                look(vocabulary, nodes.get(name))
            if section is not root:
                for figures in (nodes.get("published"), *each(nodes.get("published_elsewhere"))):
                    look(PUBLISHED_SOURCE, figures)
    missing = {each.title: {key.name for key in each.keys} - used.get(each.title, set()) - UNUSED.get(each.title, set())
               for each in (RECIPE, SOURCE, POLICY, PREFER_BY, RULE, EDIT, HOLDOUT, SAMPLE, CURVE, PUBLISHED,
                            PUBLISHED_SOURCE, STAND_INS, STAND_IN)}
    assert {title: keys for title, keys in missing.items() if keys} == {}
    assert not [(title, keys & used[title]) for title, keys in UNUSED.items() if keys & used[title]]  # or it is shown


def test_recipes_are_installed_with_the_package():
    """As the demo finds its own."""
    here = resources.files("recipes")
    for path in ALL:
        assert here.joinpath(*path.relative_to(RECIPES).parts).read_bytes() == path.read_bytes()
