"""One way to write a value down, so that its hash is the same whoever makes it and whenever."""

import hashlib
import json


def json_sha256(content: object) -> str:
    """Return the SHA-256 of what JSON can say, as 64 hex digits: in UTF-8, with sorted keys and no white space."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
