"""What licenses oblige a mixture to, as far as their SPDX names say: a help to notice a conflict, and no legal advice.

Families, not terms: versions of one license are taken to be compatible, and of two that share alike each with the
other. https://spdx.org/licenses has the names.
"""

from __future__ import annotations

import re

Obligations = frozenset[str]

ATTRIBUTION = "attribution"
SHARE_ALIKE = "share-alike"
NON_COMMERCIAL = "non-commercial use alone"
NO_DERIVATIVES = "no derivatives"
COPYLEFT = "copyleft"

# In the order in which they are told. What each asks of the mixture's own license.
ASKS = {
    NON_COMMERCIAL: "allows non-commercial use alone",
    NO_DERIVATIVES: "allows no derivatives",
    SHARE_ALIKE: "asks that what is made of it is shared alike",
    COPYLEFT: "asks that what is made of it is under a copyleft license",
    ATTRIBUTION: "asks for attribution",
}

# The first pattern that fits the whole of a name, without regard to case.
FAMILIES: tuple[tuple[str, Obligations], ...] = (
    (r"public[ -]domain|CC0-1\.0|CC0|PDDL-1\.0|CC-PDDC|PDM-1\.0|Unlicense|0BSD", frozenset()),
    (r"MIT(-0)?|Apache-[\d.]+|BSD-\d-Clause(-.*)?|ISC|Zlib|BSL-1\.0|PSF-2\.0|Python-2\.0(\.1)?|PostgreSQL|NCSA|"
     r"Artistic-2\.0", frozenset({ATTRIBUTION})),
    (r"CC-BY-[\d.]+(-[A-Z]{2,3})?|ODC-BY(-1\.0)?|CDLA-Permissive-[\d.]+|OGL-UK-[\d.]+|OGL-Canada-2\.0|Etalab-2\.0|"
     r"NLOD-[\d.]+|DL-DE-BY-2\.0", frozenset({ATTRIBUTION})),
    (r"CC-BY-SA-[\d.]+(-[A-Z]{2,3})?|ODbL(-1\.0)?|GFDL-.*|CDLA-Sharing-1\.0", frozenset({ATTRIBUTION, SHARE_ALIKE})),
    (r"CC-BY-NC-[\d.]+(-[A-Z]{2,3})?", frozenset({ATTRIBUTION, NON_COMMERCIAL})),
    (r"CC-BY-NC-SA-[\d.]+(-[A-Z]{2,3})?", frozenset({ATTRIBUTION, NON_COMMERCIAL, SHARE_ALIKE})),
    (r"CC-BY-ND-[\d.]+(-[A-Z]{2,3})?", frozenset({ATTRIBUTION, NO_DERIVATIVES})),
    (r"CC-BY-NC-ND-[\d.]+(-[A-Z]{2,3})?", frozenset({ATTRIBUTION, NON_COMMERCIAL, NO_DERIVATIVES})),
    (r"[AL]?GPL-[\d.]+(\+|-only|-or-later)?|MPL-[\d.]+|EUPL-[\d.]+|EPL-[\d.]+|CDDL-[\d.]+|OSL-[\d.]+|CECILL-[\d.]+",
     frozenset({ATTRIBUTION, COPYLEFT})),
)


def obligations(license: str) -> Obligations | None:
    """What a license asks of whoever passes its texts on; None for one that is not known here, or no license at all.

    Of licenses joined by OR the one that asks least is taken, of those joined by AND all hold, as SPDX has it.
    """
    choices = [_all_of(choice) for choice in re.split(r"\s+OR\s+", license.strip())]
    known = [choice for choice in choices if choice is not None]
    return min(known, key=len) if len(known) == len(choices) else None


def dropped(source: Obligations, mixture: Obligations) -> list[str]:
    """What a source asks for and the mixture's own license does not, the gravest first. Whoever is asked to share alike
    may do so under a copyleft license.
    """
    kept = mixture | ({SHARE_ALIKE} if COPYLEFT in mixture else set())
    return [each for each in ASKS if each in source and each not in kept]


def _all_of(licenses: str) -> Obligations | None:
    found: set[str] = set()
    for license in re.split(r"\s+AND\s+", licenses):
        name = re.sub(r"\s+WITH\s+\S+$", "", license)
        asks = next((asks for pattern, asks in FAMILIES if re.fullmatch(pattern, name, re.IGNORECASE)), None)
        if asks is None:
            return None
        found |= asks
    return frozenset(found)
