"""What is known of numbers and addresses: who gives them out, how long they are, and which are nobody's."""

from __future__ import annotations

# Domains that are nobody's: RFC 2606 and 6761, and .local (RFC 6762), which is of one's own network.
RESERVED_DOMAINS = ("example.com", "example.net", "example.org", "example", "test", "invalid", "localhost", "local")

# No top-level domains, but what stands after the "@" of a file name such as logo@2x.png.
FILE_SUFFIXES = ("png", "jpg", "jpeg", "gif", "svg", "webp", "bmp")

# Addresses that are of no one machine in the Internet, or are kept for documentation: IANA's registries of
# special-purpose addresses (RFC 6890 and later), and multicast.
NOT_PERSONAL_V4 = (
    "0.0.0.0/8",
    "10.0.0.0/8",  # private (RFC 1918)
    "100.64.0.0/10",  # shared by a provider's customers (RFC 6598)
    "127.0.0.0/8",  # loopback
    "169.254.0.0/16",  # link-local
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # protocol assignments
    "192.0.2.0/24",  # documentation (RFC 5737)
    "192.168.0.0/16",  # private
    "198.18.0.0/15",  # benchmarks (RFC 2544)
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/3",  # multicast, reserved, broadcast: and so every netmask
)
# Of IPv6 only 2000::/3 is given out, which leaves out loopback, link-local, unique local and multicast addresses.
NOT_PERSONAL_V6 = (
    "2001::/23",  # protocol assignments
    "2001:db8::/32",  # documentation (RFC 3849)
    "3fff::/20",  # documentation (RFC 9637)
)

# How many characters an IBAN has, by country: the registry of ISO 13616.
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
    "YE": 30,
}  # fmt: skip

# Payment cards (ISO/IEC 7812): the first and last four digits that numbers begin with, and how many digits they have.
_LONG = (16, 17, 18, 19)
ISSUERS = (
    (4000, 4999, (13, 16, 19)),  # Visa
    (5100, 5599, (16,)), (2221, 2720, (16,)),  # Mastercard
    (3400, 3499, (15,)), (3700, 3799, (15,)),  # American Express
    (6011, 6011, _LONG), (6440, 6499, _LONG), (6500, 6599, _LONG),  # Discover
    (3000, 3059, (14,)), (3095, 3095, (14,)), (3600, 3699, (14,)), (3800, 3999, (14,)),  # Diners Club
    (3528, 3589, _LONG),  # JCB
    (6200, 6299, _LONG),  # UnionPay
    (2200, 2204, _LONG),  # Mir
    *((head, head, _LONG) for head in (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763)),  # Maestro
)  # fmt: skip

# Numbers that payment services publish for tests.
TEST_CARDS = (
    4111111111111111, 4242424242424242, 4012888888881881, 4000056655665556, 4222222222222, 5555555555554444,
    5105105105105100, 5200828282828210, 2223003122003222, 378282246310005, 371449635398431, 6011111111111117,
    6011000990139424, 3530111333300000, 3566002020360505, 30569309025904, 38520000023237, 36227206271667,
)  # fmt: skip

# Calling codes that are given out (ITU-T E.164), but for 1 and 7, which have rules of their own.
CALLING_CODES = (
    20, 27, *range(30, 35), 36, 39, 40, 41, *range(43, 50), *range(51, 59), *range(60, 67), 81, 82, 84, 86,
    *range(90, 96), 98, 211, 212, 213, 216, 218, *range(220, 259), *range(260, 270), 290, 291, 297, 298, 299,
    *range(350, 360), *range(370, 384), 385, 386, 387, 389, 420, 421, 423, *range(500, 510), *range(590, 600), 670,
    *range(672, 684), *range(685, 693), 800, 808, 850, 852, 853, 855, 856, 870, 878, 880, 881, 882, 883, 886, 888,
    *range(960, 969), *range(970, 978), 979, *range(992, 997), 998,
)  # fmt: skip
