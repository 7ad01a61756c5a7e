"""
Which rule an answer breaks that is well formed: role, site, dose, product, holds.

Called by the handler of the update, which records what is refused here (docs/decisions/0003-two-kinds-of-refusal.md).
"""

from decisions.commands import refusals
from decisions.commands.checks import wrong_role, wrong_site
from decisions.dlt.status import open_events
from decisions.treatment import cytokine_refusals
from decisions.treatment import refusals as treatment_refusals
from decisions.treatment.courses import wrong_course
from decisions.treatment.readiness import treatment_is_over
from schemas.commands.answers import Answer, CytokineCourse, InfusionGiven, LymphodepletionGiven, RetreatmentDecided
from schemas.commands.commands import AnswerTask
from schemas.dlt.outcome import DltStatus
from schemas.problem import Problem
from schemas.protocol import CytokineSupport, Protocol
from schemas.schedule.task import Task
from schemas.state.participant import ParticipantState


def refused_answer(protocol: Protocol, state: ParticipantState, command: AnswerTask) -> Problem | None:
    """Return the first refusal of a well-formed answer, or none."""
    end = state.closed.get(command.task_id)
    if end is not None:
        return refusals.task_already_closed(command.task_id, end)
    task, answer = state.tasks[command.task_id], command.answer
    return (
        wrong_role("envelope.role", command.envelope.role, task.role)
        or wrong_site(state.subject, command.envelope)
        or _refused_treatment(protocol, state, task, answer)
    )


def _refused_treatment(protocol: Protocol, state: ParticipantState, task: Task, answer: Answer) -> Problem | None:
    match answer:
        case LymphodepletionGiven():
            return _wrong_lymphodepletion(protocol, answer)
        case InfusionGiven():
            return _wrong_infusion(protocol, state, task, answer)
        case CytokineCourse():
            return _wrong_cytokine(protocol.cytokine, state, task, answer)
        case RetreatmentDecided() if answer.accepted:
            return _wrong_retreatment(state, task)
        case _:
            return None


def _wrong_lymphodepletion(protocol: Protocol, given: LymphodepletionGiven) -> Problem | None:
    rule = protocol.lymphodepletion
    doses = {
        "fludarabine_mg_per_m2": (given.fludarabine_mg_per_m2, rule.fludarabine_mg_per_m2),
        "cyclophosphamide_mg_per_m2": (given.cyclophosphamide_mg_per_m2, rule.cyclophosphamide_mg_per_m2),
    }
    found = (
        _wrong_dose(f"answer.{field}", dose, planned, rule.dose_tolerance_fraction, "mg/m2")
        for field, (dose, planned) in doses.items()
    )
    return next((problem for problem in found if problem is not None), None)


def _wrong_infusion(protocol: Protocol, state: ParticipantState, task: Task, infusion: InfusionGiven) -> Problem | None:
    if state.on_hold():
        return treatment_refusals.infusion_on_hold(task.id, state.holds)
    candidates = open_events(state)
    if candidates:
        return treatment_refusals.open_candidate(task.id, candidates)
    if treatment_is_over(state, task.step):
        return treatment_refusals.treatment_has_stopped(task.id)
    if infusion.unit_id != task.detail["unit"]:
        return treatment_refusals.wrong_product(infusion.unit_id, task.step, task.detail["unit"])
    planned = state.slot.million_cells if state.slot else 0.0
    tolerance = protocol.infusions.dose_tolerance_fraction
    return _wrong_dose("answer.million_cells", infusion.million_cells, planned, tolerance, "million cells")


def _wrong_retreatment(state: ParticipantState, task: Task) -> Problem | None:
    if state.on_hold():
        return treatment_refusals.cycle_on_hold(state.holds)
    stopped = state.treatment_stopped or state.dlt is DltStatus.DLT
    return treatment_refusals.treatment_has_stopped(task.id) if stopped else None


def _wrong_cytokine(
    rule: CytokineSupport, state: ParticipantState, task: Task, course: CytokineCourse
) -> Problem | None:
    if rule.rules is not None:
        return wrong_course(rule, rule.rules, state, task.step, course)
    if len(course.administered_on) > rule.maximum_administrations:
        return cytokine_refusals.too_many_doses(rule, len(course.administered_on))
    if course.administered_on and course.million_units_per_m2 > rule.million_units_per_m2:
        return cytokine_refusals.above_planned_dose(rule, course.million_units_per_m2)
    return None


def _wrong_dose(field: str, given: float, planned: float, tolerance: float, unit: str) -> Problem | None:
    low, high = planned * (1 - tolerance), planned * (1 + tolerance)
    if low <= given <= high:
        return None
    rule = f"the dose is {planned:g} {unit} within {tolerance:.0%}"
    return treatment_refusals.dose_out_of_rule(field, f"{given:g} {unit}", rule, f"{low:g} to {high:g} {unit}")
