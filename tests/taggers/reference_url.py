"""The taggers of URLs, as slow and obvious Python."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

Values = dict[str, Any]

URL_COLUMNS = ("scheme", "host", "domain", "site", "suffix", "path", "path_depth", "path_words", "has_query")


def split(written: str) -> tuple[str | None, str, str, str, str] | None:
    """(scheme, host, port with its colon, path, query with its mark)"""
    text = re.sub(r"\A<(.*)>\Z", r"\1", written.strip("".join(map(chr, range(33)))), flags=re.DOTALL)
    text = re.sub("[\t\r\n]", "", text)
    scheme = re.match("([A-Za-z][A-Za-z0-9+.-]*)://", text)
    rest = text[scheme.end() :] if scheme else text.removeprefix("//")
    ends = re.search(r"[/?#\\]", rest)
    authority, rest = (rest[: ends.start()], rest[ends.start() :]) if ends else (rest, "")
    fields = re.fullmatch(r"(?:.*@)?(\[[^\]]*\]|[^:]*)(?::0*([0-9]*))?", authority)
    if fields is None or int("0" + (fields[2] or "")[:9]) > 65535:
        return None
    host = canonical(fields[1])
    if host is None or (not re.match("([A-Za-z][A-Za-z0-9+.-]*:)?//", text) and ("." not in host or "@" in authority)):
        return None
    rest = rest.partition("#")[0]
    path, mark, query = rest.partition("?")
    own = {"https": "443"}.get(scheme[1].lower() if scheme else "", "80" if not scheme or scheme[1].lower() == "http"
                               else "-")
    written_port = re.search(r":([0-9]+)\Z", authority.removeprefix(fields[1]))
    port = "" if written_port is None or fields[2] == own else ":" + (fields[2] or "0")
    return scheme[1].lower() if scheme else None, host, port, path.replace("\\", "/") or "/", mark + query


def canonical(written: str) -> str | None:
    try:
        if written.startswith("["):
            return str(ipaddress.IPv6Address(written[1:-1].partition("%")[0]))
        name = written if written.isascii() else written.encode("idna").decode()
    except ValueError:
        return None
    name = name.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(re.fullmatch("[a-z0-9_-]{1,63}", label) for label in labels):
        return None
    if labels[-1].isdigit():
        return name if is_ipv4(name) else None
    return name


def is_ipv4(name: str) -> bool:
    parts = name.split(".")
    return len(parts) == 4 and all(re.fullmatch("0|[1-9][0-9]{0,2}", part) and int(part) < 256 for part in parts)


def url_of(document: Mapping[str, Any]) -> tuple[str | None, str, str, str, str] | None:
    written = (document.get("metadata") or {}).get("url")
    if not isinstance(written, str):
        written = document.get("id") or ""
        if not re.match("https?://", written, re.IGNORECASE):
            return None
    return split(written)


def url(text: str, parameters: Mapping[str, Any], document: Mapping[str, Any] | None = None) -> Values:
    found = url_of(document or {})
    if found is None:
        return {f"url.{name}": None for name in URL_COLUMNS}
    scheme, host, _, path, query = found
    domain = site = suffix = None
    if ":" not in host and not is_ipv4(host):
        icann, whole = suffix_rules()
        domain, _ = registered(host, icann)
        site, _ = registered(host, whole)
        suffix = registered(host, icann)[1]
    return {
        "url.scheme": scheme, "url.host": host, "url.domain": domain, "url.site": site, "url.suffix": suffix,
        "url.path": path, "url.path_depth": len([part for part in path.split("/") if part]),
        "url.path_words": len(words(path)), "url.has_query": query != "",
    }  # fmt: skip


@functools.cache
def suffix_rules() -> tuple[set[str], set[str]]:
    """The rules of the ICANN section, and all."""
    import publicsuffixlist

    text = (Path(publicsuffixlist.__file__).parent / "public_suffix_list.dat").read_text("utf-8")
    icann, private = text.split("===BEGIN PRIVATE DOMAINS===")
    rules = [{line.split()[0].encode("idna").decode() if "*" not in line and "!" not in line else line.split()[0]
              for line in part.splitlines() if line.strip() and not line.startswith("//")} for part in (icann, private)]
    return rules[0], rules[0] | rules[1]


def registered(host: str, rules: set[str]) -> tuple[str | None, str]:
    """(registered domain, public suffix) by the algorithm on publicsuffix.org."""
    labels = host.split(".")
    tails = [".".join(labels[place:]) for place in range(len(labels))]
    length = 1
    for place, tail in enumerate(tails):
        if "!" + tail in rules:
            length = len(labels) - place - 1
            break
        if tail in rules or "*." + tail.partition(".")[2] in rules:
            length = len(labels) - place
            break
    suffix = ".".join(labels[-length:])
    return (".".join(labels[-length - 1 :]) if len(labels) > length else None), suffix


def words(written: str) -> list[str]:
    return re.findall(r"[^\W_]+", unquote(written).lower())


# What tests/taggers/data/listed_domains.txt says, read by a person.
LISTED_DOMAINS = {"bad.example", "worse.example", "worst.example", "xn--bse-0qa.example", "xn--grn-ioa.example",
                  "hosts.example", "www.hosts.example", "adblock.example", "pages.example", "8.8.4.4"}
EXCEPTED = {"good.adblock.example"}
LISTED_URLS = ("part.example/bad", "part.example:8080/all", "part.example/search?q=bad", "whole.example")


def blocklist(text: str, parameters: Mapping[str, Any], document: Mapping[str, Any] | None = None) -> Values:
    found = url_of(document or {})
    if found is None:
        return {"blocklist.domain": None, "blocklist.url": None}
    _, host, port, path, query = found
    names = [host] if is_ipv4(host) else [host[place:] for place in range(len(host))
                                          if place == 0 or host[place - 1] == "."]
    key = re.sub("//+", "/", host + port + path) + query
    return {
        "blocklist.domain": any(name in LISTED_DOMAINS for name in names) and not any(n in EXCEPTED for n in names),
        "blocklist.url": any(re.match(re.escape(listed) + r"([/?&]|\Z)", key) for listed in LISTED_URLS),
    }


def url_words(text: str, parameters: Mapping[str, Any], document: Mapping[str, Any] | None = None) -> Values:
    found = url_of(document or {})
    if found is None:
        return {"url_words.path": None, "url_words.host": None}
    return {"url_words.path": len([word for word in words(found[3]) if word in ("casino", "bet", "größe")]),
            "url_words.host": len([word for word in words(found[1]) if word in ("casino", "bet", "größe")])}


REFERENCES = {"url": url, "blocklist": blocklist, "url_words": url_words}
