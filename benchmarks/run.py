"""`solera run` from nothing to a mixture, stage by stage, beside the mere cost of decoding the same shards.

    python benchmarks/run.py CODE_FOLDER [--rounds 3]

The corpus is web, book and wiki of $SOLERA_CORPORA and code shards in CODE_FOLDER; the recipe recipes/web_heavy.yaml:
ten rules, English web only, wiki at two epochs, a budget in tokens. Each round decodes all shards in as many processes
as there are cores, then runs in a new process with an empty work folder, then once more, when nothing is left to do.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from decode import DEFAULT, on_all_cores, text_bytes

from jobs.spark import usable_cores

RECIPE = Path(__file__).parents[1] / "recipes" / "web_heavy.yaml"


def run(folder: Path, corpus: Path, name: str) -> tuple[dict[str, tuple[float, int]], float]:
    """({stage: (seconds, bytes of text)}, wall seconds of the whole process)."""
    recipe = folder / "recipe.yaml"
    lines = RECIPE.read_text().splitlines()
    recipe.write_text("\n".join(f"corpus: {corpus}" if line.startswith("corpus:") else line for line in lines) + "\n")
    began = time.perf_counter()
    command = [sys.executable, "-m", "jobs.cli", "run", str(recipe), "--json"]
    places = ["--work", str(folder / "work"), "--out", str(folder / name)]
    done = subprocess.run([*command, *places], check=True, capture_output=True, text=True)
    wall = time.perf_counter() - began
    return {stage["stage"]: (stage["seconds"], stage["bytes"]) for stage in json.loads(done.stdout)["stages"]}, wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("code", type=Path, help="a folder of code shards")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cores = usable_cores()
    times: dict[str, list[float]] = {}
    sizes: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as top:
        corpus = Path(top, "corpus")
        corpus.mkdir()
        for source in ("web", "book", "wiki"):
            (corpus / source).symlink_to(Path(DEFAULT, source).resolve())
        (corpus / "code").symlink_to(options.code.resolve())
        uris = sorted(str(path) for source in ("web", "book", "wiki", "code")
                      for path in (corpus / source).iterdir() if path.name.endswith(".jsonl.zst"))
        size = sum(map(text_bytes, uris))
        decode = f"decode only, {cores} processes"
        for number in range(options.rounds):
            with ProcessPoolExecutor(cores) as pool:
                on_all_cores(uris[:2], pool)  # the processes are there before the clock starts
                times.setdefault(decode, []).append(on_all_cores(uris, pool))
            sizes[decode] = size
            with tempfile.TemporaryDirectory(dir=top) as folder:
                stages, wall = run(Path(folder), corpus, "mix")
                for stage, (seconds, moved) in stages.items():
                    times.setdefault(stage, []).append(seconds)
                    sizes[stage] = moved
                times.setdefault("solera run", []).append(wall)
                sizes["solera run"] = size
                times.setdefault("solera run again", []).append(run(Path(folder), corpus, "mix")[1])
                sizes["solera run again"] = 0
            print(f"round {number + 1} of {options.rounds} done", file=sys.stderr)
    base = statistics.median(times[decode])
    print(f"{len(uris)} shards, {size / 1e6:.1f} MB of text, median of {options.rounds} rounds")
    print(f"  {'':30} {'seconds':>8} {'MB/s':>8} {'x decode':>9}")
    for name, found in times.items():
        median = statistics.median(found)
        rate = f"{sizes[name] / 1e6 / median:8.1f}" if sizes[name] else f"{'-':>8}"
        print(f"  {name:30} {median:8.2f} {rate} {median / base:9.1f}")


if __name__ == "__main__":
    main()
