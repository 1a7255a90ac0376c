"""The tagger of perplexity."""

from __future__ import annotations

from taggers.declare import SHA256, Column, Tagger

PERPLEXITY = Tagger(
    name="perplexity",
    version=1,
    doc=(
        "How little a trigram model of good text expects this one: low for text like what the model was trained on, "
        "high for lists, keywords, other languages and noise. `model` is a file that `solera train --kind ngram` wrote,"
        " by its path, relative to the recipe, or its URI, and `sha256` what it has to be. Text is read much as CCNet "
        "reads it: lower case, no accents, digits as 0, marks as words of their own, line by line. Smoothing is "
        "interpolated modified Kneser-Ney; words that the model does not know share their probability in equal parts. "
        "Values of two models cannot be compared."
    ),
    run="taggers.perplexity:run",
    columns=(
        Column("perplexity.value", "float64", "perplexity",
               "2 to the mean of -log2 p over all words and ends of lines, as CCNet has it. Null without words."),
        Column("perplexity.known", "float64", "share",
               "Words that the model knows / words, marks being words. Null without words."),
    ),
    parameters={"model": None, SHA256: None},
    file="model",
    check="taggers.perplexity:check",
    source="CCNet (Wenzek et al. 2020), with words and trigrams for its pieces and 5-grams; Chen and Goodman 1999",
    cost=61,
)

PERPLEXITY_TAGGERS: tuple[Tagger, ...] = (PERPLEXITY,)
