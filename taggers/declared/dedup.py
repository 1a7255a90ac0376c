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
)

PARAGRAPH_KEYS = Tagger(
    name="paragraph_keys",
    version=1,
    doc="Keys by which equal paragraphs, lines or runs of sentences are found, in one document and in others.",
    run="taggers.paragraph_keys:run",
    columns=(Column("paragraph_keys.spans", "keyed_spans", "paragraph", "Never null."),),
    parameters={"unit": "paragraphs", "sentences": 3, "min_length": 20, "normalise": []},
)

MINHASH = Tagger(
    name="minhash",
    version=1,
    doc="MinHash bands of the set of a text's shingles.",
    run="taggers.minhash:run",
    columns=(
        Column("minhash.bands", "keys", "band", "Null for a text without words."),
        Column("minhash.text", "int64", "hash", "xxh3-64 of the text in UTF-8, as a signed number. Never null."),
    ),
    parameters={"ngram": 5, "bands": 14, "rows": 8, "seed": 1, "shingles": "auto"},
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
)

DEDUP_TAGGERS: tuple[Tagger, ...] = (URL_KEY, PARAGRAPH_KEYS, MINHASH, FINGERPRINTS)
