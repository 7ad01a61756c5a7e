"""Whether a data folder can be used by this user and this version: copies and folders of earlier versions often can't.

`cp -r` as root gives all files to root, and PostgreSQL runs as another user; `sudo trial up` leaves files that the user
can't write later; PostgreSQL reads only folders of its own major version.
"""

import os
import pwd
import stat
from pathlib import Path

from deploy.errors import DataFolderError
from deploy.postgres_wheel import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

ROOTS_POSTGRES_USER = "pgserver"
"""The system user that the wheel runs PostgreSQL as when it is started by root."""
PARTS = ("", "stack.json", "stack.lock", "temporal.db", "temporal.db-wal", "temporal.db-shm", "logs", "logs/worker.log")
"""What must be readable and writable, if it exists."""
CLUSTER_PARTS = ("PG_VERSION", "global", "base")
"""What PostgreSQL's user must own. The folder itself is given to that user at each start by the wheel."""
ALLOWED_MODES = (0o700, 0o750)
"""The permissions of a data directory with which PostgreSQL starts."""


def prepare_data_folder(data: Path) -> None:
    """Makes a data folder if it is missing, and checks that this user can use it.

    Raises:
        DataFolderError: it is no folder, or belongs to somebody else.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataFolderError(f"{data} can't be made or is no folder: {error.strerror}; name another folder") from None
    for path in (data / part for part in PARTS):
        if path.exists() and not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
            raise DataFolderError(
                f"{path} belongs to {_owner(path)} and can't be read and written by {_name(os.geteuid())}: give the "
                f"folder to the user who runs `trial` (`chown -R USER {data}`), or name another one"
            )


def check_cluster(postgres: Path) -> None:
    """Checks that PostgreSQL can start on its data directory: version, owner and permissions.

    A directory without a cluster passes: PostgreSQL makes one.

    Raises:
        DataFolderError: it can't; the message names the command that repairs it.
    """
    if not (postgres / "PG_VERSION").exists():
        return
    _check_owner(postgres)
    _check_version(postgres)
    mode = stat.S_IMODE(postgres.stat().st_mode)
    if mode not in ALLOWED_MODES:
        raise DataFolderError(
            f"{postgres} has the permissions {mode:04o}, and PostgreSQL starts only with 0700 or 0750: "
            f"run `chmod 0700 {postgres}`"
        )


def check_not_a_live_copy(postgres: Path, original: Path) -> None:
    """Checks that a directory whose lock file names another directory is not a copy of that one.

    Files that were copied while the server wrote to them do not fit together. A directory that was moved after its
    server was killed has no original any more, and passes.

    Raises:
        DataFolderError: it is such a copy.
    """
    if original != postgres and (original / "PG_VERSION").exists():
        raise DataFolderError(
            f"{postgres} is a copy of {original}, made while PostgreSQL ran there: its files may not fit together. "
            f"Run `trial down --data {original.parent}`, and copy the folder again with `cp -a`"
        )


def _check_owner(postgres: Path) -> None:
    needed = pwd.getpwnam(ROOTS_POSTGRES_USER).pw_uid if os.geteuid() == 0 else os.geteuid()
    for path in (postgres / part for part in CLUSTER_PARTS):
        if path.exists() and path.stat().st_uid != needed:
            user = _name(needed)
            raise DataFolderError(
                f"{path} belongs to {_owner(path)}, and PostgreSQL runs as {user} here (`cp -r` does not keep owners): "
                f"run `chown -R {user} {postgres}`, or copy the stopped folder again with `cp -a`"
            )


def _check_version(postgres: Path) -> None:
    found = (postgres / "PG_VERSION").read_text(encoding="ascii", errors="replace").strip()
    if found == str(TARGET_POSTGRES_VERSION):
        return
    offered = found.isdecimal() and int(found) in POSTGRES_VERSIONS
    remedy = f"set PGSERVER_POSTGRES_VERSION={found}" if offered else "use the version of `trial` that made it"
    raise DataFolderError(
        f"{postgres} was made by PostgreSQL {found or 'of no known version'}, and this is {TARGET_POSTGRES_VERSION}: "
        f"{remedy}, or start with a new data folder"
    )


def _owner(path: Path) -> str:
    return _name(path.stat().st_uid)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
