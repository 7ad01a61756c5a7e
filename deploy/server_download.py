"""Gets a Temporal dev server by the SDK's own download."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from deploy.errors import CannotMakeError
from deploy.processes import last_line

STALLED_DOWNLOAD = 20.0
"""Seconds without a new byte after which a download is given up: an unreachable host could block for minutes."""


def download_server(target: Path) -> None:
    """Has the Temporal SDK download the CLI that it pins, into `target`.

    Raises:
        CannotMakeError: no byte arrived for 20 seconds, or the download failed.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as folder, tempfile.TemporaryFile("w+") as errors:
        command = [sys.executable, "-m", "deploy.sdk_download", folder]
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
            raise CannotMakeError(last_line(errors.read()) or f"the downloader ended with code {process.returncode}")
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
        with suppress(FileNotFoundError):  # renamed meanwhile
            total += path.stat().st_size
    return total
