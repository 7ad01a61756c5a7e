"""`trial up`, `trial down`, `trial status`: the embedded stack, and which publications wait."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.call import Call
from cli.command import command, noun
from cli.exit_codes import Exit
from cli.output import emit, say, when
from cli.reachability import Reachability, reachability
from cli.tables import table

if TYPE_CHECKING:
    from deploy.stack_file import Stack

# What starts processes is slow to load.
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

    addresses = _addresses(call, stack.up(call.data_folder, virtual_time=virtual_time, task_queue=TASK_QUEUE))
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
    Show which parts of the stack run, and which publications wait for `trial audit rebuild`.

    Exit code 7 when Temporal or PostgreSQL does not run or answer, 9 when a publication waits.
    """
    from deploy.stack_file import read_stack

    found = await reachability(call)
    addresses = _addresses(call, read_stack(call.data_folder))
    if call.as_json:
        emit(addresses | vars(found))
    else:
        parts = {f"{name} is": "running" if runs else "not running" for name, runs in found.running.items()}
        _show(addresses | parts)
        _show_problems(found)
    return found.code


def _addresses(call: Call, stack: "Stack | None") -> dict[str, Any]:
    from deploy.services import database_host

    addresses: dict[str, Any] = {"data": str(call.data_folder.resolve())}
    if stack is not None:
        addresses |= {"temporal": stack.temporal_address, "ui": stack.ui_url, "virtual_time": stack.virtual_time}
        addresses |= {"postgres": database_host(stack.database_url)}
    return addresses


def _show(lines: Mapping[str, object]) -> None:
    table("", ("Stack", ""), list(lines.items()))


def _show_problems(found: Reachability) -> None:
    for problem in found.problems:
        say(problem)
    if found.waiting:
        rows = [(row["workflow_id"], when(row["since"]), row["difference"]) for row in found.waiting]
        title = "Publications that wait, since the database differs from the history"
        table(title, ("Workflow", "Since (UTC)", "Difference"), rows, red=[True] * len(rows))
        say("to mend it, and to have every difference reported: trial audit rebuild")
