"""Protocols by content hash: registered by the study, loaded by every participant into its own history."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.database import Pool
from schemas import names
from schemas.messages import RegisterProtocol
from schemas.protocol import Protocol, ProtocolReference


class ProtocolActivities:
    """Activities over the `protocol` table."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    @activity.defn(name=names.REGISTER_PROTOCOL)
    async def register_protocol(self, register: RegisterProtocol) -> None:
        """Keep a protocol's content; the same hash again changes nothing."""
        reference = register.reference
        await self._pool.execute(
            "INSERT INTO protocol (sha256, id, version, content) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (sha256) DO NOTHING",
            reference.sha256,
            reference.id,
            reference.version,
            register.protocol.model_dump(mode="json"),
        )

    @activity.defn(name=names.LOAD_PROTOCOL)
    async def load_protocol(self, reference: ProtocolReference) -> Protocol:
        """Load the protocol that a study registered; the study registers before anybody can be enrolled."""
        content = await self._pool.fetchval("SELECT content FROM protocol WHERE sha256 = $1", reference.sha256)
        if content is None:
            raise ApplicationError(
                f"protocol {reference.id} {reference.version} is not registered", type="UnknownProtocol"
            )
        return Protocol.model_validate(content)
