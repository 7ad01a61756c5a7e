"""The hash of what is signed (21 CFR 11.70)."""

import hashlib
import json

from schemas.base import Frozen


def content_sha256(content: Frozen) -> str:
    """
    Return the SHA-256 of a value: 64 hex digits, the same whoever makes it and whenever.

    Over its JSON in UTF-8 with sorted keys, no white space, and nothing for what is none.
    """
    said = content.model_dump(mode="json", exclude_none=True)
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
