"""The parts of a URL as a crawler gives it: scheme, host, path; or that it is none."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from taggers.text import TextBatch

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MOST_HOST, _MOST_LABEL, _MOST_PORT = 253, 63, 65535


class Url(NamedTuple):
    """What a URL says. The host is in ASCII and lower case, without a dot at its end; path and query are as written."""

    scheme: str | None  # lower case; None where nothing is before the host but "//"
    host: str
    is_address: bool  # the host is an IP address, IPv6 without brackets and in its shortest form
    port: int | None  # None where it is the scheme's own
    path: str  # "/" at least
    query: str  # with its "?"; "" where there is none

    @property
    def key(self) -> str:
        """By which equal URLs are equal: host, port, path and query, without scheme, user and fragment."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host + ("" if self.port is None else f":{self.port}") + self.path + self.query


_CONTROLS = "".join(map(chr, range(0x21)))
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?=//)")
_PARTS = re.compile(r"//([^/?#\\]*)([^?#]*)(\?[^#]*)?", re.DOTALL)


def parse(written: str) -> Url | None:
    """The parts of a URL, None if it is broken or has no host, as mailto: and file:/// have none.

    Whitespace and control characters at its ends do not belong to it, nor a pair of angle brackets around it, as some
    WARC files have it (RFC 3986, appendix C), and tabs and newlines nowhere. What has no "//"
    may begin with the host, as people write it: example.com/path. There it needs a dot and no user before it.
    """
    text = written.strip(_CONTROLS)
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    if "\n" in text or "\t" in text or "\r" in text:
        text = text.replace("\n", "").replace("\t", "").replace("\r", "")
    scheme = None
    if found := _SCHEME.match(text):
        scheme = found[1].lower()
        text = text[found.end() :]
    bare = not text.startswith("//")
    parts = _PARTS.match("//" + text if bare else text)
    assert parts is not None  # every part may be empty
    authority, path, query = parts.groups(default="")
    host, port = _host_and_port(authority.rpartition("@")[2])
    if host is None or port is None or (bare and ("." not in host or "@" in authority)):
        return None
    path = path.replace("\\", "/")
    is_own = port in ("", str(_DEFAULT_PORTS.get(scheme or "http")))
    return Url(scheme, host, ":" in host or _is_ipv4(host), None if is_own else int(port), path or "/", query)


def _host_and_port(written: str) -> tuple[str | None, str | None]:
    """Both are None where either is broken; the port is "" where there is none."""
    if written.startswith("["):
        inside, bracket, rest = written[1:].partition("]")
        host = _ipv6(inside) if bracket and rest[:1] in ("", ":") else None
        port = rest[1:]
    else:
        name, _, port = written.partition(":")
        host = host_of(name)
    port = port if len(port) <= 5 else port.lstrip("0") or "0"
    if host is None or not (port == "" or (port.isascii() and port.isdigit() and int(port[:6]) <= _MOST_PORT)):
        return None, None
    return host, port.lstrip("0") or ("0" if port else "")


def host_of(written: str) -> str | None:
    """A host's name or IPv4 address in ASCII and lower case, None if it can be none.

    Names in other letters become what the network calls them (IDNA 2003, as Python has it).
    """
    name = written
    if not name.isascii():
        if len(name) > _MOST_HOST:
            return None
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    name = name.lower()
    name = name[:-1] if name.endswith(".") else name
    if not _HOST.fullmatch(name) or len(name) > _MOST_HOST:
        return None
    if name[name.rfind(".") + 1 :].isdigit() and not _is_ipv4(name):
        return None
    return name


# Underscores are no part of a host's name by the book, but of some in use.
_HOST = re.compile(rf"[a-z0-9_-]{{1,{_MOST_LABEL}}}(?:\.[a-z0-9_-]{{1,{_MOST_LABEL}}})*")


def _is_ipv4(host: str) -> bool:
    if not host[-1].isdigit():
        return False
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _ipv6(written: str) -> str | None:
    try:
        return ipaddress.IPv6Address(written.partition("%")[0]).compressed if len(written) < 100 else None
    except ValueError:
        return None


def urls(batch: TextBatch, parameters: Mapping[str, Any]) -> Iterator[Url | None]:
    """The URL of each document: of the parameter `field`, and where that is missing, its id if it is one of the web."""
    ids = batch.field("id")
    for value, own in zip(batch.field(parameters["field"]), ids, strict=True):
        if value is None and own is not None and own[:8].lower().startswith(("http://", "https://")):
            value = own
        yield None if value is None else parse(value)


_WORD = re.compile(r"[^\W_]+")


def words(written: str) -> list[str]:
    """Runs of letters and digits in lower case, percent-encoded ones decoded."""
    return _WORD.findall((unquote(written) if "%" in written else written).lower())
