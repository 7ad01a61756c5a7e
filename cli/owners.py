"""Whose facts are read: participants, arms, studies, by the names that people type; an unknown name is an error."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cli.call import Call
from cli.exit_codes import Exit
from cli.failures import FailureError, failure

if TYPE_CHECKING:
    from activities.database import Database
    from decisions.state.folding import AsOf
    from schemas.dose.packet import PacketWithHash
    from schemas.state.arm import ArmState
    from schemas.state.participant import ParticipantState
    from schemas.state.study import StudyState

# What folds states is slow to load: a command that reads the worklist does without.
# ruff: noqa: PLC0415

NAMED_AT_MOST = 8
"""So many known names stand in a message."""


def site_in(subject: str) -> str | None:
    """Return the site in a subject's number; None if it is no such number."""
    from pydantic import TypeAdapter, ValidationError

    from schemas.base import SubjectId, site_of

    try:
        return site_of(TypeAdapter(SubjectId).validate_python(subject))
    except ValidationError:
        return None


def workflow_id_of(call: Call, owner: str) -> str:
    """Return the workflow that a person means by a subject, an arm, 'study', or a workflow id."""
    from schemas import names

    if "/" in owner:
        return owner
    if owner in ("study", call.study_id):
        return names.study_id(call.study_id)
    return names.participant_id(call.study_id, owner) if site_in(owner) else names.arm_id(call.study_id, owner)


async def participant_state(call: Call, database: "Database", subject: str, as_of: "AsOf" = None) -> "ParticipantState":
    """Return a participant's state, or stop with the participants that there are."""
    from activities import states

    try:
        return await states.participant_state(database, call.study_id, subject, as_of)
    except states.UnknownOwnerError:
        raise await unknown_owner(call, database, "participant", subject) from None


async def participant_states(call: Call, database: "Database") -> "dict[str, ParticipantState]":
    """Return the present states of everybody who was ever enrolled, by subject."""
    from activities import states

    found = await states.participant_states(database, call.study_id)
    if not found:
        await check_study(call, database)
    return found


async def participant_facts(call: Call, database: "Database", subject: str) -> "list[dict[str, Any]]":
    """Return a participant's facts as rows, or stop with the participants that there are."""
    from activities import read_model
    from schemas import names

    rows = await read_model.fact_rows(database, names.participant_id(call.study_id, subject))
    if not rows:
        raise await unknown_owner(call, database, "participant", subject)
    return rows


async def arm_state(call: Call, database: "Database", arm: str, as_of: "AsOf" = None) -> "ArmState":
    """Return an arm's state, or stop with the arms that there are."""
    from activities import states

    try:
        return await states.arm_state(database, call.study_id, arm, as_of)
    except states.UnknownOwnerError:
        raise await unknown_owner(call, database, "arm", arm) from None


async def packet(call: Call, database: "Database", arm: str, as_of: "AsOf" = None) -> "PacketWithHash":
    """Return what an arm's committee reads, or stop with the arms that there are."""
    from activities import states

    try:
        return await states.packet(database, call.study_id, arm, as_of)
    except (states.UnknownOwnerError, LookupError):
        raise await unknown_owner(call, database, "arm", arm) from None


async def study_state(call: Call, database: "Database", as_of: "AsOf" = None) -> "StudyState":
    """Return the study's state, or stop with the studies that there are."""
    from activities import states

    try:
        return await states.study_state(database, call.study_id, as_of)
    except states.UnknownOwnerError:
        raise await unknown_owner(call, database, "study", call.study_id) from None


async def check_study(call: Call, database: "Database") -> None:
    """Stop with the studies that there are, where this one was never started."""
    from activities import read_model
    from schemas import names

    if not await read_model.latest_number(database, names.study_id(call.study_id)):
        raise await unknown_owner(call, database, "study", call.study_id)


async def unknown_owner(call: Call, database: "Database", kind: str, owner: str) -> FailureError:
    """Return the failure for a participant, an arm or a study that the database does not know, with the known ones."""
    from activities import read_model

    studies = await read_model.studies(database)
    if call.study_id not in studies:
        rule = "was never started" if kind == "study" else f"study {call.study_id} was never started"
        expected = listed(studies, "`trial study start` first")
    else:
        owners = await read_model.owners(database, call.study_id, kind)
        rule, expected = f"is no {kind} of {call.study_id}", listed(owners, "nobody is enrolled yet")
    return failure(Exit.UNKNOWN, "Unknown", rule, field=kind, value=owner, expected=expected)


def listed(known: Sequence[str], otherwise: str) -> str:
    """Return known names for a message, at most eight of them; `otherwise` where there are none."""
    if not known:
        return otherwise
    more = f" or another ({len(known)} in all)" if len(known) > NAMED_AT_MOST else ""
    return " or ".join(known[:NAMED_AT_MOST]) + more
