"""
The URL of the database, for commands that only read it, from the standard library alone.

`deploy.services` finds and checks everything that the trial uses, and its libraries take longer to load than a query
takes. Whatever is not as usual here is left to it: then it says in words what is wrong.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

CHOOSES_TEMPORAL = ("TEMPORAL_ADDRESS", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE")
"""Variables that name another Temporal server than the embedded one."""


def usual_database_url(data: Path, environment: Mapping[str, str] = os.environ) -> str | None:
    """The URL that the environment names, else that of the embedded stack on a data folder; None when in doubt."""
    url = environment.get("TRIAL_DATABASE_URL")
    if any(environment.get(name) for name in CHOOSES_TEMPORAL):
        return url or None
    return None if url else _embedded_url(data)


def _embedded_url(data: Path) -> str | None:
    try:
        stack = json.loads((data / "stack.json").read_bytes())
        # In a copied folder the file still names the server of the original.
        is_up = stack["server"] is not None and Path(stack["data"]) == data.resolve()
        return str(stack["database_url"]) if is_up and stack["database_url"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
