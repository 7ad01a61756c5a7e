"""docs/walkthrough.md runs as it stands: every block succeeds, and shows what the page shows."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks, page
from tests.docs.shell import Shell, Shown

READING = re.compile(r"trial (worklist|status|[\w-]+ (status|show|list|timeline|facts|packet|clocks|response))\b")
SHOWN_WITHIN = 20.0
"""Seconds in which the workflows must have answered each other."""
PAUSE = 0.2
VARYING = (
    (re.compile(r"\b\d{4}-\d{2}-\d{2}\b"), "(day)"),
    (re.compile(r"\b\d{2}:\d{2}\b"), "(time)"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "(run)"),
    (re.compile(r"\b\d+ events\b"), "(events)"),
)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell in a new folder beside the protocols, as in a clone; the stack that the walk starts is stopped."""
    (tmp_path / "protocols").symlink_to(ROOT / "protocols")
    with Shell(tmp_path) as shell:
        yield shell
        shell.run(f"trial down --data {tmp_path}/data/.trial")


@pytest.mark.nightly
def test_the_walk_runs_as_it_stands(shell: Shell) -> None:
    walk = blocks(page("docs/walkthrough.md"))
    for block, following in zip(walk, [*walk[1:], Block("", "", 0)], strict=True):
        if block.language == "sh":
            _walk(shell, block, following.text if following.language == "text" else "")


def _walk(shell: Shell, block: Block, expected: str) -> None:
    """Run a block; one that only reads is run again while the workflows still answer each other."""
    shown, until = shell.run(block.text), time.monotonic() + SHOWN_WITHIN
    while _only_reads(block) and _missing(expected, shown) and time.monotonic() < until:
        time.sleep(PAUSE)
        shown = shell.run(block.text)
    place = f"docs/walkthrough.md, line {block.line}"
    assert not shown.failed, f"{place}: {shown}"
    assert _missing(expected, shown) is None, f"{place}: shows no {_missing(expected, shown)!r} in its place:\n{shown}"


def _only_reads(block: Block) -> bool:
    return all(READING.match(line) for line in block.text.splitlines())


def _missing(expected: str, shown: Shown) -> str | None:
    """The first line of the page that the output lacks, in the page's order; None if it has them all."""
    left = iter([_comparable(line) for line in shown.lines])
    lines = [line for line in expected.splitlines() if re.search(r"\w", line)]
    return next((line for line in lines if not any(_comparable(line) in each for each in left)), None)


def _comparable(line: str) -> str:
    for pattern, name in VARYING:
        line = pattern.sub(name, line)
    return " ".join(line.split())
