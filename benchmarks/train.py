"""What training costs and is worth, beside floret's single thread: Wikipedia and books against web pages.

    python benchmarks/train.py [--floret PYTHON] [--megabytes 12] [--rounds 3]

PYTHON is one that has floret (0.10.5 for 3.11 and 3.12), which trains as fastText does. Both read the same documents
with the same settings, and are tried on the same fifth of them, which neither has read. Rounds are in turn, and times
are of the processor; floret reads its documents from a file, ours come as Arrow. Then the trigram model, on its own.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).absolute().parents[1]
sys.path.insert(0, str(ROOT))  # so that it runs from a checkout, without installing

import numpy as np  # noqa: E402
import xxhash  # noqa: E402
import zstandard  # noqa: E402

from taggers import fasttext_train, ngram_file, ngram_train, perplexity  # noqa: E402
from taggers.evaluation import evaluate, held_out  # noqa: E402
from taggers.text import TextBatch  # noqa: E402

FLORET = """
import floret, json, sys, time
start = time.process_time()
model = floret.train_supervised(sys.argv[1], dim=16, wordNgrams=2, bucket=65536, minCount=2, epoch=5, lr=0.5, thread=1,
                                verbose=0)
seconds = time.process_time() - start
found = [dict(zip(*model.predict(line.rstrip("\\n"), k=2))) for line in open(sys.argv[2], encoding="utf-8")]
print(json.dumps([seconds, [min(1.0, float(each.get("__label__good", 0.0))) for each in found]]))
"""


def main() -> None:
    beside = os.environ.get("SOLERA_CORPORA") or ROOT.parent / "shared" / "corpora"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(beside), help="with web, wiki and book in it")
    parser.add_argument("--floret", help="a Python that has floret")
    parser.add_argument("--megabytes", type=float, default=12, help="of each source, at most")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    size = int(arguments.megabytes * 1e6)
    sources = {label: [text for folder in folders for text in read(arguments.folder / folder, size // len(folders))]
               for label, folders in {"bad": ["web"], "good": ["wiki", "book"]}.items()}
    learnt, asked = {}, {}
    for label, texts in sources.items():
        out = held_out(TextBatch.of_strings(texts), 0.2)
        learnt[label] = [text for text, is_out in zip(texts, out, strict=True) if not is_out]
        asked[label] = [text for text, is_out in zip(texts, out, strict=True) if is_out]
    batches = [(label, TextBatch.of_strings(texts)) for label, texts in learnt.items()]
    megabytes = sum(len(batch.data) for _, batch in batches) / 1e6
    tried = TextBatch.of_strings([*asked["bad"], *asked["good"]])
    answers = np.arange(len(tried)) >= len(asked["bad"])
    print(f"{megabytes:.1f} MB to learn from; {len(tried):,} documents to try, {answers.sum():,} of them good")

    fasttext_train.train(batches, fasttext_train.Settings(epochs=1))  # compiles
    times: dict[str, list[float]] = {"ours": [], "floret": []}
    scores = {}
    for _ in range(arguments.rounds):
        start = time.process_time()
        model = fasttext_train.train(batches, fasttext_train.Settings())
        times["ours"].append(time.process_time() - start)
        scores["ours"] = fasttext_train.probabilities(model, tried, "good")
        if arguments.floret:
            seconds, scores["floret"] = floret(arguments.floret, learnt, tried)
            times["floret"].append(seconds)
    known = ~np.isnan(scores["ours"])
    for name, score in scores.items():
        worth = evaluate(np.asarray(score)[known], answers[known])
        print(f"{name:8} {statistics.median(times[name]):6.2f} s, accuracy {worth.accuracy:.4f}, AUC {worth.auc:.4f}, "
              f"calibration error {worth.calibration_error:.4f}")
    trigrams(TextBatch.of_strings(learnt["good"]), tried, answers)


def trigrams(learnt: TextBatch, tried: TextBatch, answers: np.ndarray) -> None:
    ngram_train.train([TextBatch.of_strings(["a"])], ngram_train.Settings())
    start = time.process_time()
    model = ngram_train.train([learnt], ngram_train.Settings())
    learning = time.process_time() - start
    perplexity.measure(model, TextBatch.of_strings(["a"]))
    start = time.process_time()
    value, _, _ = perplexity.measure(model, tried)
    measuring = time.process_time() - start
    stream = io.BytesIO()
    ngram_file.write(model, stream)
    known = ~np.isnan(value)
    rank = np.argsort(np.argsort(-value[known])) / known.sum()  # low perplexity is good
    rates = [len(learnt.data) / 1e6 / learning, len(tried.data) / 1e6 / measuring]
    print(f"trigrams learn {rates[0]:.1f} MB/s, measure {rates[1]:.1f} MB/s; "
          f"file {len(stream.getvalue()) / 1e6:.1f} MB, AUC {evaluate(rank, answers[known]).auc:.4f}")


def floret(python: str, learnt: dict[str, list[str]], tried: TextBatch) -> tuple[float, list[float]]:
    """Its seconds and its scores. It reads documents in the order of the file, so good and bad come mixed."""
    rows = sorted((xxhash.xxh3_64_intdigest(text.encode()), f"__label__{label} {line(text)}\n")
                  for label, texts in learnt.items() for text in texts)
    with tempfile.TemporaryDirectory() as folder:
        lines, asked = Path(folder, "lines.txt"), Path(folder, "asked.txt")
        lines.write_text("".join(row for _, row in rows), encoding="utf-8", newline="\n")
        asked.write_text("".join(line(tried.string(each)) + "\n" for each in range(len(tried))), encoding="utf-8")
        run = subprocess.run([python, "-c", FLORET, lines, asked], capture_output=True, text=True, check=True)
    seconds, scores = json.loads(run.stdout.splitlines()[-1])
    return seconds, scores


def line(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ").replace("</s>", " ")


def read(folder: Path, size: int) -> Iterator[str]:
    """Texts from all shards of a folder, cut at 3,000 characters, up to so many bytes."""
    for path in sorted(folder.glob("*.jsonl.zst")):
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            for record in io.TextIOWrapper(stream, "utf-8"):
                text = json.loads(record)["text"][:3000]
                size -= len(text.encode())
                if size < 0:
                    return
                yield text


if __name__ == "__main__":
    main()
