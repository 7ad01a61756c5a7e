"""A person's shell: one Bash that runs block after block."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.docs.pages import ROOT

FAILED = "[failed]"
DONE = "[done]"
# A command that fails says so, unless its line goes on with ||.
SETTINGS = f"set -E -o pipefail; trap 'echo \"{FAILED} $? $BASH_COMMAND\"' ERR\n"


@dataclass(frozen=True)
class Shown:
    """What a block printed on both streams, and the commands that failed."""

    lines: list[str]

    @property
    def failed(self) -> list[str]:
        """The failed commands, with their exit codes."""
        return [line for line in self.lines if line.startswith(FAILED)]

    def __str__(self) -> str:
        """The lines as they were printed."""
        return "\n".join(self.lines)


class Shell:
    """Bash in a folder; `trial` on its PATH is this repository's."""

    def __init__(self, folder: Path) -> None:
        self._script = folder / "block.sh"
        self._bash = subprocess.Popen(
            ["/bin/bash", "--noprofile", "--norc"],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._write(SETTINGS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bash.kill()
        self._bash.communicate()

    def run(self, block: str) -> Shown:
        """Run a block to its end; variables and the folder stay as it leaves them."""
        self._script.write_text(block, encoding="utf-8")
        self._write(f'source "{self._script}" </dev/null; echo; echo "{DONE}"\n')
        assert self._bash.stdout
        lines: list[str] = []
        for line in self._bash.stdout:
            if line.rstrip() == DONE:
                return Shown(lines)
            lines.append(line.rstrip())
        raise AssertionError("\n".join(["Bash has ended", *lines]))

    def _write(self, text: str) -> None:
        assert self._bash.stdin
        self._bash.stdin.write(text)
        self._bash.stdin.flush()


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "TRIAL_"))}
    server = {name: os.environ[name] for name in ("TRIAL_TEMPORAL_SERVER", "TRIAL_NO_DOWNLOAD") if name in os.environ}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | server | {"PATH": path, "PYTHONPATH": str(ROOT)}
