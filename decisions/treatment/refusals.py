"""Refusals about study treatment: lymphodepletion, infusions and further cycles."""

from collections.abc import Iterable

from schemas.problem import Problem, ProblemType


def infusion_on_hold(task_id: str, holds: Iterable[str]) -> Problem:
    """No infusion starts while the participant, the arm or the study is held."""
    return Problem(
        type=ProblemType.ON_HOLD,
        field="task_id",
        value=task_id,
        rule=f"no infusion starts while held: {', '.join(holds)}",
        expected="the hold to be lifted first",
    )


def cycle_on_hold(holds: Iterable[str]) -> Problem:
    """No further cycle is accepted while the participant, the arm or the study is held."""
    return Problem(
        type=ProblemType.ON_HOLD,
        field="answer.accepted",
        value="true",
        rule=f"no further cycle begins while held: {', '.join(holds)}",
        expected="the hold to be lifted first",
    )


def open_candidate(task_id: str, events: Iterable[str]) -> Problem:
    """No infusion starts while adverse events of the participant (`events`, by id) may turn out dose-limiting."""
    return Problem(
        type=ProblemType.OPEN_CANDIDATE,
        field="task_id",
        value=task_id,
        rule=f"no infusion starts while {', '.join(events)} may be dose-limiting",
        expected="the adjudication first",
    )


def treatment_has_stopped(task_id: str) -> Problem:
    """Study treatment of the participant has stopped."""
    return Problem(
        type=ProblemType.DOSE_OUT_OF_RULE,
        field="task_id",
        value=task_id,
        rule="treatment has stopped: no further infusion is given",
        expected="no infusion",
    )


def wrong_product(unit_id: str, step: str, reserved: str) -> Problem:
    """Another unit of the bank is reserved for the infusion at this step."""
    return Problem(
        type=ProblemType.WRONG_PRODUCT,
        field="answer.unit_id",
        value=unit_id,
        rule=f"another unit is reserved for {step}",
        expected=reserved,
    )


def dose_out_of_rule(field: str, given: str, rule: str, expected: str) -> Problem:
    """A dose, or a number of doses, is outside of what the protocol allows."""
    return Problem(type=ProblemType.DOSE_OUT_OF_RULE, field=field, value=given, rule=rule, expected=expected)
