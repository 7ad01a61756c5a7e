"""Pages of the repository as their tests read them: blocks, tables, links, headings."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: what it is written in, its text, and the line at which it begins."""

    language: str
    text: str
    line: int


def page(name: str) -> str:
    """The text of a page, by its path in the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    return [Block(found[1], found[2], text.count("\n", 0, found.start()) + 1) for found in FENCE.finditer(text)]


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", text)


def rows(text: str) -> list[list[str]]:
    """The rows of all tables of a page, each as its cells; heads and rules are left out."""
    lines = [line.strip().strip("|") for line in prose(text).splitlines() if line.startswith("|")]
    tables = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]
    return [row for number, row in enumerate(tables) if not _is_head(tables, number)]


def _is_head(tables: list[list[str]], number: int) -> bool:
    following = tables[number + 1] if number + 1 < len(tables) else [""]
    return any(all(re.fullmatch(r":?-+:?", cell) for cell in row) for row in (tables[number], following))


def links(text: str) -> list[str]:
    """Where a page's links and pictures lead."""
    return [found[1] or found[2] for found in LINK.finditer(prose(text))]


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings have on GitHub."""
    titles = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in HEADING.findall(prose(text))]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def shell_lines(text: str) -> list[str]:
    """The lines of a page's shell blocks; a line that goes on after a backslash is one."""
    joined = (block.text.replace("\\\n", " ") for block in blocks(text) if block.language in ("sh", "console"))
    return [line.strip() for text in joined for line in text.splitlines() if line.strip()]
