"""
A command that is sent to a workflow, and what followed from it.

The answer comes when the workflow has recorded the command. The worklist and the lists show it when it has been
published, some milliseconds later: the command waits for that, so that the next reader sees it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from cli.call import Call
from cli.connection import database, trial_client
from cli.exit_codes import Exit
from cli.failures import FailureError, failure_of
from cli.output import emit, note, say, spaced
from cli.owners import check_study

if TYPE_CHECKING:
    from client.trial_client import TrialClient
    from schemas.commands.commands import Accepted

# What reads and sends is slow to load.
# ruff: noqa: PLC0415

SHOWN_WITHIN = 10.0
"""Seconds that a command waits until the database has its fact."""
NOT_SHOWN = (
    "It is recorded and takes effect. The worklist and the lists do not show it yet: `trial status` shows what does "
    "not run, or waits."
)


async def carry_out(
    call: Call, send: "Callable[[TrialClient], Awaitable[Accepted]]", *, begins: Sequence[str] = ()
) -> None:
    """
    Send a command, wait until what it records is shown, and say so.

    Args:
        call: the call.
        send: calls the client's method for the command.
        begins: workflows that the command starts: their first facts are waited for, too.
    """
    accepted = await _sent(call, send)
    followed = await _followed(call, accepted, begins)
    if call.as_json:
        shown = {"shown": followed is not None, "followed": followed or []}
        return emit(accepted.model_dump(mode="json") | shown)
    message = f"{accepted.message}; then {', '.join(followed)}" if followed else accepted.message
    say(f"accepted: {accepted.workflow_id}, fact {accepted.sequence}: {spaced(message)}")
    if followed is None:
        note(NOT_SHOWN)
    return None


async def _sent(call: Call, send: "Callable[[TrialClient], Awaitable[Accepted]]") -> "Accepted":
    from client.trial_client import UnknownError

    client = await trial_client(call)
    try:
        return await send(client)
    except UnknownError:
        async with database(call) as connection:
            await check_study(call, connection)
        raise


async def _followed(call: Call, accepted: "Accepted", begins: Sequence[str]) -> list[str] | None:
    """Return the kinds of the facts that followed at once; None if the command's own is not shown in time."""
    rows = await shown_facts(call, accepted.workflow_id, accepted.sequence, begins)
    return None if rows is None else [row["kind"] for row in rows[1:] if row["at"] == rows[0]["at"]]


async def shown_facts(
    call: Call, workflow_id: str, number: int, begins: Sequence[str] = ()
) -> list[dict[str, Any]] | None:
    """Wait until the database has a fact, and the first facts of what begins; return the facts from that number on."""
    import asyncio

    from activities.read_model import NotPublishedError, fact_rows, wait_for_fact

    try:
        async with asyncio.timeout(SHOWN_WITHIN), database(call) as connection:
            for each, wanted in [(workflow_id, number), *((begun, 1) for begun in begins)]:
                await wait_for_fact(connection, each, wanted, seconds=SHOWN_WITHIN)
            return [row for row in await fact_rows(connection, workflow_id) if row["sequence"] >= number]
    except (TimeoutError, NotPublishedError):
        return None
    except Exception as error:
        # The command has been carried out: a database that does not answer is no failure of it.
        if _is_unreachable(failure_of(error)):
            return None
        raise


def _is_unreachable(failed: FailureError | None) -> bool:
    return failed is not None and failed.code is Exit.UNREACHABLE
