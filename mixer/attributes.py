"""The attribute sidecars of a shard: one for each tagger with its parameters and model, aligned with `rows`."""

from __future__ import annotations

import hashlib
from functools import cache

from mixer.documents import canonical_json
from taggers.declare import Use, load


def key_of(use: Use) -> str:
    """name@version, and 12 hex digits of the digest of parameters and model where there are any."""
    model = model_sha256(use)
    if not use.parameters and model is None:
        return use.tagger.key
    digest = hashlib.sha256(canonical_json([use.parameters_digest, model])).hexdigest()
    return f"{use.tagger.key}-{digest[:12]}"


def model_sha256(use: Use) -> str | None:
    """Hex sha256 of the tagger's model file; None for a tagger without a model."""
    return _model_sha256(use.tagger.model) if use.tagger.model else None


@cache
def _model_sha256(reference: str) -> str:
    digest: str = load(reference)()
    return digest
