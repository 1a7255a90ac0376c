"""From the save of a recipe to what `solera plan --watch` shows of it.

    python benchmarks/watch.py RECIPE --work DIR [--rounds 12] [--threshold "words.count: {min: 50}"]

The recipe's corpus is tagged and deduplicated in DIR. In each round a copy of the recipe is saved, as editors do by
renaming, with another number in the threshold, which is found in its text as it stands there; a seed of its own sees to
it that no round finds a plan that was made before. The time is from the rename to the last byte of the answer.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--work", required=True)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threshold", default="words.count: {min: 50}")
    options = parser.parse_args()
    text = options.recipe.read_text()
    if options.threshold not in text:
        parser.error(f"{options.recipe} has no {options.threshold!r}; name a threshold as it stands there")
    watched = options.recipe.with_name(f".{options.recipe.stem}-watched.yaml")
    try:
        measure(watched, text, options.work, options.rounds, options.threshold)
    finally:
        watched.unlink(missing_ok=True)


def measure(watched: Path, text: str, work: str, rounds: int, threshold: str) -> None:
    seed = time.time_ns() % 1_000_000
    watched.write_text(text)
    command = [sys.executable, "-m", "jobs.cli", "plan", str(watched), "--work", work, "--watch", "--json", "--quiet"]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).absolute().parents[1]) as process:
        assert process.stdout is not None
        process.stdout.readline()
        print(f"the first plan is there after {time.monotonic() - began:.2f} s, with the start of the process")
        took = []
        for number in range(rounds):
            new = watched.with_suffix(".new")
            bound = re.sub(r"\d+", lambda found, by=number: str(int(found[0]) + by + 1), threshold, count=1)
            new.write_text(re.sub(r"(?m)^seed: \d+", f"seed: {seed + number}", text.replace(threshold, bound)))
            time.sleep(0.3)
            began = time.monotonic()
            os.replace(new, watched)
            said = json.loads(process.stdout.readline())
            took.append(time.monotonic() - began)
            assert "counts" in said, said
        process.send_signal(signal.SIGINT)
    print(f"from save to answer, {rounds} times: median {statistics.median(took):.2f} s, "
          f"{min(took):.2f} to {max(took):.2f}")


if __name__ == "__main__":
    main()
