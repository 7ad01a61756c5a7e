"""The bank: a unit is promised once, infused once, and nothing of what became of it is ever rewritten."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import asyncpg
import pytest
from temporalio.exceptions import ApplicationError

from activities.bank import NOT_RESERVED, BankActivities
from activities.bank_file import load_units
from activities.database import Pool
from activities.read_model import bank_summary, custody_of
from schemas.messages import BookInfusion, ReserveUnits, ReturnUnits
from schemas.product.bank import UnitRequest
from schemas.screening.panel import Antigen
from simulation.trial import bank_csv
from tests.conftest import empty_bank

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
REQUEST = UnitRequest(target=(Antigen.MESOTHELIN,), million_cells=100, count=1, last_infusion_on=date(2027, 1, 1))
numbers = count(1)


@pytest.fixture
async def bank(pool: Pool) -> BankActivities:
    """A bank of two units."""
    await empty_bank(pool)
    text = bank_csv([(Antigen.MESOTHELIN,)], units=2, million_cells=100, first_expiry=NOW.date() + timedelta(days=900))
    await load_units(pool, text, NOW.date(), "pharmacist-01")
    return BankActivities(pool)


def reserve(subject: str, key: str | None = None) -> ReserveUnits:
    """Ask for one unit."""
    return ReserveUnits(
        key=key or f"{subject}:{next(numbers)}", study="study-1", subject=subject, request=REQUEST, at=NOW
    )


def give_back(subject: str, unit_id: str, key: str) -> ReturnUnits:
    """Return one unit."""
    return ReturnUnits(key=key, study="study-1", subject=subject, units=(unit_id,), at=NOW, why="not needed")


def infuse(subject: str, unit_id: str, key: str | None = None) -> BookInfusion:
    """Book an infusion."""
    return BookInfusion(
        key=key or f"{subject}:infusion:{next(numbers)}",
        study="study-1",
        subject=subject,
        unit_id=unit_id,
        at=NOW,
        who="pharm-01",
        why="infusion-1 was given",
    )


async def events(pool: Pool, unit_id: str) -> list[str]:
    """Return what became of a unit, in order."""
    return [row["event"] for row in await custody_of(pool, [unit_id])]


async def test_of_many_who_ask_at_once_each_unit_goes_to_one(pool: Pool, bank: BankActivities) -> None:
    """Twelve participants ask for the last two units at the same moment: two get one each, the others none."""
    matches = await asyncio.gather(*(bank.reserve_units(reserve(f"CN01-{number:03d}")) for number in range(1, 13)))

    given = [unit.unit_id for match in matches for unit in match.units]
    assert sorted(given) == ["P01-0001", "P01-0002"]
    assert [row["reserved"] for row in await bank_summary(pool)] == [2]


async def test_a_reservation_that_is_asked_for_again_is_the_same(pool: Pool, bank: BankActivities) -> None:
    """The answer was lost, and the activity is tried again with its key: the same unit, booked once."""
    first = await bank.reserve_units(reserve("CN01-001", "one-key"))
    again = await bank.reserve_units(reserve("CN01-001", "one-key"))

    assert [unit.unit_id for unit in first.units] == [unit.unit_id for unit in again.units] == ["P01-0001"]
    assert await events(pool, "P01-0001") == ["loaded", "reserved"]


async def test_a_late_attempt_of_a_request_that_got_nothing_gets_nothing(pool: Pool, bank: BankActivities) -> None:
    """Nothing was free, and the participant waits; a late attempt of the same request must not take what came since."""
    await empty_bank(pool)
    assert (await bank.reserve_units(reserve("CN01-001", "early"))).units == ()
    text = bank_csv([(Antigen.MESOTHELIN,)], units=2, million_cells=100, first_expiry=NOW.date() + timedelta(days=900))
    await load_units(pool, text, NOW.date(), "pharmacist-01")

    assert (await bank.reserve_units(reserve("CN01-001", "early"))).units == ()
    assert await events(pool, "P01-0001") == ["loaded"]


async def test_an_old_request_does_not_give_out_units_that_somebody_else_has_now(
    pool: Pool, bank: BankActivities
) -> None:
    """A run that was reset asks again for what was returned since, and reserved for another: it waits, and says so."""
    await bank.reserve_units(reserve("CN01-001", "old"))
    await bank.return_units(give_back("CN01-001", "P01-0001", "return-old"))
    await bank.reserve_units(reserve("CN01-002"))

    with pytest.raises(ApplicationError, match="P01-0001 were reserved under old, and are not any more") as info:
        await bank.reserve_units(reserve("CN01-001", "old"))

    assert (info.value.type, info.value.non_retryable) == (NOT_RESERVED, False)


async def test_a_late_retry_of_a_return_does_not_take_the_unit_from_whoever_has_it_now(
    pool: Pool, bank: BankActivities
) -> None:
    """A unit goes back and is reserved anew by the same participant; the first return, tried again, changes nothing."""
    await bank.reserve_units(reserve("CN01-001"))
    await bank.return_units(give_back("CN01-001", "P01-0001", "return-1"))
    await bank.reserve_units(reserve("CN01-001"))

    await bank.return_units(give_back("CN01-001", "P01-0001", "return-1"))

    assert await events(pool, "P01-0001") == ["loaded", "reserved", "returned", "reserved"]


async def test_another_participant_s_unit_can_be_neither_returned_nor_infused(pool: Pool, bank: BankActivities) -> None:
    """Who has not reserved a unit cannot give it back, and its infusion waits until the bank is put right."""
    await bank.reserve_units(reserve("CN01-001"))

    await bank.return_units(give_back("CN01-002", "P01-0001", "return-2"))
    with pytest.raises(ApplicationError, match="is not reserved for CN01-002") as info:
        await bank.book_infusion(infuse("CN01-002", "P01-0001"))

    assert (info.value.type, info.value.non_retryable) == (NOT_RESERVED, False)
    assert await events(pool, "P01-0001") == ["loaded", "reserved"]


async def test_a_unit_is_infused_once(pool: Pool, bank: BankActivities) -> None:
    """A booking that is tried again changes nothing; another booking of the same unit is impossible."""
    await bank.reserve_units(reserve("CN01-001"))
    await bank.book_infusion(infuse("CN01-001", "P01-0001", "infusion"))
    await bank.book_infusion(infuse("CN01-001", "P01-0001", "infusion"))

    with pytest.raises(ApplicationError, match="is not reserved"):
        await bank.book_infusion(infuse("CN01-001", "P01-0001"))
    await bank.return_units(give_back("CN01-001", "P01-0001", "return-3"))

    assert await events(pool, "P01-0001") == ["loaded", "reserved", "infused"]


FORGED: dict[str, tuple[int, str, str | None]] = {
    "reserved twice at one number": (2, "reserved", "loaded"),
    "reserved while it is reserved": (3, "reserved", "reserved"),
    "infused without a reservation": (3, "infused", "loaded"),
    "a gap in the chain": (5, "returned", "reserved"),
    "loaded again": (3, "loaded", None),
    "after an event that did not happen": (3, "reserved", "returned"),
    "infused in somebody else": (3, "infused", "reserved"),
    "returned by somebody else": (3, "returned", "reserved"),
}


@pytest.mark.parametrize("name", FORGED)
async def test_the_database_refuses_a_chain_that_does_not_add_up(pool: Pool, bank: BankActivities, name: str) -> None:
    """Whoever writes to the table, the program or not: what may follow on what is the database's to say."""
    await bank.reserve_units(reserve("CN01-001"))
    number, event, previous = FORGED[name]

    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await pool.execute(
            "INSERT INTO custody (unit_id, number, event, previous_event, key, study, subject, at, who, why) "
            "VALUES ('P01-0001', $1, $2, $3, 'forged', 'study-1', 'CN01-002', now(), 'mallory', 'forged')",
            number,
            event,
            previous,
        )


CHANGES = ("UPDATE custody SET who = 'mallory'", "DELETE FROM custody", "TRUNCATE custody", "UPDATE unit SET lot = 'X'")


@pytest.mark.parametrize("statement", CHANGES)
async def test_what_became_of_a_unit_is_never_rewritten(pool: Pool, bank: BankActivities, statement: str) -> None:
    """Rows of the bank are only ever appended to."""
    before: list[Any] = await custody_of(pool, ["P01-0001"])

    with pytest.raises(asyncpg.RaiseError, match="only ever appended to"):
        await pool.execute(statement)

    assert await custody_of(pool, ["P01-0001"]) == before
