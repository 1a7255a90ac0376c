"""Whether a document's URL or its domain is in a list, in the forms that lists of the web have."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import xxhash

from taggers.lists import Unknown, check_list, lines_of
from taggers.text import TextBatch
from taggers.url_parts import Url, host_of, parse, urls


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """blocklist.domain and blocklist.url, null where a document has no URL, or a broken one."""
    listed = read(parameters["list"])
    found = list(urls(batch, parameters))
    domains = [None if url is None else listed.has_domain(url) for url in found]
    whole = [None if url is None else listed.has_url(url) for url in found]
    return {"blocklist.domain": pa.array(domains, pa.bool_()), "blocklist.url": pa.array(whole, pa.bool_())}


def check(parameters: Mapping[str, Any]) -> None:
    """ValueError where a list has nothing of use, or is mostly something else."""
    path = parameters["list"]
    listed = read(path)
    check_list(path, len(listed.domains) + len(listed.urls), listed.unknown,
               "0.0.0.0 bad.example, bad.example, ||bad.example^ or https://host.example/bad/")


@dataclass(frozen=True)
class Listed:
    """What a list says."""

    domains: frozenset[str]  # hosts; each stands for its subdomains as well
    allowed: frozenset[str]  # the same, of Adblock's exceptions
    urls: frozenset[int]  # hashes of URLs, the last of their `_keys`
    depth: int  # the most keys that a listed URL has
    unknown: Unknown

    def has_domain(self, url: Url) -> bool:
        """Whether the host or a domain that it is below is listed, and neither is excepted."""
        names = [url.host] if url.is_address else list(_and_parents(url.host))
        return not self.domains.isdisjoint(names) and self.allowed.isdisjoint(names)

    def has_url(self, url: Url) -> bool:
        """Whether the URL is listed, or one that it goes on from at a "/", "?" or "&"."""
        return bool(self.urls) and not self.urls.isdisjoint(_keys(url, self.depth))


@functools.lru_cache(maxsize=16)
def read(path: str) -> Listed:
    """The list in a file, read once in a process."""
    lines = lines_of(path, ("#", "!", "[Adblock", "[uBlock"))
    says = [_says(line.text) for line in lines]
    said = [each for values in says if values is not None for each in values]
    keys_of_urls = [list(_keys(value, None)) for kind, value in said if kind == "url"]
    return Listed(
        domains=frozenset(value for kind, value in said if kind == "domain"),
        allowed=frozenset(value for kind, value in said if kind == "allowed"),
        urls=frozenset(keys[-1] for keys in keys_of_urls),
        depth=max(map(len, keys_of_urls), default=0),
        unknown=Unknown(len(lines), tuple(line for line, values in zip(lines, says, strict=True) if values is None)),
    )


# Of Adblock's options those that speak of whole pages, as a rule without options does here.
_OPTIONS = r"(?:\$(?:all|document|doc|important)(?:,(?:all|document|doc|important))*)?"
_ADBLOCK = re.compile(rf"(@@)?\|\|([^/^$*|]+)\^?\|?{_OPTIONS}")
# Names that a hosts file gives to the machine itself.
_OWN_NAMES = {"localhost", "localhost.localdomain", "local", "broadcasthost", "0.0.0.0"}


def _says(line: str) -> list[tuple[str, Any]] | None:
    """What a line says, as "domain", "allowed" or "url" and its value; None if it is of no known form."""
    if adblock := _ADBLOCK.fullmatch(line):
        host = _domain(adblock[2])
        return None if host is None else [("allowed" if adblock[1] else "domain", host)]
    words = re.split(r"\s#", line, maxsplit=1)[0].split()
    if len(words) > 1:
        return _hosts(words[1:]) if _is_address(words[0]) else None
    host = _domain(words[0])
    if host is not None:
        return [("domain", host)]
    url = parse(words[0])
    if url is None or url.scheme not in (None, "http", "https") or not ("." in url.host or url.is_address):
        return None
    return [("url", url)] if url.scheme or "/" in words[0] else None


def _hosts(names: Iterable[str]) -> list[tuple[str, Any]] | None:
    """Of a line of a hosts file: those that are not the machine's own."""
    others = [name for name in names if name.lower() not in _OWN_NAMES and not name.lower().startswith("ip6-")]
    hosts = [_domain(name) for name in others]
    return None if None in hosts else [("domain", host) for host in hosts]


def _domain(written: str) -> str | None:
    """A domain or an IPv4 address; one that stands for its subdomains may say so by "*." or "."."""
    host = host_of(written.removeprefix("*").removeprefix("."))
    return host if host is not None and "." in host else None


_PARTS = re.compile(r"[/?&][^/?&]*|[^/?&]+")


def _keys(url: Url, most: int | None) -> Iterator[int]:
    """Hashes of the beginnings of a URL that end where it goes on with "/", "?" or "&", and of the whole; or so many.

    An empty part of the path counts for nothing, so that a "/" at the end does not. Each is the hash before and one
    part more, so that all take as long as one.
    """
    state = xxhash.xxh3_128()
    count = 0
    for part in _PARTS.findall(url.key):
        if part == "/":
            continue
        state.update(part.encode("utf-8", "surrogatepass"))
        yield state.intdigest()
        count += 1
        if count == most:
            return


def _and_parents(host: str) -> Iterator[str]:
    while host:
        yield host
        _, _, host = host.partition(".")


def _is_address(written: str) -> bool:
    try:
        ipaddress.ip_address(written.partition("%")[0])
    except ValueError:
        return False
    return True
