"""An embedded PostgreSQL, from a wheel: no service to install, one data folder, reached over a Unix socket.

PostgreSQL refuses to run as root. Started by root, the wheel switches to a system user `pgserver` (made if missing) and
opens the folders above the data folder to it (`chmod a+rx`).
"""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import psutil

from deploy.data_folder import check_cluster, check_not_a_live_copy
from deploy.errors import PostgresError
from deploy.postgres_wheel import PostgresServer
from deploy.processes import last_lines

START_LIMIT = 60.0
"""Seconds until a server must be up; after a crash it first replays its log."""
STOP_GRACE = 30.0
"""Seconds that a server has to close its connections before it is made to stop."""


def start_postgres(data: Path) -> str:
    """Starts PostgreSQL on a data directory (made if missing), or finds it running; returns its URL.

    The server outlives this process and does not receive the terminal's Ctrl-C; `stop_postgres` ends it. It also starts
    on a directory whose server was killed.

    Raises:
        DataFolderError: the directory is of another version or owner, or was copied while its server ran.
        PostgresError: it is not up after 60 seconds.
    """
    data = data.resolve()
    data.mkdir(parents=True, exist_ok=True)
    if postmaster(data) is None:
        check_cluster(data)
        _clear_after_crash(data)
    deadline = time.monotonic() + START_LIMIT
    # Not the wheel's get_server(): that hands out the same object again after its server has died.
    server = PostgresServer(data, cleanup_mode=None)
    while True:
        try:
            server.start()
            return _url(server)
        # The wheel gives a server 10 seconds, too few for a long replay: it goes on starting, so ask again.
        except (subprocess.TimeoutExpired, AssertionError) as error:
            if time.monotonic() > deadline:
                raise _failed(data, f"it is not up after {START_LIMIT:.0f} seconds") from error
            time.sleep(0.2)
        except (subprocess.CalledProcessError, OSError, RuntimeError) as error:
            raise _failed(data, str(error)) from error


def stop_postgres(data: Path) -> None:
    """Stops the server of a data directory, if one runs, after 30 seconds by force. The data survive both.

    Raises:
        PostgresError: it does not end even so.
    """
    process = postmaster(data)
    if process is None:
        return
    # PostgreSQL's modes: INT rolls back open transactions and closes; QUIT closes at once, and the next start replays
    # the log. (TERM would wait for clients to disconnect.)
    for sign, grace in ((signal.SIGINT, STOP_GRACE), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        if process.is_running():
            process.send_signal(sign)
        if _until(lambda: postmaster(data) is None, grace):
            return
    raise PostgresError(f"PostgreSQL on {data} does not end (pid {process.pid})")


def postmaster(data: Path) -> psutil.Process | None:
    """The server process of a data directory, or None: a pid file alone proves nothing, pids are used again."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
        return process if _works_in(process, data.resolve()) else None
    except (OSError, ValueError, psutil.Error):
        return None


def _works_in(process: psutil.Process, data: Path) -> bool:
    """Whether a process is one of the PostgreSQL processes of a data directory: it is their working directory."""
    try:
        return (
            process.name() == "postgres"
            and process.status() != psutil.STATUS_ZOMBIE
            and Path(process.cwd()).resolve() == data
        )
    except (OSError, psutil.Error):
        return False


def _clear_after_crash(data: Path) -> None:
    """Waits for the child processes of a killed server to end, then removes its lock files.

    The wheel and PostgreSQL take the server for running while the pid in these files is in use, by whatever process (in
    a container the same low pids come again). While a child still writes to the directory a second server would damage
    it, so the files stay until the last one has ended.
    """
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    lines = pid_file.read_text().splitlines()
    original = Path(lines[1]) if len(lines) > 1 else data
    check_not_a_live_copy(data, original)
    if not _until(lambda: not any(_works_in(process, data) for process in psutil.process_iter()), STOP_GRACE):
        raise PostgresError(f"PostgreSQL on {data} was killed, and processes of it still run after {STOP_GRACE:.0f} s")
    # The fifth line names the folder of the socket: elsewhere if the directory's path is too long for one.
    folders = {data, Path(lines[4])} if original == data and len(lines) > 4 and lines[4] else {data}  # noqa: PLR2004
    for lock in (lock for folder in folders for lock in folder.glob(".s.PGSQL.*.lock")):
        lock.unlink()
    pid_file.unlink()


def _until(done: Callable[[], bool], limit: float) -> bool:
    """Whether something becomes true within so many seconds."""
    deadline = time.monotonic() + limit
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _url(server: PostgresServer) -> str:
    info = server.get_postmaster_info()
    # The port names the socket's file; given here so that a PGPORT in the environment can't name another.
    return "postgresql://postgres@/postgres?" + urlencode(
        {"host": str(info.socket_dir), "port": str(info.port)}, safe="/"
    )


def _failed(data: Path, reason: str) -> PostgresError:
    log = data / "log"
    return PostgresError(f"PostgreSQL did not start on {data}: {reason}\n{last_lines(log)}".rstrip())
