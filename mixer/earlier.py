"""A corpus that is an earlier mixture: what is known of it, and what its shards are called."""

from __future__ import annotations

import hashlib
import json

from mixer import storage
from mixer.documents import canonical_json
from mixer.errors import BadInput

SHARDS = "data/*.jsonl.zst"  # of a mixture, relative to its folder


def read(corpus: str) -> dict[str, str] | None:
    """Name, version and digest of the mixture at `corpus`; None where there is no manifest of one.

    The digest is worked out from the manifest. That its shards are what it says is for `solera audit`, and for the
    lock, which has the sha256 of each.
    """
    uri = storage.join(corpus, "manifest.json")
    if not storage.exists(uri):
        return None
    try:
        found = json.loads(storage.read(uri))
    except (ValueError, RecursionError):
        return None  # somebody's own file
    part = found.get("mixture") if isinstance(found, dict) else None
    if not isinstance(part, dict) or not str(part.get("format", "")).startswith("solera-"):
        return None
    digest = hashlib.sha256(canonical_json(part)).hexdigest()
    if digest != found.get("digest"):
        raise BadInput(f"{uri}: its mixture part has the digest {digest}, and it says {found.get('digest')}; take the "
                       "mixture as it was published, and `solera audit` it")
    return {"name": str(part.get("name")), "version": str(part.get("version")), "digest": digest}

