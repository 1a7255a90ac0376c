"""The taggers of personal data: e-mail, phone, IP address, IBAN, payment card."""

from __future__ import annotations

from taggers.declare import Column, Tagger

_SPANS = "In the order of the text; they never overlap. Empty if there are none, never null."
_COUNT = "0 if there are none, never null."

PII = Tagger(
    name="pii",
    version=2,
    doc=(
        "Personal data, with the checks that its forms allow. Digits and letters are those of ASCII. What is nobody's "
        "does not count: example.com and the like (RFC 2606, 6761), private, documentation and other special-purpose "
        "IP addresses, telephone numbers kept for fiction, published test cards. In an edit each kind is a column."
    ),
    run="taggers.pii:run",
    columns=(
        Column(
            "pii.email", "spans", "e-mail address",
            "At most 64 letters, digits and _%+'-., an @, and a domain of two labels or more whose last is letters. No "
            "dot at the end before the @, nor two in a row. Left out: domains of RFC 2606 and 6761, .local, git@, "
            "what goes on as a call in code does, and endings of image files (logo@2x.png). " + _SPANS,
        ),
        Column("pii.email_count", "int64", "spans", f"E-mail addresses. {_COUNT}"),
        Column(
            "pii.phone", "spans", "phone number",
            "North American: 555-234-5678 or (555) 234-5678, a space, dot or hyphen between, with or without a 1 "
            "before; neither part begins with 0 or 1 or is a service code, and 555-0100 to 555-0199 are fiction. "
            "International: + and a calling code that is given out, 8 to 15 digits (11 for +1 and +7), parted by "
            "single spaces, dots, hyphens or brackets. Ten digits in a row, and groups in a row of numbers, are none. "
            + _SPANS,
        ),
        Column("pii.phone_count", "int64", "spans", f"Phone numbers. {_COUNT}"),
        Column(
            "pii.ip", "spans", "IP address",
            "IPv4: four octets of 0 to 255 without leading zeros, not in a longer row of numbers. IPv6: RFC 4291's "
            "forms, two groups at least, within 2000::/3, which is all that is given out. Left out: private, shared, "
            "loopback, link-local, documentation, benchmark, multicast and reserved ranges. A version of four "
            "numbers is found, too. " + _SPANS,
        ),
        Column("pii.ip_count", "int64", "spans", f"IP addresses, of both kinds. {_COUNT}"),
        Column(
            "pii.iban", "spans", "IBAN",
            "In capitals, without spaces or with one after every four; the length is its country's and the check "
            "digits hold (mod 97, ISO 13616). " + _SPANS,
        ),
        Column("pii.iban_count", "int64", "spans", f"IBANs. {_COUNT}"),
        Column(
            "pii.card", "spans", "payment card number",
            "13 to 19 digits in a row, or 4-4-4-4, 4-4-4-4-3, 4-6-5 or 4-6-4 parted by spaces or hyphens; an issuer "
            "has numbers that begin so and are as long, and Luhn's check digit holds. Published test numbers are left "
            "out. " + _SPANS,
        ),
        Column("pii.card_count", "int64", "spans", f"Payment card numbers. {_COUNT}"),
        Column("pii.count", "int64", "spans", f"All of these. {_COUNT}"),
    ),
    parameters={},
    source=(
        "RFC 5321, 2606, 6761, 4291, 6890, 5737, 3849; ITU-T E.164; North American Numbering Plan; ISO 13616; "
        "ISO/IEC 7812"
    ),
    cost=229,
)

PII_DOLMA = Tagger(
    name="pii_dolma",
    version=2,
    doc=(
        "E-mail, phone and IP address as dolma 1.2.1's pii_regex_with_counts_fast_v2 finds them, line by line, where "
        "digits are Unicode's in phone numbers. As there, a text with more than 10,000 question marks has none."
    ),
    run="taggers.pii_dolma:run",
    columns=(
        Column(
            "pii_dolma.email", "spans", "e-mail address",
            "An address that whitespace follows in its line, with the punctuation and whitespace on both sides. "
            + _SPANS,
        ),
        Column("pii_dolma.email_count", "int64", "spans", f"E-mail addresses (EMAIL_ADDRESS). {_COUNT}"),
        Column(
            "pii_dolma.phone", "spans", "phone number",
            "Ten digits after whitespace, with or without marks between, and with the whitespace before. " + _SPANS,
        ),
        Column("pii_dolma.phone_count", "int64", "spans", f"Phone numbers (PHONE_NUMBER). {_COUNT}"),
        Column(
            "pii_dolma.ip", "spans", "IP address",
            "Four numbers up to 255 with dots between, whatever is around them. " + _SPANS,
        ),
        Column("pii_dolma.ip_count", "int64", "spans", f"IPv4 addresses (IP_ADDRESS). {_COUNT}"),
        Column("pii_dolma.count", "int64", "spans", f"All of these (doc_count). {_COUNT}"),
    ),
    parameters={},
    source="dolma 1.2.1, tagger pii_regex_with_counts_fast_v2 (Soldaini et al. 2024)",
    cost=90,
)

PII_TAGGERS: tuple[Tagger, ...] = (PII, PII_DOLMA)
