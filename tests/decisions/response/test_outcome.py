"""A Phase 2 participant's response, as the expansion counts it."""

from datetime import date, timedelta

import pytest

from decisions.response.outcome import confirmed_response, response_outcome
from schemas.commands.answers import InfusionGiven
from schemas.phase_two.expansion import ResponseStatus
from schemas.protocol import ProtocolReference, Visit, VisitKind
from schemas.response.tumour import BestResponse, Response, TimepointResponse
from schemas.state.participant import ParticipantState

DAY_0 = date(2026, 3, 2)
WEEKS = (8, 16, 24)
VISITS = (
    Visit(id="safety-day-28", kind=VisitKind.SAFETY, day=28, window_before_days=0, window_after_days=7),
    *(
        Visit(id=f"week-{week}", kind=VisitKind.IMAGING, day=7 * week, window_before_days=7, window_after_days=7)
        for week in WEEKS
    ),
)
R, N, X = ResponseStatus.RESPONDER, ResponseStatus.NON_RESPONDER, ResponseStatus.NOT_EVALUABLE


def participant(*responses: str, skipped: tuple[str, ...] = (), treated: bool = True) -> ParticipantState:
    """Make a participant with these responses by the investigator, one at each assessment."""
    steps = [f"week-{week}" for week, _ in zip(WEEKS, responses, strict=False)]
    infusion = InfusionGiven.model_validate({"started_at": "2026-03-02T09:00:00Z", "unit_id": "U", "million_cells": 1})
    return ParticipantState(
        study="s",
        subject="CN01-001",
        site="CN01",
        protocol=ProtocolReference(id="p", version="1.0", sha256="0" * 64),
        consent_signed_on=DAY_0,
        age_years=50,
        latest_on=DAY_0,
        infusions=(infusion,) if treated else (),
        responses=tuple(zip(steps, responses, strict=True)),
        imaging_on={step: DAY_0 + timedelta(days=56 * number) for number, step in enumerate(steps, start=1)},
        skipped=skipped,
    )


@pytest.mark.parametrize(
    ("responses", "confirmed"),
    [
        ((), None),
        (("PR",), None),
        (("PR", "PR"), "PR"),
        (("PR", "CR"), "PR"),
        (("CR", "PR"), "PR"),
        (("CR", "CR"), "CR"),
        (("PR", "CR", "CR"), "CR"),
        (("PR", "NE", "PR"), "PR"),
        (("PR", "SD", "PR"), None),
        (("SD", "PR", "PR"), "PR"),
        (("PR", "PR", "PD"), "PR"),
        (("SD", "SD"), None),
    ],
)
def test_a_response_by_word_is_confirmed_by_the_next(responses: tuple[str, ...], confirmed: str | None) -> None:
    """Two in a row, but for what could not be judged; a CR only by a CR."""
    assert confirmed_response(participant(*responses)) == confirmed


@pytest.mark.parametrize(
    ("best", "is_confirmed", "confirmed"),
    [
        (Response.PR, True, "PR"),
        (Response.CR, True, "CR"),
        (Response.PR, False, None),
        (Response.SD, True, None),
    ],
)
def test_measured_lesions_stand_over_the_word(best: Response, is_confirmed: bool, confirmed: str | None) -> None:
    """The best overall response by RECIST counts, whatever the investigator said."""
    state = participant("CR", "CR").model_copy(
        update={"best_response": BestResponse(response=best, confirmed=is_confirmed, why="measured")}
    )

    assert confirmed_response(state) == confirmed


@pytest.mark.parametrize(
    ("responses", "skipped", "over", "outcome"),
    [
        ((), (), False, None),
        ((), (), True, (X, "no assessment after the baseline could be judged")),
        (("NE",), (), False, None),
        (("NE",), (), True, (X, "no assessment after the baseline could be judged")),
        (("NE", "NE", "NE"), (), False, (X, "no assessment after the baseline could be judged")),
        (("SD",), (), False, None),
        (("SD",), (), True, (N, "no confirmed response by the last assessment")),
        (("PR",), (), False, None),
        (("PR",), (), True, (N, "no confirmed response by the last assessment")),
        (("SD", "SD", "PR"), (), False, (N, "no confirmed response by the last assessment")),
        (("SD", "PR"), ("week-24",), False, (N, "no confirmed response by the last assessment")),
        (("SD", "PR"), ("safety-day-28",), False, None),
        (("SD", "PD"), (), False, (N, "progression without a confirmed response")),
        (("PR", "PR"), (), False, (R, "confirmed PR")),
        (("PR", "PR", "PD"), (), False, (R, "confirmed PR")),
        (("CR", "CR"), (), True, (R, "confirmed CR")),
    ],
)
def test_the_outcome_follows_from_the_assessments(
    responses: tuple[str, ...], skipped: tuple[str, ...], over: bool, outcome: object
) -> None:
    """A response as soon as it is confirmed; otherwise at progression, or when nothing more is assessed."""
    assert response_outcome(VISITS, participant(*responses, skipped=skipped), over=over) == outcome


def test_who_was_never_treated_is_open_until_participation_ends() -> None:
    """No assessment is due before the first infusion."""
    nobody = participant(skipped=tuple(f"week-{week}" for week in WEEKS), treated=False)

    assert response_outcome(VISITS, nobody, over=False) is None
    assert response_outcome(VISITS, nobody, over=True) == (X, "no assessment after the baseline could be judged")


def test_a_measured_progression_ends_the_wait() -> None:
    """The lesions say progression where the investigator said stable."""
    point = TimepointResponse(assessed_on=DAY_0 + timedelta(days=56), overall=Response.PD, why="grown")
    state = participant("SD").model_copy(
        update={"timepoints": (point,), "best_response": BestResponse(response=Response.PD, why="grown")}
    )

    assert response_outcome(VISITS, state, over=False) == (N, "progression without a confirmed response")
