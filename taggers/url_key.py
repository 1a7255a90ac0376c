"""A key by which documents of one URL are found, up to a stated normalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import xxhash

from taggers.text import TextBatch
from taggers.url_parts import Url, urls

STEPS = ("query", "slash", "tracking", "www")

# Fields of a query by which sites follow who came from where, and that do not change what a page is. Names that begin
# with one of PREFIXES, and the names in FIELDS: those of Google, Meta, Microsoft, Mailchimp, HubSpot, Yandex, Matomo.
PREFIXES = ("utm_", "mtm_", "pk_", "piwik_", "hsa_")
FIELDS = frozenset((
    "_ga", "_gl", "_hsenc", "_hsmi", "dclid", "fbclid", "gbraid", "gclid", "gclsrc", "igshid", "mc_cid", "mc_eid",
    "mkt_tok", "msclkid", "srsltid", "ttclid", "twclid", "wbraid", "yclid",
))


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """url_key.key, 16 bytes: xxh3-128 (big-endian) of the UTF-8 of the normalised URL; null without a URL."""
    steps: list[str] = parameters["normalise"]
    unknown = sorted(set(steps) - set(STEPS))
    if unknown:
        raise ValueError(f"url_key: normalise has {', '.join(unknown)}; known are {', '.join(STEPS)}")
    keys = [None if url is None else xxhash.xxh3_128_digest(normalise(url, steps).encode(errors="surrogatepass"))
            for url in urls(batch, parameters)]
    return {"url_key.key": pa.array(keys, pa.binary(16))}


def normalise(url: Url, steps: Sequence[str]) -> str:
    """Host, port, path and query after those of these steps that are asked for, always in this order.

    1. query: all of it goes.
    2. tracking: its fields that follow readers go; a query of no other goes with its "?".
    3. slash: the one at the end of the path goes, but not where the path is that alone.
    4. www: "www." before the host goes, where what is left has a dot.
    """
    host, path, query = url.host, url.path, url.query
    if "query" in steps:
        query = ""
    if "tracking" in steps and query:
        kept = [field for field in query[1:].split("&") if not _follows(field)]
        query = "?" + "&".join(kept) if kept else ""
    if "slash" in steps and len(path) > 1:
        path = path.removesuffix("/")
    if "www" in steps and host.startswith("www.") and "." in host[4:]:
        host = host[4:]
    return url._replace(host=host, path=path, query=query).key


def _follows(field: str) -> bool:
    name = field.partition("=")[0].lower()
    return name in FIELDS or name.startswith(PREFIXES)
