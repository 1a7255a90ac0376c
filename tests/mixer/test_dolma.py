"""Attribute files of the dolma toolkit: what is written of our columns, and what is read and refused of theirs."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_cases import case, opened, recipe_text, write_sidecar
from plan_oracle import Doc

from jobs.tagging import Order, Settings, entry_of, tag_shard
from mixer import attributes, dolma, plan, rows, selection, sidecars, storage
from mixer.dolma import Export, Misaligned
from mixer.errors import BadInput
from mixer.index import Entry, Index
from mixer.recipe_parser import parse
from mixer.workspace import Workspace, open_workspace
from taggers.arrow_types import ARROW_TYPES
from taggers.declare import Use
from taggers.declared.text import WORDS
from taggers.registry import DOLMA_MEASURES, find_column

KEY = "dolma.pii@2"


def put(path: Path, lines: Sequence[Any]) -> Path:
    """A file of lines, each as bytes or as what JSON says of it, compressed as its name says."""
    data = b"".join((line if isinstance(line, bytes) else json.dumps(line, ensure_ascii=False).encode()) + b"\n"
                    for line in lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = zstandard.compress(data) if path.suffix == ".zst" else gzip.compress(data) if path.suffix == ".gz" else data
    path.write_bytes(data)
    return path


def doc(id: str, text: str, source: str = "web") -> dict[str, str]:
    return {"id": id, "text": text, "source": source}


def line(id: str, **attributes: Any) -> dict[str, Any]:
    return {"id": id, "attributes": attributes}


def corpus(folder: Path, lines: Sequence[Any], shard: str = "web/0.jsonl") -> Workspace:
    """A corpus of one shard, whose rows are there."""
    put(folder / "corpus" / shard, lines)
    place = open_workspace(str(folder / "work"), str(folder / "corpus"))
    done = tag_shard(Settings(place, {}), Order(shard, 1, frozenset()))
    assert done.broken is None
    return place


def take(place: Workspace, file: Path, shard: str = "web/0.jsonl") -> dict[str, Any]:
    """Imports a file as the experiment `pii`; its metadata."""
    stat, meta = storage.stat(place.shard(shard)), sidecars.metadata(place.sidecar(rows.KEY, shard))
    assert stat is not None and meta is not None
    return dolma.import_shard(place, "pii", shard, str(file), stat, meta)


def table_of(place: Workspace, shard: str = "web/0.jsonl") -> pa.Table:
    return sidecars.read(place.sidecar(KEY, shard))[0]


def read_lines(path: Path) -> list[Any]:
    data = path.read_bytes()
    if path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    elif path.suffix == ".gz":
        data = gzip.decompress(data)
    return [json.loads(each) for each in data.split(b"\n")[:-1]]


# ---- names and places


@pytest.mark.parametrize(("shard", "path"), [
    ("web/0.jsonl.zst", "attributes/pii/web/0.jsonl.zst"),
    ("documents/web/0.jsonl.gz", "attributes/pii/web/0.jsonl.gz"),
    ("web/documents/a/0.jsonl.gz", "web/attributes/pii/a/0.jsonl.gz"),
    ("my-documents/0.jsonl", "attributes/pii/my-documents/0.jsonl"),
])
def test_attributes_lie_where_dolma_looks(shard: str, path: str) -> None:
    assert dolma.attribute_path(shard, "pii") == path


def test_types_are_those_that_taggers_give() -> None:
    for kind, type in dolma.TYPES.items():
        assert ARROW_TYPES[kind] == type
    assert {kind for kind, _, _ in DOLMA_MEASURES.values()} == dolma.TYPES.keys()


@pytest.mark.parametrize("name", ["dolma.pii", "dolma.pii.x", "dolma..x.score", "dolma.pii..score", "dolma.p i.x.count",
                                  "dolma.pii.a b.count", "dolma.pii.x.scores", "dolma.pii.score"])
def test_what_is_no_imported_column(name: str) -> None:
    assert find_column(name) is None


def test_an_attribute_may_be_called_like_a_measure() -> None:
    found = find_column("dolma.pii.x.count.score")
    assert found is not None and found[0].name == "dolma.pii" and found[1].type == "float64"


def test_a_recipe_needs_no_data_to_name_an_imported_column() -> None:
    keep = {"dolma.pii.email.count": {"max": 5}, "dolma.pii.ip.score": {"min": 0.5},
            "dolma.lang.en.score": {"min": 0.65}}
    found = parse(recipe_text({"web": {"keep": {"dolma.pii.email.score": {"max": 1}}}}, keep=keep), "r.yaml").uses()
    assert [(use.key, [column.name for column in use.columns]) for use in found] == [
        ("dolma.lang@2", ["dolma.lang.en.score"]),
        (KEY, ["dolma.pii.email.count", "dolma.pii.email.score", "dolma.pii.ip.score"]),
    ]
    assert [attributes.key_of(use) for use in found] == ["dolma.lang@2", KEY]


@pytest.mark.parametrize(("column", "says"), [
    ("dolma.pii.email", "unknown column; write dolma.EXPERIMENT.ATTRIBUTE.score, or .count"),
    ("dolma.pii.email.spans", "a column of type spans, which no rule can judge"),
])
def test_a_recipe_is_told_what_no_rule_can_use(column: str, says: str) -> None:
    with pytest.raises(BadInput.__base__, match=says):
        parse(recipe_text({"web": {}}, keep={column: {"min": 1}}), "r.yaml")


# ---- import

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
SCORE = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**53), 2**53), st.none())


@st.composite
def tagged_docs(draw: Any) -> list[tuple[str, dict[str, list[list[Any]]]]]:
    """Texts, each with attributes that have spans in it; an attribute may be missing or without a span."""
    docs = []
    for text in draw(st.lists(TEXT, max_size=5)):
        place = st.integers(0, len(text))
        span = st.tuples(place, place, SCORE).map(lambda span: [min(span[:2]), max(span[:2]), span[2]])
        names = st.sampled_from(["a", "b__c", "x.score"])
        docs.append((text, draw(st.dictionaries(names, st.lists(span, max_size=3)))))
    return docs


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(docs=tagged_docs())
def test_what_is_imported_is_what_the_file_says_and_is_exported_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, docs: list[tuple[str, dict[str, list[list[Any]]]]]
) -> None:
    folder = tmp_path_factory.mktemp("import")
    place = corpus(folder, [doc(str(number), text) for number, (text, _) in enumerate(docs)])
    file = put(folder / "attributes/pii/web/0.jsonl",
               [{**line(str(number)), "attributes": found} for number, (_, found) in enumerate(docs)])
    meta = take(place, file)
    names = sorted({name for _, found in docs for name in found})
    assert meta["info"]["attributes"] == names
    table = table_of(place)
    assert table.column_names == ["dolma.pii.line", *(f"dolma.pii.{name}.{measure}" for name in names
                                                      for measure in DOLMA_MEASURES)]
    assert table.column("dolma.pii.line").to_pylist() == list(range(1, len(docs) + 1))
    for name in names:
        spans = [found.get(name, []) for _, found in docs]
        assert table.column(f"dolma.pii.{name}.count").to_pylist() == list(map(len, spans))
        assert table.column(f"dolma.pii.{name}.score").to_pylist() == [each[0][2] if each else None for each in spans]
        assert table.column(f"dolma.pii.{name}.spans").to_pylist() == [
            [{"start": start, "end": end, "first_byte": len(text[:start].encode()),
              "bytes": len(text[start:end].encode()), "score": score}
             for start, end, score in each] for (text, _), each in zip(docs, spans, strict=True)]
    columns = [dolma.Exported(name, f"dolma.pii.{name}.spans", "spans", KEY) for name in names]
    dolma.export_shard(Export(place, str(folder), "again", tuple(columns)), "web/0.jsonl")
    again = read_lines(folder / "attributes/again/web/0.jsonl")
    assert [each["attributes"] for each in again] == [
        {name: found.get(name, []) for name in names} for _, found in docs]


SHARD = [doc("1", "a😀b"), doc("2", "zwei"), doc("3", "")]
GOOD = [line("1", x=[[1, 2, 1.0]]), line("2", x=[]), line("3", x=[])]


@pytest.mark.parametrize(("lines", "says"), [
    (GOOD[:2], "ends before line 3, where the shard has the document '3'"),
    ([], "ends before line 1, where the shard has the document '1'"),
    ([*GOOD, line("4")], ":4: a line of attributes, where the shard has no more than 3 lines"),
    ([GOOD[0], GOOD[2], GOOD[1]], ":2: attributes of the id '3', where the shard has '2'"),
    ([GOOD[0], GOOD[0], GOOD[2]], ":2: attributes of the id '1', where the shard has '2'"),
    ([GOOD[0], {**GOOD[1], "source": "wiki"}, GOOD[2]], ":2: attributes of '2' of the source 'wiki'"),
    ([GOOD[0], b"", *GOOD[1:]], ":2: for the document '2', not a line of attributes"),
    ([GOOD[0], b'{"id": "2"', GOOD[2]], ":2: for the document '2', not a line of attributes"),
    ([GOOD[0], b'{"id": "2"}', GOOD[2]], ":2: .* missing required field `attributes`"),
    ([GOOD[0], {"attributes": {}}, GOOD[2]], ":2: .* missing required field `id`"),
    ([GOOD[0], b'{"id": "\xff", "attributes": {}}', GOOD[2]], ":2: for the document '2', not a line of attributes"),
    ([line("1", x=[[0, 4, 1.0]]), *GOOD[1:]], r":1: x of '1' has the span \[0, 4\], and the text 3 code points"),
    ([line("1", x=[[-1, 1, 1.0]]), *GOOD[1:]], r":1: x of '1' has the span \[-1, 1\]"),
    ([line("1", x=[[2, 1, 1.0]]), *GOOD[1:]], r":1: x of '1' has the span \[2, 1\]"),
    ([line("1", x=[[0, 1, "high"]]), *GOOD[1:]], ":1: for the document '1', .*Expected `float | null`, got `str`"),
    ([line("1", x=[[0, 1, True]]), *GOOD[1:]], ":1: for the document '1', .*got `bool`"),
    ([line("1", x=[[0, 1]]), *GOOD[1:]], ":1: for the document '1', .*length"),
    ([line("1", x=[[0.5, 1, 1]]), *GOOD[1:]], ":1: for the document '1', .*Expected `int`"),
    ([line("1", x=0.5), *GOOD[1:]], ":1: for the document '1', .*Expected `array`"),
    ([b'{"id": "1", "attributes": {"x": [[0, 1, NaN]]}}', *GOOD[1:]], ":1: for the document '1', not a line"),
    ([b'{"id": "1", "attributes": {"x": [[0, 1, 1e999]]}}', *GOOD[1:]], ":1: .*'1'"),
    ([line("1", **{"x y": []}), *GOOD[1:]], "the attribute 'x y' cannot be a column"),
    ([line("1", **{"": []}), *GOOD[1:]], "the attribute '' cannot be a column"),
])
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, lines: list[Any], says: str) -> None:
    place = corpus(tmp_path, SHARD)
    with pytest.raises(Misaligned, match=says):
        take(place, put(tmp_path / "0.jsonl", lines))
    assert sidecars.metadata(place.sidecar(KEY, "web/0.jsonl")) is None


@pytest.mark.parametrize("name", ["0.jsonl.gz", "0.jsonl.zst"])
def test_a_file_that_was_cut_off_is_refused_as_that(tmp_path: Path, name: str) -> None:
    place = corpus(tmp_path, SHARD)
    file = put(tmp_path / name, GOOD)
    assert take(place, file)["rows"] == 3
    file.write_bytes(file.read_bytes()[:-12])
    with pytest.raises(Misaligned, match=r"0\.jsonl.*: truncated: "):
        take(place, file)


def test_a_shard_that_changed_since_is_refused(tmp_path: Path) -> None:
    place = corpus(tmp_path, SHARD)
    put(tmp_path / "corpus/web/0.jsonl", [SHARD[0], doc("2", "drei"), SHARD[2]])
    with pytest.raises(Misaligned, match="changed since its rows were read; tag it again"):
        take(place, put(tmp_path / "0.jsonl", GOOD))


def test_lines_that_are_no_documents_have_theirs_in_the_file(tmp_path: Path) -> None:
    """Alignment is by line, as dolma's mixer has it; what stands beside a bad or blank line is not looked at."""
    bad = b'{"id": "bad", "source": "web"}'
    place = corpus(tmp_path, [bad, SHARD[0], b"", SHARD[1], b"not JSON", SHARD[2], b"", bad])
    others = [line("bad", x=[[0, 99, 1]]), GOOD[0], b"", GOOD[1], b"neither", GOOD[2], b"", line("bad")]
    take(place, put(tmp_path / "0.jsonl", others))
    assert table_of(place).column("dolma.pii.line").to_pylist() == [2, 4, 6]
    assert table_of(place).column("dolma.pii.x.count").to_pylist() == [1, 0, 0]
    with pytest.raises(Misaligned, match=":9: a line of attributes, where the shard has no more than 8 lines"):
        take(place, put(tmp_path / "0.jsonl", [*others, line("9")]))
    with pytest.raises(Misaligned, match=r":4: .*'2'"):  # as if dolma had passed over the bad lines
        take(place, put(tmp_path / "0.jsonl", [others[0], *GOOD, line("3")]))


def test_a_shard_without_an_attribute_counts_none(tmp_path: Path) -> None:
    place = corpus(tmp_path, SHARD)
    take(place, put(tmp_path / "0.jsonl", [line("1"), line("2"), line("3")]))
    wanted = ["dolma.pii.x.count", "dolma.pii.x.spans", "dolma.pii.x.score"]
    table, meta = attributes.read(place.sidecar(KEY, "web/0.jsonl"), wanted)
    assert table.to_pydict() == {
        "dolma.pii.x.count": [0, 0, 0], "dolma.pii.x.spans": [[], [], []], "dolma.pii.x.score": [None] * 3}
    assert meta["info"]["attributes"] == []


def test_a_column_that_no_shard_has_is_an_error_which_says_what_there_is() -> None:
    def info(*names: str) -> dict[str, list[str]]:
        return {"attributes": list(names)}

    uses = parse(recipe_text({"web": {}}, keep={"dolma.pii.email.count": {"max": 5}}), "r").uses()
    dolma.check_columns(uses[0], [info(), info("ip", "email")])
    with pytest.raises(BadInput, match=r"dolma.pii.email.count: no such attribute .* experiment pii; it has ip, phone"):
        dolma.check_columns(uses[0], [info("phone"), info("ip")])


# ---- export


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=st.lists(st.tuples(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
                                 st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))), max_size=6))
def test_numbers_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[int | None, float | None]]
) -> None:
    folder = tmp_path_factory.mktemp("export")
    found = case(folder, recipe_text({"web": {}}), {"web/0.jsonl": [
        Doc("web", str(number), "é😀" * number) for number in range(len(values))]})
    use = Use(WORDS, {})
    columns: Mapping[str, list[Any]] = {column.name: [None] * len(values) for column in use.columns}
    columns["words.count"][:] = [value[0] for value in values]
    columns["words.mean_length"][:] = [value[1] for value in values]
    write_sidecar(found.corpus, "web/0.jsonl", use, columns, found.indexes[rows.KEY])
    names = [dolma.Exported("n", "words.count", "int64", "words@2"),
             dolma.Exported("f", "words.mean_length", "float64", "words@2")]
    place = found.corpus.workspace
    dolma.export_shard(Export(place, str(folder), "pii", tuple(names)), "web/0.jsonl")
    file = folder / "attributes/pii/web/0.jsonl"
    for number, each in enumerate(read_lines(file)):
        spans = [[] if value is None else [[0, 2 * number, value]] for value in values[number]]
        assert each == {"id": str(number), "source": "web", "attributes": {"n": spans[0], "f": spans[1]}}
    take(place, file)
    if values:
        same = table_of(place).column("dolma.pii.f.score").to_pylist()
        assert same == [value[1] for value in values]
        assert [math.copysign(1, each) for each in same if each is not None] == [
            math.copysign(1, value) for _, value in values if value is not None]


@pytest.mark.parametrize("name", ["web/0.jsonl", "web/0.jsonl.gz", "web/0.json.zst"])
def test_a_line_for_each_line_of_the_documents(tmp_path: Path, name: str) -> None:
    """A record that dolma may read though we do not keeps its id, since dolma compares the two."""
    odd = [b'{"id": 7, "text": "a number"}', b'{"text": "none"}', b"[1]", b"", b'{"id": "\\ud800"', b'{"id": ""}']
    place = corpus(tmp_path, [odd[0], SHARD[0], *odd[1:5], SHARD[1], b"", SHARD[2], odd[5], b""], name)
    take(place, put(tmp_path / "0.jsonl", [b"", GOOD[0], *[b""] * 4, GOOD[1], b"", GOOD[2]]), name)
    columns = (dolma.Exported("x", "dolma.pii.x.score", "float64", KEY),)
    size = dolma.export_shard(Export(place, str(tmp_path / "to"), "again", columns), name)
    file = tmp_path / "to/attributes/again" / name
    assert size == file.stat().st_size
    found = read_lines(file)
    assert [each["id"] for each in found] == [7, "1", None, None, None, None, "2", None, "3", ""]
    assert [each["attributes"]["x"] for each in found] == [[], [[0, 3, 1.0]], *[[]] * 8]


def test_what_a_recipe_exports() -> None:
    keep = {"words.count": {"min": 1}, "language.sr": {"min": 0.1}, "dolma.pii.e-mail.count": {"max": 1}}
    methods = [{"use": "text@1"}, {"use": "text@1", "normalise": ["lower"]}, {"use": "id@1"}, {"use": "paragraph@1"}]
    recipe = parse(recipe_text({"web": {}}, keep=keep, dedup=methods), "r")
    found, left_out = dolma.exported_columns(recipe, "my-try", None, plan=True)
    names = [each.attribute for each in found]
    assert [name for name in names if "words" not in name] == [
        "my_try__dolma__pii_e_mail_count", "my_try__language__score", "my_try__language__sr", "my_try__dedup__text",
        "my_try__dedup__text_2", "my_try__dedup__id", "my_try__dedup__paragraph", "my_try__plan__copies"]
    assert "my_try__words__count" in names
    assert left_out == ["language.top", "paragraph_keys.spans", "text_hash.key"]


@pytest.mark.parametrize(("columns", "says"), [
    (["words.cuont"], "--columns words.cuont: the recipe does not measure this column; it has words.count, "),
    (["language.top"], "--columns language.top: its values are no numbers"),
    (["dolma.a.x-y.score", "dolma.a.x_y.score"], "would both be e__dolma__a_x_y_score"),
])
def test_what_a_recipe_cannot_export(columns: list[str], says: str) -> None:
    recipe = parse(recipe_text({"web": {}}, keep={"words.count": {"min": 1}, "language.en": {"min": 0}}), "r")
    if "words" in says:
        recipe = parse(recipe_text({"web": {}}, keep={"words.count": {"min": 1}}), "r")
    with pytest.raises(BadInput, match=says):
        dolma.exported_columns(recipe, "e", columns, plan=False)


def test_a_value_that_json_cannot_hold_is_an_error(tmp_path: Path) -> None:
    found = case(tmp_path, recipe_text({"web": {}}), {"web/0.jsonl": [Doc("web", "1", "a")]})
    use = Use(WORDS, {})
    columns: dict[str, list[Any]] = {column.name: [None] for column in use.columns}
    columns["words.mean_length"] = [math.nan]
    write_sidecar(found.corpus, "web/0.jsonl", use, columns, found.indexes[rows.KEY])
    names = (dolma.Exported("f", "words.mean_length", "float64", "words@2"),)
    with pytest.raises(BadInput, match=r"words\.mean_length has the value nan"):
        dolma.export_shard(Export(found.corpus.workspace, str(tmp_path), "pii", names), "web/0.jsonl")
    assert not list((tmp_path / "attributes").rglob("*.jsonl"))


DOCS = {
    "web/0.jsonl": [Doc("web", "a", "same", {"words.count": 1}), Doc("web", "b", "short", {"words.count": 0}),
                    Doc("web", "c", "unknown", {"words.count": None})],
    "wiki/0.jsonl": [Doc("wiki", "d", "same", {"words.count": 2}), Doc("wiki", "e", "own", {"words.count": 2})],
}


def test_what_the_plan_decides_is_exported_with_it(tmp_path: Path) -> None:
    recipe = recipe_text({"web": {}, "wiki": {}}, keep={"words.count": {"min": 1}}, dedup=[{"use": "text@1"}],
                         prefer=["wiki"])
    ready = case(tmp_path, recipe, DOCS)
    made, decided = ready.plan()
    found, _ = dolma.exported_columns(ready.recipe, "pii", ["words.count"], plan=True)
    export = Export(ready.corpus.workspace, str(tmp_path), "pii", tuple(found), ready.context(made))
    lines = {}
    for shard in ready.corpus.shards:
        dolma.export_shard(export, shard.path)
        lines |= {each["id"]: {name: [span[2] for span in spans] for name, spans in each["attributes"].items()}
                  for each in read_lines(tmp_path / "attributes/pii" / shard.path)}
    assert {id: each["pii__words__count"] for id, each in lines.items()} == {
        "a": [1], "b": [0], "c": [], "d": [2], "e": [2]}
    assert {id: each["pii__dedup__text"] for id, each in lines.items()} == {
        "a": [1], "b": [], "c": [], "d": [], "e": []}
    assert {id: each["pii__plan__copies"] for id, each in lines.items()} == {
        "a": [0], "b": [0], "c": [0], "d": [1], "e": [1]}
    assert decided.selection["web/0.jsonl"][0] == (0, "dedup text@1")


# ---- a plan by imported columns


def test_a_plan_judges_by_imported_columns(tmp_path: Path) -> None:
    """One shard has the attribute, another has not: there its count is 0, and its score is missing."""
    keep = {"dolma.pii.x.count": {"max": 1}, "dolma.pii.x.score": {"min": 0.5}}
    text = recipe_text({"web": {"shards": "web/*"}}, keep=keep)
    for shard, docs in {"web/0.jsonl": SHARD, "web/1.jsonl": [doc("4", "vier")]}.items():
        place = corpus(tmp_path, docs, shard)
    recipe, found = opened(tmp_path, text)
    assert found.workspace == place
    entries: dict[str, list[Entry]] = {rows.KEY: [], KEY: []}
    files = {"web/0.jsonl": [line("1", x=[[0, 3, 0.5]]), line("2", x=[[0, 1, 0.75], [1, 2, 1]]), line("3", x=[])],
             "web/1.jsonl": [line("4")]}
    for shard in found.shards:
        meta = sidecars.metadata(place.sidecar(rows.KEY, shard.path))
        assert meta is not None
        entries[rows.KEY].append(entry_of(shard.path, shard.stat, meta))
        taken = take(place, put(tmp_path / "from" / shard.path, files[shard.path]), shard.path)
        entries[KEY].append(entry_of(shard.path, shard.stat, taken))
    indexes = {key: Index.of(each) for key, each in entries.items()}
    made = plan.make(recipe, found, indexes, [], [[0, 1]],
                     lambda phase, parts, label: [phase(part) for part in parts], selection.resolve_in_memory)
    count, = made.body["counts"]
    assert [(rule["rule"], rule["own"]["docs"], rule["missing"]["docs"]) for rule in count["rules"]] == [
        ("dolma.pii.x.count max 1", 1, 0), ("dolma.pii.x.score min 0.5", 2, 2)]
    assert count["kept"]["docs"] == 1
    locked = json.loads(made.lock)
    assert locked["taggers"] == {KEY: {"imported": "dolma"}}
    assert [shard["sidecars"][KEY] for shard in locked["shards"]] == [
        indexes[KEY][shard.path].digest for shard in found.shards]
