"""Train: a quality model from the documents that a recipe selects, with what it is worth on documents held out.

As a file of its own it is `spark-submit jobs/train.py RECIPE --positive A --negative B --out MODEL`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs import tables
from jobs.engine import Engine
from jobs.plan import current_indexes
from jobs.progress import Counts, State, Step, Tasks, megabytes
from jobs.run import run_dedup, run_plan, run_tag
from mixer import plan, sidecars, storage
from mixer.corpus import Corpus
from mixer.documents import ShardReader, canonical_json
from mixer.errors import BadInput
from mixer.recipe import Recipe
from mixer.selection import Context

FORMAT = "solera-model@1"
KINDS = {"fasttext": "fasttext@1", "ngram": "perplexity@1"}
POSITIVE, NEGATIVE = "positive", "negative"  # the labels, and so the columns: edu.positive


@dataclass(frozen=True)
class Order:
    """What is asked for. Positives and negatives are names of the recipe's sources."""

    kind: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    out: str
    held_out: float = 0.1  # share of the documents
    settings: tuple[tuple[str, str], ...] = ()  # of the trainer, by name, as they were typed


@dataclass(frozen=True)
class Trained:
    """A model, and what is said of it. `card` lies beside the model as JSON."""

    out: str
    sha256: str
    bytes: int
    card: Mapping[str, Any]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return {"out": self.out, "sha256": self.sha256, "bytes": self.bytes, "seconds": self.seconds, **self.card}

    @property
    def text(self) -> str:
        kind = self.card["kind"]
        documents = self.card["documents"]
        lines = [tables.table(["", "documents", "text", "held out"], [
            [label, f"{each['trained']:,}", megabytes(each["bytes"]), f"{each['held_out']:,}"]
            for label, each in documents.items()]), ""]
        lines += _classifier_lines(self.card) if kind == "fasttext" else _perplexity_lines(self.card)
        lines += [
            "", f"{self.out}: {megabytes(self.bytes)}, {kind}, in {self.seconds:.1f} s, with {self.out}.json "
            "beside it, which says what it was made of", f"sha256 {self.sha256}",
            "next, in a recipe: ", f"  taggers: {{quality: {{use: {KINDS[kind]}, model: "
            f"{shlex.quote(self.out)}, sha256: {self.sha256}}}}}",
            "  keep: {quality.positive: {min: 0.5}}" if kind == "fasttext" else
            f"  keep: {{quality.value: {{max: {self.card['thirds'][1]:.6g}}}}}   # head and middle",
        ]
        return "\n".join(lines)


def train(recipe: Recipe, corpus: Corpus, engine: Engine, order: Order, where: str = "auto") -> Trained:
    """Trains a model on the documents that the recipe's plan selects, each once however many copies it gives them.

    What is not done yet of tag, dedup and plan is done. A share of the documents, decided by a hash of their text, is
    held out. The same recipe, lock and settings give the same model.
    """
    began = time.monotonic()
    labels = _labels(recipe, order)
    settings = _settings(order)
    if storage.exists(order.out):
        raise BadInput(f"{order.out}: is there already, and recipes may name it; choose another name")
    tagged = run_tag(recipe, corpus, engine)
    indexes = current_indexes(recipe, corpus, tagged.current)
    found = run_dedup(recipe, corpus, engine, indexes)
    made = run_plan(recipe, corpus, engine, where, indexes, found.sets)
    context = plan.context_of(recipe, corpus, made.folder, indexes, found.sets)
    with engine.stage("train") as stage, engine.progress.step("train") as step:
        reading = _Reading(context, labels, order.held_out, recipe.seed, step)
        try:
            data, about = (_classifier if order.kind == "fasttext" else _perplexity)(reading, settings)
        except ValueError as error:
            raise BadInput(f"{corpus.arguments}: {error}") from None
        stage.done(f"{order.kind}, {len(data):,} bytes", reading.read)
    sha256 = hashlib.sha256(data).hexdigest()
    card = {
        "format": FORMAT, "kind": order.kind, "sha256": sha256, "settings": dataclasses.asdict(settings),
        "recipe": {"name": recipe.name, "version": recipe.version, "sha256": recipe.sha256},
        "lock_sha256": made.body["lock_sha256"], "positive": list(order.positive), "negative": list(order.negative),
        "documents": reading.counted, **about,
    }
    storage.put(f"{order.out}.json", canonical_json(card))
    storage.put(order.out, data)  # last: where there is a model, its card is there too
    return Trained(order.out, sha256, len(data), card, time.monotonic() - began)


class _Reading:
    """Reads the selected documents of each label, and keeps those apart that are held out."""

    def __init__(
        self, context: Context, labels: Mapping[str, str], share: float, seed: int, step: Step
    ) -> None:
        self._context, self._labels, self._share, self._seed, self._step = context, labels, share, seed, step
        self.counted: dict[str, dict[str, int]] = {
            label: {"trained": 0, "bytes": 0, "held_out": 0} for label in dict.fromkeys(labels.values())}
        self.held: list[tuple[str, Any]] = []  # (label, TextBatch)
        self.read = Counts()

    def batches(self) -> Iterator[tuple[str, Any]]:
        """(label, TextBatch) of what is trained on; afterwards `held` has the rest."""
        from taggers.evaluation import held_out
        from taggers.text import TextBatch

        numbers = [number for number, source in self._context.sources.items() if source in self._labels]
        for done, number in enumerate(numbers, 1):
            label = self._labels[self._context.sources[number]]
            counted = self.counted[label]
            for texts in _selected(self._context, number):
                batch = TextBatch.of_strings(texts)
                away = held_out(batch, self._share, self._seed)
                mine = [text for text, is_away in zip(texts, away, strict=True) if not is_away]
                others = [text for text, is_away in zip(texts, away, strict=True) if is_away]
                counted["trained"] += len(mine)
                counted["held_out"] += len(others)
                counted["bytes"] += len(batch.data)
                self.read += Counts(documents=len(texts), bytes=len(batch.data))
                if others:
                    self.held.append((label, TextBatch.of_strings(others)))
                if mine:
                    yield label, TextBatch.of_strings(mine)
            self._step.update(State(self.read, Counts(), Tasks(done, len(numbers)), 0.3 * done / len(numbers)))

    def told(self, done: int, total: int) -> None:
        """How far the trainer is, after the reading."""
        self._step.update(State(self.read, Counts(), Tasks(), 0.3 + 0.7 * done / max(1, total)))


def _selected(context: Context, number: int) -> Iterator[list[str]]:
    """The texts of a shard that the plan selects, batch by batch."""
    table, _ = sidecars.read(context.selection_uri(number), ["copies"])
    chosen = np.asarray(table.column("copies")) > 0
    if not chosen.any():
        return
    seen = 0
    for batch in ShardReader(context.workspace.shard(context.paths[number])):
        mine = chosen[seen : seen + len(batch.documents)]
        seen += len(batch.documents)
        texts = [document.text for document, is_mine in zip(batch.documents, mine, strict=True) if is_mine]
        if texts:
            yield texts


def _classifier(reading: _Reading, settings: Any) -> tuple[bytes, dict[str, Any]]:
    from taggers import fasttext_train
    from taggers.evaluation import evaluate

    model = fasttext_train.train(reading.batches(), settings, reading.told)
    out = io.BytesIO()
    fasttext_train.save(model, out)
    parts = [(label, fasttext_train.probabilities(model, batch, POSITIVE)) for label, batch in reading.held]
    scores = np.concatenate([np.empty(0), *(scores for _, scores in parts)])
    answers = np.concatenate([np.empty(0, bool), *(np.full(len(scores), label == POSITIVE) for label, scores in parts)])
    known = ~np.isnan(scores)  # a text without words has none
    found = evaluate(np.minimum(scores[known], 1.0), answers[known])
    return out.getvalue(), {"evaluation": dataclasses.asdict(found)}


def _perplexity(reading: _Reading, settings: Any) -> tuple[bytes, dict[str, Any]]:
    from taggers import ngram_file, ngram_train, perplexity

    def positives() -> Iterator[Any]:
        for label, batch in reading.batches():
            if label == POSITIVE:
                yield batch

    model = ngram_train.train(positives(), settings)
    out = io.BytesIO()
    ngram_file.write(model, out)
    values: dict[str, list[Any]] = {}
    for label, batch in reading.held:
        values.setdefault(label, []).append(perplexity.measure(model, batch)[0])
    held = {label: np.concatenate(parts) for label, parts in values.items()}
    if POSITIVE not in held:
        raise ValueError("no document is held out: give more of them, or a larger --held-out")
    cuts = ngram_train.thirds(held[POSITIVE])
    medians = {label: float(np.nanmedian(each)) for label, each in held.items() if not np.isnan(each).all()}
    shares = {label: float(np.mean(each[~np.isnan(each)] <= cuts[1])) for label, each in held.items()}
    return out.getvalue(), {"thirds": list(cuts), "medians": medians, "head_and_middle": shares}


def _labels(recipe: Recipe, order: Order) -> dict[str, str]:
    """Source to label; BadInput for names that are no sources, or on both sides."""
    names = [source.name for source in recipe.sources]
    for name in (*order.positive, *order.negative):
        if name not in names:
            raise BadInput(f"{name}: the recipe has no source of this name; it has {', '.join(names)}")
        if name in order.positive and name in order.negative:
            raise BadInput(f"{name}: is named as positive and as negative; choose one")
    if order.kind == "fasttext" and not order.negative:
        raise BadInput("--negative: a classifier needs sources to tell the positive ones from; name some")
    return {**dict.fromkeys(order.positive, POSITIVE), **dict.fromkeys(order.negative, NEGATIVE)}


def _settings(order: Order) -> Any:
    """The trainer's settings, with what was typed in place of the defaults."""
    from taggers import fasttext_train, ngram_train

    made: Any = fasttext_train.Settings() if order.kind == "fasttext" else ngram_train.Settings()
    fields = {field.name: getattr(made, field.name) for field in dataclasses.fields(made)}
    changes: dict[str, Any] = {}
    for name, text in order.settings:
        if name not in fields:
            raise BadInput(f"--set {name}: {order.kind} has no setting of this name; it has "
                           f"{', '.join(f'{each} ({value})' for each, value in fields.items())}")
        try:
            changes[name] = type(fields[name])(text.replace("_", ""))
        except ValueError:
            what = "a number" if isinstance(fields[name], float) else "a whole number"
            raise BadInput(f"--set {name}={text}: not {what}; the default is {fields[name]}") from None
    return dataclasses.replace(made, **changes)


def _classifier_lines(card: Mapping[str, Any]) -> list[str]:
    found = card["evaluation"]

    def share(value: float | None) -> str:
        return "-" if value is None else f"{value:.1%}"

    body = [[f"{each['low']:.1f} .. {each['high']:.1f}", f"{each['count']:,}", share(each["predicted"]),
             share(each["observed"])] for each in found["calibration"]]
    auc = "-" if found["auc"] is None else f"{found['auc']:.4f}"
    error = "-" if found["calibration_error"] is None else f"{found['calibration_error']:.4f}"
    return [
        f"on {found['documents']:,} documents held out, {found['positives']:,} of them positive: accuracy "
        f"{share(found['accuracy'])}, precision {share(found['precision'])}, recall {share(found['recall'])} "
        f"at 0.5, AUC {auc}",
        f"calibration error {error}; how often documents of each probability are positive:", "",
        tables.table(["probability", "documents", "predicted", "observed"], body),
    ]


def _perplexity_lines(card: Mapping[str, Any]) -> list[str]:
    head, middle = card["thirds"]
    lines = [f"thirds of the positive documents held out: head up to {head:.6g}, middle up to {middle:.6g}"]
    lines += [f"{label}: median perplexity {median:.6g}, {card['head_and_middle'][label]:.1%} in head or middle"
              for label, median in card["medians"].items()]
    return lines


if __name__ == "__main__":
    from jobs.cli import main

    sys.exit(main(["train", *sys.argv[1:]]))
