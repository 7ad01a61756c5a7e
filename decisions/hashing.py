"""The hash of what is signed (21 CFR 11.70)."""

from schemas.base import Frozen
from schemas.canonical import json_sha256


def content_sha256(content: Frozen) -> str:
    """
    Return the SHA-256 of a value: 64 hex digits, the same whoever makes it and whenever.

    Over its canonical JSON, with nothing for what is none.
    """
    return json_sha256(content.model_dump(mode="json", exclude_none=True))
