"""`trial bank`: load units, and count them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.call import Call
from cli.command import command, noun
from cli.connection import database, database_pool
from cli.exit_codes import Exit
from cli.output import emit, say
from cli.tables import table
from cli.typed_values import read_text
from cli.validation import checked

if TYPE_CHECKING:
    from schemas.product.bank import LoadResult

# What a command needs is loaded when it runs.
# ruff: noqa: PLC0415

app = noun()


@command(app, "load", writes=True)
async def bank_load(call: Call, file: Annotated[Path, typer.Argument(help="The bank's CSV file.")]) -> Exit:
    """Load units: good rows load, bad rows are listed (exit code 3 when any was rejected)."""
    from activities.bank_file import load_units
    from schemas.commands.commands import Envelope

    # Custody names a person, not a role; the envelope checks both, so a role that is not given is operations'.
    envelope = checked(Envelope, replace(call, role=call.role or "operations").envelope())
    text = read_text(file)
    async with database_pool(call) as pool:
        result = await load_units(pool, text, envelope.time.date(), envelope.person)
    if call.as_json:
        emit(result)
    else:
        _show_loaded(result)
    return Exit.PARTLY_DONE if result.rejected else Exit.OK


def _show_loaded(result: "LoadResult") -> None:
    say(f"loaded {len(result.loaded)}, rejected {len(result.rejected)}")
    if result.rejected:
        rows = [(row.line, row.field, row.value, row.rule) for row in result.rejected]
        table("Rejected rows", ("Line", "Field", "Value", "Rule"), rows)


@command(app, "status")
async def bank_status(call: Call) -> None:
    """Count the units by product: free, reserved, infused."""
    from activities.read_model import bank_summary

    async with database(call) as connection:
        rows = await bank_summary(connection)
    if call.as_json:
        return emit(rows)
    columns = ("product", "quality", "million_cells", "free", "reserved", "infused", "first_expiry")
    titles = ("Product", "Quality", "Million cells", "Free", "Reserved", "Infused", "First expiry")
    return table("Bank", titles, [[row[name] for name in columns] for row in rows], empty="no unit is loaded")
