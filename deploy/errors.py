"""What can be wrong with the surroundings of the trial: its settings, its services, its data folder.

Each message says what is wrong and what to do. The command line answers all of them with exit code 7.
"""


class DeployError(Exception):
    """The surroundings can't be used as they are."""


class SettingsError(DeployError):
    """An environment variable is malformed or missing, or no embedded stack is up."""


class UnreachableError(DeployError):
    """Temporal or Postgres does not answer, or refuses; the message names its address, never a password."""


class DataFolderError(DeployError):
    """A data folder can't be used: other owners, other permissions, or written by another version."""


class DatabaseVersionError(DeployError):
    """The database was set up by other migrations than those of this version."""


class PostgresError(DeployError):
    """The embedded PostgreSQL did not start or stop; the message names the folder and quotes the log."""


class StackError(DeployError):
    """The embedded stack can't do what was asked; the message names the part, and quotes the end of its log."""


class ServerNotFoundError(DeployError):
    """No usable Temporal server; the message says what was wrong and what would be right."""


class CannotMakeError(DeployError):
    """One way of getting a Temporal server failed; the message is the reason."""
