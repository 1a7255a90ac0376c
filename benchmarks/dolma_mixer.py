"""dolma 1.2.1 mixes from our exported attributes: does it take the documents that our plan takes?

    python benchmarks/dolma_mixer.py --dolma VENV/bin/python [--recipe FILE] [--keep FOLDER]

VENV is one that has dolma 1.2.1; it is never installed into. The corpus is web and wiki of $SOLERA_CORPORA, by links
below a folder `documents`, since that is where dolma looks. Three mixes, a stream for each source of the recipe:

    rules and dedup (jq)        the recipe's rules as jq, less the losers of each dedup method: our plan's pool
    rules and dedup (JSONPath)  the same in dolma's other syntax
    plan                        the exported number of copies is 1 or more: our plan's selection

The sets of (source, id) have to be equal, both ways. Ends with a verdict; the exit status is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

# First, so that it runs from a checkout, and `taggers` is not the program of that name beside this one.
sys.path.insert(0, str(Path(__file__).absolute().parents[1]))

import msgspec
import numpy as np
from decode import DEFAULT

from jobs.plan import existing_plan
from mixer import attributes, corpus, rows, selection, sidecars
from mixer.plan import Plan
from mixer.recipe import Recipe, Rule
from mixer.recipe_parser import parse
from mixer.selection import Context
from taggers.registry import find_column

RECIPE = """\
name: as_dolma_mixes
version: 1.0.0
seed: 20261121
corpus: documents
unit: tokens
budget: 5_000_000
policy: {kind: fixed}
dedup:
  - {use: text@1, normalise: [lower, nfc, punctuation, whitespace]}
prefer: [wiki]
keep:
  words.count: {min: 50, max: 100_000}
sources:
  web:
    shards: web/*.jsonl.zst
    weight: 0.7
    max_epochs: 1
    keep:
      words.median_length: {min: 3, max: 10}
      words.symbols: {max: 0.1}
      words.alphabetic: {min: 0.8}
      words.required: {min: 2}
      lines.bullets_dolma: {max: 0.9}
      lines.ellipsis_dolma: {max: 0.3}
      ngrams.top_2: {max: 0.2}
      ngrams.duplicate_5: {max: 0.15}
      language.en: {min: 0.65}
  wiki:
    shards: wiki/*.jsonl.zst
    weight: 0.3
    max_epochs: 1
on_shortfall: redistribute
"""
EXPERIMENT = "solera"
Identity = tuple[str, str]


class Document(msgspec.Struct):
    source: str
    id: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dolma", required=True, metavar="PYTHON", help="the python of a venv with dolma 1.2.1")
    parser.add_argument("--recipe", type=Path, help="another recipe, whose corpus is the folder `documents`")
    parser.add_argument("--sources", default="web,wiki", help="folders of $SOLERA_CORPORA (default web,wiki)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work here, and go on from what is there")
    options = parser.parse_args()
    found = subprocess.run([options.dolma, "-c", "import importlib.metadata as m; print(m.version('dolma'))"],
                           capture_output=True, text=True)
    if found.returncode or found.stdout.strip() != "1.2.1":
        parser.error(f"--dolma: this python has not dolma 1.2.1 but {found.stdout.strip() or 'none'}; make a venv of "
                     "Python 3.11 and install dolma==1.2.1 there")
    with folder_of(options.keep) as folder:
        return compare(folder.resolve(), options)


@contextmanager
def folder_of(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def compare(folder: Path, options: argparse.Namespace) -> int:
    (folder / "documents").mkdir(exist_ok=True)
    for source in options.sources.split(","):
        link = folder / "documents" / source
        if not link.exists():
            link.symlink_to(Path(DEFAULT, source).resolve())
    recipe_file = folder / "recipe.yaml"
    recipe_file.write_text(options.recipe.read_text() if options.recipe else RECIPE)
    work = folder / "work"
    seconds: dict[str, float] = {}
    for step, more in {"tag": [], "dedup": [], "plan": [], "export": ["--to", str(folder), "--experiment", EXPERIMENT,
                                                                     "--plan"]}.items():
        command = [sys.executable, "-m", "jobs.cli", step, str(recipe_file), "--work", str(work), "--quiet", *more]
        seconds[f"solera {step}"], said = timed(command, folder)
    print(said)
    recipe = parse(recipe_file.read_bytes(), str(recipe_file))
    listed = corpus.find(recipe, str(recipe_file), str(work))
    plan, context = existing_plan(recipe, listed)
    reasons = context.reasons
    pool = taken(context, lambda copies, reason: copies > 0 or reasons[reason] == selection.NOT_DRAWN)
    selected = taken(context, lambda copies, reason: copies > 0)
    losers = [f"{EXPERIMENT}__dedup__{method.use.partition('@')[0]}" for method in recipe.dedup]
    assert len(set(losers)) == len(losers), "the recipe lists a method twice; this program does not"
    copies = f"{EXPERIMENT}__plan__copies"
    mixes: dict[str, tuple[str, Callable[[str], dict[str, Any]], set[Identity]]] = {
        "rules and dedup (jq)": ("jq", lambda source: {
            "include": [" and ".join(map(jq, recipe.rules_for(source))) or "true"],
            "exclude": [f'.attributes["{name}"] | length > 0' for name in losers], "syntax": "jq"}, pool),
        "rules and dedup (JSONPath)": ("jsonpath", lambda source: {
            "include": [f"$.attributes[?({' && '.join(map(json_path, recipe.rules_for(source)))})]"],
            "exclude": [f"$.attributes[?(@.{name}[0][2] >= 1)]" for name in losers], "syntax": "jsonpath"}, pool),
        "plan": ("plan", lambda source: {
            "include": [f'.attributes["{copies}"] | length > 0 and .[0][2] >= 1'], "exclude": [],
            "syntax": "jq"}, selected),
    }
    wrong = 0
    for name, (short, filters, ours) in mixes.items():
        seconds[f"dolma mix, {name}"], theirs = mix(options.dolma, folder, short, recipe, filters)
        wrong += report(name, ours, theirs, context, plan)
    text = sum(entry["bytes"] for entry in (count["read"] for count in plan.body["counts"]))
    print(f"\n{sum(count['read']['docs'] for count in plan.body['counts']):,} documents, {text / 1e6:.1f} MB of text")
    for step, took in seconds.items():
        print(f"  {step:40} {took:8.1f} s {text / 1e6 / took:8.1f} MB/s")
    print("\nVERDICT: " + (f"DIFFERENT, {wrong:,} documents in all" if wrong else
                           "EQUAL, each of the three mixes holds exactly the documents of our plan"))
    return 1 if wrong else 0


def timed(command: list[str], folder: Path) -> tuple[float, str]:
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env={**os.environ, "RUST_LOG": "info"})
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr)
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    return time.perf_counter() - began, done.stdout


# ---- ours


def taken(context: Context, chosen: Callable[[int, int], bool]) -> set[Identity]:
    """The identities of the rows whose (copies, reason) are chosen."""
    found: set[Identity] = set()
    for number, shard in context.paths.items():
        table, _ = sidecars.read(context.workspace.sidecar(rows.KEY, shard), ["source", "id"])
        about = zip(table.column("source").to_pylist(), table.column("id").to_pylist(),
                    *(column.to_pylist() for column in sidecars.read(context.selection_uri(number))[0].columns),
                    strict=True)
        found |= {(source, id) for source, id, copies, reason in about if chosen(copies, reason)}
    return found


# ---- dolma's


def mix(
    python: str, folder: Path, name: str, recipe: Recipe, filters: Callable[[str], dict[str, Any]]
) -> tuple[float, Counter[Identity]]:
    """(seconds, the identities of what dolma's mixer wrote)."""
    out = folder / "mixed" / name
    for path in out.rglob("*.gz"):
        path.unlink()  # dolma passes over what is there
    streams = [{
        "name": source.name, "documents": [str(folder / "documents" / pattern) for pattern in source.shards],
        "attributes": [EXPERIMENT], "filter": filters(source.name),
        "output": {"path": str(out), "max_size_in_bytes": 100_000_000, "discard_fields": ["attributes"]},
    } for source in recipe.sources]
    config = folder / f"{name}.json"
    config.write_text(json.dumps({"streams": streams, "processes": os.cpu_count(), "work_dir": {
        "input": str(folder / "dolma-in"), "output": str(folder / "dolma-out")}}, indent=1))
    took, _ = timed([python, "-m", "dolma.cli", "-c", str(config), "mix"], folder)
    decode = msgspec.json.Decoder(Document).decode
    found: Counter[Identity] = Counter()
    for path in sorted(out.rglob("*.json.gz")):
        with gzip.open(path) as lines:
            for line in lines:
                document = decode(line)
                found[document.source, document.id] += 1
    return took, found


def bound(rule: Rule) -> tuple[str, str]:
    """(attribute, comparison), with the threshold as our rule compares: in the column's own type."""
    found = find_column(rule.column)
    assert found is not None and isinstance(rule.value, int | Decimal), f"{rule.text}: only numbers are compared here"
    value = int(rule.value) if found[1].type == "int64" else float(rule.value)
    if found[1].type == "float32":
        value = float(np.float32(value))
    tagger, _, rest = rule.column.partition(".")
    return f"{EXPERIMENT}__{tagger}__{rest}", {"min": ">=", "max": "<=", "is": "=="}[rule.kind] + f" {value!r}"


def jq(rule: Rule) -> str:
    """Missing is no span: without the guard null[2] is an error, and null is less than any number."""
    name, comparison = bound(rule)
    return f'(.attributes["{name}"] | length > 0 and .[0][2] {comparison})'


def json_path(rule: Rule) -> str:
    name, comparison = bound(rule)
    return f"@.{name}[0][2] {comparison}"


# ---- both


def report(name: str, ours: set[Identity], theirs: Counter[Identity], context: Context, plan: Plan) -> int:
    """Prints the comparison; how many documents differ."""
    classes: Counter[str] = Counter()
    for identity in sorted(ours ^ theirs.keys()):
        side = "only our plan has" if identity in ours else "only dolma has"
        classes[f"{side}: {why(identity, context)}"] += 1
    classes["dolma has more than once"] += sum(count - 1 for count in theirs.values())
    print(f"{name}: ours {len(ours):,}, dolma's {sum(theirs.values()):,}, in both {len(ours & theirs.keys()):,}")
    for text, count in sorted(classes.items()):
        if count:
            print(f"  {count:,} {text}")
    return classes.total()


def why(identity: Identity, context: Context) -> str:
    """The class of a document that differs: next to a threshold, where a float read otherwise decides, or not."""
    for number, shard in context.paths.items():
        table, _ = sidecars.read(context.workspace.sidecar(rows.KEY, shard), ["source", "id"])
        if identity[1] not in (ids := table.column("id").to_pylist()):
            continue
        row = ids.index(identity[1])
        if table.column("source")[row].as_py() != identity[0]:
            continue
        for rule in context.recipe.rules_for(context.sources[number]):
            key, stored = context.columns[rule.column]
            part, _ = attributes.read(context.workspace.sidecar(key, shard), [stored])
            value = part.column(stored)[row].as_py()
            if isinstance(value, float) and isinstance(rule.value, Decimal | int):
                limit = float(rule.value)
                if abs(value - limit) <= 2 * max(np.spacing(value), np.spacing(np.float32(limit))):
                    return f"{rule.text} is decided by the last bit of the value"
        chosen, _ = sidecars.read(context.selection_uri(number))
        return f"unexplained ({context.reasons[chosen.column('reason')[row].as_py()]}), such as {identity}"
    return "in no shard of the recipe"


if __name__ == "__main__":
    sys.exit(main())
