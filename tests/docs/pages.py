"""Pages of the repository as their tests read them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line at which it begins."""

    language: str
    text: str
    line: int


def page(name: str) -> str:
    """The text of a page, by its path in the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    return [Block(found[1], found[2], text.count("\n", 0, found.start()) + 1) for found in FENCED.finditer(text)]


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return FENCED.sub("", text)
