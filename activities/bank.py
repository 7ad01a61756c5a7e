"""The product bank. Who gets which unit is decided inside one transaction: a unit is never promised twice."""

from collections.abc import Sequence

import asyncpg
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.database import Connection, Pool
from activities.statements import statements
from decisions.product.matching import count_fitting, match_units
from schemas import names
from schemas.messages import BookInfusion, ReserveUnits, ReturnUnits
from schemas.product.bank import FittingUnits, Unit, UnitMatch, UnitRequest

SQL = statements("bank")
NOT_RESERVED = "UnitNotReserved"
"""The error type of an infusion of a unit that the bank does not have as reserved for the participant."""


class BankActivities:
    """Activities over the bank's tables, whose rows are only ever appended to."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @activity.defn(name=names.RESERVE_UNITS)
    async def reserve_units(self, reserve: ReserveUnits) -> UnitMatch:
        """
        Reserve matching units, all or none; asking again with the same key returns what it got before, none too.

        Raises:
            ApplicationError: NOT_RESERVED, to be retried: the units have been returned or infused since. The asking
                workflow was reset to before; the bank does not give them out again on an old request.
        """
        request = reserve.request
        async with self._pool.acquire() as connection, connection.transaction():
            # Requests for the same product wait for one another: none sees the units that another is choosing as free.
            await connection.execute(SQL["queue_for_target"], "/".join(sorted(request.target)))
            before = await connection.fetchrow(SQL["request"], reserve.key)
            if before is not None:
                return await _same_answer(connection, reserve.key, before)
            free = await connection.fetch(SQL["free_units"], [str(antigen) for antigen in request.target])
            match = match_units(request, _units(free))
            answer = [unit.unit_id for unit in match.units], match.reason, reserve.at
            await connection.execute(SQL["answer_request"], reserve.key, reserve.study, reserve.subject, *answer)
            for ordinal, unit in enumerate(match.units):
                whose = reserve.key, ordinal, reserve.study, reserve.subject
                await connection.execute(SQL["reserve"], unit.unit_id, *whose, reserve.at, match.reason)
            return match

    @activity.defn(name=names.RETURN_UNITS)
    async def return_units(self, back: ReturnUnits) -> None:
        """Free units that are reserved for the participant; with the same key nothing is freed a second time."""
        whose = back.key, back.study, back.subject
        async with self._pool.acquire() as connection, connection.transaction():
            for unit_id in back.units:
                await connection.execute(
                    SQL["end_reservation"], unit_id, "returned", *whose, back.at, "system", back.why
                )

    @activity.defn(name=names.BOOK_INFUSION)
    async def book_infusion(self, booking: BookInfusion) -> None:
        """
        Book a reserved unit as infused; with the same key nothing is booked a second time.

        Raises:
            ApplicationError: NOT_RESERVED, to be retried: the bank does not have the unit as reserved for the
                participant, though its history does. The bank has to be put right, and the booking waits for it.
        """
        unit_id, whose = booking.unit_id, (booking.key, booking.study, booking.subject)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                SQL["end_reservation"], unit_id, "infused", *whose, booking.at, booking.who, booking.why
            )
            is_booked = await connection.fetchval(SQL["is_booked"], unit_id, *whose)
        if not is_booked:
            message = f"unit {unit_id} was infused, and is not reserved for {booking.subject} in the bank"
            raise ApplicationError(message, type=NOT_RESERVED)

    @activity.defn(name=names.COUNT_UNITS)
    async def count_units(self, request: UnitRequest) -> FittingUnits:
        """Count the free units that fit, without a promise: another participant may be faster."""
        rows = await self._pool.fetch(SQL["free_units"], [str(antigen) for antigen in request.target])
        return FittingUnits(count=count_fitting(request, _units(rows)))


async def _same_answer(connection: Connection, key: str, before: asyncpg.Record) -> UnitMatch:
    """Return what was answered to a request before; raise where its units have gone on since."""
    units = _units(await connection.fetch(SQL["still_reserved_under"], key))
    if [unit.unit_id for unit in units] != list(before["units"]):
        message = f"{', '.join(before['units'])} were reserved under {key}, and are not any more"
        raise ApplicationError(message, type=NOT_RESERVED)
    return UnitMatch(units=units, reason=before["reason"])


def _units(rows: Sequence[asyncpg.Record]) -> tuple[Unit, ...]:
    return tuple(Unit.model_validate(dict(row)) for row in rows)
