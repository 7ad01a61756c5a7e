"""Builds a Temporal dev server from the Go source in `deploy/devserver`."""

import os
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

from deploy.errors import CannotMakeError
from deploy.go_toolchain import SOURCE, find_go
from deploy.report import Report

REPORT_EVERY = 10.0
"""Seconds between two lines of progress when stderr is no terminal."""


def build_server(target: Path, report: Report) -> None:
    """Builds the server from `deploy/devserver` into `target` (4 to 8 minutes on two cores when nothing is cached).

    Raises:
        CannotMakeError: there is no Go toolchain, or the build failed (the compiler's last lines are quoted).
    """
    go = find_go(target.parent.parent, report)
    report(f"building the Temporal server from source with {go}: 4 to 8 minutes, once per machine")
    command = [str(go), "build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"]
    # A toolchain that downloads another one, or a go.work file in a folder above, would build something else.
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
            output = _follow(process, report)
        finally:
            if process.poll() is None:
                process.kill()
    if process.returncode:
        raise CannotMakeError("go build failed:\n" + "\n".join(list(output)[-15:]))


def _follow(process: subprocess.Popen[str], report: Report) -> deque[str]:
    """Reports progress until the build ends; returns the last lines of its output (package names, then errors)."""
    output: deque[str] = deque(maxlen=200)
    steps = 0

    def read() -> None:
        nonlocal steps
        for line in process.stderr or ():
            output.append(line.rstrip())
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
    return output
