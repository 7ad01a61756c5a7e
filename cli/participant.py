"""`trial participant` and `trial withdraw`: enrol, status, response, list, timeline, and an early end."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.acceptance import carry_out
from cli.as_of import AsOfOption, as_of_in
from cli.call import Call, Subject
from cli.command import command, noun
from cli.connection import database
from cli.fact_screen import show_facts
from cli.output import emit
from cli.owners import participant_facts, participant_state, participant_states, site_in
from cli.participant_screen import show_participant
from cli.response_screen import show_response
from cli.tables import table
from cli.validation import checked

if TYPE_CHECKING:
    from decisions.state.folding import AsOf
    from schemas.state.participant import ParticipantState

# What a command needs is loaded when it runs.
# ruff: noqa: PLC0415

app = noun()
withdraw_app = noun()


@command(app, "enroll", writes=True)
async def participant_enroll(
    call: Call,
    subject: Subject,
    consent_date: Annotated[str, typer.Option(help="When the informed consent was signed, YYYY-MM-DD.")],
    consent_version: Annotated[str, typer.Option(help="Which version of the consent form.")],
    age: Annotated[int, typer.Option(help="Age in years at consent.")],
) -> None:
    """Enrol a participant who has signed the informed consent."""
    from schemas import names
    from schemas.commands.commands import Enroll

    values = {
        "subject": subject,
        "consent_signed_on": consent_date,
        "consent_version": consent_version,
        "age_years": age,
    }
    enroll = checked(Enroll, {"envelope": call.envelope(site=site_in(subject)), **values})
    begins = [names.participant_id(call.study_id, subject)]
    await carry_out(call, lambda client: client.enroll(enroll), begins=begins)


@command(app, "status")
async def participant_status(call: Call, subject: Subject, as_of: AsOfOption = None) -> None:
    """Show a participant: stage, arm and slot, product, treatment, safety, response, open tasks."""
    moment = as_of_in(as_of)
    async with database(call) as connection:
        state = await participant_state(call, connection, subject, moment)
    return emit(state) if call.as_json else show_participant(state)


@command(app, "response")
async def participant_response(call: Call, subject: Subject, as_of: AsOfOption = None) -> None:
    """Show a participant's tumour assessments, responses by RECIST 1.1, the best one and its duration, deviations."""
    from activities.states import protocol_of
    from decisions.response.imaging import imaging_overview

    moment = as_of_in(as_of)
    async with database(call) as connection:
        state = await participant_state(call, connection, subject, moment)
        protocol = await protocol_of(connection, state.protocol)
    imaging = imaging_overview(protocol, state, _day_of(moment, state))
    if call.as_json:
        names = ("baseline", "assessments", "timepoints", "best_response", "responses", "deviations")
        return emit({"subject": subject, "imaging": imaging, **{name: getattr(state, name) for name in names}})
    return show_response(state, imaging)


def _day_of(moment: "AsOf", state: "ParticipantState") -> date:
    if isinstance(moment, int):
        return state.latest_on
    return (moment or datetime.now(UTC)).date()


@command(app, "list")
async def participant_list(call: Call) -> None:
    """List the study's participants: their stage and arm, or how they ended."""
    async with database(call) as connection:
        states = await participant_states(call, connection)
    rows = [_listed(states[subject]) for subject in sorted(states)]
    if call.as_json:
        return emit(rows)
    shown = [(row["subject"], row["stage"], row.get("arm"), row.get("open_tasks")) for row in rows]
    columns = ("Subject", "Stage", "Arm", "Open tasks")
    return table(f"Participants of {call.study_id}", columns, shown, empty="nobody is enrolled")


def _listed(state: "ParticipantState") -> dict[str, object]:
    if state.disposition is not None:
        return {"subject": state.subject, "stage": f"ended: {state.disposition}"}
    arm = state.assignment and state.assignment.arm
    return {"subject": state.subject, "stage": state.stage, "arm": arm, "open_tasks": len(state.tasks)}


@command(app, "timeline")
async def participant_timeline(call: Call, subject: Subject) -> None:
    """Show what happened to a participant: when, what, who, in which role, why."""
    from activities.read_model import fact_of_row

    async with database(call) as connection:
        rows = await participant_facts(call, connection, subject)
    if call.as_json:
        return emit([{"sequence": row["sequence"], "run_id": row["run_id"], **fact_of_row(row)} for row in rows])
    return show_facts(rows[0]["workflow_id"], [(row["sequence"], fact_of_row(row)) for row in rows])


@command(withdraw_app, "withdraw", writes=True)
async def withdraw(
    call: Call,
    subject: Subject,
    kind: Annotated[
        str, typer.Option(help="withdrawal_by_subject, death, lost_to_follow_up or investigator_decision.")
    ],
    on: Annotated[str, typer.Option("--on", help="The day it happened, YYYY-MM-DD.")],
) -> None:
    """End a participation early; open tasks close, and unused units return to the bank."""
    from schemas.commands.commands import EndParticipation

    envelope = call.envelope(site=site_in(subject), needs_reason=True)
    end = checked(EndParticipation, {"envelope": envelope, "reason": kind, "occurred_on": on})
    await carry_out(call, lambda client: client.end_participation(subject, end))
