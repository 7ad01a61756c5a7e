"""How the steps of a long start are reported."""

import sys
from collections.abc import Callable

Report = Callable[[str], None]
"""Takes a line for each step."""


def printer(subject: str) -> Report:
    """A report that prints each step with its subject to stderr: stdout is for the result."""
    return lambda line: print(f"{subject}: {line}", file=sys.stderr, flush=True)
