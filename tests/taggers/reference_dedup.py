"""The taggers that dedup compares by, as slow and obvious Python."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import xxhash
from reference_url import url_of

Values = dict[str, Any]

ALL = (1 << 64) - 1


def minhash(text: str, parameters: Mapping[str, Any]) -> Values:
    found = shingles(text, parameters)
    signed = xxhash.xxh3_64_intdigest(text.encode())
    signed -= 1 << 64 if signed >= 1 << 63 else 0
    if not found:
        return {"minhash.bands": None, "minhash.text": signed}
    halves = [(shingle & 0xFFFFFFFF, shingle >> 32) for shingle in found]
    bands, rows = parameters["bands"], parameters["rows"]
    numbers = splitmix64(parameters["seed"])
    minima = []
    for number in (next(numbers) for _ in range(bands * rows)):
        p, q = number & 0xFFFFFFFF | 1, number >> 32 | 1
        minima.append(min((p * x + q * y) & 0xFFFFFFFF for x, y in halves))
    keys = []
    for band in range(bands):
        key = mix(band + 1)
        for least in minima[band * rows : (band + 1) * rows]:
            key = mix(key ^ least)
        keys.append(key)
    return {"minhash.bands": keys, "minhash.text": signed}


def shingles(text: str, parameters: Mapping[str, Any]) -> set[int]:
    """The hashes of a text's shingles."""
    words = text.split()
    letters = "".join(words)
    way, size = parameters["shingles"], parameters["ngram"]
    if way == "chars" or (way == "auto" and 2 * len(SPACELESS.findall(letters)) > len(letters)):
        units = [mix(ord(letter) + 1) for letter in letters]
        size *= 2
    else:
        units = [word_hash(word) for word in words]
    if not units:
        return set()
    if len(units) < size:
        return {shingle_hash(tuple(units))}
    return {shingle_hash(tuple(units[place : place + size])) for place in range(len(units) - size + 1)}


# Blocks of scripts without spaces.
SPACELESS = re.compile(
    "[\u0e00-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\u1b00-\u1b7f\u2e80-\u2fdf\u3001-\u312f\u31a0-\u31ff"
    "\u3400-\u4dbf\u4e00-\ua4cf\ua980-\ua9df\ua9e0-\ua9ff\uaa60-\uaadf\uf900-\ufaff\uff66-\uff9f"
    "\U00011700-\U0001174f\U00016fe0-\U00018dff\U0001aff0-\U0001b2ff\U00020000-\U0003ffff]"
)


def shingle_hash(units: tuple[int, ...]) -> int:
    total = 0
    for unit in units:
        total = total * 0xC4CEB9FE1A85EC53 + unit & ALL
    return mix(total)


@functools.cache
def word_hash(word: str) -> int:
    """Of words of up to 16 bytes, by their two halves; of longer ones xxh3-64, without its highest bit."""
    data = word.encode()
    if len(data) <= 16:
        short = len(data) < 8
        more = int.from_bytes(data[8:], "little") * 0xC4CEB9FE1A85EC53 & ALL
        value = int.from_bytes(data[:8], "little") ^ (len(data) << 56 if short else 0) ^ more ^ more >> 32
        value = value * 0xFF51AFD7ED558CCD & ALL >> 1
        value ^= value >> 31
        value = value * 0xC4CEB9FE1A85EC53 & ALL >> 1
        return value ^ value >> 32 | short << 63
    return xxhash.xxh3_64_intdigest(data) & ALL >> 1


def mix(value: int) -> int:
    """The end of MurmurHash3."""
    value &= ALL
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & ALL
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & ALL
    return value ^ value >> 33


def splitmix64(seed: int) -> Iterator[int]:
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & ALL
        value = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & ALL
        value = (value ^ value >> 27) * 0x94D049BB133111EB & ALL
        yield value ^ value >> 31


TRACKING = (
    "(utm_.*|mtm_.*|pk_.*|piwik_.*|hsa_.*|_ga|_gl|_hsenc|_hsmi|dclid|fbclid|gbraid|gclid|gclsrc|igshid|mc_cid|mc_eid|"
    "mkt_tok|msclkid|srsltid|ttclid|twclid|wbraid|yclid)(=.*)?"
)


def url_key(text: str, parameters: Mapping[str, Any], document: Mapping[str, Any] | None = None) -> Values:
    found = url_of(document or {})
    if found is None:
        return {"url_key.key": None}
    _, host, port, path, query = found
    host = f"[{host}]" if ":" in host else host
    steps = parameters["normalise"]
    if "query" in steps:
        query = ""
    if "tracking" in steps and query:
        fields = [field for field in query[1:].split("&")
                  if not re.fullmatch(TRACKING, field, re.IGNORECASE | re.DOTALL | re.ASCII)]
        query = "?" + "&".join(fields) if fields else ""
    if "slash" in steps:
        path = re.sub(r"(.)/\Z", r"\1", path, flags=re.DOTALL)
    if "www" in steps:
        host = re.sub(r"\Awww\.(.*\..*)\Z", r"\1", host)
    return {"url_key.key": xxhash.xxh3_128_digest((host + port + path + query).encode(errors="surrogatepass"))}


REFERENCES = {"minhash": minhash, "url_key": url_key}
