"""
Loading the bank from CSV: good rows load, bad rows are listed, and a row that is refused changes nothing.

Columns: unit_id, lot, donor, antigens (joined by '+'), million_cells, quality, expires_on (ISO date).
"""

import csv
from collections.abc import Iterable
from datetime import date
from io import StringIO

from pydantic import ValidationError

from activities.database import Connection, Pool
from activities.statements import statements
from schemas.product.bank import LoadResult, RejectedRow, Unit

SQL = statements("bank")
COLUMNS = ("unit_id", "lot", "donor", "antigens", "million_cells", "quality", "expires_on")


class BankFileError(Exception):
    """The file as a whole cannot be read: its header is not the expected one."""


def read_units(text: str, today: date) -> tuple[list[Unit], list[RejectedRow]]:
    """
    Parse a bank file.

    Args:
        text: the CSV, with a header row.
        today: units that expired before it are rejected.

    Raises:
        BankFileError: when a column is missing or unknown.
    """
    reader = csv.DictReader(StringIO(text))
    header = tuple(reader.fieldnames or ())
    if set(header) != set(COLUMNS):
        raise BankFileError(f"header = {','.join(header)}: must be {','.join(COLUMNS)}")
    units: list[Unit] = []
    rejected: list[RejectedRow] = []
    for line, row in enumerate(reader, start=2):
        problem = _problem(line, row, today, {unit.unit_id for unit in units})
        if problem is None:
            units.append(_unit(row))
        else:
            rejected.append(problem)
    return units, rejected


def _unit(row: dict[str, str]) -> Unit:
    return Unit.model_validate({**row, "antigens": [part.strip() for part in row["antigens"].split("+")]})


def _problem(line: int, row: dict[str, str], today: date, seen: set[str]) -> RejectedRow | None:
    if None in row or None in row.values():
        return RejectedRow(line=line, field="row", value=str(row), rule=f"must have {len(COLUMNS)} columns")
    try:
        unit = _unit(row)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        return RejectedRow(line=line, field=field, value=row[field], rule=first["msg"])
    if unit.expires_on < today:
        return RejectedRow(line=line, field="expires_on", value=row["expires_on"], rule=f"expired before {today}")
    if unit.unit_id in seen:
        return RejectedRow(line=line, field="unit_id", value=unit.unit_id, rule="stands twice in the file")
    return None


async def load_units(pool: Pool, text: str, today: date, person: str) -> LoadResult:
    """Load a bank file; a unit id that the bank has already is listed as rejected and left as it was."""
    units, rejected = read_units(text, today)
    loaded: list[str] = []
    async with pool.acquire() as connection, connection.transaction():
        for unit in units:
            if await _insert(connection, unit, person):
                loaded.append(unit.unit_id)
            else:
                line = _line_of(text, unit.unit_id)
                rejected.append(
                    RejectedRow(line=line, field="unit_id", value=unit.unit_id, rule="is in the bank already")
                )
    return LoadResult(loaded=tuple(loaded), rejected=tuple(sorted(rejected, key=lambda row: row.line)))


async def _insert(connection: Connection, unit: Unit, person: str) -> bool:
    status = await connection.execute(
        SQL["load"],
        unit.unit_id,
        unit.lot,
        unit.donor,
        [str(antigen) for antigen in unit.antigens],
        unit.million_cells,
        str(unit.quality),
        unit.expires_on,
        person,
    )
    return status.endswith(" 1")


def _line_of(text: str, unit_id: str) -> int:
    lines: Iterable[str] = text.splitlines()
    return next((number for number, line in enumerate(lines, start=1) if unit_id in line.split(",")), 0)
