"""The walks of the README and of docs/walkthrough.md run as they stand, and show what the pages show."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from activities.database import Pool
from tests.cli.trial_command import Trial
from tests.conftest import empty_bank
from tests.docs.pages import ROOT, Block, blocks, page
from tests.docs.shell import Shell, Shown, shell

READING = re.compile(r"trial (worklist|[\w-]+ (status|list|timeline|clocks|facts))\b")
SHOWN_WITHIN = 30.0
"""Seconds in which the workflows must have answered each other."""
PAUSE = 0.1
VARYING = (
    (re.compile(r"\bstudy-[0-9a-f]{8}\b"), "car-nk-01"),
    (re.compile(r"\b\d{4}-\d{2}-\d{2}\b"), "(day)"),
    (re.compile(r"\b\d{2}:\d{2}\b"), "(time)"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "(run)"),
    (re.compile(r"\b\d+ events\b"), "(events)"),
)
END = Block("", "", 0)


@pytest.fixture
async def a_shell(trial: Trial, pool: Pool, tmp_path: Path) -> AsyncIterator[Shell]:
    """A shell in a folder with the protocols, as in a clone, on an empty bank."""
    await empty_bank(pool)
    (tmp_path / "protocols").symlink_to(ROOT / "protocols")
    async with shell(trial, tmp_path) as running:
        yield running
    await empty_bank(pool)


@pytest.mark.parametrize("name", ["README.md", "docs/walkthrough.md"])
async def test_a_walk_runs_as_it_stands(a_shell: Shell, name: str) -> None:
    """From the study's start to its audit: each command does what the page says, and is refused where it says so."""
    walk = [block for block in blocks(page(name)) if not block.text.startswith("make ")]
    for block, following in pairwise([*walk, END]):
        if block.language == "sh":
            await _walk(a_shell, block, following.text if following.language == "text" else "")


async def _walk(shell: Shell, block: Block, expected: str) -> None:
    """Run a block; one that only reads is run again while the workflows still answer each other."""
    shown, until = await shell.run(block.text), time.monotonic() + SHOWN_WITHIN
    while _only_reads(block) and _missing(expected, shown) and time.monotonic() < until:
        await asyncio.sleep(PAUSE)
        shown = await shell.run(block.text)
    missing = _missing(expected, shown)
    assert not shown.failed, f"line {block.line}: {shown}"
    assert missing is None, f"line {block.line}: {missing!r} is not shown in its place:\n{shown}"


def _only_reads(block: Block) -> bool:
    return all(READING.match(line) for line in block.text.splitlines())


def _missing(expected: str, shown: Shown) -> str | None:
    """The first line of the page that the output lacks in its place; None if it has them all."""
    left = iter([_comparable(line) for line in shown.lines])
    lines = [line for line in expected.splitlines() if re.search(r"\w", line)]
    return next((line for line in lines if not any(_comparable(line) in each for each in left)), None)


def _comparable(line: str) -> str:
    for pattern, name in VARYING:
        line = pattern.sub(name, line)
    return " ".join(line.split())
