"""What each tagger means, as slow and obvious Python: text in, value by column out. The oracle of the kernels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import reference_code
import reference_language
import reference_models
import reference_perplexity
import reference_pii
import reference_text
import reference_url

_REFERENCES: dict[str, Callable[[str, Mapping[str, Any]], dict[str, Any]]] = {
    **reference_text.REFERENCES,
    **reference_language.REFERENCES,
    **reference_perplexity.REFERENCES,
    **reference_models.REFERENCES,
    **reference_pii.REFERENCES,
    **reference_url.REFERENCES,
    **reference_code.REFERENCES,
}


def measure(tagger: str, text: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every column of the tagger for this text; None for null, a list of dicts for spans."""
    return _REFERENCES[tagger](text, parameters)
