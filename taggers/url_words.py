"""How many words of a list a document's URL has."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from taggers.lists import Unknown, check_list, lines_of
from taggers.text import TextBatch
from taggers.url_parts import urls, words


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """url_words.path and url_words.host, null where a document has no URL, or a broken one."""
    listed, _ = read(parameters["list"])
    found = list(urls(batch, parameters))
    paths = [None if url is None else _hits(url.path, listed) for url in found]
    hosts = [None if url is None else _hits(url.host, listed) for url in found]
    return {"url_words.path": pa.array(paths, pa.int64()), "url_words.host": pa.array(hosts, pa.int64())}


def check(parameters: Mapping[str, Any]) -> None:
    """ValueError where a list has no words, or is mostly something else."""
    listed, unknown = read(parameters["list"])
    check_list(parameters["list"], len(listed), unknown, "casino, one word of letters and digits in each")


@functools.lru_cache(maxsize=16)
def read(path: str) -> tuple[frozenset[str], Unknown]:
    """The words of a list in lower case, read once in a process."""
    lines = lines_of(path, ("#",))
    unknown = tuple(line for line in lines if words(line.text) != [line.text.lower()])
    listed = {line.text.lower() for line in lines}.difference(line.text.lower() for line in unknown)
    return frozenset(listed), Unknown(len(lines), unknown)


def _hits(written: str, listed: frozenset[str]) -> int:
    return sum(1 for word in words(written) if word in listed)
