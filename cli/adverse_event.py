"""`trial adverse-event`: report, amend, list, show."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.acceptance import carry_out
from cli.adverse_event_options import EventOptions, check_complete
from cli.adverse_event_rows import current_event, event_row, versions_in
from cli.adverse_event_screen import event_line, show_changes, show_event, show_event_list
from cli.as_of import AsOfOption, as_of_in
from cli.call import Call, Subject
from cli.command import command, noun
from cli.connection import database
from cli.exit_codes import Exit
from cli.failures import fail
from cli.output import emit, note
from cli.owners import participant_facts, participant_state, site_in
from cli.validation import checked

if TYPE_CHECKING:
    from schemas.commands.commands import AdverseEvent

# What a command needs is loaded when it runs.
# ruff: noqa: PLC0415

app = noun()

EventId = Annotated[str, typer.Argument(help="The event's id, such as AE-001; `adverse-event list` shows it.")]


@command(app, "report", writes=True)
async def adverse_event_report(call: Call, subject: Subject, options: EventOptions) -> None:
    """Report an adverse event of a participant, from flags, from a file, or from both."""
    from schemas.commands.commands import ReportAdverseEvent

    event = options.changed({})
    check_complete(event)
    report = checked(ReportAdverseEvent, {"envelope": call.envelope(site=site_in(subject)), "event": event})
    await carry_out(call, lambda client: client.report_adverse_event(subject, report))


@command(app, "amend", writes=True)
async def adverse_event_amend(
    call: Call,
    subject: Subject,
    event_id: EventId,
    options: EventOptions,
    version: Annotated[
        int | None, typer.Option(help="The version that you have read; else the current one, which is shown.")
    ] = None,
    clear: Annotated[
        list[str] | None, typer.Option(metavar="FIELD", help="Empty a field first, such as ended_on; repeat it.")
    ] = None,
) -> None:
    """
    Amend an adverse event: a new version with what is changed; the earlier ones stay on record.

    --serious, --causality and --course add to what is there; --clear empties a field before.
    """
    from schemas.commands.commands import AmendAdverseEvent

    if not (options.is_given or clear):
        rule, expected = "nothing is changed", "a changed field, such as --grade 3, --file or --clear ended_on"
        fail(Exit.BAD_INPUT, "MissingOption", rule, field="event", expected=expected)
    envelope = call.envelope(site=site_in(subject), needs_reason=True)
    async with database(call) as connection:
        before, current = current_event(await participant_state(call, connection, subject), event_id)
    event = options.changed(_cleared(before, clear or []))
    values = {"envelope": envelope, "event_id": event_id, "version": version or current, "event": event}
    amend = checked(AmendAdverseEvent, values)
    if version is None:
        note(f"{event_id} is at version {current}: {event_line(before)}")
    show_changes(before, amend.event)
    await carry_out(call, lambda client: client.amend_adverse_event(subject, amend))


def _cleared(event: "AdverseEvent", clear: Sequence[str]) -> dict[str, Any]:
    known = type(event).model_fields
    optional = [name for name, info in known.items() if not info.is_required()]
    for name in clear:
        if name not in optional:
            rule = "can't be empty" if name in known else "is no field of an adverse event"
            fail(Exit.BAD_INPUT, "InvalidInput", rule, field="--clear", value=name, expected=", ".join(optional))
    return {name: value for name, value in event.model_dump(mode="json").items() if name not in clear}


@command(app, "list")
async def adverse_event_list(call: Call, subject: Subject, as_of: AsOfOption = None) -> None:
    """List a participant's adverse events: grades, whether dose-limiting, reports due."""
    from decisions.safety.adverse_events import event_ids

    moment = as_of_in(as_of)
    async with database(call) as connection:
        state = await participant_state(call, connection, subject, moment)
    rows = [event_row(state, event_id) for event_id in event_ids(state)]
    return emit(rows) if call.as_json else show_event_list(subject, rows)


@command(app, "show")
async def adverse_event_show(call: Call, subject: Subject, event_id: EventId, as_of: AsOfOption = None) -> None:
    """Show an adverse event: its latest version, all versions (who, when, why, old and new), what followed."""
    from activities.read_model import fact_of_row
    from decisions.state import folding

    moment = as_of_in(as_of)
    async with database(call) as connection:
        rows = await participant_facts(call, connection, subject)
    facts = folding.up_to([fact_of_row(each) for each in rows], moment, datetime.now(UTC))
    state = folding.participant(facts)
    event, _ = current_event(state, event_id)
    versions, followed = versions_in(facts, event_id)
    row = event_row(state, event_id) | {"event": event}
    if call.as_json:
        return emit(row | {"versions": versions, "followed": followed})
    return show_event(subject, row, versions, followed)
