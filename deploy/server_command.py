"""The command that starts a Temporal dev server."""

from pathlib import Path
from typing import Literal


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
