"""The product bank. Who gets which unit is decided inside one transaction: a unit is never promised twice."""

from collections.abc import Sequence

import asyncpg
from temporalio import activity

from activities.database import Pool
from decisions.product.matching import count_fitting, match_units
from schemas import names
from schemas.messages import ReserveUnits, ReturnUnits
from schemas.product.bank import FittingUnits, Unit, UnitMatch, UnitRequest

# Units of other targets are left out here only to lock fewer rows; the rule itself is `match_units`.
FREE_UNITS = """
SELECT unit_id, lot, donor, antigens, million_cells, quality, expires_on
FROM unit
WHERE antigens @> $1 AND NOT EXISTS (SELECT FROM reservation WHERE reservation.unit_id = unit.unit_id)
ORDER BY unit_id
"""
CANDIDATES = FREE_UNITS + "FOR UPDATE"
FREE = """
DELETE FROM reservation WHERE unit_id = ANY($1) AND study = $2 AND subject = $3 AND NOT infused RETURNING unit_id
"""
RESERVED = """
SELECT unit.unit_id, lot, donor, antigens, million_cells, quality, expires_on
FROM reservation JOIN unit USING (unit_id)
WHERE request_key = $1
ORDER BY ordinal
"""


class BankActivities:
    """Activities over the bank's tables."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    @activity.defn(name=names.RESERVE_UNITS)
    async def reserve_units(self, reserve: ReserveUnits) -> UnitMatch:
        """Reserve matching units, all or none; asking again with the same key returns what it got before."""
        async with self._pool.acquire() as connection, connection.transaction():
            # Requests for the same product stand in line, so that none sees another's half-made choice.
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtext($1))", "/".join(sorted(reserve.request.target))
            )
            before = await connection.fetch(RESERVED, reserve.key)
            if before:
                return UnitMatch(units=_units(before), reason="reserved before under the same key")
            rows = await connection.fetch(CANDIDATES, [str(antigen) for antigen in reserve.request.target])
            match = match_units(reserve.request, _units(rows))
            await connection.executemany(
                "INSERT INTO reservation (unit_id, study, subject, request_key, ordinal) VALUES ($1, $2, $3, $4, $5)",
                [(u.unit_id, reserve.study, reserve.subject, reserve.key, n) for n, u in enumerate(match.units)],
            )
            return match

    @activity.defn(name=names.RETURN_UNITS)
    async def return_units(self, back: ReturnUnits) -> None:
        """Free units that were not infused, and book it; a second time there is nothing left to free."""
        async with self._pool.acquire() as connection, connection.transaction():
            freed = await connection.fetch(FREE, list(back.units), back.study, back.subject)
            await connection.executemany(
                "INSERT INTO custody (unit_id, workflow_id, sequence, event, at, who, why) "
                "VALUES ($1, $2, $3, 'returned', $4, 'system', $5)",
                [(row["unit_id"], back.workflow_id, back.sequence, back.at, back.why) for row in freed],
            )

    @activity.defn(name=names.COUNT_UNITS)
    async def count_units(self, request: UnitRequest) -> FittingUnits:
        """Count the free units that fit, without a promise: another participant may be faster."""
        rows = await self._pool.fetch(FREE_UNITS, [str(antigen) for antigen in request.target])
        return FittingUnits(count=count_fitting(request, _units(rows)))


def _units(rows: Sequence[asyncpg.Record]) -> tuple[Unit, ...]:
    return tuple(Unit.model_validate(dict(row)) for row in rows)
