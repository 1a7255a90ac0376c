"""A mixture written in this process from a small plan: as a build's, but for the order of its records."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from plan_cases import Case

from mixer import cuts, manifest, mixture, selection, sidecars, storage, tree
from mixer.documents import canonical_json
from mixer.plan import Plan


def write_mixture(made: Case, found: Plan, folder: Path, shards: int = 2) -> Path:
    """The records of a plan, dealt out to so many data shards."""
    context = made.context(found)
    records = []
    for number, path in context.paths.items():
        if number >= len(found.body["selections"]) or context.is_reference(number):
            continue
        docs = made.docs[path]
        copies = sidecars.read(context.selection_uri(number))[0].column("copies").to_pylist()
        spans: dict[int, list[tuple[int, int, str | None]]] = {}
        if storage.exists(context.edits_uri(number)):
            for each in sidecars.read(context.edits_uri(number))[0].to_pylist():
                spans.setdefault(each["row"], []).append((each["start"], each["end"], each["replacement"]))
        for row, (doc, times) in enumerate(zip(docs, copies, strict=True)):
            text = cuts.edited(doc.text, spans.get(row, []))
            added = sum(len((each[2] or "").encode()) for each in spans.get(row, []))
            for copy in range(times):
                line = canonical_json({"id": doc.id, "source": doc.source, "text": text})
                size = len(doc.text.encode())
                about = {"line": line, "mix_source": context.sources[number], "source": doc.source, "id": doc.id,
                         "shard": path, "row": row, "copy": copy, "text_sha256": _sha256(doc.text),
                         "text_bytes": size, "emitted_sha256": _sha256(text), "emitted_bytes": len(text.encode()),
                         "cuts": len(spans.get(row, [])), "added": added,
                         "units": int(selection.units_of_bytes(made.recipe.unit, np.array([size]))[0])}
                records.append(mixture.Record(**about))
    rows_of = [mixture.write_shard(str(folder), f"{number:05d}", records[number::shards], made.recipe.unit, "key")
               for number in range(shards)]
    table = mixture.shards_table([row for row in rows_of if row is not None])
    indexes = [sidecars.read(str(folder / path))[0] for path in table.column("index_path").to_pylist()]
    leaves = np.concatenate([tree.NO_LEAVES, *map(tree.leaves_of, indexes)])
    files = [tree.write_file(str(folder), 0, leaves)]
    (folder / "recipe.yaml").write_bytes(made.recipe.text)
    (folder / "recipe.lock").write_bytes(found.lock)
    pq.write_table(table, folder / "shards.parquet")
    part = manifest.mixture_part(found, table, files)
    build = manifest.build_part(str(folder), "", "", {})
    (folder / "manifest.json").write_bytes(manifest.encode(part, build))
    assert manifest.wrong_form(manifest.read(str(folder))) is None
    return folder


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
