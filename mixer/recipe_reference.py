"""Every word a recipe may use: the tables that the parser checks against, and that docs/recipe.md is written from.

`python -m mixer.recipe_reference > docs/recipe.md` writes the page again; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

REQUIRED = object()  # the default of a key that has none


@dataclass(frozen=True)
class Key:
    """One key of a section. `takes` names an entry of TAKES."""

    name: str
    takes: str
    doc: str
    default: object = REQUIRED
    choices: tuple[str, ...] = ()
    least: int | None = None  # for numbers; "positive" ones are above 0 in any case
    nullable: bool = False  # whether null may stand there, which is then nothing of the kind


@dataclass(frozen=True)
class Vocabulary:
    """The keys of one section of a recipe."""

    title: str
    doc: str
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Method:
    """A way of deciding that two documents, or parts of them, are the same.

    Its parameters are those of its tagger, which decide what is measured of each document, and settings of its own,
    which decide what becomes of that.
    """

    use: str
    doc: str
    tagger: str | None = None
    column: str | None = None  # of the tagger, that is compared
    kind: Literal["documents", "spans"] = "documents"
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # what a tagger's parameter may be, or list
    settings: tuple[Key, ...] = ()
    shorthands: tuple[str, ...] = ()  # settings that stand for others, and are not kept
    planned: tuple[str, ...] = ()  # settings that only a plan reads: a change finds nothing anew


TAKES = {
    "about": "a mapping of text to text",
    "bound": "a value of the column's type",
    "bounds": "a list of values of the column's type",
    "choice": "a choice",
    "column_names": "a mapping of columns to columns",
    "curve": "a [curve](#curve)",
    "dedup": "a list of [methods](#dedup)",
    "edits": "a mapping of columns of spans to [edits](#edit)",
    "elsewhere": "a mapping of where to [figures](#published-of-a-source)",
    "figure": "a number as it was printed, such as 410B, 1.40T, 8.5M or 22%; or null for what was not published",
    "globs": "a glob, or a list of globs",
    "holdout": "a mapping of names to [splits](#hold-out)",
    "keep": "a mapping of columns to [bounds](#keep)",
    "kinds": "a mapping of kinds to [stand-ins](#stand-in), or to other kinds",
    "method": "a [method](#dedup)",
    "name": "a name: `a-z`, `0-9`, `_` and `-`, and not `_` or `-` first",
    "names": "a list of names",
    "policy": "a [policy](#policy)",
    "prefer_by": "a [preference](#preference)",
    "number": "a number",
    "positive": "a number above 0",
    "published": "[figures](#published)",
    "published_source": "[figures](#published-of-a-source)",
    "references": "a mapping of names to [references](#reference)",
    "replacement": "text, which may be spaces",
    "said": "what was published, or null for what was not",
    "sample": "a [sample](#sample)",
    "share": "a number from 0 to 1",
    "sources": "a mapping of names to [sources](#sources)",
    "stages": "a mapping of names to [stages](#stages)",
    "taggers": "a mapping of names to [taggers](#taggers)",
    "text": "text",
    "use": "a name, `@` and a version",
    "true": "`true`",
    "version": "`x.y.z`",
    "weight": "a number from 0 to 1, a fraction of two numbers (`60/101`), or `rest`",
    "whole": "a whole number",
}

RECIPE = Vocabulary(
    title="Recipe",
    doc="The keys at the left margin of the file.",
    keys=(
        Key("name", "name", "The mixture's name."),
        Key(
            "version", "version", "The recipe's own version, by semantic versioning. A changed recipe is a new version."
        ),
        Key("description", "text", "What the mixture is for, in a sentence.", None),
        Key("license", "text", "The license the mixture is published under; a source's goes in its `about`.", None),
        Key("about", "about", "Anything else worth recording. It is copied to the manifest, and decides nothing.", {}),
        Key("seed", "whole", "Every draw follows from it and the document's own source and id.", least=0),
        Key("corpus", "text", "The folder or bucket of the shards. A relative one starts at the recipe file's folder."),
        Key("unit", "choice", "What weights and the budget count.", choices=("tokens", "bytes", "docs")),
        Key(
            "counter",
            "choice",
            "How tokens are counted; only with `unit: tokens`. `approx` is UTF-8 bytes divided by 4, rounded up for "
            "each document. `tokens@1` counts by the tokenizer that the recipe's `taggers` name: `tokens: {use: "
            "tokens@1, tokenizer: FILE}`.",
            "approx",
            choices=("approx", "tokens@1"),
        ),
        Key(
            "budget",
            "whole",
            "How many units the mixture holds. Required by all policies but `proportional`; there, all there is.",
            None,
            least=1,
        ),
        Key("policy", "policy", "How the budget is shared among sources."),
        Key("taggers", "taggers", "Parameters, files and names of taggers, where the defaults do not serve.", ()),
        Key("dedup", "dedup", "Methods, applied in order, each among the documents still alive.", ()),
        Key(
            "prefer",
            "names",
            "Sources, best first: of documents that are the same, the one from the best source stays. "
            "Sources not listed come last, in the order of the file.",
            (),
        ),
        Key(
            "prefer_by",
            "prefer_by",
            "Of documents that are the same and from sources that are equally good, the one with the "
            "[best value](#preference) of a column stays. Without it, or where values are equal, a draw decides.",
            None,
        ),
        Key("reference", "references", "What is only compared with: a document that is also there is dropped.", ()),
        Key("keep", "keep", "Rules for every source. The first that fails is the reason for a drop.", ()),
        Key("edit", "edits", "What is cut out of texts, or replaced, of every source.", ()),
        Key("holdout", "holdout", "Documents that are kept from the mixture for evaluation, with all that is like "
            "them. `--split NAME` makes a mixture of them.", ()),
        Key("stages", "stages", "Later stages of the same training.", ()),
        Key("published", "published", "What was published of this mixture: `solera lint` works it out again.", {}),
        Key("sources", "sources", "The parts of the mixture."),
        Key(
            "on_shortfall",
            "choice",
            "When a source has less than its share, after `max_epochs`: stop, or share the rest among the others "
            "in proportion to their weights.",
            "error",
            choices=("error", "redistribute"),
        ),
        Key(
            "order",
            "choice",
            "The order of documents in the mixture.",
            "shuffled",
            choices=("shuffled", "by-source"),
        ),
        Key("shard_bytes", "whole", "Size of one output shard in bytes, before compression.", 256_000_000, least=1),
    ),
)

POLICY = Vocabulary(
    title="Policy",
    doc="What a source's share of the budget is in proportion to, before `max_epochs` and `min_weight`: `fixed`, its "
    "`weight`; `proportional`, what is there of it; `temperature`, that to the power of 1/`tau`, so that small sources "
    "have more (mBERT 1.43, XLM 2.0, XLM-R and mT5 3.33); `unimax`, as much as any other, up to `max_epochs` of it "
    "(arXiv:2304.09151).",
    keys=(
        Key(
            "kind",
            "choice",
            "The rule that shares the budget.",
            choices=("fixed", "proportional", "temperature", "unimax"),
        ),
        Key("tau", "positive", "Of `temperature`, which needs it: 1 is `proportional`, more is more even, and 0.1 is "
            "the least.", None),
        Key("max_epochs", "positive", "Of `unimax`, which needs it: the most epochs of any source.", None),
    ),
)

# What a stand-in for a source is chosen by.
KINDS = ("web", "book", "code", "wiki", "forum", "paper", "conversation", "news", "math", "instruction", "image_text",
         "video_text", "legal", "patents", "email", "subtitles", "other")

SOURCE = Vocabulary(
    title="Sources",
    doc="A source is a slice of the corpus: some shards, and of those the documents that its rules keep. Sources may "
    "share shards, but no document: one that the rules of two sources keep is an error. Names and their order enter no "
    "draw.",
    keys=(
        Key("shards", "globs", "Shards, relative to the corpus: `web/*.jsonl.zst`. Null in a recipe of published "
            "figures, which needs `--stand-ins` to be run.", nullable=True),
        Key("kind", "choice", "What it is, for `--stand-ins`.", None, choices=KINDS),
        Key(
            "weight",
            "weight",
            "The share of the budget. Required by `policy: {kind: fixed}`, where weights sum to exactly 1, and `rest` "
            "is what the others leave; else forbidden.",
            None,
        ),
        Key("max_epochs", "positive", "How often a document may be repeated, on average over the source.", None),
        Key("min_weight", "share", "The least share of the budget, whatever the policy gives; `max_epochs` wins.",
            None),
        Key("keep", "keep", "Rules for this source alone, after the recipe's. They can only be stricter.", ()),
        Key("edit", "edits", "Edits for this source alone, beside the recipe's.", ()),
        Key("sample", "sample", "Keeps documents by chance, those of better scores more often.", None),
        Key("curve", "curve", "Repeats documents of better scores more often.", None),
        Key(
            "about",
            "about",
            "Where it is from, such as `license`, `upstream` and `snapshot`. It is copied to the manifest.",
            {},
        ),
        Key("published", "published_source", "What was published of this source.", {}),
        Key("published_elsewhere", "elsewhere", "What was published of it in other places.", {}),
    ),
)

REFERENCE = Vocabulary(
    title="Reference",
    doc="A published mixture, a benchmark, or anything else whose documents are not to be in the mixture again. In "
    "every cluster its document is the one that stays. Nothing of it is judged, drawn or built, and only what dedup "
    "compares is measured of it. In a corpus of its own, documents need no source: one without is of a source called "
    "like the reference.",
    keys=(
        Key("shards", "globs", "Shards, relative to the corpus of the reference: `data/*.jsonl.zst` of a mixture."),
        Key("corpus", "text", "The folder or bucket of its shards, where that is not the recipe's corpus. A relative "
            "one starts at the recipe file's folder.", None),
    ),
)

RULE = Vocabulary(
    title="Keep",
    doc="Each bound is one rule, in the order of the file: `words.count: {min: 50, max: 100_000}` is two. A document "
    "whose value is missing fails the rule. Whole-number columns take whole numbers. All are in `solera taggers`; what "
    "`solera import` read is `dolma.EXPERIMENT.ATTRIBUTE.score`, the first span's, or `.count`, the number of spans.",
    keys=(
        Key("min", "bound", "The value is this or more. Numbers only.", None),
        Key("max", "bound", "The value is this or less. Numbers only.", None),
        Key("is", "bound", "The value is this.", None),
        Key("in", "bounds", "The value is one of these.", None),
        Key("not_in", "bounds", "The value is none of these.", None),
        Key("top", "share", "Numbers only: the documents with the greatest values, up to this share of the units of "
            "those that pass all other bounds of a source and have a value. Of equal ones a draw decides.", None),
    ),
)

EDIT = Vocabulary(
    title="Edit",
    doc="`pii.email: {replace: \"|||EMAIL_ADDRESS|||\"}`: what becomes of the spans in a column, in all documents that "
    "are taken. Dedup and the budget see texts as they were; the plan says what edits take from them. Cuts beat "
    "replacements: one that a cut overlaps is cut, too. Of replacements that overlap the first stands for all.",
    keys=(
        Key("cut", "true", "The spans go. Either this or `replace`.", None),
        Key("replace", "replacement", "What stands in their place.", None),
        Key("min_score", "number", "Spans of a lower score are left alone.", None),
        Key("max_removed", "share", "A document goes if this edit would take more than this share of its bytes. One of "
            "which nothing would be left goes in any case.", Decimal(1)),
    ),
)

HOLDOUT = Vocabulary(
    title="Hold-out",
    doc="`holdout: {validation: {share: 0.001}}`. What is held out follows from the seed, the split's name and the "
    "cluster, so that of documents that are the same by the method `by` all are held out, or none.",
    keys=(
        Key("share", "share", "The share of clusters, and of documents that are like no other, that is held out."),
        Key("by", "method", "A method that relates documents: by default the last of those in `dedup`.", None),
    ),
)

STAGE = Vocabulary(
    title="Stages",
    doc="`stages: {midtraining: {recipe: midtraining.yaml}}`. Each is a recipe of its own, with its own budget and "
    "mixture (`--stage NAME`); what is held out of the first is held out of all, and a plan adds up how often each "
    "document is seen over the whole training.",
    keys=(Key("recipe", "text", "Its recipe: a path that starts at this recipe's folder and ends in `.yaml`."),),
)

SAMPLE = Vocabulary(
    title="Sample",
    doc="`sample: {column: quality.score, rule: pareto, alpha: 9}`. A document without a score goes.",
    keys=(
        Key("column", "text", "A column of numbers from 0 to 1, where 1 is best."),
        Key("rule", "choice", "`pareto`: kept with probability (2 - score)^-`alpha` (GPT-3 9, The Pile 3). "
            "`proportional`: with a probability equal to the score (PaLM).", choices=("pareto", "proportional")),
        Key("alpha", "whole", "Of `pareto`, which needs it.", None, least=1),
    ),
)

CURVE = Vocabulary(
    title="Curve",
    doc="`curve: {column: quality.score}`, as Dolma 3 has it. Documents are ranked by the score, ties by the draw; "
    "those with the lowest go, and the others are repeated by f(x) = C x^p e^(l x) of their rank x, counted from the "
    "cut: C so that the source gives its share, p (0.01 to 2) and then l (0 to 2) as great as the mean of f over the "
    "best bucket stays within `max_upsample`. A document without a score is not taken.",
    keys=(
        Key("column", "text", "A column of numbers, the greatest best."),
        Key("buckets", "whole", "Ranks are evened out to so many buckets of equal units.", 20, least=1),
        Key("discard", "share", "The share of the pool that goes: a whole number of buckets.", Decimal("0.4")),
        Key("max_upsample", "positive", "The most epochs of a bucket.", Decimal(7)),
    ),
)

PUBLISHED = Vocabulary(
    title="Published",
    doc="Figures of a published mixture, as they were printed, beside what the recipe does. They decide nothing. Null "
    "is what was not published. `solera lint` works out again what follows from them, and allows half a unit of the "
    "last printed digit: zeros at the end of a whole number are no printed digits, those of 410B, 0.60 or `410e9` are.",
    keys=(
        Key("name", "said", "What it is called there.", None),
        Key("ref", "said", "Where the figures are from.", None),
        Key("status", "said", "How they are known: `primary` (read in the paper, card or repository itself), "
            "`secondary` (in one that quotes it) or `memory`. A source's own stands above this one.", None),
        Key("disclosure", "said", "What its makers say of what they do not publish. Where it stands, a recipe that "
            "cannot be written says so.", None),
        Key("unit", "said", "What its tokens are.", None),
        Key("trained_tokens", "figure", "Tokens of the training run. Exact.", None),
        Key("trained_words", "figure", "Its words. Exact.", None),
        Key("trained_docs", "figure", "Its documents, or images. Exact.", None),
        Key("total_tokens", "figure", "The sum of the sources' `tokens`.", None),
        Key("pool_tokens", "figure", "The sum of the sources' `pool_tokens`.", None),
        Key("effective_gib", "figure", "The sum of the sources' `effective_gib`.", None),
    ),
)

PUBLISHED_SOURCE = Vocabulary(
    title="Published, of a source",
    doc="The same of one source. What was published of the same thing in another place stands under "
    "`published_elsewhere`, by that place, in the same words.",
    keys=(
        Key("name", "said", "What it is called there.", None),
        Key("status", "said", "How these are known, if not as the others.", None),
        Key("unit", "said", "What its tokens are. Only those of one unit are compared.", None),
        Key("tokens", "figure", "Tokens of the source.", None),
        Key("words", "figure", "Its words.", None),
        Key("bytes", "figure", "Its bytes.", None),
        Key("docs", "figure", "Its documents.", None),
        Key("gib", "figure", "Its size in GiB.", None),
        Key("disk", "said", "Its size on disk.", None),
        Key("mean_doc", "said", "The mean size of a document.", None),
        Key("cutoff", "said", "The date that its documents end with.", None),
        Key("weight", "figure", "Its share of what is trained on.", None),
        Key("share", "figure", "Its share of `total_tokens`.", None),
        Key("loss_weight", "figure", "What its loss is multiplied by, which is no share.", None),
        Key("epochs", "figure", "How often it is seen: `weight` x `trained_tokens` / `tokens`.", None),
        Key("copies", "figure", "How often it stands in the mixture. Exact.", None),
        Key("effective_gib", "figure", "`gib` x `copies`.", None),
        Key("sample", "figure", "The part of it that was taken.", None),
        Key("selected_tokens", "figure", "Tokens that were taken: `tokens` x `sample`.", None),
        Key("pool_tokens", "figure", "Tokens that it was taken from.", None),
        Key("pool_docs", "figure", "Documents that it was taken from.", None),
        Key("weight_before", "figure", "Its share before dedup.", None),
        Key("dedup_rate", "figure", "The part of it that dedup removed.", None),
        Key("max_upsample", "figure", "The most epochs of a part of it, as documented. Exact.", None),
        Key("realised_upsample", "figure", "The most epochs of a part of it, as done.", None),
    ),
)

STAND_INS = Vocabulary(
    title="Stand-ins",
    doc="A file of its own, for `--stand-ins FILE`: what stands in for the shards, models and columns of a recipe that "
    "were not published. Sources that share shards so have a slice each, all of one size, in the order of their names. "
    "What was done is in the `about` of the recipe that comes of it, which is the mixture's.",
    keys=(
        Key("corpus", "text", "The folder or bucket of the shards. A relative one starts at this file's folder."),
        Key("license", "text", "The license of a mixture that they are in, in place of the recipe's own.", None),
        Key("kinds", "kinds", "By `kind`, what stands in for a source whose `shards` are null: of `web`, `book`, … "
            "those that the recipes need. `paper: book` has what books have."),
        Key("taggers", "taggers", "What stands in for a recipe's tagger of the same name. A relative file starts at "
            "this file's folder.", ()),
        Key("columns", "column_names", "By a column that a recipe names, the one that stands in for it.", {}),
    ),
)

STAND_IN = Vocabulary(
    title="Stand-in",
    doc="`web: {shards: web/*.jsonl.zst, about: {license: various}}`.",
    keys=(
        Key("shards", "globs", "Shards, relative to the corpus."),
        Key("about", "about", "Where they are from. It takes the place of the source's own.", {}),
    ),
)

DEDUP = Vocabulary(
    title="Dedup",
    doc="One method, with its parameters beside `use`.",
    keys=(Key("use", "use", "The method and its version."),),
)

PREFER_BY = Vocabulary(
    title="Preference",
    doc="`prefer_by: {column: quality.score, best: max}`. Values are compared exactly, in the column's own type.",
    keys=(
        Key("column", "text", "A column of numbers, as rules name them. A missing value is the worst."),
        Key("best", "choice", "Whether the greatest value is best, or the least.", choices=("max", "min")),
    ),
)

TAGGER = Vocabulary(
    title="Taggers",
    doc="One tagger, with its parameters beside `use`: `language: {use: language@1, …}`. Its name is the first part of "
    "its columns' names, the tagger's own or any other: `edu: {use: fasttext@1, model: edu.bin}` gives the columns "
    "`edu.score`, `edu.positive` and so on, and a second `use` of the same tagger may have a name of its own. A model, "
    "list or tokenizer is a path, which starts at the recipe, or a URI; `sha256` beside it says what it has to be. "
    "Which taggers run follows from the columns in `keep` and the methods in `dedup`; nothing is run for being listed "
    "here. All are in [the tagger reference](taggers.md). A tagger of your own is known where the command line brings "
    "it (`--taggers`), never by a recipe.",
    keys=(Key("use", "use", "The tagger and its version."),),
)

_MAX_REMOVED = Key(
    "max_removed", "share",
    "Of a document's text, in bytes: where this method would cut more than this share, the document goes. One of which "
    "nothing is left, by this method and those before it, goes in any case; one of which only whitespace is left does "
    "not, if the share allows it.", 0.8,
)

METHODS = (
    Method("id@1", "Documents whose own source and id are both equal."),
    Method(
        "text@1",
        "Documents whose text is equal, once what `normalise` lists is evened out. By default nothing is.",
        tagger="text_hash", column="text_hash.key",
        values={"normalise": ("lower", "nfc", "punctuation", "whitespace")},
    ),
    Method(
        "url@1",
        "Documents whose URL is equal but for its scheme, user and fragment, once what `normalise` lists is evened "
        "out: `query` goes whole, `tracking` is what follows readers (utm_source, fbclid and the like), `slash` the "
        "one at the end of the path, `www` the one before the host. A document without a URL is like no other.",
        tagger="url_key", column="url_key.key",
        values={"normalise": ("query", "slash", "tracking", "www")},
    ),
    Method(
        "column@1",
        "Documents with the same value in a column. One where it is missing is like no other.",
        settings=(Key("column", "text", "A column, as rules name them."),),
    ),
    Method(
        "paragraph@1",
        "Parts of documents that occur before in the corpus: paragraphs, lines, or runs of sentences. What is repeated "
        "is cut from every document but the one that keeps it.",
        tagger="paragraph_keys", column="paragraph_keys.spans", kind="spans",
        values={
            "unit": ("paragraphs", "lines", "sentences"),
            "normalise": ("lower", "nfc", "punctuation", "whitespace"),
        },
        settings=(
            _MAX_REMOVED,
            Key("report", "whole", "What occurs in more documents than this is reported with its text.", 100, least=1),
        ),
        planned=("max_removed",),
    ),
    Method(
        "minhash@1",
        "Documents with similar sets of shingles, by MinHash: two are compared where all `rows` of one of their "
        "`bands` are equal, so those of similarity s are with the odds 1-(1-s^rows)^bands.",
        tagger="minhash", column="minhash.bands",
        values={"shingles": ("auto", "words", "chars")},
        settings=(
            Key("preset", "choice", "Bands and rows that others have used.", None, choices=("14x8", "26x11", "20x13",
                                                                                          "20x450")),
            Key("threshold", "share", "Bands and rows for this similarity, as datasketch chooses them.", None),
            Key("hashes", "whole", "With `threshold`: the most that bands times rows may be.", 128, least=2),
            Key("verify", "share", "Compared documents are the same from this Jaccard similarity of their shingles on. "
                "Without it all that are compared are.", None),
            Key("max_bucket", "whole", "Of more documents than this with an equal band, not all pairs are compared.",
                64, least=2),
            Key("representatives", "whole", "With how many of them each is compared then.", 8, least=1),
        ),
        shorthands=("preset", "threshold", "hashes"),
    ),
    Method(
        "substring@1",
        "Stretches of text of `length` or more that occur before in the corpus, wherever they begin. What is repeated "
        "is cut from every document but the one that keeps it.",
        tagger="fingerprints", column="fingerprints.keys", kind="spans",
        values={"unit": ("bytes", "words")},
        settings=(_MAX_REMOVED,),
        planned=("max_removed",),
    ),
)

VOCABULARIES = (RECIPE, POLICY, SOURCE, REFERENCE, RULE, EDIT, SAMPLE, CURVE, DEDUP, PREFER_BY, HOLDOUT, STAGE, TAGGER,
                PUBLISHED, PUBLISHED_SOURCE, STAND_INS, STAND_IN)

# What `solera lint` warns of, though the recipe is valid.
USUAL_EPOCHS = (
    4  # Muennighoff et al. 2023, arXiv:2305.16264: up to here, repeated data is worth nearly what new data is
)
WARNINGS = (
    f"`max_epochs` of a source or of `unimax`, or `max_upsample` of a curve, above {USUAL_EPOCHS}: further repeats add "
    "less and less (arXiv:2305.16264).",
    "A `max_epochs` that never decides, or that cannot be met, and least weights that leave the policy nothing to "
    "decide.",
    "A source with shards whose `about` names no `license`, and one whose license asks for what the recipe's own does "
    "not pass on: attribution, sharing alike, a copyleft license, no commercial use, no derivatives. Names are SPDX's; "
    "others are not judged. It is no legal advice.",
    "A rule that drops nothing, or that another rule of its column makes needless.",
    "A hold-out of everything, or of nothing.",
    "A `sample` by a column that is no share, probability or score.",
    "A stage whose recipe is not there, has mistakes, or counts another unit.",
    "A `prefer_by` without `dedup`: there is nothing to choose between.",
    "A source of weight 0: it takes part in dedup, and nothing of it is in the mixture.",
    "Parameters of a tagger that no rule uses.",
    "A file of a tagger without its `sha256`.",
    "Published figures that do not follow from each other, or that differ from those of the same thing elsewhere.",
    "Where the recipe has been planned (`--work`), as its last plan shows: rules that drop nothing or all of a source, "
    f"a cap that decided, and more than {USUAL_EPOCHS} epochs.",
)


def render() -> str:
    """The text of docs/recipe.md."""
    parts = [_INTRODUCTION]
    for vocabulary in VOCABULARIES:
        parts.append(f"## {vocabulary.title}\n\n{vocabulary.doc}\n\n{_table(vocabulary)}")
        if vocabulary is DEDUP:
            parts.append(_methods())
    parts.append("## Warnings\n\n`solera lint` also says:\n\n" + "\n".join(f"- {each}" for each in WARNINGS))
    return "\n\n".join(parts) + "\n"


_INTRODUCTION = """\
<!-- Written by `python -m mixer.recipe_reference`. Edit the tables there. -->

# Recipes

A recipe is one YAML file. It is data: it makes no code run and opens no file but its shards and its taggers' models
and lists, so one from a stranger is safe to read. `solera lint` checks it without any data and names all its mistakes
at once, each with its line.

The YAML is strict: a key stands once, and there are no anchors, aliases, tags or second documents. `no`, `on` and dates
are text. Digits may be grouped (`6_000_000`), and numbers are exact: 0.1 is a tenth. Nothing is ignored: an unknown key
is a mistake."""


def _table(vocabulary: Vocabulary) -> str:
    rows = ["| key | takes | default | meaning |", "|---|---|---|---|"]
    rows += [f"| `{key.name}` | {_takes(key)} | {_default(key, vocabulary)} | {key.doc} |" for key in vocabulary.keys]
    return "\n".join(rows)


def _takes(key: Key) -> str:
    if key.choices:
        return " or ".join(f"`{choice}`" for choice in key.choices)
    least = f", {key.least} or more" if key.least is not None else ""
    return TAKES[key.takes] + least


def _default(key: Key, vocabulary: Vocabulary) -> str:
    if key.default is REQUIRED:
        return "required"
    if key.default is None or key.default == () or key.default == {}:
        return "" if vocabulary is RULE else "none"
    return f"`{key.default:_}`" if isinstance(key.default, int) else f"`{key.default}`"


def _methods() -> str:
    rows = ["| method | the same are | parameters |", "|---|---|---|"]
    for method in METHODS:
        parameters = [
            f"`{name}`: of " + ", ".join(f"`{value}`" for value in values)
            for name, values in method.values.items()
        ]
        parameters += [f"`{key.name}`: {_takes(key)}{_by_default(key)}. {key.doc}" for key in method.settings]
        if method.tagger is not None:
            parameters.append(f"those of the tagger [{method.tagger}](taggers.md)")
        rows.append(f"| `{method.use}` | {method.doc} | {'<br>'.join(parameters) or 'none'} |")
    return "\n".join(rows)


def _by_default(key: Key) -> str:
    return "" if key.default is REQUIRED else f", default {'none' if key.default is None else key.default}"


if __name__ == "__main__":
    print(render(), end="")
