"""The parts of each document's URL, with its registered domain by the public-suffix list."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from taggers.text import TextBatch
from taggers.url_parts import Url, urls, words


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The url.* columns; all are null where a document has no URL, or a broken one."""
    rows = [_row(url) for url in urls(batch, parameters)]
    types = {
        "scheme": pa.string(), "host": pa.string(), "domain": pa.string(), "site": pa.string(), "suffix": pa.string(),
        "path": pa.string(), "path_depth": pa.int64(), "path_words": pa.int64(), "has_query": pa.bool_(),
    }  # fmt: skip
    return {f"url.{name}": pa.array([row[place] for row in rows], kind)
            for place, (name, kind) in enumerate(types.items())}


def _row(url: Url | None) -> tuple[Any, ...]:
    if url is None:
        return (None,) * 9
    domain, site, suffix = (None, None, None) if url.is_address else names_of(url.host)
    depth = sum(1 for segment in url.path.split("/") if segment)
    return (url.scheme, url.host, domain, site, suffix, url.path, depth, len(words(url.path)), url.query != "")


@functools.lru_cache(maxsize=65536)
def names_of(host: str) -> tuple[str | None, str | None, str | None]:
    """(registered domain, site, public suffix) of a host's name; domain and site are null for a public suffix."""
    icann, whole = _lists()
    return icann.privatesuffix(host), whole.privatesuffix(host), icann.publicsuffix(host)


@functools.cache
def _lists() -> tuple[Any, Any]:
    """The list's section of registries alone, and with the section that owners of domains have added to."""
    from publicsuffixlist import PublicSuffixList

    text = _file().decode("utf-8").splitlines()
    return PublicSuffixList(text, only_icann=True), PublicSuffixList(text)


@functools.cache
def list_digest() -> str:
    """Hex sha256 of the public-suffix list that the package publicsuffixlist carries."""
    return hashlib.sha256(_file()).hexdigest()


def _file() -> bytes:
    return importlib.resources.files("publicsuffixlist").joinpath("public_suffix_list.dat").read_bytes()
