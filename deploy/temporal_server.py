"""Finds a Temporal dev server on this machine, or makes one."""

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

import platformdirs

from deploy.errors import CannotMakeError, DeployError, ServerNotFoundError
from deploy.go_toolchain import SOURCE
from deploy.report import Report, printer
from deploy.server_build import build_server
from deploy.server_download import download_server
from deploy.settings import load_settings

OLDEST_SERVER = (1, 32)
"""The first server version whose time skipping the simulation was tried on."""
ADVICE = (
    "Install the Temporal CLI (https://docs.temporal.io/cli) so that `temporal` is on PATH, "
    "or set TRIAL_TEMPORAL_SERVER to the path of one."
)


class _UnusableError(Exception):
    """A program that is not a server we can use; the message says why."""


def find_server(report: Report) -> Path:
    """The path of a Temporal dev server that takes `server start-dev`.

    The first that works of: the path in TRIAL_TEMPORAL_SERVER; `temporal` on PATH; one made before (user cache); the
    SDK's download (unless TRIAL_NO_DOWNLOAD is true); a build from source. `report` gets one line for each step: why it
    was passed over.

    Raises:
        ServerNotFoundError: TRIAL_TEMPORAL_SERVER names something else, or no way worked.
        SettingsError: a variable is malformed.
    """
    settings = load_settings()
    if settings.temporal_server:
        return _given(settings.temporal_server)
    report("TRIAL_TEMPORAL_SERVER is not set")
    cached = cached_server()
    return _on_path(report) or _cached(cached, report) or _make(cached, report, download=not settings.no_download)


def _given(path: Path) -> Path:
    try:
        check_server(path)
    except _UnusableError as error:
        raise ServerNotFoundError(
            f"TRIAL_TEMPORAL_SERVER={path}: {error}. Set it to the path of a Temporal CLI, or unset it."
        ) from None
    return path.absolute()


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


def _cached(cached: Path, report: Report) -> Path | None:
    if not cached.exists():
        report(f"none made before ({cached})")
        return None
    try:
        check_server(cached)
    except _UnusableError as error:
        report(f"the one made before passed over: {cached}: {error}")
        return None
    return cached


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


def cached_server() -> Path:
    """Where a downloaded or built server is stored: a folder per content of `deploy/devserver` and kind of machine."""
    digest = hashlib.sha256(f"{platform.system()}/{platform.machine()}".encode())
    for path in sorted(path for path in SOURCE.rglob("*") if path.is_file()):
        digest.update(f"\0{path.relative_to(SOURCE).as_posix()}\0".encode() + path.read_bytes())
    return platformdirs.user_cache_path("car-nk-trial") / f"devserver-{digest.hexdigest()[:16]}" / "temporal-server"


def _make(cached: Path, report: Report, *, download: bool) -> Path:
    cached.parent.mkdir(parents=True, exist_ok=True)
    partial = cached.with_suffix(".partial")
    with _locked(cached.with_suffix(".lock"), report):
        if cached.exists() and (made := _cached(cached, report)):
            return made
        partial.unlink(missing_ok=True)  # left by an interrupted build; go refuses to write over it
        if not download:
            report("the SDK's download is skipped: TRIAL_NO_DOWNLOAD is set")
        try:
            if not (download and _downloaded(partial, report)):
                build_server(partial, report)
            check_server(partial)
        except (CannotMakeError, _UnusableError) as error:
            raise ServerNotFoundError(
                f"No Temporal server was found, and none could be made: {error}\n{ADVICE}"
            ) from None
        partial.replace(cached)
    return cached


def _downloaded(target: Path, report: Report) -> bool:
    """Whether the SDK's download gave a server that can be used."""
    report("trying the Temporal SDK's download")
    try:
        download_server(target)
        check_server(target)
    except (CannotMakeError, _UnusableError) as error:
        report(f"the SDK's download passed over: {error}")
        target.unlink(missing_ok=True)
        return False
    return True


@contextmanager
def _locked(lock: Path, report: Report) -> Iterator[None]:
    """Holds a lock file, so that of several processes one makes the server and the others wait for it."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another process is making the Temporal server: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Prints the path of the server; the steps go to stderr."""
    try:
        path = find_server(printer("temporal server"))
    except DeployError as error:
        sys.exit(f"temporal server: {error}")
    print(path)


if __name__ == "__main__":
    main()
