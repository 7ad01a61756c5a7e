"""Protocols by content hash: registered by the study, loaded by every participant into its own history."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.database import Connection, Pool
from activities.read_model import protocol_content
from activities.statements import statements
from schemas import names
from schemas.messages import RegisterProtocol
from schemas.protocol import Protocol, ProtocolReference

SQL = statements("protocols")


async def register(connection: Connection, registration: RegisterProtocol) -> bool:
    """Keep a protocol's content; return whether it was new: the same hash again changes nothing."""
    reference, content = registration.reference, registration.protocol.model_dump(mode="json")
    new = await connection.fetchval(SQL["register"], reference.sha256, reference.id, reference.version, content)
    return new is not None


async def restore(connection: Connection, registration: RegisterProtocol) -> bool:
    """Put a registered protocol's content right; return whether it was altered."""
    content = registration.protocol.model_dump(mode="json")
    return await connection.fetchval(SQL["restore"], registration.reference.sha256, content) is not None


class ProtocolActivities:
    """Activities over the `protocol` table."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @activity.defn(name=names.REGISTER_PROTOCOL)
    async def register_protocol(self, registration: RegisterProtocol) -> None:
        """Keep a protocol's content."""
        async with self._pool.acquire() as connection:
            await register(connection, registration)

    @activity.defn(name=names.LOAD_PROTOCOL)
    async def load_protocol(self, reference: ProtocolReference) -> Protocol:
        """Load the protocol that a study registered; the study registers before anybody can be enrolled."""
        content = await protocol_content(self._pool, reference.sha256)
        if content is None:
            raise ApplicationError(
                f"protocol {reference.id} {reference.version} is not registered", type="UnknownProtocol"
            )
        return Protocol.model_validate(content)
