"""The tumour assessments of one participant: planned, done or missed, and their responses by RECIST 1.1."""

from collections.abc import Sequence
from datetime import date

from decisions.response.recist_best_response import judge_best_response
from decisions.response.recist_timepoint import judge_timepoints
from decisions.schedule.deviations import imaging_status, visit_window
from schemas.protocol import Protocol, Visit, VisitKind
from schemas.response.tumour import BestResponse, RecistRules, Response, TimepointResponse
from schemas.state.participant import ParticipantState
from schemas.treatment.support import DeviationKind, ImagingRow, ResponseCode, ResponseOn

_CODES: dict[Response, ResponseCode] = {
    Response.CR: "CR",
    Response.PR: "PR",
    Response.SD: "SD",
    # Non-target disease alone, neither gone nor progressed: counted as stable.
    Response.NON_CR_NON_PD: "SD",
    Response.PD: "PD",
    Response.NE: "NE",
}


def imaging_overview(protocol: Protocol, state: ParticipantState, today: date) -> tuple[ImagingRow, ...]:
    """
    Return the status of each planned tumour assessment, in the order of the protocol; none before day 0.

    `today` is the site's calendar day; once participation has ended, the day of its end counts instead. Assessments
    that are no longer asked after progression have no row.
    """
    if state.day_zero is None or not state.infusions:
        return ()
    until = today if state.end_on is None else min(today, state.end_on)
    planned = [visit for visit in protocol.visits if visit.kind is VisitKind.IMAGING and not _is_dropped(state, visit)]
    return imaging_status([visit_window(visit, state.day_zero) for visit in planned], state.imaging_on, until)


def _is_dropped(state: ParticipantState, visit: Visit) -> bool:
    missed = {seen.visit for seen in state.deviations if seen.kind is DeviationKind.MISSED}
    return progressed_on(state) is not None and visit.id in state.skipped and visit.id not in missed


def judge_response(
    rules: RecistRules, state: ParticipantState, died_on: date | None = None
) -> tuple[tuple[TimepointResponse, ...], BestResponse | None]:
    """
    Judge all assessments so far: those whose judgement is new or has changed, and the best overall response.

    A later assessment may change an earlier one: a lesion that was equivocal first and is not any more. The best
    response is none while nothing can be judged: without a baseline, an assessment, or the first infusion.
    """
    if state.baseline is None or not state.assessments or state.day_zero is None:
        return (), None
    judged = judge_timepoints(rules, state.baseline, state.assessments)
    best = judge_best_response(rules, state.day_zero, judged, died_on=died_on)
    return tuple(point for point in judged if point not in state.timepoints), best


def contradiction(investigator: str | None, overall: Response) -> str | None:
    """Return how the investigator's response differs from the one that the lesions give, or none if it does not."""
    if investigator is None or investigator in (overall.value, _CODES[overall]):
        return None
    return f"the investigator's response is {investigator}, the lesions give {overall}"


def responses_on(state: ParticipantState) -> tuple[ResponseOn, ...]:
    """
    Return the overall responses with the days of their scans, the earliest first.

    The response that the lesions give counts; the investigator's counts where no lesions were reported.
    """
    judged = {point.assessed_on: _CODES[point.overall] for point in state.timepoints}
    reported: dict[date, ResponseCode] = {}
    for step, response in state.responses:
        day = state.imaging_on.get(step)
        if day is not None:
            reported[day] = _CODES[Response(response)]
    return tuple(ResponseOn(on=day, response=response) for day, response in sorted((reported | judged).items()))


def progressed_on(state: ParticipantState) -> date | None:
    """Return the day of the first scan that showed progression, if one did."""
    return _first_progression(responses_on(state))


def _first_progression(responses: Sequence[ResponseOn]) -> date | None:
    return next((seen.on for seen in responses if seen.response == "PD"), None)
