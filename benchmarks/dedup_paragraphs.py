"""Repeated lines of real text: ours, exact and on Spark, beside the Bloom filter of dolma's `dedupe`, which is Rust.

    python benchmarks/dedup_paragraphs.py [--dolma VENV/bin/python] [--rounds 3] [--growth 8] [--folder FOLDER]

The text is web, book and wiki of $SOLERA_CORPORA. VENV is one that has dolma 1.2.1; without it ours is timed alone.
Both start with nothing but the shards, and read, decompress and decode all text. In each round, in turn:

    ours    tags (reads each shard, writes its rows and the keys of its lines) and finds the repeated ones: a set that
            lists every occurrence of each, exactly, and repeated identities beside it. A new process and a new work
            folder; what starting it and the JVM takes is told apart from the work.
    dolma   `dedupe` by paragraphs, which its separator makes lines, of 1 byte or more: marks each line that its filter
            has seen before, in the order in which its processes come to them, or takes for one that it has. The filter
            is made for ten times as many lines as there are, at a false positive rate of 1e-5. What starting it takes
            is how long its --help takes.

`processor` is what all processes of the work had of it, which a busy machine changes less than the time.

Growth: the same over so many times the text, where in each line of each copy one word has become another. What a task
took of memory is what the kernel says of the Python processes of Spark's executor at the end (VmHWM).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).absolute().parents[1]))  # so that it runs from a checkout

import msgspec
import zstandard
from decode import DEFAULT

from jobs.spark import usable_cores

SOURCES = ("web", "book", "wiki")
SETTINGS = {"unit": "lines", "min_length": 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dolma", metavar="PYTHON", help="the python of a venv with dolma 1.2.1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", type=int, default=8, help="how many times the text at the most; 1 for no growth")
    parser.add_argument("--folder", type=Path, help="where to write the larger texts, and leave them")
    parser.add_argument("--worker", nargs=2, metavar=("CORPUS", "WORK"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work(*options.worker)))
        return
    with contextlib.nullcontext(options.folder) if options.folder else tempfile.TemporaryDirectory() as top:
        compare(Path(top), options)


def compare(top: Path, options: argparse.Namespace) -> None:
    once = top / "documents"
    for source in SOURCES:
        (once / source).mkdir(parents=True, exist_ok=True)
        for shard in sorted(Path(DEFAULT, source).glob("*.jsonl.zst")):
            link = once / source / shard.name
            if not link.exists():
                link.symlink_to(shard.resolve())
    runs = {"ours": lambda: ours(once)}
    if options.dolma:
        runs["dolma"] = lambda: dolma(options.dolma, once, 1)
    if options.growth > 1:
        many = top / f"times-{options.growth}"
        grow(once, many, options.growth)
        runs[f"ours, {options.growth} times the text"] = lambda: ours(many)
        if options.dolma:
            runs[f"dolma, {options.growth} times the text"] = lambda: dolma(options.dolma, many, options.growth)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
    for number in range(options.rounds):
        for name, once_more in runs.items():
            found[name].append(once_more())
            print(f"round {number + 1}, {name}: {found[name][-1]}", file=sys.stderr)
    median = {name: {what: statistics.median(each[what] for each in rounds) for what in rounds[0]}
              for name, rounds in found.items()}
    size = median["ours"]["text"]
    print(f"{size / 1e6:.1f} MB of text, {usable_cores()} cores, medians of {options.rounds} rounds in turn; seconds")
    columns = ("wall", "start", "work", "tag", "dedup", "processor")
    print(f"  {'':28}" + "".join(f"{column:>10}" for column in columns) + "    MB/s of work   repeated    task, MB")
    for name, each in median.items():
        numbers = [f"{each[column]:10.2f}" if column in each else f"{'-':>10}" for column in columns]
        text = median[name.replace("dolma", "ours")]["text"]
        print(f"  {name:28}" + "".join(numbers) + f"{text / 1e6 / each['work']:16.1f} {each['repeated']:10,.0f}" +
              (f"{each['memory'] / 1e6:12.0f}" if "memory" in each else ""))
    pairs = [(name, name.replace("ours", "dolma")) for name in found if name.replace("ours", "dolma") != name]
    for mine, theirs in pairs if options.dolma else []:
        for what in ("wall", "work", "processor"):
            ratios = sorted(b[what] / a[what] for a, b in zip(found[mine], found[theirs], strict=True))
            print(f"{what} of {theirs} / ours: {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    if options.dolma:
        print(f"lines that are a repeat of another: {median['ours']['repeated']:,.0f} by ours, "
              f"{median['dolma']['repeated']:,.0f} marked by dolma; ours "
              "are equal without whitespace at their ends, dolma's are equal whole")
    if options.growth > 1:
        last = f"ours, {options.growth} times the text"
        for what in ("work", "processor"):
            ratios = sorted(b[what] / a[what] for a, b in zip(found["ours"], found[last], strict=True))
            print(f"{what} at {options.growth} times the text / at once: {statistics.median(ratios):.2f} "
                  f"({ratios[0]:.2f} to {ratios[-1]:.2f}); text {median[last]['text'] / size:.2f} times")


# ---- ours


def ours(corpus: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        command = [sys.executable, str(Path(__file__).absolute()), "--worker", str(corpus), folder]
        done = subprocess.run(command, capture_output=True, text=True)
        wall = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(done.stderr)
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "wall": wall, "start": wall - found["work"]}


def work(corpus: str, folder: str) -> dict[str, float]:
    """What one process takes for it, once Spark is there."""
    from jobs.engine import engine
    from jobs.plan import current_indexes
    from jobs.run import run_dedup, run_tag
    from mixer.corpus import find
    from mixer.recipe_parser import parse

    recipe = json.dumps({
        "name": "lines", "version": "1.0.0", "seed": 1, "corpus": corpus, "unit": "bytes",
        "policy": {"kind": "proportional"}, "dedup": [{"use": "paragraph@1", **SETTINGS}],
        "sources": {source: {"shards": f"{source}/*.jsonl.zst"} for source in SOURCES},
    }).encode()
    parsed = parse(recipe, f"{folder}/recipe.yaml")
    listed = find(parsed, f"{folder}/recipe.yaml", folder)
    with engine(None, {}, f"{folder}/spark.log", quiet=True) as started:
        started.spark  # noqa: B018 - so that it is there before the clock starts
        began, before = time.perf_counter(), processor()
        tagged = run_tag(parsed, listed, started)
        middle = time.perf_counter()
        found = run_dedup(parsed, listed, started, current_indexes(parsed, listed))
        end = time.perf_counter()
        return {"work": end - began, "processor": processor() - before, "tag": middle - began, "dedup": end - middle,
                "text": tagged.text_bytes, "memory": task_memory(),
                "repeated": found.sets[0].documents - found.sets[0].clusters}


def below() -> list[int]:
    """This process and all below it."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = [os.getpid()]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


def processor() -> float:
    """Seconds of processor that this process and all below it have had, with those that have ended."""
    ticks = 0
    for each in below():
        with contextlib.suppress(OSError):
            ticks += sum(map(int, Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def task_memory() -> int:
    """The most that a Python process below this one took, in bytes."""
    most = 0
    for each in below()[1:]:
        with contextlib.suppress(OSError):
            if b"python" in Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")[0]:
                status = Path(f"/proc/{each}/status").read_text().splitlines()
                most = max(most, *(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM")))
    return most


# ---- dolma's


def dolma(python: str, text: Path, times: int) -> dict[str, float]:
    name = "lines"
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "documents")
        corpus.symlink_to(text.absolute())
        command = [
            python, "-m", "dolma.cli", "dedupe", "--documents", f"{corpus}/*/*.zst", "--dedupe.name", name,
            "--dedupe.paragraphs.attribute_name", name, "--dedupe.skip_empty", "--dedupe.min_length", "1",
            "--bloom_filter.file", f"{folder}/filter.bin", "--no-bloom_filter.read_only",
            "--bloom_filter.estimated_doc_count", str(20_000_000 * times),
            "--bloom_filter.desired_false_positive_rate", "0.00001", "--processes", str(usable_cores()),
            "--work_dir.input", f"{folder}/in", "--work_dir.output", f"{folder}/out",
        ]
        start, spent = timed([python, "-m", "dolma.cli", "dedupe", "--help"])
        wall, spent_in_all = timed(command)
        repeated = 0
        for path in Path(folder).rglob("attributes/**/*.zst"):
            repeated += sum(len(json.loads(line)["attributes"][name]) for line in lines_of(path))
    return {"wall": wall, "start": start, "work": wall - start, "processor": spent_in_all - spent,
            "repeated": repeated}


def lines_of(path: Path) -> list[bytes]:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as stream:
        return stream.read().splitlines()


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds, and seconds of processor."""
    began, before = time.perf_counter(), os.times()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - began, spent


# ---- more text


def grow(once: Path, many: Path, times: int) -> None:
    """Writes the shards so many times, each copy with a word of its own in each line."""
    items = [(shard, many / source / f"{copy}-{shard.name}", copy) for source in SOURCES
             for shard in sorted((once / source).iterdir()) for copy in range(times)]
    with ProcessPoolExecutor(usable_cores()) as pool:
        list(pool.map(perturb, items))


def perturb(item: tuple[Path, Path, int]) -> None:
    shard, to, copy = item
    if to.exists():
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    out = zstandard.ZstdCompressor(1).compressobj()
    written = []
    for number, record in enumerate(lines_of(shard)):
        document: dict[str, Any] = msgspec.json.decode(record)
        if copy:
            document["id"] = f"{document['id']}-{copy}"
            document["text"] = "\n".join(_changed(line, number + copy, copy) for line in document["text"].split("\n"))
        written.append(out.compress(msgspec.json.encode(document) + b"\n"))
    partial = to.with_name(f".{to.name}")
    partial.write_bytes(b"".join(written) + out.flush())
    partial.rename(to)


def _changed(line: str, place: int, copy: int) -> str:
    words = line.split(" ")
    words[place % len(words)] += f"~{copy}" if line.strip() else ""
    return " ".join(words)


if __name__ == "__main__":
    main()
