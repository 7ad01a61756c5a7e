"""A person's shell: one Bash that runs block after block. Its `trial` is carried out in this process, to save time."""

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.exit_codes import Exit
from tests.cli.trial_command import Finished, Trial, run_here

FAILED = "[failed]"
DONE = "[done]"
# A command that fails says so, unless its line goes on with ||.
SETTINGS = f"set -E -o pipefail; trap 'echo \"{FAILED} $? $BASH_COMMAND\"' ERR\n"
CLIENT = """#!{python} -SI
import json, os, socket, sys
with socket.create_connection(("127.0.0.1", {port})) as connection:
    connection.sendall(json.dumps([os.getcwd(), sys.argv[1:]]).encode() + b"\\n")
    code, out, err = json.load(connection.makefile())
sys.stderr.write(err)
sys.stderr.flush()
sys.stdout.write(out)
sys.exit(code)
"""
STACK = ("up", "down")
"""What there is nothing to do for: the session's stack is up."""


@dataclass(frozen=True)
class Shown:
    """What a block printed on both streams."""

    lines: list[str]

    @property
    def failed(self) -> list[str]:
        """The commands that failed, with their exit codes."""
        return [line for line in self.lines if line.startswith(FAILED)]

    def __str__(self) -> str:
        """The lines as they were printed."""
        return "\n".join(self.lines)


class Shell:
    """A running Bash."""

    def __init__(self, bash: Process, script: Path) -> None:
        self._bash, self._script = bash, script

    async def run(self, block: str) -> Shown:
        """Run a block to its end; variables and the folder stay as it leaves them."""
        assert self._bash.stdin
        assert self._bash.stdout
        self._script.write_text(block, encoding="utf-8")
        self._bash.stdin.write(f'source "{self._script}" </dev/null; echo; echo "{DONE}"\n'.encode())
        lines: list[str] = []
        async for line in self._bash.stdout:
            if line.decode().rstrip() == DONE:
                return Shown(lines)
            lines.append(line.decode().rstrip())
        raise AssertionError("\n".join(["Bash has ended", *lines]))


@asynccontextmanager
async def shell(trial: Trial, folder: Path) -> AsyncIterator[Shell]:
    """Start Bash in a folder, with the command `trial` of the session's stack on its PATH."""
    server = await asyncio.start_server(lambda reader, writer: _answer(trial, reader, writer), "127.0.0.1", 0)
    programs = folder / "bin"
    programs.mkdir()
    client = programs / "trial"
    client.write_text(CLIENT.format(python=sys.executable, port=server.sockets[0].getsockname()[1]))
    client.chmod(0o755)
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    bash = await asyncio.create_subprocess_exec(
        *("bash", "--noprofile", "--norc"), cwd=folder, env=environment, stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    assert bash.stdin
    bash.stdin.write(SETTINGS.encode())
    yield Shell(bash, programs / "block.sh")
    bash.stdin.close()
    await bash.wait()
    server.close()
    await server.wait_closed()


async def _answer(trial: Trial, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    folder, words = json.loads(await reader.readline())
    finished = await asyncio.to_thread(_run, trial, folder, words)
    writer.write(json.dumps([finished.code, finished.out, finished.err]).encode())
    writer.close()
    await writer.wait_closed()


def _run(trial: Trial, folder: str, words: Sequence[str]) -> Finished:
    if words[0] in STACK:
        return Finished(Exit.OK, "", "")
    with contextlib.chdir(folder):
        return run_here(tuple(words), trial.environment, "")
