"""The taggers of words, lines, paragraphs and characters, and the keys of whole texts."""

from __future__ import annotations

from taggers.declare import Column, Tagger

SIZES = Tagger(
    name="sizes",
    version=2,
    doc="The size of the text.",
    run="taggers.sizes:run",
    columns=(
        Column("sizes.bytes", "int64", "bytes", "Bytes of the text in UTF-8. 0 for an empty text, never null."),
        Column("sizes.chars", "int64", "characters",
               "Unicode code points of the text. 0 for an empty text, never null."),
        Column("sizes.tokens_approx", "int64", "tokens",
               "Bytes / 4, rounded up: what a recipe's counter `approx` counts, and no tokenizer's count. Never null."),
    ),
    parameters={},
    source="Unicode code points and UTF-8; four bytes a token, as a rule of thumb for English",
    cost=5900,
)

# "Word" is everywhere a run of non-whitespace, as str.split() has it; "length" counts code points.
WORDS = Tagger(
    name="words",
    version=2,
    doc="Word statistics of Gopher (Rae et al. 2021, Table A1), as dolma's gopher_v2 and as the paper has them.",
    run="taggers.words:run",
    columns=(
        Column("words.count", "int64", "words", "Words: runs of non-whitespace. 0 if there are none, never null."),
        Column("words.count_datatrove", "int64", "words",
               "Words that are more than punctuation (datatrove, but for its tokenizer). Never null."),
        Column("words.mean_length", "float64", "characters",
               "Mean word length in code points (the paper). Null without words."),
        Column("words.mean_length_datatrove", "float64", "characters",
               "Mean length of words that are more than punctuation (datatrove, but for its tokenizer, which parts "
               "words from punctuation). Null without such words."),
        Column("words.median_length", "float64", "characters",
               "Median word length in code points (dolma). Null without words."),
        Column("words.symbols", "float64", "share", "Words that contain # or … / words (dolma). Null without words."),
        Column("words.symbols_paper", "float64", "share",
               "Words that contain #, … or ... / words. Null without words."),
        Column("words.hashes_datatrove", "float64", "share",
               "Occurrences of # / words (datatrove, but for its tokenizer). It can pass 1. Null without words."),
        Column("words.ellipses_datatrove", "float64", "share",
               "Occurrences of … and of ... / words (datatrove, but for its tokenizer). Null without words."),
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
    source="Rae et al. 2021, Table A1; dolma 1.2.1, gopher_v2; datatrove 0.10.1, GopherQualityFilter",
    cost=171,
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
    version=2,
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
            "Lines that start, after whitespace, with • or - / lines, both of str.splitlines() (datatrove). Null if "
            "empty.",
        ),
        Column("lines.ellipsis_dolma", "float64", "share", "Lines that end with … / lines (dolma). Null if empty."),
        Column(
            "lines.ellipsis_datatrove",
            "float64", "share",
            "Lines that end, before whitespace, with … or ... / lines, both of str.splitlines() (datatrove). Null if "
            "empty.",
        ),
        Column(
            "lines.ellipsis_paper",
            "float64", "share",
            "Lines that end, before whitespace, with … or ... / lines (the paper). Null if empty.",
        ),
        *_duplicate_columns("lines"),
    ),
    parameters={},
    source=(
        "Rae et al. 2021, Table A1; dolma 1.2.1, gopher_v2; datatrove 0.10.1, GopherQualityFilter and "
        "GopherRepetitionFilter"
    ),
    cost=150,
)

PARAGRAPHS = Tagger(
    name="paragraphs",
    version=2,
    doc=(
        "Duplicate paragraphs of Gopher (Rae et al. 2021, Table A1). Paragraphs are what re.split(r'\\n{2,}', text) "
        "gives; two newlines at either end of the text leave an empty one there."
    ),
    run="taggers.paragraphs:run",
    columns=(
        Column("paragraphs.count", "int64", "paragraphs", "Paragraphs. 0 for an empty text, never null."),
        *_duplicate_columns("paragraphs"),
        Column(
            "paragraphs.duplicate_datatrove",
            "float64", "share",
            "Paragraphs of text.strip() that occurred before / paragraphs of text.strip() (datatrove). Null "
            "without words.",
        ),
        Column(
            "paragraphs.duplicate_chars_datatrove",
            "float64", "share",
            "Code points of paragraphs of text.strip() that occurred before / code points of the text (datatrove). "
            "Null without words.",
        ),
    ),
    parameters={},
    source="Rae et al. 2021, Table A1; datatrove 0.10.1, GopherRepetitionFilter",
    cost=177,
)

NGRAMS = Tagger(
    name="ngrams",
    version=2,
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
    source="Rae et al. 2021, Table A1; dolma 1.2.1, gopher_v2; datatrove 0.10.1, GopherRepetitionFilter",
    cost=90,
)

C4 = Tagger(
    name="c4",
    version=2,
    doc=(
        "The rules of C4 (Raffel et al. 2020) as dolma's c4_v2 has them, and as datatrove's C4QualityFilter and Data "
        "Prep Kit have them. Lines are what text.split('\\n') gives for dolma and what text.splitlines() gives for "
        "datatrove, which cuts citations before it looks at a line's end or for phrases. A span is a run of lines that "
        "follow one another, with their line breaks, so that it can be cut; an empty last line is counted and has no "
        "span. Case does not matter to phrases. Counts are 0 for an empty text; no column is ever null."
    ),
    run="taggers.c4:run",
    columns=(
        Column("c4.lines", "int64", "lines", "Newlines + 1 (dolma)."),
        Column("c4.no_punctuation", "spans", "lines",
               "Lines that, stripped, do not end with . ? ! or a double quote; blank ones too (dolma)."),
        Column("c4.no_punctuation_lines", "int64", "lines", "How many lines those are (dolma)."),
        Column("c4.few_words", "spans", "lines", "Lines of fewer than 3 words, blank ones too (dolma)."),
        Column("c4.few_words_lines", "int64", "lines", "How many lines those are (dolma)."),
        Column("c4.lines_datatrove", "int64", "lines", "Lines of text.splitlines() (datatrove)."),
        Column("c4.no_punctuation_datatrove", "spans", "lines",
               "Lines that, stripped and then without citations, do not end with . ? ! or a quote of either kind, or "
               "end with ... (datatrove). Whitespace before a citation at the end counts as the end."),
        Column("c4.few_words_datatrove", "spans", "lines", "Lines of fewer than 3 words, blank ones too (datatrove)."),
        Column("c4.long_word", "spans", "lines", "Lines with a word of more than 1,000 code points (datatrove)."),
        Column("c4.javascript_lines", "spans", "lines", "Lines that contain javascript (datatrove)."),
        Column("c4.policy_lines", "spans", "lines",
               "Lines that contain terms of use, privacy policy, cookie policy, uses cookies, use of cookies or use "
               "cookies (datatrove)."),
        Column("c4.citations", "spans", "citations",
               "What datatrove cuts from lines that it keeps: [1] with any digits or none, [edit], [citation needed]."),
        Column("c4.dropped_lines", "int64", "lines",
               "Lines that datatrove drops, for any of the five reasons whose lines are above."),
        Column("c4.sentences_left", "int64", "sentences",
               "Sentences in the lines that it keeps. A sentence ends with a word that ends in . ? or !, perhaps "
               "before quotes and brackets of ASCII, and with the line. datatrove asks a tokenizer, which knows "
               "abbreviations."),
        Column("c4.curly_brace", "bool", "yes or no", "Whether the text contains { (the paper, dolma)."),
        Column("c4.lorem_ipsum", "bool", "yes or no", "Whether the text contains lorem ipsum (the paper, dolma)."),
        Column("c4.javascript", "bool", "yes or no", "Whether the text contains javascript (dolma)."),
        Column("c4.curly_brace_datatrove", "bool", "yes or no",
               "Whether { stands in a line that datatrove drops neither for its punctuation, words or length nor for "
               "javascript: then it drops the document."),
        Column("c4.lorem_ipsum_datatrove", "bool", "yes or no",
               "Whether lorem ipsum stands in a line that datatrove does not drop for its punctuation, words or "
               "length: then it drops the document."),
    ),
    parameters={},
    source="Raffel et al. 2020, section 2.2; dolma 1.2.1, c4_v2; datatrove 0.10.1, C4QualityFilter",
    cost=122,
)

FINEWEB = Tagger(
    name="fineweb",
    version=1,
    doc=(
        "The rules that FineWeb adds (Penedo et al. 2024), as datatrove's FineWebQualityFilter computes them. Lines "
        "are what text.split('\\n') gives, without those of whitespace alone."
    ),
    run="taggers.fineweb:run",
    columns=(
        Column("fineweb.lines", "int64", "lines", "Lines that are not blank. 0 if there are none, never null."),
        Column("fineweb.punctuation", "float64", "share",
               "Lines whose very last character, unstripped, is one of 159 that end sentences in the scripts of the "
               "world / lines. Null without words."),
        Column("fineweb.short_lines", "float64", "share",
               "Lines of 30 code points or fewer / lines; the paper says shorter than 30. Null without words."),
        Column("fineweb.duplicate_chars", "float64", "share",
               "Code points of lines that occurred before / code points of the text that are no newlines. The paper "
               "drops from 0.1 on, datatrove by default from 0.01. Null without words."),
        Column("fineweb.newlines", "float64", "share",
               "Newlines / words (datatrove, but for its tokenizer, which finds more words). It can pass 1. Null "
               "without words."),
    ),
    parameters={},
    source="Penedo et al. 2024, section 3.6; datatrove 0.10.1, FineWebQualityFilter",
    cost=158,
)

REPETITION = Tagger(
    name="repetition",
    version=1,
    doc=(
        "Runs of one character, and runs of words that repeat with a period of 1 to 13 words. OLMo's data loader looks "
        "for the latter among tokens and drops what repeats 32 times or more; dolma's tokenizer_repetitions does too. "
        "Here they are words."
    ),
    run="taggers.repetition:run",
    columns=(
        Column("repetition.char_runs", "int64", "runs",
               "Runs of 4 or more of one code point, whitespace included. Never null."),
        Column("repetition.char_run_share", "float64", "share",
               "Code points in such runs / code points. Null if empty."),
        Column("repetition.longest_char_run", "int64", "characters",
               "Code points of the longest such run. 0 if there is none, never null."),
        Column("repetition.longest_visible_run", "int64", "characters",
               "The same without runs of whitespace. Never null."),
        Column("repetition.word_period_times", "int64", "repeats",
               "How often the words of the run with most repeats repeat, of runs whose period is 1 to 13 words and "
               "that repeat 3 times or more: the run's words / its period, rounded down. 0 without one, never null."),
        Column("repetition.word_period", "int64", "words",
               "The period of that run, the shortest if several repeat as often. 0 without one, never null."),
    ),
    parameters={},
    source="OLMo-core, find_periodic_sequences and InstanceFilterConfig; dolma 1.2.1, tokenizer_repetitions",
    cost=162,
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
    source="xxHash 0.8, XXH3 with 128 bits; Unicode Standard Annex 15",
    cost=2500,
)

TEXT_TAGGERS: tuple[Tagger, ...] = (SIZES, WORDS, LINES, PARAGRAPHS, NGRAMS, C4, FINEWEB, REPETITION, TEXT_HASH)
