"""Help, usage, and output that nobody reads: mostly in processes of their own, as people have them."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

import starter
from cli.exit_codes import Exit
from tests.cli.trial_command import ROOT, Document, Trial


def commands(group: Document, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command of the tree."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            assert command.help, name
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


TREE = dict(commands(get_command(starter.app)))


@pytest.mark.parametrize("name", TREE)
def test_every_command_and_option_says_what_it_is(name: str) -> None:
    assert len(TREE[name].help) > 20
    for parameter in TREE[name].params:
        assert parameter.help, f"{name} {parameter.name}"


@pytest.mark.parametrize("name", TREE)
def test_global_options_may_stand_after_the_command(name: str) -> None:
    options = {option for parameter in TREE[name].params for option in parameter.opts}
    assert {"--study", "--data", "--json"} <= options


async def test_help_answers_at_once(nowhere: Trial) -> None:
    """It is quick, since neither Temporal nor pydantic nor asyncio is loaded for it."""
    slow = {"temporalio", "pydantic", "asyncpg", "asyncio", "rich", "yaml"}
    script = f"import starter, sys; starter.run(['--help']); print('loaded:', {slow} & set(sys.modules))"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert "worklist" in out.decode()
    assert out.decode().endswith("loaded: set()\n")
    assert (await nowhere.process("--version")).out.startswith("trial ")


async def test_help_names_own_options_before_shared_ones(nowhere: Trial) -> None:
    """And every line fits 80 columns."""
    shown = await nowhere("task", "complete", "--help")
    places = [shown.out.index(words) for words in ("--file", "Shared options:", "--json", "Who acts, and why:", "--as")]
    assert shown.code == Exit.OK
    assert places == sorted(places)
    assert max(len(line) for line in shown.out.splitlines()) <= 80


async def test_a_usage_error_is_json_where_json_was_asked_for(nowhere: Trial) -> None:
    shown = await nowhere("participant", "enroll", "CN01-001", "--json")
    assert shown.code == Exit.BAD_INPUT
    assert shown.json["error"]["type"] == "Usage"
    assert "--consent-date" in shown.json["error"]["message"]
    assert (await nowhere("participant", "enroll")).code == Exit.BAD_INPUT


async def test_without_a_stack_it_says_how_to_get_one(nowhere: Trial) -> None:
    (await nowhere("study", "status")).refuses(Exit.UNREACHABLE, "trial up", "TEMPORAL_ADDRESS")
    (await nowhere("worklist")).refuses(Exit.UNREACHABLE, "trial up")
    shown = await nowhere("status", "--json")
    assert shown.code == Exit.UNREACHABLE
    assert shown.json["running"] == {"server": False, "postgres": False, "worker": False}


async def test_a_usage_error_shows_the_usage(nowhere: Trial) -> None:
    shown = await nowhere.process("worklist", "--sites", "CN01")
    assert (shown.code, shown.out) == (Exit.BAD_INPUT, "")
    assert "Usage: trial worklist" in shown.err
    assert "--sites" in shown.err
    assert (await nowhere("worklists")).code == Exit.BAD_INPUT


async def test_output_that_nobody_reads_ends_quietly(nowhere: Trial) -> None:
    """`trial protocol show | head -1`: neither a traceback nor an error; only the exit code says so."""
    script = f"{sys.executable} -m starter protocol show --json | head -1; exit ${{PIPESTATUS[0]}}"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", script),
        cwd=ROOT,
        env=nowhere.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (out, err) == (b"{\n", b"")
    assert process.returncode in (Exit.OK, Exit.OUTPUT_CLOSED)
