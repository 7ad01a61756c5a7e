"""
Checks of commands to a study: enrolment, holds on the study and its arms, and delegations.

A `malformed_...` function is called by the validator of an update, a `refused_...` function by its handler, as in
`decisions.commands.checks`.
"""

from collections.abc import Collection
from datetime import datetime

from decisions.commands import checks, refusals, study_refusals
from decisions.commands.signatures import unknown_meaning, unsigned
from decisions.stopping.holds import STUDY, hold_sha256
from schemas.base import Role
from schemas.commands.commands import ChangeDelegation, Enroll, Hold, LiftHold
from schemas.problem import Problem
from schemas.protocol import SignatureRules
from schemas.state.study import StudyState

ENROLLING = (Role.COORDINATOR, Role.INVESTIGATOR, Role.OPERATIONS)
HOLDING = (Role.OPERATIONS, Role.COMMITTEE)

# Enrolment


def malformed_enrolment(command: Enroll, now: datetime) -> Problem | None:
    """Return the refusal of a time or of a consent after now, or none."""
    return checks.future_time("envelope.time", command.envelope.time, now) or checks.future_day(
        "consent_signed_on", command.consent_signed_on, now
    )


def refused_enrolment(state: StudyState, command: Enroll, enrolling: Collection[str]) -> Problem | None:
    """
    Return the refusal of a role that does not enrol, of another site, of a taken subject id, or while held; or none.

    `enrolling` are the subjects whose enrolment has begun and is not recorded yet.
    """
    envelope, subject = command.envelope, command.subject
    if envelope.role not in ENROLLING:
        return refusals.wrong_role("envelope.role", envelope.role, Role.COORDINATOR)
    problem = checks.wrong_site(subject, envelope)
    if problem is not None:
        return problem
    if subject in {*state.active, *state.ended, *enrolling}:
        return study_refusals.subject_already_enrolled(state.study, subject)
    return study_refusals.enrolment_on_hold(state.study) if STUDY in state.holds else None


# Holds


def malformed_hold(state: StudyState, command: Hold | LiftHold, now: datetime) -> Problem | None:
    """Return the refusal of a time after now, a missing reason, or an arm that the study does not have; or none."""
    envelope, arm = command.envelope, command.arm
    problem = checks.future_time("envelope.time", envelope.time, now) or checks.missing_reason(envelope)
    if problem is None and arm is not None and arm not in state.arms:
        return study_refusals.unknown_arm(arm, state.arms)
    return problem


def malformed_lift(state: StudyState, rules: SignatureRules | None, command: LiftHold, now: datetime) -> Problem | None:
    """Return the refusal of what is malformed in a hold, too, or of a meaning that the protocol does not know."""
    problem = malformed_hold(state, command, now)
    if problem is not None or rules is None:
        return problem
    return unknown_meaning(rules.lift_hold_meanings, command.envelope)


def refused_hold(command: Hold | LiftHold) -> Problem | None:
    """Return the refusal of a role that neither holds nor lifts, or none."""
    role = command.envelope.role
    return None if role in HOLDING else refusals.wrong_role("envelope.role", role, Role.OPERATIONS)


def refused_lift(state: StudyState, rules: SignatureRules | None, command: LiftHold) -> Problem | None:
    """Return the refusal of a hold that is not in force, a role that may not lift it, or a missing signature."""
    scope = command.arm or STUDY
    if scope not in state.holds:
        return study_refusals.nothing_to_lift(scope, state.holds)
    return refused_hold(command) or (None if rules is None else _unsigned(state, command, scope))


def _unsigned(state: StudyState, command: LiftHold, scope: str) -> Problem | None:
    record = state.hold_records.get(scope)
    if record is None:
        return None
    envelope = command.envelope
    delegated = [someone for someone, roles in state.delegations.items() if envelope.role in roles]
    return unsigned(envelope, delegated, hold_sha256(record), f"the hold on {scope}")


# Delegations


def malformed_delegation(command: ChangeDelegation, now: datetime) -> Problem | None:
    """Return the refusal of a time after now or of a missing reason, or none."""
    envelope = command.envelope
    return checks.future_time("envelope.time", envelope.time, now) or checks.missing_reason(envelope)


def refused_delegation(command: ChangeDelegation) -> Problem | None:
    """Return the refusal of any role but trial operations, or none."""
    return checks.wrong_role("envelope.role", command.envelope.role, Role.OPERATIONS)
