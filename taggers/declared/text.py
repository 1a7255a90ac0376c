"""The taggers of words, lines, paragraphs and characters, and the keys of whole texts."""

from __future__ import annotations

from taggers.declare import Column, Tagger

SIZES = Tagger(
    name="sizes",
    version=1,
    doc="The size of the text.",
    run="taggers.sizes:run",
    columns=(
        Column("sizes.bytes", "int64", "bytes", "Bytes of the text in UTF-8. 0 for an empty text, never null."),
        Column("sizes.chars", "int64", "characters",
               "Unicode code points of the text. 0 for an empty text, never null."),
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
        Column("words.count", "int64", "words", "Words: runs of non-whitespace. 0 if there are none, never null."),
        Column("words.mean_length", "float64", "characters",
               "Mean word length in code points (the paper). Null without words."),
        Column("words.median_length", "float64", "characters",
               "Median word length in code points (dolma). Null without words."),
        Column("words.symbols", "float64", "share", "Words that contain # or … / words (dolma). Null without words."),
        Column("words.symbols_paper", "float64", "share",
               "Words that contain #, … or ... / words. Null without words."),
        Column("words.alphabetic", "float64", "share",
               "Words with a letter (category L*) / words. Null without words."),
        Column(
            "words.required",
            "int64", "words",
            "Occurrences of the, be, to, of, and, that, have, with, case-sensitive (dolma). Never null.",
        ),
        Column("words.required_distinct", "int64", "words",
               "How many of those eight words occur (the paper). Never null."),
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
    return tuple(Column(f"{name}.{measure}", "float64", "share", doc[0].upper() + doc[1:])
                 for measure, doc in docs.items())


LINES = Tagger(
    name="lines",
    version=1,
    doc=(
        "Line statistics of Gopher (Rae et al. 2021, Table A1). Lines are what re.split(r'\\n+', text) gives, as in "
        "dolma's gopher_v2: blank lines vanish, but a newline at either end of the text leaves an empty line there."
    ),
    run="taggers.lines:run",
    columns=(
        Column("lines.count", "int64", "lines", "Lines. 0 for an empty text, never null."),
        Column("lines.bullets_dolma", "float64", "share",
               "Lines that start with * or - / lines (dolma). Null if empty."),
        Column(
            "lines.bullets_datatrove",
            "float64", "share",
            "Lines that start, after whitespace, with • or - / lines; datatrove counts blank lines too. Null if empty.",
        ),
        Column("lines.ellipsis_dolma", "float64", "share", "Lines that end with … / lines (dolma). Null if empty."),
        Column(
            "lines.ellipsis_paper",
            "float64", "share",
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
        Column("paragraphs.count", "int64", "paragraphs", "Paragraphs. 0 for an empty text, never null."),
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
                "float64", "share",
                f"Count of the most frequent {n}-gram x its letters / letters in all words (dolma). Of equally "
                "frequent ones the first to occur. Overlapping occurrences all count, so it can pass 1.",
            )
            for n in (2, 3, 4)
        ),
        *(
            Column(
                f"ngrams.top_{n}_datatrove",
                "float64", "share",
                f"Count of the most frequent {n}-gram x its code points with a space between words / code points of "
                "the text (datatrove, but for its tokenizer). Ties as above.",
            )
            for n in (2, 3, 4)
        ),
        *(
            Column(
                f"ngrams.duplicate_{n}",
                "float64", "share",
                f"Letters of {n}-grams that occur more than once, every occurrence counted, / letters of all {n}-grams "
                "(dolma).",
            )
            for n in range(5, 11)
        ),
        *(
            Column(
                f"ngrams.covered_{n}",
                "float64", "share",
                f"Letters under {n}-grams that occurred before, none counted twice, / code points of the text (the "
                f"paper as datatrove has it: from left to right, and after a repeated {n}-gram on from its end).",
            )
            for n in range(5, 11)
        ),
    ),
    parameters={},
)

TEXT_HASH = Tagger(
    name="text_hash",
    version=1,
    doc=(
        "A key by which equal texts are found. `normalise` lists, sorted, what is evened out before: nfc, lower, "
        "punctuation (categories P* go), whitespace (runs become one space, none at the ends)."
    ),
    run="taggers.text_hash:run",
    columns=(
        Column("text_hash.key", "key128", "key", "xxh3-128, big-endian, of the normalised text in UTF-8. Never null."),
    ),
    parameters={"normalise": []},
)

TEXT_TAGGERS: tuple[Tagger, ...] = (SIZES, WORDS, LINES, PARAGRAPHS, NGRAMS, TEXT_HASH)
