"""Which licence the head of a file names, as an SPDX identifier where it can be told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from taggers.text import TextBatch

HEAD = 4096  # bytes that are read


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The license.* columns: spdx, null where none can be told; header and copyright, never null."""
    rows = [license_of(bytes(batch.utf8(document)[:HEAD])) for document in range(len(batch))]
    spdx, header, copyright_ = zip(*rows, strict=True) if rows else ((), (), ())
    return {
        "license.spdx": pa.array(spdx, pa.string()),
        "license.header": pa.array(header, pa.bool_()),
        "license.copyright": pa.array(copyright_, pa.bool_()),
    }


def license_of(head: bytes) -> tuple[str | None, bool, bool]:
    """(SPDX identifier or None, whether a licence is spoken of, whether a copyright is)."""
    lower = head.lower()
    if not any(word in lower for word in _SIGNS):
        return None, False, False
    spdx = _tag(head)
    words = b" " + b" ".join(lower.translate(_TO_SPACES).split()) + b" "
    if spdx is None:
        spdx = next((name for name, has, lacks in _TEXTS
                     if all(part in words for part in has) and not any(part in words for part in lacks)), None)
    header = spdx is not None or any(phrase in words for phrase in _PHRASES)
    return spdx, header, b" copyright " in words


_TAG = re.compile(rb"SPDX-License-Identifier:[ \t]*([()A-Za-z0-9.+ -]{1,200})")


def _tag(head: bytes) -> str | None:
    """The expression of the first SPDX tag, its operators and names as written."""
    found = _TAG.search(head)
    if found is None:
        return None
    words = found[1].decode().split()
    taken: list[str] = []
    for word in words:  # names and operators take turns; what follows is no part of it
        if (word in ("AND", "OR", "WITH")) != (len(taken) % 2 == 1):
            break
        taken.append(word)
    if len(taken) % 2 == 0:
        taken = taken[:-1]
    expression = " ".join(taken).rstrip(".-")
    if expression.count("(") != expression.count(")"):
        expression = expression.replace("(", "").replace(")", "")
    return expression or None


# Words are compared: lower-case letters and digits, whatever is between, so that comments' stars do not count.
_TO_SPACES = bytes(byte if chr(byte).isalnum() and byte < 128 else 32 for byte in range(256))

# The GNU licences: identifier, name, versions with their words.
_GNU = (
    ("AGPL", b"gnu affero general public license", (("3.0", b"3"),)),
    ("LGPL", b"gnu lesser general public license", (("2.1", b"2 1"), ("3.0", b"3"))),
    ("LGPL", b"gnu library general public license", (("2.0", b"2"),)),
    ("GPL", b"gnu general public license", (("3.0", b"3"), ("2.0", b"2"), ("1.0", b"1"))),
)
_LATER = (b"version %b of the license or at your option any later version", b"version %b or at your option any later",
          b"version %b or later", b"version %b of the license or later")
_ONLY = (b"version %b of the license", b"license version %b", b"version %b only", b"license v%b")


def _gnu() -> Iterator[tuple[str, tuple[bytes, ...], tuple[bytes, ...]]]:
    for identifier, name, versions in _GNU:
        for forms, which in ((_LATER, "or-later"), (_ONLY, "only")):
            for version, words in versions:
                for form in forms:
                    lacks = (b" version 2 1 ",) if words == b"2" else ()
                    yield f"{identifier}-{version}-{which}", (b" %b " % name, b" %b " % (form % words)), lacks


_BSD = b" redistribution and use in source and binary forms with or without modification are permitted "
_NAME = (b" neither the name ", b" may not be used to endorse or promote ")
_MIT = (b" permission is hereby granted free of charge to any person obtaining a copy ",)
_ISC = (b" permission to use copy modify and or distribute this software for any purpose with or without fee ",)

# What a text has to have and must lack; the first that fits counts.
_TEXTS: tuple[tuple[str, tuple[bytes, ...], tuple[bytes, ...]], ...] = (
    ("Apache-2.0 WITH LLVM-exception", (b" apache license v2 0 with llvm exceptions ",), ()),
    ("Apache-2.0", (b" licensed under the apache license version 2 0 ",), ()),
    ("Apache-2.0", (b" apache license version 2 0 january 2004 ",), ()),
    ("Artistic-1.0-Perl OR GPL-1.0-or-later", (b" same terms as perl itself ",), ()),
    *_gnu(),
    ("MPL-2.0", (b" mozilla public license v 2 0 ",), ()),
    ("MPL-2.0", (b" mozilla public license version 2 0 ",), ()),
    ("MPL-1.1", (b" mozilla public license version 1 1 ",), ()),
    ("EPL-2.0", (b" eclipse public license 2 0 ",), ()),
    ("EPL-2.0", (b" eclipse public license v2 0 ",), ()),
    ("EPL-2.0", (b" eclipse public license v 2 0 ",), ()),
    ("EPL-1.0", (b" eclipse public license v1 0 ",), ()),
    ("BSL-1.0", (b" boost software license version 1 0 ",), ()),
    ("CC0-1.0", (b" cc0 1 0 universal ",), ()),
    ("Unlicense", (b" this is free and unencumbered software released into the public domain ",), ()),
    ("PSF-2.0", (b" licensed to psf under a contributor agreement ",), ()),
    ("BSD-4-Clause", (_BSD, b" all advertising materials "), ()),
    *(("BSD-3-Clause", (_BSD, name), ()) for name in _NAME),
    ("BSD-2-Clause", (_BSD,), ()),
    ("SGI-B-2.0", (*_MIT, b" oss sgi com projects freeb "), ()),
    ("X11", (*_MIT, b" permission notice shall be included ", b" except as contained in this notice "), ()),
    ("MIT", (*_MIT, b" permission notice shall be included "), ()),
    ("MIT", (*_MIT, b" permission notice including the next paragraph shall be included "),
     (b" except as contained in this notice ",)),
    ("MIT-0", (*_MIT, b" without restriction ", b" the software is provided as is "),
     (b" permission notice ", b" except as contained in this notice ")),
    ("ISC", (*_ISC, b" permission notice appear in all copies "), ()),
    ("0BSD", _ISC, ()),
    ("Zlib", (b" this software is provided as is without any express or implied warranty ",
              b" altered source versions must be plainly marked "), ()),
    ("MIT", (b" licensed under the mit license ",), ()),
    ("MIT", (b" released under the mit license ",), ()),
)  # fmt: skip
_PHRASES = (b" licensed under ", b" license agreement ", b" licence agreement ", b" this license ", b" this licence ",
            b" style license ", b" license file ", b" license information ", b" license terms ",
            b" permission is hereby granted ", b" redistribution and use ")
# One of these is in whatever has a tag, a text or a phrase of those above, or the word copyright.
_SIGNS = (b"icen", b"copyright", b"permission", b"redistribution", b"cc0", b"unencumbered", b"perl", b"altered")
