"""Connecting to Temporal, with failures in words."""

import asyncio
from collections.abc import Sequence
from typing import Any

from temporalio.client import Client, Interceptor
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

from deploy.errors import SettingsError, UnreachableError
from deploy.processes import is_running
from deploy.services import Services

CONNECT_LIMIT = 20.0
"""Seconds to get an answer from Temporal."""


async def connect_temporal(
    services: Services, data_converter: DataConverter, interceptors: Sequence[Interceptor] = ()
) -> Client:
    """A connected client.

    Raises:
        SettingsError: the SDK's variables or the profile they name can't be used.
        UnreachableError: the server does not run, did not answer within 20 seconds, or refused; its address is named.
    """
    arguments = connect_arguments(services)
    try:
        async with asyncio.timeout(CONNECT_LIMIT):
            return await Client.connect(**arguments, data_converter=data_converter, interceptors=interceptors)
    except TimeoutError:
        reason = f"no answer within {CONNECT_LIMIT:.0f} seconds"
    except (RuntimeError, RPCError) as error:
        reason = str(error)
    raise UnreachableError(f"no Temporal server at {arguments['target_host']} ({services.remedy}): {reason}")


def connect_arguments(services: Services) -> dict[str, Any]:
    """The arguments of `Client.connect`: address, namespace and, from the environment, API key and TLS."""
    stack = services.stack
    if stack is None:
        return _from_environment()
    # Another program, even another stack, may have the port of a server that has ended.
    if not is_running(stack.server):
        raise UnreachableError(f"the Temporal server of {stack.data} does not run: start it with `trial up`")
    return {"target_host": stack.temporal_address, "namespace": stack.namespace}


def _from_environment() -> dict[str, Any]:
    try:
        arguments = dict(ClientConfig.load_client_connect_config())
    except Exception as error:  # the SDK raises its own bare Exception subclass, which it does not export
        raise SettingsError(f"the TEMPORAL_* variables or the profile they name can't be used: {error}") from error
    if "target_host" not in arguments:
        raise SettingsError("TEMPORAL_ADDRESS is not set, and the Temporal profile has no address: set one of them")
    return arguments
