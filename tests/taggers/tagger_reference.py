"""What each tagger means, as slow and obvious Python: text in, value by column out. The oracle of the kernels."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import reference_code
import reference_dedup
import reference_fingerprints
import reference_language
import reference_models
import reference_paragraph_keys
import reference_perplexity
import reference_pii
import reference_text
import reference_url

_REFERENCES: dict[str, Callable[..., dict[str, Any]]] = {
    **reference_text.REFERENCES,
    **reference_language.REFERENCES,
    **reference_paragraph_keys.REFERENCES,
    **reference_perplexity.REFERENCES,
    **reference_models.REFERENCES,
    **reference_pii.REFERENCES,
    **reference_url.REFERENCES,
    **reference_code.REFERENCES,
    **reference_dedup.REFERENCES,
    **reference_fingerprints.REFERENCES,
}


def measure(
    tagger: str, text: str, parameters: Mapping[str, Any], document: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The value of every column of the tagger for this text; None for null, a list of dicts for spans.

    `document` is for references that look at more than the text, which take it as their third argument.
    """
    reference = _REFERENCES[tagger]
    if document is not None and len(inspect.signature(reference).parameters) > 2:
        return reference(text, parameters, document)
    return reference(text, parameters)
