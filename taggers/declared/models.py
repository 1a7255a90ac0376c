"""The taggers that run a file of the user's: fastText models, word lists, tokenizers."""

from __future__ import annotations

from taggers.declare import SHA256, Column, Family, Tagger

FASTTEXT = Tagger(
    name="fasttext",
    version=1,
    doc=(
        "What a supervised fastText model says of a text: quality, topic, toxicity. `model` is its path, relative to "
        "the recipe, or its URI, and `sha256` what it has to be. `solera train` makes one. Without a model it is the "
        "one that comes along, with the labels good and bad: a demonstration of 157 KB, trained on generated English "
        "of our own and no judge of real pages. On the 218 pages that DCLM's people labelled it has AUC 0.63, where "
        "0.5 is chance; for Wikipedia against web pages 0.97, which says only that these use other words, and its "
        "settings were chosen with both in view. The first max_chars code points (0: all) are read as one line: "
        "newlines and fastText's end token </s> become spaces, as DCLM does before it asks its model. Other line "
        "separators stay what they are (fastText parts words at ASCII whitespace and NUL), nothing is lower-cased, "
        "and blank space at the ends says nothing: a model is best trained on lines made the same way. Scores may "
        "differ from fastText's own by 0.00001, and in the last digits between CPUs."
    ),
    run="taggers.fasttext_model:run",
    columns=(
        Column("fasttext.top", "string", "label",
               "The likeliest label, without its __label__. Null if the text is only whitespace, or has nothing that "
               "the model knows."),
        Column("fasttext.score", "float32", "probability", "Its probability, 0 to 1. Null where top is."),
    ),
    parameters={"labels": [], "max_chars": 0, "model": None, SHA256: None},
    family=Family(
        prefix="fasttext.",
        parameter="labels",
        values=("bad", "good"),
        type="float32",
        unit="probability",
        doc="Probability of this label, 0 to 1. Null if the text is only whitespace, or has nothing that the model "
            "knows.",
        what="LABEL",
    ),
    file="model",
    bundled="taggers.quality_model:digest",
    check="taggers.fasttext_model:check",
    source="Joulin et al. 2016; fastText 0.9.2; DCLM (Li et al. 2024)",
    cost=9.6,
)

FASTTEXT_SENTENCES = Tagger(
    name="fasttext_sentences",
    version=2,
    doc=(
        "The probability of one `label` of a supervised fastText model for each sentence, as dolma has its toxicity "
        "models for hate and NSFW. `model` and `sha256` name the model. A sentence ends at a newline; after a run of "
        "any of . ! ? … where whitespace or the end follows; and after a run with any of 。！？ in it. Closing quotes "
        "and brackets behind the run belong to it. Spans are stored from the score `least` on."
    ),
    run="taggers.fasttext_sentences:run",
    columns=(
        Column("fasttext_sentences.count", "int64", "sentences",
               "Sentences that have text. 0 if there are none, never null."),
        Column("fasttext_sentences.spans", "spans", "sentence",
               "Sentences whose probability of the label is `least` or more, with it as score. Never null."),
        Column("fasttext_sentences.max", "float64", "probability",
               "The highest probability of the label in a sentence, `least` or not. Null where the model knows "
               "nothing in any."),
        Column("fasttext_sentences.mean", "float64", "probability",
               "Mean over sentences, weighted by their code points. Null where the model knows nothing in any."),
    ),
    parameters={"label": None, "least": 0.01, "model": None, SHA256: None},
    file="model",
    check="taggers.fasttext_sentences:check",
    source="Soldaini et al. 2024 (dolma 1.2.1's jigsaw taggers, by sentence); fastText 0.9.2",
    cost=7.9,
)

BADWORDS = Tagger(
    name="badwords",
    version=2,
    doc=(
        "Words and phrases of a `list`, a file in UTF-8 with one a line, such as LDNOOBW's, which C4 was filtered "
        "with; blank lines and those that begin with # and a space are skipped. Upper and lower case are alike, code "
        "point by code point (İ has no other, ς is σ), and a space in a phrase is just that. With `boundaries` a code "
        "point that is \\w (letters, digits and _ of any script) may stand neither before nor behind, so that a text "
        "has one where C4's (?:\\W|^)(word)(?:\\W|$) finds one in the lower-cased text; without, as C4 has Chinese, "
        "Japanese and Thai, they count inside words too. Of entries that begin at one place the longest counts, and "
        "none inside another. No list comes along."
    ),
    run="taggers.badwords:run",
    columns=(
        Column("badwords.count", "int64", "words",
               "Occurrences of entries of the list. 0 if there are none, never null."),
        Column("badwords.distinct", "int64", "words", "Different entries that occur. 0 if none does, never null."),
        Column("badwords.spans", "spans", "word", "Each occurrence, with score 1. Never null."),
    ),
    parameters={"boundaries": True, "list": None, SHA256: None},
    file="list",
    check="taggers.badwords:check",
    source="Raffel et al. 2020 (C4); LDNOOBW; datatrove 0.10.1's C4BadWordsFilter",
    cost=122,
)

TOKENS = Tagger(
    name="tokens",
    version=1,
    doc=(
        "Exact counts of tokens by a `tokenizer`, the path or URI of a Hugging Face tokenizer.json. What the file says "
        "of truncation and padding is not followed. The special tokens that it puts at the ends of a text count with "
        "`special_tokens`; one that is written out in a text counts as one token, as the library has it. Texts of more "
        "than 262,144 code points are encoded in windows that overlap, and that have to agree where they meet."
    ),
    run="taggers.tokens:run",
    columns=(
        Column("tokens.count", "int64", "tokens", "Tokens of the text. 0 for an empty text, never null."),
        Column("tokens.bytes_per_token", "float64", "bytes per token",
               "Bytes of the text in UTF-8 / tokens. Null without tokens."),
    ),
    parameters={"special_tokens": False, "tokenizer": None, SHA256: None},
    file="tokenizer",
    check="taggers.tokens:check",
    source="tokenizers (Hugging Face), 0.20 and later",
    cost=1.5,
)

MODEL_TAGGERS: tuple[Tagger, ...] = (FASTTEXT, FASTTEXT_SENTENCES, BADWORDS, TOKENS)
