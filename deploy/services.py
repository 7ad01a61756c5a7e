"""Where Temporal and Postgres are: named by the environment, else the embedded stack of a data folder."""

from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from deploy.errors import SettingsError
from deploy.settings import DATABASE_EXAMPLE, TEMPORAL_EXAMPLE, Settings, load_settings
from deploy.stack_file import Stack, read_stack


class Services(BaseModel):
    """A Temporal server and a Postgres database that belong together."""

    model_config = ConfigDict(frozen=True)

    source: Literal["environment", "embedded"]
    database_url: str = Field(repr=False)
    stack: Stack | None = None
    """The embedded stack; None when the environment names other services."""

    @property
    def remedy(self) -> str:
        """What to do when one of them does not answer."""
        return "set by the environment" if self.stack is None else "the embedded stack; start it with `trial up`"

    @property
    def database_host(self) -> str:
        """Host and port, or socket folder, of Postgres; never the password."""
        return database_host(self.database_url)


def find_services(data: Path | None = None, settings: Settings | None = None) -> Services:
    """The services that the environment names, else those of the embedded stack.

    Args:
        data: the data folder of the embedded stack; else that of the settings.
        settings: the variables; else those of this process's environment.

    Raises:
        SettingsError: only one of the two services is named, a variable is malformed, or no stack is up.
        DataFolderError: the stack file can't be read.
    """
    settings = settings or load_settings()
    url = settings.database_url
    if not settings.chooses_temporal and url is None:
        return embedded_services(data or settings.data)
    if url is None:
        raise SettingsError(
            f"TRIAL_DATABASE_URL is not set, and Temporal is set by the environment: "
            f"set it to the trial's Postgres, such as {DATABASE_EXAMPLE}"
        )
    if not settings.chooses_temporal:
        raise SettingsError(
            f"TRIAL_DATABASE_URL is set and TEMPORAL_ADDRESS is not: set both, "
            f"such as TEMPORAL_ADDRESS={TEMPORAL_EXAMPLE}, or unset it to use the embedded stack"
        )
    return Services(source="environment", database_url=url.get_secret_value())


def embedded_services(data: Path) -> Services:
    """The services of the embedded stack on a data folder; whether they answer is not asked.

    Raises:
        SettingsError: no stack is up on it.
        DataFolderError: the stack file can't be read.
    """
    stack = read_stack(data)
    if stack is None or stack.server is None or not stack.database_url:
        raise SettingsError(
            f"no stack is up on {data}: start one with `trial up`, "
            f"or set TEMPORAL_ADDRESS and TRIAL_DATABASE_URL to use others"
        )
    return Services(source="embedded", database_url=stack.database_url, stack=stack)


def database_host(database_url: str) -> str:
    """Host and port of a Postgres URL, or the folder of its Unix socket; never user or password."""
    try:
        parts = urlsplit(database_url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an unreadable URL"
    return (parts.hostname or parse_qs(parts.query).get("host", ["an unnamed host"])[0]) + port
