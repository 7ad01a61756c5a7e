"""SQL statements by name, read from the `.sql` files beside this module: each begins with a line `-- name: NAME`."""

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "sql"


@cache
def statements(file: str) -> dict[str, str]:
    """Return the statements of `sql/<file>.sql` by name."""
    text = (FOLDER / f"{file}.sql").read_text(encoding="utf-8")
    _, *parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))
