"""How often language taggers are right, and how fast they are, on labelled text. Run: python benchmarks/language.py

Accuracy: on the sentences of corpora/langid and on the labelled pages of corpora/web and corpora/wiki, by the length of
the text; micro is over texts, macro over languages. Codes are compared as ISO 639-3 macro-languages, so that cmn is zho
and arb ara, and so that no, nb and nn are one, and sr, hr, bs and sh. Texts in languages that a model does not have are
left out of its accuracy, and told apart. "kept" is the share of the texts that are right with a score of 0.65 or more,
as the usual rule wants it; "stray" is that of the texts with such a score that are wrong, unknown languages included.

Speed: of our taggers beside the libraries themselves over the same texts, every round one after the other.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).absolute().parents[1]
sys.path.insert(0, str(ROOT))  # so that it runs from a checkout, without installing

import pyarrow as pa  # noqa: E402
import zstandard  # noqa: E402

from taggers import language  # noqa: E402
from taggers.declare import Use  # noqa: E402
from taggers.language_codes import LANGID_CODES, LANGUAGE_CODES  # noqa: E402
from taggers.registry import find_tagger  # noqa: E402
from taggers.run import run  # noqa: E402
from taggers.text import TextBatch  # noqa: E402

LENGTHS = (30, 100, 300, 1000, 10_000)  # code points; the bounds of the buckets
USUAL = 0.65  # the threshold of FineWeb, DCLM and Dolma 3


class Labelled(NamedTuple):
    text: str
    code: str  # as `same` has it


class Model(NamedTuple):
    tagger: str
    max_chars: int
    known: frozenset[str]


class Answer(NamedTuple):
    code: str | None
    score: float


def main() -> None:
    beside = os.environ.get("SOLERA_CORPORA") or ROOT.parent / "shared" / "corpora"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("corpora", nargs="?", type=Path, default=Path(beside), help="folder of langid, web and wiki")
    parser.add_argument("--all", action="store_true", help="every text, where else one of 8 is taken; takes minutes")
    parser.add_argument("--rounds", type=int, default=5, help="of the speeds")
    arguments = parser.parse_args()
    step = 1 if arguments.all else 8
    sets = {
        "sentences": list(itertools.islice(sentences(arguments.corpora / "langid"), None, None, step)),
        "web and wiki pages": list(itertools.islice(pages(arguments.corpora), None, None, step)),
    }
    if not all(sets.values()):
        parser.error(f"no langid, web and wiki in {arguments.corpora}; SOLERA_CORPORA says where real data is")
    for name, texts in sets.items():
        print_accuracy(name, texts)
    print_speeds(sets, arguments.rounds)


# ---- what is right


def print_accuracy(name: str, texts: Sequence[Labelled]) -> None:
    languages = {text.code for text in texts}
    print(f"\n{len(texts):,} {name} in {len(languages)} languages; right, %: micro / macro, and by code points")
    bounds = [*map(str, LENGTHS)]
    buckets = [f"< {bounds[0]}", *(f"< {bound}" for bound in bounds[1:]), f">= {bounds[-1]}"]
    print(f"{'':22} {'texts':>7} {'micro':>6} {'macro':>6}  {' '.join(f'{each:>8}' for each in buckets)}"
          f" {'unknown':>8} {'kept':>5} {'stray':>5}")
    answers = {model: ask(model, texts) for model in models()}
    both = frozenset.intersection(*(model.known for model in answers))
    for shared in (True, False):
        print("languages that all models have" if shared else "languages that each model has")
        for model, given in answers.items():
            known = both if shared else model.known
            kept = [(text, answer) for text, answer in zip(texts, given, strict=True) if text.code in known]
            others = [answer for text, answer in zip(texts, given, strict=True) if text.code not in model.known]
            print_row(model, kept, others)


def print_row(model: Model, kept: Sequence[tuple[Labelled, Answer]], others: Sequence[Answer]) -> None:
    by_language: dict[str, list[bool]] = defaultdict(list)
    by_length: dict[int, list[bool]] = defaultdict(list)
    for text, answer in kept:
        right = answer.code == text.code
        by_language[text.code].append(right)
        by_length[sum(len(text.text) >= bound for bound in LENGTHS)].append(right)
    micro = percent([right for each in by_language.values() for right in each])
    macro = f"{100 * statistics.mean(statistics.mean(each) for each in by_language.values()):.1f}"
    shares = " ".join(f"{percent(by_length[bucket]):>8}" for bucket in range(len(LENGTHS) + 1))
    passes = [answer.code == text.code for text, answer in kept if answer.score >= USUAL]
    strays = [not right for right in passes] + [True for answer in others if answer.score >= USUAL]
    label = f"{model.tagger}, {model.max_chars or 'all'}"
    print(f"{label:22} {len(kept):>7,} {micro:>6} {macro:>6}  {shares} {len(others):>8,}"
          f" {100 * sum(passes) / len(kept):>5.1f} {percent(strays):>5}")


def percent(marks: Sequence[bool]) -> str:
    return f"{100 * statistics.mean(marks):.1f}" if marks else "-"


def models() -> Iterator[Model]:
    for max_chars in (0, 50_000, 10_000, 1_000, 300):
        yield Model("language", max_chars, frozenset(map(same, LANGUAGE_CODES)))
    for max_chars in (0, 50_000, 10_000, 1_000, 300):
        yield Model("langid", max_chars, frozenset(map(same, LANGID_CODES)))


def ask(model: Model, texts: Sequence[Labelled]) -> list[Answer]:
    columns = tag(model.tagger, model.max_chars)(pa.array([text.text for text in texts], pa.large_string()))
    pairs = zip(columns[f"{model.tagger}.top"].to_pylist(), columns[f"{model.tagger}.score"].to_pylist(), strict=True)
    return [Answer(None if code is None else same(code), score or 0.0) for code, score in pairs]


def tag(name: str, max_chars: int, *languages: str) -> Callable[[pa.LargeStringArray], dict[str, pa.Array]]:
    tagger = find_tagger(name)
    assert tagger is not None
    use = Use(tagger, {**tagger.parameters, "max_chars": max_chars, "languages": list(languages)})
    return lambda texts: run([use], TextBatch.of_arrow(texts))[use.key]


# ---- labelled texts


def sentences(folder: Path) -> Iterator[Labelled]:
    for path in sorted(folder.glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
            code, _, text = line.partition("\t")
            yield Labelled(text, same(code))


def pages(corpora: Path) -> Iterator[Labelled]:
    for path in [*sorted((corpora / "web").glob("*.zst")), *sorted((corpora / "wiki").glob("*.zst"))]:
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            for line in io.TextIOWrapper(stream, "utf-8"):
                record = json.loads(line)
                if code := (record.get("metadata") or {}).get("lang"):
                    yield Labelled(record["text"], same(code))


def same(code: str) -> str:
    """One code for what the models and the labels call by several, told apart by script or country or not at all."""
    plain = code.replace("_", "-").split("-")[0]
    return _SAME.get(plain, plain)


# Of each line all codes are one language here: ISO 639-1 and 639-3, macro-languages with what they hold, old codes.
_SAME = {code: line.split()[0] for line in """
    sr hr bs sh srp hrv bos
    no nb nn nor nob nno
    zh zho cmn
    ar ara arb
    fa fas pes prs
    ms msa zsm zlm
    id ind
    sq sqi als
    et est ekk
    lv lav lvs
    mn mon khk
    ne nep npi
    or ori ory
    sw swa swh
    uz uzb uzn
    az aze azj
    ku kur kmr
    mg mlg plt
    yi yid ydd
    ps pus pbu pbt
    qu que quz quy qug qud qvn qvm qvh qvc qva qwh qxu qxn qxa
    gn grn gug
    ay aym ayr
    tl tgl fil
    el ell
    he heb
    de deu
    en eng
    fr fra
    es spa
    it ita
    pt por
    ru rus
    pl pol
    cs ces
    sk slk
    sl slv
    nl nld
    sv swe
    da dan
    fi fin
    is isl
    hu hun
    ro ron
    bg bul
    mk mkd
    uk ukr
    be bel
    lt lit
    ka kat
    hy hye
    tr tur
    ja jpn
    ko kor
    th tha
    vi vie
    hi hin
    bn ben
    ur urd
    ta tam
    te tel
    ml mal
    kn kan
    gu guj
    pa pan
    mr mar
    si sin
    my mya
    km khm
    lo lao
    am amh
    eu eus
    ca cat
    gl glg
    cy cym
    ga gle
    gd gla
    br bre
    af afr
    eo epo
    la lat
    mt mlt
    lb ltz
    fo fao
    fy fry fri
    oc oci lnc
    co cos
    wa wln
    an arg
    so som
    ha hau
    yo yor
    ig ibo
    zu zul
    xh xho
    sn sna
    st sot
    rw kin
    lg lug
    ln lin
    om orm gaz
    ti tir
    jv jav
    su sun
    ht hat
    kk kaz
    ky kir
    tg tgk
    tk tuk
    tt tat
    ug uig
    ba bak
    cv chv
    os oss
    sa san
    bo bod
    dz dzo
    io ido
    ia ina
    vo vol
    se sme
    sc srd src
    rm roh
    dv div
    av ava
    ce che
    kv kom
    kw cor
    ie ile
    ff fuv fuc
    ki kik
""".strip().splitlines() for code in line.split()}


# ---- how fast


def print_speeds(sets: dict[str, list[Labelled]], rounds: int) -> None:
    print(f"\nMB/s, median of {rounds} rounds; the libraries are given their texts ready made")
    for name, labelled in sets.items():
        texts = [each.text for each in labelled]
        tasks = speed_tasks(texts)
        times: dict[str, list[float]] = {task: [] for task in tasks}
        for turn in range(rounds + 1):  # the first compiles, loads models and warms caches
            for task, (_, function) in tasks.items():
                start = time.perf_counter()
                function()
                if turn:
                    times[task].append(time.perf_counter() - start)
        print(f"{name}: {len(texts):,}, {megabytes(texts):.1f} MB")
        for task, seconds in times.items():
            over = tasks[task][0]
            each = 1e6 * statistics.median(seconds) / len(over)
            print(f"    {task:40} {megabytes(over) / statistics.median(seconds):8.2f} {each:9.1f} µs a text")


def speed_tasks(texts: Sequence[str]) -> dict[str, tuple[Sequence[str], Callable[[], Any]]]:
    """What is timed, and the texts that it goes over."""
    import fasttext
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    bare = fasttext.load_model(language.model_path()).f
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    array = pa.array(texts, pa.large_string())
    lines = [text.replace("\n", " ").replace("</s>", " ") + "\n" for text in texts]
    some = texts[:: max(1, len(texts) // 300)]  # for the slow one
    return {
        "fastText itself, the best label": (texts, lambda: [bare.predict(line, 1, 0.0, "strict") for line in lines]),
        "fastText itself, many texts in a call": (texts, lambda: bare.multilinePredict(lines, 1, 0.0, "strict")),
        "fastText itself, all labels": (texts, lambda: [bare.predict(line, -1, 0.0, "strict") for line in lines]),
        "language": (texts, lambda: tag("language", 0)(array)),
        "language, one label asked for": (texts, lambda: tag("language", 0, "en")(array)),
        "language_paragraphs": (texts, lambda: tag("language_paragraphs", 0, "en")(array)),
        "py3langid itself": (some, lambda: [identifier.classify(text) for text in some]),
        "langid": (texts, lambda: tag("langid", 0, "en")(array)),
    }


def megabytes(texts: Sequence[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


if __name__ == "__main__":
    main()
