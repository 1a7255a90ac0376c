"""The taggers of personal data, as slow and obvious Python."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reference_text import span

Values = dict[str, Any]
Range = tuple[int, int]

LOCAL = re.compile(r"(?:[A-Za-z0-9_%+'-]|\.(?!\.|\Z))*\Z")
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
TOP = r"(?:[Xx][Nn]--[A-Za-z0-9]{1,59}|(?![Xx][Nn]--)[A-Za-z]{2,63})(?![A-Za-z0-9])"
DOMAIN = re.compile(rf"(?:{LABEL}\.)+{TOP}")
NOBODYS = r"(?:.*\.)?(?:example\.com|example\.net|example\.org|example|test|invalid|localhost|local" \
          r"|png|jpg|jpeg|gif|svg|webp|bmp)"
OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4 = re.compile(rf"(?<![A-Za-z0-9_])(?<![0-9]\.){OCTET}(?:\.{OCTET}){{3}}(?![A-Za-z0-9_]|\.[0-9])")
IPV6 = re.compile(r"(?<![A-Za-z0-9_:])[23][0-9A-Fa-f:]*")
SPECIAL = [ipaddress.ip_network(network) for network in (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4"),
    *("240.0.0.0/4", "2001::/23", "2001:db8::/32", "3fff::/20"),
)]
NORTH_AMERICAN = re.compile(
    r"(?:\((?P<bracketed>[2-9](?!11)[0-9]{2})\)[-. ]?|(?<![0-9])[2-9](?!11)[0-9]{2}(?P<first>[-. ]))"
    r"(?!555[-. ]01)[2-9](?!11)[0-9]{2}(?P<second>[-. ])[0-9]{4}")
INTERNATIONAL = re.compile(r"(?<![A-Za-z0-9_+])\+[1-9][0-9]*(?:[ .-]?\([0-9]+\)[ .-]?[0-9]+|[ .-][0-9]+)*")
CARD = re.compile(
    r"(?<![0-9])(?:[0-9]{4}(?P<a>[ -])[0-9]{4}(?P=a)[0-9]{4}(?P=a)[0-9]{4}(?:(?P=a)[0-9]{3})?"
    r"|[0-9]{4}(?P<b>[ -])[0-9]{6}(?P=b)[0-9]{5}|[0-9]{4}(?P<c>[ -])[0-9]{6}(?P=c)[0-9]{4}(?![0-9])|[0-9]{13,19})")
IBAN = re.compile(r"(?<![A-Za-z0-9_])[A-Z]{2}[0-9]{2}(?:[A-Z0-9]+|(?: [A-Z0-9]{4})+(?: [A-Z0-9]{1,3})?)")


def pii(text: str, parameters: Mapping[str, Any]) -> Values:
    return columns("pii", text, {
        "email": emails(text), "phone": phones(text), "ip": ips(text), "iban": ibans(text), "card": cards(text),
    })


def columns(name: str, text: str, found: Mapping[str, list[Range]]) -> Values:
    values: Values = {f"{name}.count": sum(map(len, found.values()))}
    for kind, ranges in found.items():
        values[f"{name}.{kind}_count"] = len(ranges)
        values[f"{name}.{kind}"] = [span(text, start, end) for start, end in ranges]
    return values


def emails(text: str) -> list[Range]:
    found: list[Range] = []
    for place in (match.start() for match in re.finditer("@", text)):
        lowest = max(found[-1][1] if found else 0, place - 65)
        before = LOCAL.search(text[lowest:place])
        assert before is not None
        local = re.sub(r"\A[^A-Za-z0-9_]+", "", before[0])
        domain = DOMAIN.match(text[place + 1 : place + 254])
        if not local or len(before[0]) > 64 or local.lower() == "git" or domain is None:
            continue
        end = place + 1 + domain.end()
        if text[end : end + 1] == "(" or re.fullmatch(NOBODYS, domain[0].lower()):
            continue
        found.append((place - len(local), end))
    return found


def ips(text: str) -> list[Range]:
    found = [match.span() for match in IPV4.finditer(text)]
    for match in IPV6.finditer(text):
        written = re.sub("(?<!:):$", "", match[0])
        end = match.start() + len(written)
        if not re.match(r"[A-Za-z0-9_]|\.[0-9]", text[end : end + 2]):
            found.append((match.start(), end))
    return sorted(place for place in found if is_somebodys(text[slice(*place)]))


def is_somebodys(written: str) -> bool:
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return False
    in_use = address.version == 4 or address in ipaddress.ip_network("2000::/3")
    given_out = in_use and not re.fullmatch("[^:]*::", written)
    return given_out and not any(address in network for network in SPECIAL)


def phones(text: str) -> list[Range]:
    found: list[Range] = []
    place = 0
    while place < len(text):
        for end in international(text, place):
            found.append((place, end))
            break
        else:
            match = NORTH_AMERICAN.match(text, place)
            start = match.start() if match else 0
            if match is None or (start > 0 and text[start - 1] == "+" and not match["bracketed"]):
                place += 1
                continue
            free = found[-1][1] if found else 0
            one = re.search(r"(?<![A-Za-z0-9_])(?<![0-9][-.])1[-. ]" + ("?" if match["bracketed"] else "") + r"\Z",
                            text[max(0, start - 5) : start])
            if one and max(0, start - 5) + one.start() >= free:
                start = max(0, start - 5) + one.start()
            spaced = match["first"] == match["second"] == " "
            if not stands_alone(text, start, match.end(), spaced):
                place += 1
                continue
            found.append((start, match.end()))
        place = found[-1][1]
    return found


def international(text: str, place: int) -> Iterator[int]:
    """The end of the number that begins there, if one does."""
    match = INTERNATIONAL.match(text, place)
    if match is None:
        return
    ends = [place + len(match[0][: unit.end()]) for unit in re.finditer(r"(?<=[0-9])(?=[^0-9)]|\Z)", match[0])]
    for end in reversed(ends):
        digits = re.sub("[^0-9]", "", text[place:end].replace("(0)", ""))
        if not re.match("[A-Za-z0-9_]", text[end : end + 2]) and len(digits) <= 15 and is_phone(digits):
            yield end


def is_phone(digits: str) -> bool:
    if digits[0] == "1":
        return bool(re.fullmatch(r"1[2-9](?!11)..(?!55501)[2-9](?!11)......", digits))
    if digits[0] == "7":
        return len(digits) == 11
    from taggers.pii_tables import CALLING_CODES  # facts, not rules

    return len(digits) >= 8 and digits.startswith(tuple(map(str, CALLING_CODES)))


def stands_alone(text: str, start: int, end: int, spaced: bool) -> bool:
    marks = "-. " if spaced else "-."
    before = re.search(rf"(?:[A-Za-z0-9_]|[0-9][{marks}])\Z", text[max(0, start - 2) : start])
    after = re.match(rf"[A-Za-z0-9_]|[{marks[::-1]}][0-9]", text[end : end + 2])
    return before is None and after is None


def ibans(text: str) -> list[Range]:
    from taggers.pii_tables import IBAN_LENGTHS

    found = []
    for match in every(IBAN, text):
        length = IBAN_LENGTHS.get(match[0][:2], 0)
        spaces = (length - 1) // 4 if match[0][4:5] == " " else 0
        written = text[match.start() : match.start() + length + spaces]
        plain = written.replace(" ", "")
        goes_on = re.match("[A-Za-z0-9_]", text[match.start() + len(written) : match.start() + len(written) + 1])
        if len(plain) != length or len(written) > len(match[0]) or goes_on:
            continue
        if int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1:
            found.append((match.start(), match.start() + len(written)))
    return found


def cards(text: str) -> list[Range]:
    from taggers.pii_tables import ISSUERS, TEST_CARDS

    found = []
    for match in every(CARD, text):
        digits = re.sub("[^0-9]", "", match[0])
        issued = any(low <= int(digits[:4]) <= high and len(digits) in lengths for low, high, lengths in ISSUERS)
        doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
        luhn = (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0
        plus = match.start() > 0 and text[match.start() - 1] == "+"
        alone = stands_alone(text, *match.span(), " " in match[0])
        if issued and luhn and alone and not plus and int(digits) not in TEST_CARDS:
            found.append(match.span())
    return found


def every(expression: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """The match at every place where there is one, overlapping or not."""
    return filter(None, (expression.match(text, place) for place in range(len(text))))


# The expressions of dolma 1.2.1, which are the definition; and what its tagger does with their matches.
DOLMA_EMAIL = re.compile("[.\\s@,?!;:)(]*([^\\s@]+@[^\\s@,?!;:)(]+?)[.\\s@,?!;:)(]?[\\s\n\r]")
DOLMA_PHONE = re.compile("\\s+\\(?(\\d{3})\\)?[-\\. ]*(\\d{3})[-. ]?(\\d{4})")
DOLMA_OCTET = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
DOLMA_IP = re.compile(rf"(?:{DOLMA_OCTET}\.){{3}}{DOLMA_OCTET}")


def pii_dolma(text: str, parameters: Mapping[str, Any]) -> Values:
    found: dict[str, list[Range]] = {"email": [], "phone": [], "ip": []}
    lines = [] if text.count("?") > 10_000 else list(re.finditer(r"[^\n]*\n|[^\n]+", text))
    for line in lines:
        for match in DOLMA_EMAIL.finditer(line[0]):
            local, domain = match[1].split("@")
            if local != "(" and "." in domain:
                found["email"].append((line.start() + match.start(), line.start() + match.end()))
        for kind, expression in (("phone", DOLMA_PHONE), ("ip", DOLMA_IP)):
            found[kind] += [(line.start() + match.start(), line.start() + match.end())
                            for match in expression.finditer(line[0])]
    return columns("pii_dolma", text, found)


REFERENCES = {"pii": pii, "pii_dolma": pii_dolma}
