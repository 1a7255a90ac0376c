"""Stand-ins: a recipe whose shards or models were not published, made one that runs, as text.

What comes of it is a whole recipe: a plan, a mixture and its audit know nothing of stand-ins but what its `about` says.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mixer import storage, yamls
from mixer.errors import BadInput, RecipeError
from mixer.notes import Notes, line_of
from mixer.recipe import Recipe
from mixer.recipe_parser import fields_of, parse
from mixer.recipe_reference import STAND_INS
from mixer.yamls import Items, Node, Scalar, Section
from taggers.declare import Tagger
from taggers.registry import SLICES

ORIGINAL = "original_sha256"  # in `about`: of the recipe as it was published


@dataclass(frozen=True)
class StandIns:
    """What a mapping file says."""

    file: str
    sha256: str
    corpus: str
    license: str | None  # of the mixture
    kinds: Mapping[str, Mapping[str, Any]]  # shards and about by kind
    taggers: Mapping[str, Tree]  # the sections as they stand there, but for relative files
    columns: Mapping[str, str]
    line: int  # of `kinds`, for what is missing there


@dataclass(frozen=True)
class Derived:
    """A recipe made of another, and what was done to it, in lines."""

    text: bytes
    said: tuple[str, ...]


# A recipe while it is changed: what Section, Items and Scalar hold, without their lines.
Tree = dict[str, Any]


def derive(
    text: bytes, file: str, stand_ins: str | None, scale: Decimal | None, own: Sequence[Tagger] = ()
) -> Derived:
    """The recipe `text` with what `stand_ins`, a file, has for what it lacks, and its budget times `scale`.

    Raises RecipeError with all mistakes of a file at once, the recipe first.
    """
    recipe = parse(text, file, own)
    tree = _tree(yamls.read(text, file)[0])
    notes = Notes(file, [])
    if ORIGINAL in recipe.about:
        notes.add(_line(recipe, file, "about", ORIGINAL), ("about", ORIGINAL), "",
                  "this recipe was made with --stand-ins or --scale already", "give the one that it was made of")
    about: dict[str, str] = {ORIGINAL: recipe.sha256}
    said: list[str] = []
    if stand_ins is not None:
        mapping = read(storage.read(stand_ins), stand_ins, file, own)
        said += _stand_in(notes, tree, recipe, file, mapping)
        about["stand_ins"] = f"{os.path.basename(stand_ins)}, sha256 {mapping.sha256}"
    if scale is not None:
        said += _scale(notes, tree, recipe, file, scale)
        about["scale"] = f"{scale} of a budget of {recipe.budget}"
    if notes.mistakes:
        raise RecipeError(notes.mistakes)
    tree["about"] = {**tree.get("about", {}), **{name: _text(value) for name, value in about.items()}}
    title = f"# Made of {os.path.basename(file)}: " + "; ".join(said)
    shown = "".join(each if each.isprintable() else " " for each in title)
    made = "".join([shown, "\n", *_lines(tree, 0)]).encode()
    parse(made, f"{file} with {'' if stand_ins is None else stand_ins}", own)  # what fits in neither file alone
    return Derived(made, tuple(said))


def check_complete(recipe: Recipe, file: str) -> None:
    """Raises BadInput for a recipe that says of a source that its shards were not published: it cannot be run."""
    missing = [source.name for source in recipe.sources if not source.shards]
    if missing:
        raise BadInput("these shards were not published", file=file,
                       place=", ".join(f"sources.{name}.shards" for name in missing), value="null",
                       remedy="say with --stand-ins FILE what stands in for them, such as "
                              "recipes/published/stand_ins.yaml")


def read(text: bytes, file: str, recipe_file: str, own: Sequence[Tagger] = ()) -> StandIns:
    """The mapping file `text`, with its corpus and files as the recipe has to name them."""
    root, mistakes = yamls.read(text, file)
    notes = Notes(file, list(mistakes), own)
    fields = fields_of(notes, root, STAND_INS)
    if notes.mistakes or fields is None:
        raise RecipeError(notes.mistakes)
    taggers = _tree(root).get("taggers", {})
    for use in fields["taggers"]:
        if use.file is not None:
            taggers[use.name][use.tagger.file] = _text(_beside(use.file, file, recipe_file))
    return StandIns(file, hashlib.sha256(text).hexdigest(), _beside(fields["corpus"], file, recipe_file),
                    fields["license"], fields["kinds"], taggers, fields["columns"], line_of(root, "kinds"))


def _beside(path: str, file: str, recipe_file: str) -> str:
    """A path that starts at the folder of `file`, as one that starts at the recipe's."""
    if "://" in path or os.path.isabs(path) or os.path.dirname(file) == os.path.dirname(recipe_file):
        return path
    if storage.is_local(file) and storage.is_local(recipe_file):
        return os.path.relpath(storage.beside(file, path), os.path.dirname(storage.absolute(recipe_file)))
    return storage.beside(file, path)


# ---- what is changed


def _stand_in(notes: Notes, tree: Tree, recipe: Recipe, file: str, mapping: StandIns) -> list[str]:
    """Puts the stand-ins in; what was done, in lines."""
    lacking = [source for source in recipe.sources if not source.shards]
    if not lacking:
        notes.add(_line(recipe, file, "sources"), "sources", "", "all shards are named: there is nothing to stand in "
                  "for", "leave --stand-ins out")
    shards: dict[str, tuple[str, ...]] = {}
    for source in lacking:
        at = ("sources", source.name, "kind")
        if source.kind is None:
            notes.add(_line(recipe, file, *at), at, "", "missing", "say what it is, so that something can stand in")
        elif source.kind not in mapping.kinds:
            other = Notes(mapping.file, notes.mistakes)
            other.add(mapping.line, ("kinds", source.kind), "", f"nothing stands in for {source.name} of {file}",
                      f"add `{source.kind}: {{shards: …}}`")
        else:
            shards[source.name] = mapping.kinds[source.kind]["shards"]
    slices = _slices(shards)
    said = []
    for source in lacking:
        if source.name not in shards:
            continue
        inside = tree["sources"][source.name]
        place = slices.get(source.name)
        what = ", ".join(shards[source.name])
        if place is not None:
            what += f", slices {place[0]:,} to {place[1]:,} of {SLICES:,}"
            inside["keep"] = _with_slice(notes, inside.get("keep", {}), place, recipe, file, source.name)
        inside["shards"] = [_text(glob) for glob in shards[source.name]]
        entry = mapping.kinds[str(source.kind)]
        inside["about"] = {name: _text(value) for name, value in
                           {**entry["about"], "stand_in": f"{what}, for a source of kind {source.kind}"}.items()}
        said.append(f"{source.name} ({source.kind}) is {what}")
    tree["corpus"] = _text(mapping.corpus)
    if recipe.description is not None:  # which is copied to the manifest of what is another mixture
        tree["description"] = _text(f"With stand-ins: {recipe.description}")
    if mapping.license is not None:
        tree["license"] = _text(mapping.license)
    return said + _columns(notes, tree, recipe, file, mapping) + _taggers(tree, mapping)


def _slices(shards: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, int]]:
    """First and last slice of each source that has a shard pattern in common with another, if by others in between.

    All of a group have the same part of its shards, but for one slice, and none has a slice of another's.
    """
    groups: list[tuple[set[str], list[str]]] = []  # patterns, sources
    for name in sorted(shards):
        joined = (set(shards[name]), [name])
        for group in [each for each in groups if each[0] & joined[0]]:
            groups.remove(group)
            joined = (joined[0] | group[0], sorted(joined[1] + group[1]))
        groups.append(joined)
    return {name: (number * SLICES // len(names), (number + 1) * SLICES // len(names) - 1)
            for _, names in groups if len(names) > 1 for number, name in enumerate(names)}


def _with_slice(
    notes: Notes, keep: Tree, place: tuple[int, int], recipe: Recipe, file: str, source: str
) -> Tree:
    if "document.slice" in keep:
        at = ("sources", source, "keep", "document.slice")
        notes.add(_line(recipe, file, *at), at, "", "its shards are not published, and neither are slices of them",
                  "remove it: --stand-ins gives sources that share shards a slice each")
    bounds = {kind: Scalar(number, str(number), 0) for kind, number, whole in
              zip(("min", "max"), place, (0, SLICES - 1), strict=True) if number != whole}
    return {"document.slice": bounds, **keep}


def _columns(notes: Notes, tree: Tree, recipe: Recipe, file: str, mapping: StandIns) -> list[str]:
    """Renames columns; and takes out the taggers of which no column is left, since their models are not there."""
    said = []
    for column, other in mapping.columns.items():
        if column not in set(_named(tree)):
            continue
        if other in set(_named(tree)):
            notes.add(_line(recipe, file), "", other, f"stands in for {column}, and is named itself, too",
                      f"let another stand in, in {mapping.file}")
            continue
        _rename(tree, column, other)
        said.append(f"column {column} is {other}")
        tagger = column.partition(".")[0]
        if tagger in tree.get("taggers", {}) and tagger not in {name.partition(".")[0] for name in _named(tree)}:
            del tree["taggers"][tagger]
        name = other.partition(".")[0]
        if name in mapping.taggers:
            tree.setdefault("taggers", {})[name] = mapping.taggers[name]
    return said


def _taggers(tree: Tree, mapping: StandIns) -> list[str]:
    said = []
    for name, section in mapping.taggers.items():
        if name in tree.get("taggers", {}):
            tree["taggers"][name] = section
            said.append(f"tagger {name} is {section['use'].raw}")
    return said


def _scale(notes: Notes, tree: Tree, recipe: Recipe, file: str, scale: Decimal) -> list[str]:
    if recipe.budget is None:
        notes.add(_line(recipe, file, "budget"), "budget", "", "missing, so that there is nothing to scale",
                  "add `budget: …`, or leave --scale out")
        return []
    budget = max(1, int(recipe.budget * Fraction(scale) + Fraction(1, 2)))
    if budget >= 2**63:
        notes.add(_line(recipe, file, "budget"), "budget", str(recipe.budget), f"too large at the scale of {scale}",
                  "give a smaller --scale")
    tree["budget"] = Scalar(budget, f"{budget:_}", 0)
    return [f"the budget is {budget:,} {recipe.unit}, {scale:f} of {recipe.budget:,}"]


# ---- columns, wherever a recipe names them


def _places(tree: Tree) -> Iterator[tuple[Tree, bool]]:
    """Every mapping that names columns: by its keys (True), or under `column` (False)."""
    for section in (tree, *tree["sources"].values()):
        yield from ((section[key], True) for key in ("keep", "edit") if key in section)
        yield from ((section[key], False) for key in ("sample", "curve", "prefer_by") if key in section)
    methods = [*tree.get("dedup", []), *(split["by"] for split in tree.get("holdout", {}).values() if "by" in split)]
    yield from ((method, False) for method in methods if "column" in method)


def _named(tree: Tree) -> Iterable[str]:
    for section, by_keys in _places(tree):
        yield from section if by_keys else [section["column"].raw]


def _rename(tree: Tree, column: str, other: str) -> None:
    for section, by_keys in list(_places(tree)):
        if not by_keys:
            if section["column"].raw == column:
                section["column"] = _text(other)
        elif column in section:
            items = [(other if name == column else name, value) for name, value in section.items()]
            section.clear()
            section.update(items)


# ---- from a file's tree to one that may be changed, and to text


def _line(recipe: Recipe, file: str, *path: str) -> int:
    return line_of(yamls.read(recipe.text, file)[0], *path)


def _tree(node: Node) -> Any:
    if isinstance(node, Section):
        return {name: _tree(each) for name, each in node.nodes.items()}
    return [_tree(each) for each in node.nodes] if isinstance(node, Items) else node


def _text(value: str) -> Scalar:
    return Scalar(value, value, 0)


_WIDE = 100


def _lines(tree: Tree, depth: int) -> Iterator[str]:
    """A mapping in lines: what is short, and the innermost, on one."""
    for name, each in tree.items():
        start = "  " * depth + f"{_written(_text(name))}:"
        flow = _flow(each)
        if isinstance(each, dict) and each and (depth == 0 or len(start) + len(flow) > _WIDE):
            yield start + "\n"
            yield from _lines(each, depth + 1)
        else:
            yield f"{start} {flow}\n"


def _flow(tree: Any) -> str:
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{_written(_text(name))}: {_flow(each)}" for name, each in tree.items()) + "}"
    return "[" + ", ".join(_flow(each) for each in tree) + "]" if isinstance(tree, list) else _written(tree)


def _written(scalar: Scalar) -> str:
    """So that it is read again as what it is."""
    if not isinstance(scalar.value, str):
        return "null" if scalar.value is None else scalar.raw
    return scalar.raw if _is_plain(scalar.raw) else '"' + "".join(map(_escaped, scalar.raw)) + '"'


def _is_plain(text: str) -> bool:
    plain = text[:1].isalpha() and text.isascii() and text.replace("_", "").replace(".", "").replace("-", "").isalnum()
    return plain and isinstance(yamls.resolve(text), str)


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"
