"""Programs that go on after the process that started them, known by pid and start time."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from deploy.stack_file import Process

SAME_START = 2.0
"""Seconds by which two readings of a process's start may differ: the system clock that they come from is corrected."""

_children: dict[int, "subprocess.Popen[bytes]"] = {}
"""Those that this process itself started: their exit must be collected here, or they stay as zombies."""


def find_process(process: Process) -> psutil.Process | None:
    """The running process, or None if it has ended."""
    if child := _children.get(process.pid):
        child.poll()
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.started) < SAME_START
        return found if same and found.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def is_running(process: Process | None) -> bool:
    """Whether a process was started and has not ended."""
    return process is not None and find_process(process) is not None


def start_detached(command: Sequence[str], *, log: Path, environment: Mapping[str, str], folder: Path) -> Process:
    """Starts a program in a session of its own, so that a Ctrl-C in the terminal does not reach it.

    Its output is appended to `log`; `folder` is its working directory.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
        )
    _children[child.pid] = child
    return Process(pid=child.pid, started=psutil.Process(child.pid).create_time())


def stop_process(process: Process, grace: float) -> bool:
    """Ends a program by TERM, after `grace` seconds by KILL; returns whether TERM was enough."""
    running = find_process(process)
    if running is None:
        return True
    running.terminate()
    try:
        running.wait(grace)
    except psutil.TimeoutExpired:
        running.kill()
        running.wait(grace)
        return False
    return True


def last_lines(log: Path, count: int = 10) -> str:
    """The end of a log, to be quoted in an error."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 10_000))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])


def last_line(text: str) -> str:
    """The last line of a program's output that is not blank; empty if there is none."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
