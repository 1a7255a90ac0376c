"""Stand-ins and scale: from a recipe that cannot run and a mapping file to one that can."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_cases import case
from plan_oracle import Doc

from jobs.cli import main
from mixer import lint, stand_ins, yamls
from mixer.errors import RecipeError
from mixer.recipe import Recipe
from mixer.recipe_parser import parse
from mixer.stand_ins import derive

RECIPES = Path(__file__).parents[2] / "recipes" / "published"
SHIPPED = RECIPES / "stand_ins.yaml"
WRITABLE = sorted(path for path in RECIPES.glob("*.yaml") if path.name not in ("stand_ins.yaml", "gpt4.yaml"))

RECIPE = """\
# A comment that is not copied.
name: old_mix
version: 1.0.0
description: Old
seed: 1
corpus: not-published
unit: tokens
budget: 1_000_001
policy: {kind: fixed}
taggers: {quality: {use: fasttext@1, model: not-published.bin}}
dedup: [{use: column@1, column: quality.top}]
prefer_by: {column: quality.good, best: max}
keep: {words.count: {min: 5}}
about: {snapshot: 2026, note: "a: b"}
sources:
  web: {kind: web, shards: null, weight: 60/101, sample: {column: quality.good, rule: pareto, alpha: 9}}
  news: {kind: news, shards: null, weight: 30/101, keep: {quality.good: {min: 0.5}}, about: {license: secret}}
  wiki: {kind: wiki, shards: null, weight: 11/101, published: {tokens: 3e9}}
"""
MAPPING = """\
corpus: corpus
license: ODC-BY-1.0
kinds:
  web: {shards: web/*.jsonl, about: {license: various}}
  news: web
  wiki: {shards: [wiki/*.jsonl, more/*.jsonl]}
taggers: {quality: {use: fasttext@1}}
"""
MADE = """\
name: old_mix
version: "1.0.0"
description: "With stand-ins: Old"
seed: 1
corpus: corpus
unit: tokens
budget: 500_001
policy:
  kind: fixed
taggers:
  quality: {use: "fasttext@1"}
dedup: [{use: "column@1", column: quality.top}]
prefer_by:
  column: quality.good
  best: max
keep:
  words.count: {min: 5}
about:
  snapshot: 2026
  note: "a: b"
  original_sha256: "ORIGINAL"
  stand_ins: "map.yaml, sha256 MAPPING"
  scale: "0.5 of a budget of 1000001"
sources:
  web:
    kind: web
    shards: ["web/*.jsonl"]
    weight: "60/101"
    sample: {column: quality.good, rule: pareto, alpha: 9}
    keep: {document.slice: {min: 500000}}
    about:
      license: various
      stand_in: "web/*.jsonl, slices 500,000 to 999,999 of 1,000,000, for a source of kind web"
  news:
    kind: news
    shards: ["web/*.jsonl"]
    weight: "30/101"
    keep: {document.slice: {max: 499999}, quality.good: {min: 0.5}}
    about:
      license: various
      stand_in: "web/*.jsonl, slices 0 to 499,999 of 1,000,000, for a source of kind news"
  wiki:
    kind: wiki
    shards: ["wiki/*.jsonl", "more/*.jsonl"]
    weight: "11/101"
    published: {tokens: 3e9}
    about: {stand_in: "wiki/*.jsonl, more/*.jsonl, for a source of kind wiki"}
license: ODC-BY-1.0
"""


@pytest.fixture
def made(tmp_path):
    """A function that derives a recipe from RECIPE and MAPPING with these replacements in them, in one folder."""
    def make(scale: str | None = None, mapping: str | None = MAPPING, recipe: str = RECIPE) -> stand_ins.Derived:
        file = tmp_path / "map.yaml"
        file.write_text(mapping or "")
        return derive(recipe.encode(), str(tmp_path / "old.yaml"), None if mapping is None else str(file),
                      None if scale is None else Decimal(scale))

    return make


def test_the_made_recipe_is_whole_and_says_what_was_done(made):
    found = made("0.5")
    first, _, text = found.text.decode().partition("\n")
    recipe = parse(found.text, "made.yaml")
    about = recipe.about
    expected = MADE.replace("ORIGINAL", about["original_sha256"])
    expected = expected.replace("MAPPING", about["stand_ins"].rpartition(" ")[2])
    assert text == expected
    assert about["original_sha256"] == parse(RECIPE.encode(), "old.yaml").sha256
    assert found.said == (
        "web (web) is web/*.jsonl, slices 500,000 to 999,999 of 1,000,000",
        "news (news) is web/*.jsonl, slices 0 to 499,999 of 1,000,000",
        "wiki (wiki) is wiki/*.jsonl, more/*.jsonl", "tagger quality is fasttext@1",
        "the budget is 500,001 tokens, 0.5 of 1,000,001")
    assert first == "# Made of old.yaml: " + "; ".join(found.said)
    assert "secret" not in text  # a license of the documents that something stands in for


def test_another_column_stands_in_wherever_the_recipe_names_one(made):
    text = MAPPING.replace("taggers: {quality: {use: fasttext@1}}", "columns: {quality.good: words.alphabetic}")
    recipe = parse(made(mapping=text, recipe=RECIPE.replace("dedup: [{use: column@1, column: quality.top}]\n",
                                                            "dedup: [{use: id@1}]\n")).text, "")
    web, news, _ = recipe.sources
    assert web.sample.column == recipe.prefer_by.column == news.keep[-1].column == "words.alphabetic"
    assert recipe.taggers == ()  # nothing is left of quality, whose model is not there
    named = parse(made(mapping=text).text, "")  # but where it is named otherwise
    assert [use.name for use in named.taggers] == ["quality"]


def test_a_stand_in_brings_its_tagger(made):
    text = MAPPING.replace("taggers: {quality:", "columns: {quality.good: edu.good, quality.top: edu.top}\n"
                           "taggers: {other: {use: language@1}, edu:")
    recipe = parse(made(mapping=text).text, "")
    assert [use.name for use in recipe.taggers] == ["edu"]
    assert recipe.dedup[0].parameters["column"] == "edu.top"


def test_scale_multiplies_the_budget_and_nothing_else(made):
    def scaled(budget: str, factor: str) -> Recipe:
        recipe = RECIPE.replace("1_000_001", budget).replace("shards: null", "shards: a/*.jsonl", 1)
        return parse(made(factor, None, recipe.replace("shards: null", "shards: b/*.jsonl", 1)
                          .replace("shards: null", "shards: c/*.jsonl")).text, "")

    # Exact, to the nearest, halves up, 1 at the least: 7e18 + 3 is no float.
    for budget, factor, expected in [("300e9", "1e-6", 300_000), ("7", "0.5", 4), ("5", "0.1", 1), ("3", "1e-9", 1),
                                     ("7_000_000_000_000_000_003", "1", 7_000_000_000_000_000_003), ("10", "2.5", 25)]:
        assert scaled(budget, factor).budget == expected, (budget, factor)
    was = parse(RECIPE.encode(), "")
    now = scaled("1_000_001", "1e-3")
    assert (now.seed, now.policy, now.dedup, now.keep, [each.weight for each in now.sources]) == \
        (was.seed, was.policy, was.dedup, was.keep, [each.weight for each in was.sources])
    assert now.about["scale"] == "0.001 of a budget of 1000001" and "stand_ins" not in now.about


def test_paths_of_the_mapping_file_start_at_its_folder(tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "map.yaml").write_text(
        MAPPING.replace("corpus: corpus", "corpus: ../data").replace("fasttext@1}", "fasttext@1, model: m.bin}"))
    (tmp_path / "recipes").mkdir()
    file = str(tmp_path / "recipes" / "old.yaml")
    recipe = parse(derive(RECIPE.encode(), file, str(tmp_path / "maps" / "map.yaml"), None).text, file)
    assert recipe.corpus == "../data" and recipe.taggers[0].file == "../maps/m.bin"


@pytest.mark.parametrize(("was", "now", "message"), [
    ("corpus: corpus\n", "", "map.yaml:1 corpus: missing; add `corpus: …`, text"),
    ("kinds:", "kind:", "map.yaml:3 kind: unknown key; did you mean `kinds`?"),
    ("  news: web", "  news: wab", "map.yaml:5 kinds.news: no kind that has shards here (found wab); did you mean "
                                   "`web`?"),
    ("  news: web", "  newz: web", "map.yaml:5 kinds.newz: no kind of source (found newz); did you mean `news`?"),
    ("  news: web\n", "", "map.yaml:3 kinds.news: nothing stands in for news of "),
    ("web/*.jsonl", "/web/*.jsonl", "map.yaml:4 kinds.web.shards: a shard outside the corpus (found /web/*.jsonl); "
                                    "write it relative to `corpus`"),
    ("web: {shards: web/*.jsonl, ", "web: {", "map.yaml:4 kinds.web.shards: missing; add"),
    ("fasttext@1", "fastext@1", "map.yaml:7 taggers.quality.use: unknown tagger (found fastext@1); did you mean "
                                "`fasttext@1`?"),
    ("taggers: {quality: {use: fasttext@1}}", "columns: {quality.good: wordz.count}",
     "map.yaml:7 columns.quality.good: unknown column (found wordz.count); did you mean `words.count`?"),
    ("corpus: corpus", "corpus: &a corpus", "anchors are not allowed"),
])
def test_what_is_wrong_in_a_mapping_file_is_told_with_its_line(made, was, now, message):
    assert was in MAPPING
    with pytest.raises(RecipeError) as caught:
        made(mapping=MAPPING.replace(was, now))
    assert message in str(caught.value)


@pytest.mark.parametrize(("was", "now", "message"), [
    ("kind: news, ", "", "old.yaml:17 sources.news.kind: missing; say what it is, so that something can stand in"),
    ("budget: 1_000_001\npolicy: {kind: fixed}", "policy: {kind: proportional}", "old.yaml:2 budget: missing, so that"),
    ("{quality.good: {min: 0.5}}", "{document.slice: {min: 5}}",
     "old.yaml:17 sources.news.keep.document.slice: its shards are not published, and neither are slices of them"),
    ("snapshot: 2026", "original_sha256: abc", "old.yaml:14 about.original_sha256: this recipe was made with"),
    ("unit: tokens", "unit: token", "old.yaml:7 unit: not one of the choices (found token); did you mean `tokens`?"),
])
def test_what_is_wrong_in_the_recipe_is_told_with_its_line(made, was, now, message):
    assert was in RECIPE
    recipe = RECIPE.replace(was, now)
    for weight in ("60/101", "30/101", "11/101") if "proportional" in now else ():
        recipe = recipe.replace(f"weight: {weight}", "about: {}" if weight == "11/101" else "max_epochs: 1")
    with pytest.raises(RecipeError) as caught:
        made("0.5", recipe=recipe)
    assert message in str(caught.value), str(caught.value)


def test_nothing_stands_in_for_what_is_there(made):
    with pytest.raises(RecipeError, match="there is nothing to stand in for"):
        made(recipe=RECIPE.replace("shards: null", "shards: a/*.jsonl"))


# ---- as text


trees = st.recursive(
    st.text() | st.sampled_from(["", "no", "null", "~", "1e5", "010", "- a", "#", "a: b", "\x85", "\u2028", "😀"]),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=9), each, max_size=3), max_leaves=12)


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=9), trees, min_size=1, max_size=4))
def test_what_is_written_is_read_again_as_what_it_is(tree):
    def nodes(each):
        if isinstance(each, dict):
            return {name: nodes(inner) for name, inner in each.items()}
        return [nodes(inner) for inner in each] if isinstance(each, list) else stand_ins._text(each)

    def values(node):
        if isinstance(node, yamls.Section):
            return {name: values(each) for name, each in node.nodes.items()}
        return [values(each) for each in node.nodes] if isinstance(node, yamls.Items) else node.value

    text = "".join(stand_ins._lines(nodes(tree), 0))
    root, mistakes = yamls.read(text.encode(), "")
    if "<<" in json.dumps(tree):  # which no recipe's tree has as a key
        return
    assert not [each for each in mistakes if each.value != "U+0000"] and (mistakes or values(root) == tree)


# ---- the shipped ones


@pytest.mark.parametrize("path", WRITABLE, ids=lambda path: path.stem)
def test_every_published_recipe_is_whole_with_the_shipped_stand_ins(path):
    derived = derive(path.read_bytes(), str(path), str(SHIPPED), Decimal("1e-6"))
    was, recipe = parse(path.read_bytes(), path.name), parse(derived.text, path.name)
    assert recipe.budget == max(1, round(was.budget / 10**6)) and recipe.corpus == "../corpus"
    assert all(source.shards and source.about["license"] for source in recipe.sources)
    assert not [use for use in recipe.taggers if use.file is not None]
    assert [each.name for each in recipe.sources] == [each.name for each in was.sources]
    # Shards are of one kind of source each, and of those that share them each has a part that no other has.
    taken: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for source in recipe.sources:
        bounds = {rule.kind: rule.value for rule in source.keep if rule.column == "document.slice"}
        taken.setdefault(source.shards, []).append((bounds.get("min", 0), bounds.get("max", 999_999)))
    for ranges in taken.values():
        ends = [-1, *(end for _, end in sorted(ranges))]
        assert [start for start, _ in sorted(ranges)] == [end + 1 for end in ends[:-1]] and ends[-1] == 999_999
    # What lint says of the figures it says of the file that was written by hand.
    told = [[warning.text for warning in lint.warnings(each, path.name, path.read_bytes())
             if "published" in warning.path] for each in (was, recipe)]
    assert told[0] == told[1]


def test_a_recipe_without_shards_says_what_it_needs(capsys, tmp_path):
    assert main(["plan", str(RECIPES / "gpt3.yaml"), "--work", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "gpt3.yaml" in said and "sources.common_crawl.shards" in said and "--stand-ins FILE" in said


def test_commands_say_what_was_done(capsys):
    assert main(["lint", str(RECIPES / "palm.yaml"), "--stand-ins", str(SHIPPED), "--scale", "1e-6"]) == 0
    told = capsys.readouterr()
    assert "the budget is 780,000 tokens, 0.000001 of 780,000,000,000" in told.err
    assert "news (news) is web/*.jsonl.zst, slices 333,333 to 666,665" in told.err
    assert "holds together" in told.out


@pytest.mark.parametrize("factor", ["0", "-1", "much", "nan", "inf", "1e-40"])
def test_a_factor_is_a_number_above_0(factor, capsys):
    with pytest.raises(SystemExit):
        main(["lint", "none.yaml", "--scale", factor])
    assert "such as 1e-6" in capsys.readouterr().err


# ---- on small data


def small_corpus() -> dict[str, list[Doc]]:
    def shard(path: str, count: int) -> list[Doc]:
        return [Doc("own", f"{path}:{row}", f"{path} {row} " + "word " * (row % 40 + 10)) for row in range(count)]

    return {path: shard(path, count) for path, count in
            (("web/0.jsonl", 150), ("web/1.jsonl", 60), ("code/0.jsonl", 40), ("wiki/0.jsonl", 30))}


def test_a_published_recipe_runs_on_a_small_corpus(tmp_path):
    """LaMDA's six sources over three folders: of each document one source has it or none, and weights are its own."""
    (tmp_path / "map.yaml").write_text("corpus: corpus\nkinds: {web: {shards: web/*.jsonl}, conversation: web, "
                                       "code: {shards: code/*.jsonl}, wiki: {shards: wiki/*.jsonl}}\n")
    original = RECIPES / "lamda.yaml"
    derived = derive(original.read_bytes(), str(tmp_path / "recipe.yaml"), str(tmp_path / "map.yaml"), Decimal("4e-10"))
    docs = small_corpus()
    made, _ = case(tmp_path, derived.text, docs).plan()
    counts = {count["source"]: count for count in made.body["counts"]}
    parts = {name: {source.name for source in parse(original.read_bytes(), "").sources if source.kind in kinds}
             for name, kinds in (("web", ("web", "conversation")), ("code", ("code",)), ("wiki", ("wiki",)))}
    for folder, names in parts.items():
        whole = sum(len(each) for path, each in docs.items() if path.startswith(folder))
        assert sum(counts[name]["pool"]["docs"] for name in names) == whole
        assert all(counts[name]["pool"]["docs"] * len(names) > whole / 2 for name in names)
    requested = {name: count["requested"] for name, count in counts.items()}
    assert sum(requested.values()) == 1124  # 4e-10 of 2.81T
    assert requested == {"dialogs": 562, "c4": 141, "code_pages": 141, "wikipedia": 140, "web_en": 70, "web_other": 70}
    for count in counts.values():
        assert 0 <= count["allocated"] - count["emitted"]["units"] < 60  # the next document does not fit
    stored = parse((Path(made.folder) / "recipe.yaml").read_bytes(), "")
    assert stored.about["original_sha256"] == parse(original.read_bytes(), "").sha256 and stored.text == derived.text


def test_methods_of_a_published_recipe_work_on_stand_ins(tmp_path):
    """PaLM samples its web pages by a score, of which here every fifth page has 0 and every fifth 1; and news, which
    has a slice of the same shards, is not sampled.
    """
    (tmp_path / "map.yaml").write_text("corpus: corpus\nkinds: {web: {shards: web/*.jsonl}, conversation: web, "
                                       "book: web, news: web, code: {shards: code/*.jsonl}, "
                                       "wiki: {shards: wiki/*.jsonl}}\n"
                                       "columns: {quality.good: language.en}\n")
    derived = derive((RECIPES / "palm.yaml").read_bytes(), str(tmp_path / "recipe.yaml"), str(tmp_path / "map.yaml"),
                     Decimal("1e-9"))
    docs = {path: [replace(doc, values={"language.en": row % 5 / 4}) for row, doc in enumerate(each)]
            for path, each in small_corpus().items()}
    made, outcome = case(tmp_path, derived.text, docs).plan()
    counts = {count["source"]: count for count in made.body["counts"]}
    dropped = [row for path, rows in outcome.selection.items() if path.startswith("web")
               for row, (_, reason) in enumerate(rows) if reason == "sample language.en proportional"]
    assert len(dropped) == counts["web"]["sample"]["dropped"]["docs"] > 0
    assert not [row for row in dropped if row % 5 == 4] and counts["news"]["sample"] is None
    web = counts["web"]["kept"]["docs"]
    assert counts["web"]["pool"]["docs"] == web - len(dropped) and web / 3 < len(dropped) < web * 2 / 3
