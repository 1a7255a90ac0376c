"""The trigram model: its probabilities by the book, its file, and what is refused."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trigram_model
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_perplexity import BEGIN, END, UNKNOWN, Model, log2_probability, plain_words, read, word_hash

from taggers import ngram_file, ngram_train, perplexity
from taggers.ngram_train import Settings
from taggers.numbering import TooManyTokens
from taggers.text import TextBatch

WORDS = st.sampled_from(["a", "a", "a", "b", "b", "c", "d", "e", "f", "."])
LINES = st.lists(st.lists(WORDS, max_size=8).map(" ".join), max_size=30)


@settings(max_examples=60, deadline=None)
@given(LINES, st.integers(1, 6), st.integers(1, 2), st.integers(1, 2), st.integers(1, 3))
def test_probabilities_are_those_of_the_formula(
    tmp_path_factory: Any, lines: list[str], vocabulary: int, least_word: int, least_bigram: int, least_trigram: int
) -> None:
    chosen = Settings(vocabulary, least_word, least_bigram, least_trigram)
    text = "\n".join(["a b", *lines])
    path = tmp_path_factory.mktemp("model") / "model.bin"
    path.write_bytes(trained([text], chosen))
    model = read(str(path))
    expected = Reference(text.split("\n"), chosen, model)
    for before, last in expected.contexts:
        given = {this: 2 ** log2_probability(model, before, last, this) for this in expected.predicted}
        given[UNKNOWN] *= model.unknown
        wanted = {this: expected.probability((before, last), this) for this in expected.predicted}
        assert given == pytest.approx(wanted, rel=1e-6)
        assert sum(given.values()) == pytest.approx(1, abs=1e-6)
        assert sum(wanted.values()) == pytest.approx(1, abs=1e-12)


class Reference:
    """Interpolated modified Kneser-Ney as Chen and Goodman (1999) write it, over Counters."""

    def __init__(self, lines: Sequence[str], chosen: Settings, model: Model) -> None:
        said = Counter(word for line in lines for word in plain_words(line))
        number = {word: model.words.get(word_hash(word), UNKNOWN) for word in said}
        known = sorted((word for word in said if said[word] >= chosen.least_word),
                       key=lambda word: (-said[word], word_hash(word)))[: chosen.vocabulary]
        assert {word: place for word, place in number.items() if place} == {
            word: 3 + place for place, word in enumerate(known)
        }
        assert model.unknown == max(1, len(said) - len(known))

        trigrams: Counter[tuple[int, ...]] = Counter()
        for line in lines:
            if words := [number[word] for word in plain_words(line)]:
                sequence = [BEGIN, BEGIN, *words, END]
                trigrams.update(zip(sequence, sequence[1:], sequence[2:], strict=False))
        bigrams = Counter(trigram[1:] for trigram in trigrams)
        unigrams = Counter(bigram[1:] for bigram in bigrams)
        self.counts = {3: trigrams, 2: bigrams, 1: unigrams}
        self.discounts = {n: discounts(list(counts.values())) for n, counts in self.counts.items()}
        bigram_contexts = {pair for pair, count in bigrams.items() if count >= chosen.least_bigram} | {(BEGIN, BEGIN)}
        self.kept = {
            3: {key for key, count in trigrams.items() if count >= chosen.least_trigram and key[:2] in bigram_contexts},
            2: bigram_contexts,
            1: set(unigrams),
        }
        self.predicted = [UNKNOWN, END, *range(3, 3 + len(known))]
        words = [UNKNOWN, BEGIN, *range(3, 3 + len(known))]
        self.contexts = [(before, last) for before in words for last in words]
        self.followers: dict[tuple[int, ...], list[tuple[int, ...]]] = defaultdict(list)
        for counts in self.counts.values():
            for key in counts:
                self.followers[key[:-1]].append(key)

    def probability(self, context: tuple[int, ...], this: int) -> float:
        n = len(context) + 1
        shorter = self.probability(context[1:], this) if context else 1 / len(self.predicted)
        followers = self.followers[context]
        if not followers or (n == 3 and context not in self.kept[2]):
            return shorter
        counts, taken = self.counts[n], self.discounts[n]
        total = sum(counts[key] for key in followers)
        left = sum(taken[min(3, counts[key])] if key in self.kept[n] else counts[key] for key in followers)
        key = (*context, this)
        own = counts[key] - taken[min(3, counts[key])] if key in self.kept[n] else 0
        return own / total + left / total * shorter


def discounts(counts: Sequence[int]) -> dict[int, float]:
    n = {times: counts.count(times) for times in (1, 2, 3, 4)}
    try:
        share = n[1] / (n[1] + 2 * n[2])
        found = {times: times - (times + 1) * share * n[times + 1] / n[times] for times in (1, 2, 3)}
    except ZeroDivisionError:
        return {1: 0.5, 2: 1.0, 3: 1.5}
    return found if all(0 < found[times] <= times for times in found) else {1: 0.5, 2: 1.0, 3: 1.5}


def trained(texts: Sequence[str], chosen: Settings | None = None) -> bytes:
    stream = io.BytesIO()
    ngram_file.write(ngram_train.train([TextBatch.of_strings(texts)], chosen or Settings()), stream)
    return stream.getvalue()


def test_the_model_of_the_tests_is_what_its_script_makes() -> None:
    """Byte for byte, on any machine: no function of a library of mathematics has a part in it."""
    assert trigram_model.make() == trigram_model.PATH.read_bytes()


def test_neither_order_nor_batches_change_a_model() -> None:
    texts = [*trigram_model.TEXTS, "", "one word more"]
    stream = io.BytesIO()
    ngram_file.write(ngram_train.train((TextBatch.of_strings([text]) for text in reversed(texts)), Settings()), stream)
    assert stream.getvalue() == trained(texts)


def test_logarithms_are_those_of_a_library() -> None:
    values = np.concatenate([np.random.default_rng(1).random(2000), 2.0 ** -np.arange(60), [1.0]])
    assert np.allclose(ngram_train._logarithms(values), np.log2(values), rtol=1e-7, atol=1e-9)
    assert ngram_train._logarithms(np.zeros(1))[0] == -np.inf


def test_thirds_are_cut_points_of_what_has_words() -> None:
    assert ngram_train.thirds(np.array([5.0, np.nan, 1, 2, 3, 4, 6])) == (2.0, 4.0)
    assert ngram_train.thirds(np.array([7.0])) == (7.0, 7.0)
    with pytest.raises(ValueError, match="no words"):
        ngram_train.thirds(np.array([np.nan]))


def test_garbled_text_is_less_expected_than_what_it_was_made_of() -> None:
    model = ngram_file.read(str(trigram_model.PATH))
    text = trigram_model.TEXTS[0]
    garbled = " ".join(word[::-1] for word in text.split())
    value, words, known = perplexity.measure(model, TextBatch.of_strings([text, garbled]))
    assert value[1] > 10 * value[0]
    assert words[0] == words[1]
    assert known[1] < known[0]


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(ValueError, match="no words"):
        trained(["", " \n"])
    with pytest.raises(TooManyTokens, match="more than 3 words"):
        trained(["a b c d"], Settings(most_words=3))
    with pytest.raises(ValueError, match="vocabulary is 1 to 2,097,148; least_trigram is 1 or more"):
        trained(["a"], Settings(vocabulary=1 << 21, least_trigram=0))


@pytest.mark.parametrize(("broken", "message"), [
    (lambda data: b"", "an empty file"),
    (lambda data: b"no model" * 99, "does not begin like one"),
    (lambda data: data[:100], "cut short"),
    (lambda data: data[:-64], "cut short"),
    (lambda data: data + b"x", "1 bytes too many"),
    (lambda data: data[:8] + b"\x09" + data[9:], "version 9"),
    (lambda data: data[:16] + b"\xff" * 8 + data[24:], "do not fit"),
    (lambda data: data[:48] + b"\x01" + data[49:], "not what it was"),
    (lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:], "not what it was"),
])
def test_a_broken_file_is_refused(tmp_path: Path, broken: Any, message: str) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(broken(trigram_model.PATH.read_bytes()))
    with pytest.raises(ValueError, match=message):
        perplexity.check({"model": str(path)})


def test_tables_without_a_free_slot_are_refused(tmp_path: Path) -> None:
    """A search in one would not end."""
    model = ngram_file.read(str(trigram_model.PATH))
    path = tmp_path / "full.bin"
    full = model.tables._replace(bigram_key=np.abs(model.tables.bigram_key))
    with path.open("wb") as file:
        ngram_file.write(model._replace(tables=full), file)
    with pytest.raises(ValueError, match="do not fit"):
        ngram_file.read(str(path))
