"""The canonical JSON form of a value, so that its hash depends on the content alone."""

import hashlib
import json


def json_sha256(content: object) -> str:
    """Return the SHA-256 of a JSON value, as 64 hex digits: in UTF-8, with sorted keys and no white space."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
