"""A plan of 1, 3 and 10 million documents, by a pool of processes and by Spark; and how long lint takes.

    python benchmarks/plan.py RECIPE --work DIR [--millions 1 3 10] [--rounds 3] [--folder DIR] [--json FILE]

RECIPE is one of a real corpus that is tagged and deduplicated in the work folder DIR; from its sidecars those of larger
corpora are made (plan_corpus.py) below --folder, where they stay if it is given. Each plan is of a process of its own,
and begins when the pool's processes or Spark are there; no earlier plan is found. The rounds are interleaved: each size
and each way once, then again; shown are medians, and the exponent of growth between sizes: 1 is linear. Memory is the
largest resident set: of the driver, which has to be no larger for more documents, of Spark's Java process, which is
driver and executor at once, and of the largest Python worker. Seconds of processors say more than those of the clock
where others use the machine too. A plan is sent its shards: with --shards each corpus has as many, so that documents
are all that grows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).absolute().parents[1]
sys.path[0] = str(ROOT)  # this folder has a taggers.py of its own
sys.path.append(str(ROOT / "benchmarks"))

import plan_corpus  # noqa: E402

WORKER = Path(__file__).with_name("plan_worker.py")
WAYS = ("pool", "spark")


def planned(recipe: str, work: Path, way: str, share: str | None) -> dict[str, Any]:
    """What one plan took, in a process of its own."""
    command = [sys.executable, str(WORKER), recipe, str(work), way, *([share] if share else [])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def lint_seconds(recipe: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "jobs.cli", "lint", recipe], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return time.perf_counter() - began


def growth(small: dict[str, Any], large: dict[str, Any]) -> float:
    return math.log(large["seconds"] / small["seconds"]) / math.log(large["documents"] / small["documents"])


def middle(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The medians of what was measured in the rounds."""
    names = [name for name, value in rounds[0].items() if isinstance(value, int | float)]
    steps = {name: statistics.median(each["steps"].get(name, 0.0) for each in rounds) for name in rounds[0]["steps"]}
    return {**{name: statistics.median(each[name] for each in rounds) for name in names}, "steps": steps,
            "all_seconds": [each["seconds"] for each in rounds]}


def line(found: dict[str, Any]) -> str:
    steps = ", ".join(f"{name.removeprefix('plan: ')} {seconds:.1f}" for name, seconds in found["steps"].items())
    java = f", Java {found['java'] / 1e6:,.0f}" if found["java"] else ""
    return (f"{found['documents'] / 1e6:5.1f} million, {found['way']:5}: {found['seconds']:6.2f} s, "
            f"{found['documents'] / found['seconds']:9,.0f} rows/s, {found['processors']:.1f} s of processors; "
            f"driver {found['driver'] / 1e6:,.0f} MB{java}, largest worker {found['worker'] / 1e6:,.0f} MB\n"
            f"{'':8}start {found['start']:.1f} s apart; {steps}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="of a real corpus")
    parser.add_argument("--work", required=True, help="where it is tagged and deduplicated")
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 3, 10])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shard-rows", type=int, default=20_000)
    parser.add_argument("--shards", type=int, help="as many shards for each size, instead of --shard-rows")
    parser.add_argument("--sample", metavar="SHARE", help="plan a sample instead, as `solera plan --sample`")
    parser.add_argument("--folder", help="where the corpora are made, and stay; a temporary folder unless given")
    parser.add_argument("--json", metavar="FILE", help="write all figures there too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        corpora = {}
        for millions in options.millions:
            began = time.perf_counter()
            documents = round(millions * 1e6)
            shard_rows = -(-documents // options.shards) if options.shards else options.shard_rows
            home = folder / (f"{millions:g}-{options.shards}" if options.shards else f"{millions:g}")
            corpora[millions] = plan_corpus.make(options.recipe, options.work, home, documents, shard_rows), \
                home / "work"
            print(f"{millions:g} million rows are there after {time.perf_counter() - began:.0f} s", flush=True)
        measured: defaultdict[tuple[str, float], list[dict[str, Any]]] = defaultdict(list)
        lint: list[float] = []
        for _, way, millions in itertools.product(range(options.rounds), options.ways, options.millions):
            found_now = planned(*corpora[millions], way, options.sample)
            measured[way, millions].append(found_now)
            print(f"  {millions:g} million, {way}: {found_now['seconds']:.2f} s, {found_now['processors']:.1f} s of "
                  f"processors, at a load of {found_now['load']:.1f}", file=sys.stderr, flush=True)
            lint.append(lint_seconds(options.recipe))
        found = [{"way": way, "documents": sum(count["read"]["docs"] for count in rounds[0].pop("counts")),
                  **middle(rounds)} for (way, millions), rounds in measured.items()]
    for each in found:
        if options.sample:
            print(f"{each['documents'] / 1e6:5.1f} million, {each['way']}: {each['sampled']:,.0f} in the sample, cut "
                  f"and planned in {each['first']:.2f} s, planned again in {each['again']:.2f} s; largest worker "
                  f"{each['worker'] / 1e6:,.0f} MB", flush=True)
        else:
            print(line(each), flush=True)
    exponents = {}
    for way in () if options.sample else options.ways:
        mine = [each for each in found if each["way"] == way]
        exponents[way] = [growth(small, large) for small, large in itertools.pairwise(mine)]
        for (small, large), exponent in zip(itertools.pairwise(mine), exponents[way], strict=True):
            print(f"{way}: from {small['documents'] / 1e6:g} to {large['documents'] / 1e6:g} million the exponent is "
                  f"{exponent:.2f}, and the driver's memory {(large['driver'] - small['driver']) / 1e6:+,.0f} MB")
    print(f"lint: {statistics.median(lint):.2f} s, its process's start included; load {os.getloadavg()[0]:.1f}")
    if options.json:
        Path(options.json).write_text(json.dumps({
            "plans": found, "exponents": exponents, "lint": statistics.median(lint), "load": os.getloadavg()[0]},
            indent=1) + "\n")


if __name__ == "__main__":
    main()
