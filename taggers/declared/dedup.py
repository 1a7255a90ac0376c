"""The taggers that dedup methods compare by: keys of URLs and paragraphs, MinHash bands, fingerprints."""

from __future__ import annotations

from taggers.declare import Column, Tagger
from taggers.declared.url import FIELD

URL_KEY = Tagger(
    name="url_key",
    version=1,
    doc=(
        "A key by which equal URLs are found: host, port, path and query, without scheme, user and fragment. "
        "`normalise` lists, sorted, what is evened out: query (all of it goes), slash (the one at the path's end), "
        "tracking (fields of the query that follow readers, such as utm_source and fbclid), www (before the host). "
        "Where a document's URL is, `field` says, as in url."
    ),
    run="taggers.url_key:run",
    columns=(
        Column("url_key.key", "key128", "key",
               "xxh3-128, big-endian, of the normalised URL in UTF-8. Null without a URL."),
    ),
    parameters={"field": FIELD, "normalise": ["slash", "tracking", "www"]},
    source="WHATWG URL, RFC 3986; xxHash 0.8, XXH3 with 128 bits",
    cost=2300,
)

PARAGRAPH_KEYS = Tagger(
    name="paragraph_keys",
    version=1,
    doc=(
        "Keys by which equal paragraphs, lines or runs of sentences are found, in one document and in others. `unit` "
        "says which. `lines` are what newlines part, blank ones aside; `paragraphs` what blank lines part, a line of "
        "nothing but whitespace among them; `sentences` every run of so many as `sentences` says, each beginning with "
        "the second sentence of the one before, so that they overlap, as in C4. A sentence ends as in "
        "fasttext_sentences; a text of fewer sentences has no run. Whitespace at its ends is no part of a piece. One "
        "of fewer code points than `min_length` is left out. `normalise` lists, sorted, what is evened out in each "
        "piece, as in text_hash: then it is what is left that has `min_length` code points. The span of a piece "
        "reaches to where the next one begins, so that nothing is left of it where it is cut; the span of one that "
        "the text ends with begins where the one before ends."
    ),
    run="taggers.paragraph_keys:run",
    columns=(
        Column("paragraph_keys.spans", "keyed_spans", "piece",
               "Pieces with their keys: xxh3-64 of the UTF-8 of the piece, once normalised. Never null."),
    ),
    parameters={"unit": "paragraphs", "sentences": 3, "min_length": 20, "normalise": []},
    source="C4 (Raffel et al. 2020, section 2.2) for runs of three sentences; xxHash 0.8, XXH3 with 64 bits",
    cost=580,
)

MINHASH = Tagger(
    name="minhash",
    version=1,
    doc=(
        "MinHash of the set of a text's shingles, in `bands` of `rows` hashes: of two documents, a band is equal with "
        "the odds similarity^rows. A shingle is `ngram` words in a row, as whitespace parts them and as they are "
        "written. Where there are no spaces to part them it is 2 * `ngram` code points that are not whitespace: with "
        "`shingles: auto` that is in a text of whose code points, but for whitespace, more than half are of Han, Kana, "
        "Thai, Lao, Khmer, Myanmar, Tibetan or another such script; with `chars` always, and with `words` never. A "
        "text with fewer words, or code points, is one shingle. `seed` decides the hashes."
    ),
    run="taggers.minhash:run",
    columns=(
        Column("minhash.bands", "keys", "band",
               "A hash of the band's number and its minima, for each band. Null for a text without words."),
        Column("minhash.text", "int64", "hash", "xxh3-64 of the text in UTF-8, as a signed number. Never null."),
    ),
    parameters={"ngram": 5, "bands": 14, "rows": 8, "seed": 1, "shingles": "auto"},
    bounds={"ngram": (1, 1_000), "bands": (1, 10_000), "rows": (1, 10_000)},  # more would cost time for nothing
    source="Broder 1997; 14 bands of 8 on 5-grams as FineWeb (Penedo et al. 2024, arXiv:2406.17557)",
    cost=156,
)

FINGERPRINTS = Tagger(
    name="fingerprints",
    version=1,
    doc=(
        "Fingerprints of a text, by which stretches that it has in common with others are found: texts with a stretch "
        "of `length` or more in common have a fingerprint in common. `unit` is what is counted: bytes of UTF-8 (8 or "
        "more), or words, which are runs of non-whitespace (3 or more). Of each run of `length` of them one short "
        "piece is chosen, whatever stands around it: of 500 bytes one of 64, of 50 words one of 8. So a text has one "
        "in about 230 bytes, or in 23 words."
    ),
    run="taggers.fingerprints:run",
    columns=(
        Column("fingerprints.keys", "keys", "fingerprint",
               "Hashes of the chosen pieces, ascending, each different one once, or twice if its piece occurs more "
               "often. Empty for a text shorter than `length`, never null."),
    ),
    parameters={"length": 500, "unit": "bytes"},
    source="Schleimer, Wilkerson and Aiken 2003, winnowing, with the leftmost of equal hashes; lengths as Dolma 3 "
           "(500 bytes) and Lee et al. 2022, arXiv:2107.06499 (50 tokens) have them",
    cost=115,
)

DEDUP_TAGGERS: tuple[Tagger, ...] = (URL_KEY, PARAGRAPH_KEYS, MINHASH, FINGERPRINTS)
