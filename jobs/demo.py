"""Demo: write a small corpus, run the whole pipeline on it with the demo recipe, and say what to try next."""

from __future__ import annotations

import json
import shlex
from importlib import resources
from typing import Any

from jobs import demo_corpus
from jobs.cli import opened_engine
from jobs.progress import Display
from jobs.run import run
from mixer import corpus, rows, sidecars, storage
from mixer.corpus import Corpus
from mixer.errors import BadInput
from mixer.recipe_parser import parse

README = """A small corpus in Dolma's document form, found on this machine by `solera demo`: package descriptions and
licences (web), docstrings (book), modules (code) and help topics (wiki) of a Python installation, and texts written for
it. Two lines are broken on purpose.
"""


def demo(options: Any) -> int:
    """Fills options.folder with corpus/, recipe.yaml, work/ and mixture/; returns the exit code.

    A second demo in the same folder finds everything done, and one that was stopped goes on. A corpus that is whole is
    left as it is.
    """
    if not storage.is_local(options.folder):
        raise BadInput(f"{options.folder}: a demo is made on this machine; name a folder of it")
    folder = storage.absolute(options.folder)
    recipe_uri = storage.join(folder, "recipe.yaml")
    corpus_folder = storage.join(folder, "corpus")
    say = Display(silent=options.quiet).say
    found = storage.listing(folder)
    if found and "recipe.yaml" not in found:
        raise BadInput(f"{options.folder}: is not empty and holds no demo; choose another folder")
    if not found:
        text = resources.files("recipes").joinpath("demo.yaml").read_text(encoding="utf-8")
        storage.put(recipe_uri, text.encode())
    if "corpus/README.txt" not in found:
        say(f"writing a corpus of web, book, code and wiki text found on this machine to {options.folder}/corpus")
        written = demo_corpus.write(corpus_folder)
        say(f"{written.documents:,} documents in {len(written.shards)} shards")
        storage.put(storage.join(corpus_folder, "README.txt"), README.encode())  # last: it says that all is there
    recipe = parse(storage.read(recipe_uri), recipe_uri)
    work = storage.join(folder, "work")
    shards = corpus.find(recipe, recipe_uri, work)
    with opened_engine(options, shards) as made:
        done = run(recipe, shards, storage.join(folder, "mixture"), made)
    if options.json:
        print(json.dumps(done.as_json(), ensure_ascii=False, indent=1, default=str))
    else:
        print(done.text().rpartition("\n")[0])
        print(_next(options.folder, _a_loser(shards, done.plan.folder)))
    return 0


def _a_loser(shards: Corpus, plan_folder: str) -> tuple[str, str]:
    """(source, id) of a document that lost to another copy; of the first document where nothing was lost."""
    lost = [path for path in storage.listing(plan_folder, "losers/0")]
    shard, row = shards.shards[0].path, 0
    if lost:
        shard = lost[0].removeprefix("losers/0/").removesuffix(".parquet")
        row = sidecars.read(storage.join(plan_folder, lost[0]))[0].column("row")[0].as_py()
    table, _ = sidecars.read(shards.workspace.sidecar(rows.KEY, shard), ["source", "id"])
    return table.column("source")[row].as_py(), table.column("id")[row].as_py()


def _next(folder: str, example: tuple[str, str]) -> str:
    source, id = map(shlex.quote, example)
    folder = shlex.quote(folder)
    return f"""
what to try next
  solera audit {folder}/mixture
      recompute every digest, count and allocation of the mixture
  solera explain {folder}/recipe.yaml {source} {id} --work {folder}/work
      why one document is in or out
  edit {folder}/recipe.yaml, then: solera plan {folder}/recipe.yaml --work {folder}/work
      what the edit does, in a second and without reading text
  zstd -dc {folder}/mixture/data/00000.jsonl.zst | head -n 1
      a record, with its provenance (needs the zstd tool)
  solera run {folder}/recipe.yaml --work {folder}/work --out {folder}/mixture-2
      the whole way; what is done is not done again"""
