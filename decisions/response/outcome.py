"""A Phase 2 participant's response, as the expansion counts it (Simon 1989; RECIST 1.1, Eisenhauer 2009)."""

from collections.abc import Iterable
from itertools import pairwise

from decisions.response.imaging import responses_on
from schemas.phase_two.expansion import ResponseOutcome, ResponseStatus
from schemas.protocol import Visit, VisitKind
from schemas.response.tumour import Response
from schemas.state.participant import ParticipantState

_RESPONDED = (Response.CR.value, Response.PR.value)


def response_outcome(
    visits: Iterable[Visit], state: ParticipantState, *, over: bool
) -> tuple[ResponseOutcome, str] | None:
    """
    Return the outcome and why, or none while it is open; `over` is true when participation ends.

    Responder: the best overall response is a confirmed CR or PR. Without one, at progression or when the planned
    assessments are over: non-responder, or not evaluable if no assessment after the baseline could be judged.
    """
    response = confirmed_response(state)
    if response is not None:
        return ResponseStatus.RESPONDER, f"confirmed {response}"
    responses = _evaluable(state)
    if Response.PD.value in responses:
        return ResponseStatus.NON_RESPONDER, "progression without a confirmed response"
    if not over and not _assessments_are_over(visits, state):
        return None
    if not responses:
        return ResponseStatus.NOT_EVALUABLE, "no assessment after the baseline could be judged"
    return ResponseStatus.NON_RESPONDER, "no confirmed response by the last assessment"


def confirmed_response(state: ParticipantState) -> str | None:
    """
    Return the confirmed response, CR or PR, if there is one.

    By the measured lesions where there are any. Otherwise by the investigator's response: a CR or PR is confirmed when
    the next assessment that could be judged is one too; a CR only by another CR.
    """
    best = state.best_response
    if best is not None:
        return best.response.value if best.confirmed and best.response.value in _RESPONDED else None
    pairs = [set(pair) for pair in pairwise(_evaluable(state)) if set(pair) <= set(_RESPONDED)]
    if {Response.CR.value} in pairs:
        return Response.CR.value
    return Response.PR.value if pairs else None


def _evaluable(state: ParticipantState) -> list[str]:
    return [seen.response for seen in responses_on(state) if seen.response != Response.NE.value]


def _assessments_are_over(visits: Iterable[Visit], state: ParticipantState) -> bool:
    imaging = {visit.id for visit in visits if visit.kind is VisitKind.IMAGING}
    return bool(state.infusions) and imaging <= {*state.imaging_on, *state.skipped}
