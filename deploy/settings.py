"""Which Temporal and which Postgres to use, and how to connect to them.

The environment decides: the standard `TEMPORAL_*` variables (address, namespace, API key, TLS, profile file) with
`TRIAL_DATABASE_URL`. Without them, the embedded stack of a data folder is used if it is up.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import asyncpg
from pydantic import BaseModel, ConfigDict, Field
from temporalio.client import Client, Interceptor
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

from deploy.stack import read_stack, status

CHOOSES_TEMPORAL = ("TEMPORAL_ADDRESS", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE")
"""Variables that say: not the embedded stack."""
DATABASE_EXAMPLE = "postgresql://trial@db.example.org:5432/trial"
CONNECT_LIMIT = 20.0
"""Seconds to get an answer from Temporal or Postgres."""
POOL_SIZE = 10
"""Most Postgres connections of one process."""


class SettingsError(Exception):
    """What to connect to is not known, or does not answer; the message names the variable or the address."""


class Settings(BaseModel):
    """What to connect to. `repr` shows neither: both can hold secrets."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    temporal: dict[str, Any] = Field(repr=False)
    """Keyword arguments of `temporalio.client.Client.connect`."""
    database_url: str = Field(repr=False)
    source: Literal["environment", "embedded"]

    @property
    def temporal_address(self) -> str:
        """Host and port of the Temporal frontend."""
        return str(self.temporal["target_host"])

    @property
    def database_host(self) -> str:
        """Host and port, or socket folder, of Postgres; never the password."""
        return database_host(self.database_url)


def load_settings(data: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the environment, else those of the embedded stack on the data folder.

    Raises:
        SettingsError: half of the environment is set, its Temporal profile can't be read, or no stack is up.
    """
    if any(environment.get(name) for name in CHOOSES_TEMPORAL):
        return _from_environment(environment)
    if environment.get("TRIAL_DATABASE_URL"):
        raise SettingsError(
            "TRIAL_DATABASE_URL is set and TEMPORAL_ADDRESS is not: set both, "
            "such as TEMPORAL_ADDRESS=temporal.example.org:7233, or unset it to use the embedded stack"
        )
    return _embedded(data)


def _from_environment(environment: Mapping[str, str]) -> Settings:
    database_url = environment.get("TRIAL_DATABASE_URL")
    if not database_url:
        raise SettingsError(
            f"TRIAL_DATABASE_URL is not set, and Temporal is set by the environment: "
            f"set it to the trial's Postgres, such as {DATABASE_EXAMPLE}"
        )
    try:
        temporal = dict(ClientConfig.load_client_connect_config(override_env_vars=dict(environment)))
    except Exception as error:  # the SDK raises its own bare Exception subclass, which it does not export
        raise SettingsError(f"the TEMPORAL_* variables or the profile they name can't be used: {error}") from error
    if "target_host" not in temporal:
        raise SettingsError("TEMPORAL_ADDRESS is not set, and the Temporal profile has no address: set one of them")
    return Settings(temporal=temporal, database_url=database_url, source="environment")


def _embedded(data: Path) -> Settings:
    stack = read_stack(data)
    if stack is None or not status(data).ready:
        raise SettingsError(
            f"no stack is up on {data}: start one with `trial up`, "
            f"or set TEMPORAL_ADDRESS and TRIAL_DATABASE_URL to use others"
        )
    temporal = {"target_host": stack.temporal_address, "namespace": stack.namespace}
    return Settings(temporal=temporal, database_url=stack.database_url, source="embedded")


async def connect(
    settings: Settings, data_converter: DataConverter, interceptors: Sequence[Interceptor] = ()
) -> Client:
    """A connected Temporal client.

    Raises:
        SettingsError: the server did not answer within 20 seconds, or refused; the message names its address.
    """
    try:
        async with asyncio.timeout(CONNECT_LIMIT):
            return await Client.connect(**settings.temporal, data_converter=data_converter, interceptors=interceptors)
    except TimeoutError:
        reason = f"no answer within {CONNECT_LIMIT:.0f} seconds"
    except (RuntimeError, RPCError) as error:
        reason = str(error)
    raise SettingsError(f"no Temporal server at {settings.temporal_address} ({_hint(settings)}): {reason}")


async def connect_database(settings: Settings) -> "asyncpg.Pool[asyncpg.Record]":
    """An open pool of Postgres connections.

    Raises:
        SettingsError: Postgres did not answer within 20 seconds, or refused; the message names its host.
    """
    try:
        async with asyncio.timeout(CONNECT_LIMIT):
            return await asyncpg.create_pool(settings.database_url, min_size=1, max_size=POOL_SIZE)
    except TimeoutError:
        reason = f"no answer within {CONNECT_LIMIT:.0f} seconds"
    except ValueError:
        # Said in our words: the library's message may quote the URL.
        raise SettingsError(f"TRIAL_DATABASE_URL is not a Postgres URL such as {DATABASE_EXAMPLE}") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error)
    raise SettingsError(f"no Postgres at {settings.database_host} ({_hint(settings)}): {reason}")


def _hint(settings: Settings) -> str:
    return "the embedded stack; see `trial up`" if settings.source == "embedded" else "set by the environment"


def database_host(database_url: str) -> str:
    """Host and port of a Postgres URL, or the folder of its Unix socket; never user or password."""
    try:
        parts = urlsplit(database_url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an unreadable URL"
    return (parts.hostname or parse_qs(parts.query).get("host", ["an unnamed host"])[0]) + port
