"""Finds a Temporal dev server on this machine, or makes one, and says how to start it."""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import platformdirs

from deploy.server_build import SOURCE, CannotMakeError, Report, build_server, download_server

OLDEST_SERVER = (1, 32)
"""The first server version whose time skipping our simulation was tried on."""
ADVICE = (
    "Install the Temporal CLI (https://docs.temporal.io/cli) so that `temporal` is on PATH, "
    "or set TRIAL_TEMPORAL_SERVER to the path of one."
)


class ServerNotFoundError(Exception):
    """No usable Temporal server; the message says what was wrong and what would be right."""


class _UnusableError(Exception):
    """A program that is not a server we can use; the message says why."""


def find_server(report: Report) -> Path:
    """The path of a Temporal dev server that takes `server start-dev`.

    The first that works of: the path in TRIAL_TEMPORAL_SERVER; `temporal` on PATH; one made before (user cache); the
    SDK's download (unless TRIAL_NO_DOWNLOAD is set); a build from source. `report` gets one line for each step: why it
    was passed over.

    Raises:
        ServerNotFoundError: TRIAL_TEMPORAL_SERVER is set and wrong, or no way worked.
    """
    given = os.environ.get("TRIAL_TEMPORAL_SERVER")
    if given:
        return _given(given)
    report("TRIAL_TEMPORAL_SERVER is not set")
    kept = kept_server()
    return _on_path(report) or _kept(kept, report) or _make(kept, report)


def _given(path: str) -> Path:
    try:
        check_server(Path(path))
    except _UnusableError as error:
        raise ServerNotFoundError(
            f"TRIAL_TEMPORAL_SERVER={path}: {error}. Set it to the path of a Temporal CLI, or unset it."
        ) from None
    return Path(path).absolute()


def _on_path(report: Report) -> Path | None:
    found = shutil.which("temporal")
    if found is None:
        report("no `temporal` on PATH")
        return None
    try:
        check_server(Path(found))
    except _UnusableError as error:
        report(f"`temporal` on PATH passed over: {found}: {error}")
        return None
    return Path(found).absolute()


def _kept(kept: Path, report: Report) -> Path | None:
    if not kept.exists():
        report(f"none made before ({kept})")
        return None
    try:
        check_server(kept)
    except _UnusableError as error:
        report(f"the one made before passed over: {kept}: {error}")
        return None
    return kept


def check_server(binary: Path) -> tuple[int, int]:
    """The server version of a binary, from its `--version`.

    Raises:
        _UnusableError: it is missing, does not run, is something else, or is too old.
    """
    if not binary.is_file():
        raise _UnusableError("there is no such file")
    if not os.access(binary, os.X_OK):
        raise _UnusableError("it is not executable")
    try:
        answer = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _UnusableError(f"it does not run: {error}") from None
    # The CLI says "temporal version 1.5.0 (Server 1.32.0, UI 2.54.1)".
    found = re.search(r"[Ss]erver (\d+)\.(\d+)", answer.stdout)
    if answer.returncode or not found:
        raise _UnusableError("its --version does not name a Temporal server")
    version = int(found[1]), int(found[2])
    if version < OLDEST_SERVER:
        raise _UnusableError(
            f"its server is {version[0]}.{version[1]}, and {OLDEST_SERVER[0]}.{OLDEST_SERVER[1]} is needed"
        )
    return version


def kept_server() -> Path:
    """Where a made server is kept: a folder per content of `deploy/devserver` and per kind of machine."""
    digest = hashlib.sha256(f"{platform.system()}/{platform.machine()}".encode())
    for path in sorted(path for path in SOURCE.rglob("*") if path.is_file()):
        digest.update(f"\0{path.relative_to(SOURCE).as_posix()}\0".encode() + path.read_bytes())
    return platformdirs.user_cache_path("car-nk-trial") / f"devserver-{digest.hexdigest()[:16]}" / "temporal-server"


def _make(kept: Path, report: Report) -> Path:
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(".partial")
    with _alone(kept.with_suffix(".lock"), report):
        if kept.exists() and (made := _kept(kept, report)):
            return made
        partial.unlink(missing_ok=True)  # left by an interrupted build; go refuses to write over it
        try:
            _download_or_build(partial, report)
            check_server(partial)
        except (CannotMakeError, _UnusableError) as error:
            raise ServerNotFoundError(
                f"No Temporal server was found, and none could be made: {error}\n{ADVICE}"
            ) from None
        partial.replace(kept)
    return kept


def _download_or_build(target: Path, report: Report) -> None:
    if os.environ.get("TRIAL_NO_DOWNLOAD"):
        report("the SDK's download is skipped: TRIAL_NO_DOWNLOAD is set")
    else:
        report("trying the Temporal SDK's download")
        try:
            download_server(target)
            check_server(target)
        except (CannotMakeError, _UnusableError) as error:
            report(f"the SDK's download passed over: {error}")
            target.unlink(missing_ok=True)
        else:
            return
    build_server(target, report)


@contextmanager
def _alone(lock: Path, report: Report) -> Iterator[None]:
    """Holds a lock file, so that of several processes one makes the server and the others wait for it."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another process is making the Temporal server: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def server_command(
    binary: Path,
    *,
    port: int,
    ui_port: int | None,
    database: Path | None,
    virtual_time: bool,
    synchronous: Literal["full", "off"],
) -> list[str]:
    """The arguments that start the server on 127.0.0.1.

    Args:
        binary: the Temporal CLI, or our own build.
        port: of the gRPC frontend.
        ui_port: of the web UI; None runs without one.
        database: SQLite file to keep the histories in; None keeps them in memory.
        virtual_time: let workflows that ask for it skip ahead to their next timer.
        synchronous: SQLite's: "full" survives a power cut; "off" only a crash of the server, and is faster.
    """
    command = [str(binary), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    command += ["--headless"] if ui_port is None else ["--ui-port", str(ui_port)]
    if database is not None:
        command += ["--db-filename", str(database)]
        # Without WAL and a busy timeout parallel updates stall for seconds.
        for pragma in ("journal_mode=wal", "busy_timeout=10000", f"synchronous={synchronous}"):
            command += ["--sqlite-pragma", pragma]
    for value in _dynamic_config(virtual_time=virtual_time):
        command += ["--dynamic-config-value", value]
    return command


def _dynamic_config(*, virtual_time: bool) -> list[str]:
    values = ["system.enableActivityEagerExecution=true"]
    if virtual_time:
        # A timer that was skipped to is due at once: the queue must look for it often (a skip takes 0.15 s, not 1 s).
        values += [
            "frontend.WorkflowTimeSkippingEnabled=true",
            'history.timerProcessorMaxTimeShift="5ms"',
            "history.timerProcessorMaxPollRPS=5000",
            "history.timerProcessorMaxPollHostRPS=5000",
        ]
    return values


def say(line: str) -> None:
    """Reports a step to the terminal, apart from what a program prints as its result."""
    print(f"temporal server: {line}", file=sys.stderr, flush=True)


def main() -> None:
    """Prints the path of the server; the steps on the way go to stderr."""
    try:
        path = find_server(say)
    except ServerNotFoundError as error:
        sys.exit(f"temporal server: {error}")
    print(path)


if __name__ == "__main__":
    main()
