"""How much of an HTML text a reader sees."""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(script|style)(?![A-Za-z0-9-]).*?(?:</\1(?![A-Za-z0-9-])[^>]*(?:>|\Z)|\Z)"
    r"|<[A-Za-z/!?][^>]*(?:>|\Z)",
    re.DOTALL | re.IGNORECASE | re.ASCII)
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{0,31});")


def visible_chars(text: str) -> int:
    """Code points outside of tags, comments, scripts and styles; a character reference is one. Whitespace counts.

    A tag ends at the next ">". What is left open hides the rest of the text.
    """
    seen = _UNSEEN.sub("", text)
    return len(_REFERENCE.sub(" ", seen)) if "&" in seen else len(seen)
