"""Ports of this machine that a server of the embedded stack can listen on."""

import socket
import time

from deploy.errors import StackError

PORT_LIMIT = 2.0
"""Seconds to wait for the port of a server that has just ended."""
ATTEMPTS = 20


def free_port(wanted: int | None = None, but: int | None = None) -> int:
    """The wanted port of 127.0.0.1 if it is free, else any that is; never `but`.

    Raises:
        StackError: none is free.
    """
    deadline = time.monotonic() + PORT_LIMIT
    while wanted and wanted != but and time.monotonic() < deadline:
        if _bind(wanted):
            return wanted
        time.sleep(0.1)  # a killed server's threads give it back one by one
    for _attempt in range(ATTEMPTS):
        found = _bind(0)
        if found and found != but:
            return found
    raise StackError("no free port on 127.0.0.1")


def _bind(port: int) -> int | None:
    """The port (any free one for 0) if it can be had, else None."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: a port just left is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
