"""What the facts of treatment and of visits change in a participant's state."""

from typing import Any, assert_never

from schemas import facts as f
from schemas.response.tumour import TimepointResponse
from schemas.state.participant import ParticipantState, Stage

TreatmentFact = (
    f.TreatmentChecked | f.TreatmentStopped | f.DltJudged | f.CytokineJudged | f.RetreatmentJudged | f.CycleStarted
)
VisitFact = f.StepSkipped | f.DeviationRecorded | f.ResponseAssessed


def treatment_changes(state: ParticipantState, fact: TreatmentFact) -> dict[str, Any]:
    """Return the fields that change with a judgement of treatment, its end, or the start of a further cycle."""
    match fact:
        case f.TreatmentChecked():
            return {"last_check_go": fact.go}
        case f.TreatmentStopped():
            return {"treatment_stopped": True}
        case f.DltJudged():
            stage = state.stage if state.disposition else Stage.FOLLOW_UP
            return {"dlt": fact.status, "dlt_reason": fact.why, "stage": stage}
        case f.CytokineJudged():
            return {"cytokine": fact.verdict, "cytokine_verdicts": (*state.cytokine_verdicts, fact.verdict)}
        case f.RetreatmentJudged():
            # A new judgement after an acceptance means that the cycle did not begin: it has to be accepted again.
            lapsed = {"retreatment_accepted": None} if state.retreatment_accepted else {}
            return {"retreatment": fact.verdict} | lapsed
        case f.CycleStarted():
            return _cycle_started(fact)
        case _:
            assert_never(fact)


def _cycle_started(fact: f.CycleStarted) -> dict[str, Any]:
    return {
        "cycles": fact.cycle,
        "cycle_day_zero": fact.day_zero,
        "cycle_lymphodepletion": fact.lymphodepletion,
        "cycle_depleted_on": None,
        "stage": Stage.TREATMENT,
        "retreatment": None,
        "retreatment_accepted": None,
    }


def visit_changes(state: ParticipantState, fact: VisitFact) -> dict[str, Any]:
    """Return the fields that change when a visit was skipped, deviated from its window, or gave a response."""
    match fact:
        case f.StepSkipped():
            return {"skipped": (*state.skipped, fact.step)}
        case f.DeviationRecorded():
            return {"deviations": (*state.deviations, fact.deviation)}
        case f.ResponseAssessed():
            return {"timepoints": _replaced(state, fact.timepoint), "best_response": fact.best}
        case _:
            assert_never(fact)


def _replaced(state: ParticipantState, timepoint: TimepointResponse) -> tuple[TimepointResponse, ...]:
    """Return the timepoints in the order of their days; a later assessment may have changed an earlier one."""
    others = (point for point in state.timepoints if point.assessed_on != timepoint.assessed_on)
    return tuple(sorted((*others, timepoint), key=lambda point: point.assessed_on))
