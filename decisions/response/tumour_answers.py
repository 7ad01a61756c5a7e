"""Answers with lesions: what makes them malformed, as one problem with its place in the answer."""

from collections.abc import Sequence
from datetime import date, timedelta

from decisions.response import refusals
from decisions.response.recist_baseline import malformed_baseline
from decisions.response.recist_lesions import malformed_assessment
from schemas.commands.answers import Answer, BaselineImaging, ImagingDone
from schemas.problem import Problem
from schemas.protocol import Protocol
from schemas.state.participant import ParticipantState


def malformed_tumour_answer(protocol: Protocol, state: ParticipantState, answer: Answer, today: date) -> Problem | None:
    """Return the first refusal of the lesions of an answer by RECIST 1.1, or none, also without RECIST rules."""
    rules = protocol.recist
    if rules is None:
        return None
    match answer:
        case BaselineImaging():
            started_on = treatment_starts_on(protocol, state, today)
            return _first("answer.baseline", malformed_baseline(rules, answer.baseline, started_on))
        case ImagingDone() if answer.assessment is not None and state.baseline is None:
            return refusals.no_baseline()
        case ImagingDone() if answer.assessment is not None and state.baseline is not None:
            found = malformed_assessment(rules, state.baseline, state.assessments, answer.assessment)
            return _first("answer.assessment", found)
        case _:
            return None


def treatment_starts_on(protocol: Protocol, state: ParticipantState, today: date) -> date | None:
    """Return the day of the first lymphodepletion as it is planned now, or was given; none before day 0 is planned."""
    if state.lymphodepletion_on:
        return state.lymphodepletion_on[0]
    if state.day_zero is None:
        return None
    return max(today, state.day_zero + timedelta(days=protocol.lymphodepletion.days[0]))


def baseline_is_fresh(protocol: Protocol, state: ParticipantState, today: date) -> bool:
    """Return whether the baseline lies within `baseline_within_days` before treatment; true without RECIST rules."""
    if protocol.recist is None:
        return True
    if state.baseline is None:
        return False
    return not malformed_baseline(protocol.recist, state.baseline, treatment_starts_on(protocol, state, today))


def _first(place: str, found: Sequence[Problem]) -> Problem | None:
    return found[0].model_copy(update={"field": f"{place}.{found[0].field}"}) if found else None
