"""Prune: show what a work folder holds that nothing needs, and remove it once somebody has said so."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from jobs import tables
from jobs.progress import megabytes
from mixer import prune
from mixer.corpus import Corpus
from mixer.prune import Pruning
from mixer.recipe import Recipe


def run(recipe: Recipe, corpus: Corpus, locks: Sequence[str], yes: bool, ask: bool) -> dict[str, Any]:
    """What there was to remove, and whether it was removed. With `ask`, it is shown and asked for on the terminal."""
    found = prune.survey(recipe, corpus, locks)
    asked = ask and bool(found.waste) and not yes
    if asked:
        print(shown(found))
        yes = input(f"remove {found.files:,} files, {megabytes(found.bytes)}? [y/N] ").strip().lower() in ("y", "yes")
    if yes:
        prune.remove(corpus.workspace, found)
    return {
        "removed": yes and bool(found.waste), "files": found.files, "bytes": found.bytes,
        "kept_files": found.kept_files, "kept_bytes": found.kept_bytes, "locks": list(found.locks),
        "waste": [{"what": each.what, "why": each.why, "files": len(each.files), "bytes": each.bytes}
                  for each in found.waste],
        "indexes": sorted(found.indexes), "text": _text(found, corpus, yes, asked),
    }


def shown(found: Pruning) -> str:
    body = [[each.what, f"{len(each.files):,}", megabytes(each.bytes), each.why] for each in found.waste]
    return tables.table(["", "files", "size", "why"], body)


def is_interactive() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _text(found: Pruning, corpus: Corpus, yes: bool, asked: bool) -> str:
    stays = (f"{found.kept_files:,} files stay, {megabytes(found.kept_bytes)}: what the recipe uses, and what "
             f"{len(found.locks):,} lock(s) name")
    if not found.waste:
        return f"nothing to prune; {stays}"
    if yes:
        said = f"removed {found.files:,} files, {megabytes(found.bytes)}; {stays}"
    elif asked:
        said = f"nothing was removed; {stays}"
    else:
        said = (f"{stays}. Nothing was removed; to remove these {found.files:,} files, {megabytes(found.bytes)}: "
                f"solera prune {corpus.arguments} --yes")
    return said if asked else f"{shown(found)}\n{said}"
