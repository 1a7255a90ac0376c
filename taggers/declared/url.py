"""The taggers of URLs: their parts, and lists of domains, URLs and words."""

from __future__ import annotations

from taggers.declare import SHA256, Column, Tagger

FIELD = "metadata.url"  # where a document's URL is, unless a recipe says otherwise
_WHERE = (
    "The URL is the text in `field`, or, where that is missing, the document's id if it begins with http:// or "
    "https://. One that is broken or has no host counts as none."
)
_NULL = "Null without a URL."

URL = Tagger(
    name="url",
    version=1,
    doc=(
        f"The parts of the document's URL. {_WHERE} Hosts are in lower case and ASCII (IDNA 2003), without user, port "
        "and final dot; domains are by the public-suffix list in the package publicsuffixlist, whose sha256 the "
        "results are tied to."
    ),
    run="taggers.url:run",
    columns=(
        Column("url.scheme", "string", "scheme", f"In lower case, without the colon. {_NULL} Null if it names none."),
        Column("url.host", "string", "host", f"Name or IP address; IPv6 in its shortest form, no brackets. {_NULL}"),
        Column(
            "url.domain", "string", "domain",
            "The registered domain: the public suffix of the list's ICANN section and one label more (tldextract's "
            f"default). {_NULL} Null for an IP address and for a public suffix itself.",
        ),
        Column(
            "url.site", "string", "domain",
            "The same by the whole list, with domains below which others have theirs: ann.github.io, where url.domain "
            f"is github.io. {_NULL} Null for an IP address and for a suffix itself.",
        ),
        Column("url.suffix", "string", "domain",
               f"The public suffix of the list's ICANN section. {_NULL} Null for an IP address."),
        Column("url.path", "string", "path", f"From the host's end to ? or #, as written; / if empty. {_NULL}"),
        Column("url.path_depth", "int64", "segments", f"Segments of the path that are not empty. {_NULL}"),
        Column("url.path_words", "int64", "words",
               f"Runs of letters and digits in the path, after percent-decoding. {_NULL}"),
        Column("url.has_query", "bool", "yes or no", f"Whether a ? follows the path. {_NULL}"),
    ),
    parameters={"field": FIELD},
    bundled="taggers.url:list_digest",
    source="WHATWG URL, RFC 3986; the public-suffix list (publicsuffix.org)",
    cost=815,
)

BLOCKLIST = Tagger(
    name="blocklist",
    version=1,
    doc=(
        "Whether the document's URL is in a list. `list` is the path of one, relative to the recipe, or its URI, and "
        "`sha256` what it has to be. Each line is a host (with or without *. before it), a line of a hosts file, a "
        "rule ||domain^ of Adblock or its exception @@||domain^, or the beginning of URLs, with or without http://; "
        "# and ! begin comments. Lines of other forms say nothing; a list that has more of those is refused. " + _WHERE
    ),
    run="taggers.url_lists:run",
    columns=(
        Column(
            "blocklist.domain", "bool", "yes or no",
            "Whether the host or a domain above it is listed, and none of them excepted; the names of a hosts file "
            f"stand for what is below them, too. {_NULL}",
        ),
        Column(
            "blocklist.url", "bool", "yes or no",
            "Whether the URL is listed, or goes on from one that is at a / ? or &. Host, port, path and query "
            f"count; scheme, user, fragment, and / at the end do not. {_NULL}",
        ),
    ),
    parameters={"field": FIELD, "list": None, SHA256: None},
    file="list",
    check="taggers.url_lists:check",
    source="hosts(5); Adblock Plus filter rules; the forms of the UT1 blacklists, which RefinedWeb uses",
    cost=923,
)

URL_WORDS = Tagger(
    name="url_words",
    version=1,
    doc=(
        "How many words of a list the document's URL has. `list` is the path of one, relative to the recipe, or its "
        "URI, and `sha256` what it has to be: a word of letters and digits in each line, # begins comments. A list "
        "with more lines of other forms is refused. Words are runs of letters and digits in lower case, after "
        "percent-decoding; each occurrence counts. " + _WHERE
    ),
    run="taggers.url_words:run",
    columns=(
        Column("url_words.path", "int64", "words", f"Words of the path that are listed. {_NULL}"),
        Column("url_words.host", "int64", "words", f"Words of the host that are listed. {_NULL}"),
    ),
    parameters={"field": FIELD, "list": None, SHA256: None},
    file="list",
    check="taggers.url_words:check",
    source="RefinedWeb (Penedo et al. 2023), words in URLs",
    cost=976,
)

URL_TAGGERS: tuple[Tagger, ...] = (URL, BLOCKLIST, URL_WORDS)
