"""`trial up`, `trial down`, `trial status`: the embedded stack."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.call import Call
from cli.command import command, noun
from cli.connection import database
from cli.exit_codes import Exit
from cli.failures import failure_of
from cli.output import emit, say, when
from cli.tables import table

if TYPE_CHECKING:
    from deploy.stack import Stack

# What starts processes and connects to them is slow to load.
# ruff: noqa: PLC0415


app = noun()


@command(app, "up")
def up(
    call: Call,
    virtual_time: Annotated[
        bool, typer.Option(help="A server whose time simulations can skip. Never for real.")
    ] = False,
) -> None:
    """Start the embedded stack: Temporal, PostgreSQL and the worker. They run on until `trial down`."""
    from deploy import stack
    from schemas.names import TASK_QUEUE

    started = stack.up(call.data_folder, virtual_time=virtual_time, task_queue=TASK_QUEUE)
    addresses = _addresses(call, started)
    return emit(addresses) if call.as_json else _show(addresses)


@command(app, "down")
def down(call: Call) -> None:
    """Stop the embedded stack; the data stay."""
    from deploy import stack

    stack.down(call.data_folder)
    folder = str(call.data_folder.resolve())
    return emit({"stopped": folder}) if call.as_json else say(f"stopped: {folder}")


@command(app, "status")
async def status(call: Call) -> Exit:
    """
    Show which parts of the embedded stack run, and which publications wait for `trial audit rebuild`.

    Exit code 7 when Temporal or PostgreSQL does not run, 9 when a publication waits.
    """
    from deploy import stack

    parts, known = stack.status(call.data_folder), stack.read_stack(call.data_folder)
    waiting, unreachable = await _waiting(call)
    addresses = _addresses(call, known)
    if call.as_json:
        emit(addresses | {"running": parts, "database": unreachable or "answers", "waiting": waiting})
    else:
        _show(addresses | {f"{name} is": "running" if runs else "not running" for name, runs in parts})
        say(f"database: {unreachable or 'answers'}")
        _show_waiting(waiting)
    if unreachable or not parts.ready:
        return Exit.UNREACHABLE
    return Exit.WAITING if waiting else Exit.OK


def _addresses(call: Call, stack: "Stack | None") -> dict[str, Any]:
    from deploy.settings import database_host

    addresses: dict[str, Any] = {"data": str(call.data_folder.resolve())}
    if stack is not None:
        addresses |= {"temporal": stack.temporal_address, "ui": stack.ui_url, "virtual_time": stack.virtual_time}
        addresses |= {"postgres": database_host(stack.database_url)}
    return addresses


def _show(lines: dict[str, Any]) -> None:
    table("", ("Embedded stack", ""), list(lines.items()))


async def _waiting(call: Call) -> tuple[list[dict[str, Any]], str | None]:
    """Return the publications that wait, and why the database can't be asked if it can't."""
    from activities import read_model

    try:
        async with database(call) as connection:
            return await read_model.waiting_publications(connection), None
    except Exception as error:
        failed = failure_of(error)
        if failed is None or failed.code is not Exit.UNREACHABLE:
            raise
        return [], str(failed)


def _show_waiting(waiting: list[dict[str, Any]]) -> None:
    if waiting:
        rows = [(row["workflow_id"], when(row["since"]), row["difference"]) for row in waiting]
        title = "Publications that wait, since the database differs from the history"
        table(title, ("Workflow", "Since (UTC)", "Difference"), rows, red=[True] * len(rows))
        say("mend it with: trial audit rebuild")
