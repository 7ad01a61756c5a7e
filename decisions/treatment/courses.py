"""Cytokine courses of one participant: after which infusions, until when, and the check of one that was given."""

from datetime import date, timedelta

from decisions.treatment.course_check import check_course
from decisions.treatment.cycles import cycle_in_words
from decisions.treatment.cytokine import judge_cytokine
from decisions.treatment.cytokine_refusals import unit_missing
from schemas.base import Frozen
from schemas.commands.answers import CytokineCourse
from schemas.problem import Problem
from schemas.protocol import CytokineSupport
from schemas.state.participant import ParticipantState
from schemas.treatment.support import CytokineDoses, CytokineRules, DoseUnit, SupportVerdict

_COURSE, _INFUSION = "cytokine-course", "infusion"


class PlannedCourse(Frozen):
    """The course after an infusion: its step, the infusion's day, and the last day of its window, itself included."""

    step: str
    infused_on: date
    closes_on: date


def planned_courses(cytokine: CytokineSupport, state: ParticipantState) -> tuple[PlannedCourse, ...]:
    """Return the courses of the infusions given so far, in their order; a further cycle's infusions count from 1."""
    given = zip(state.infusion_steps, state.infusions, strict=True)
    return tuple(
        PlannedCourse(
            step=course_step(step),
            infused_on=infusion.started_at.date(),
            closes_on=infusion.started_at.date() + timedelta(days=cytokine.window_days),
        )
        for step, infusion in given
        if infusion_number(step) in cytokine.after_infusions
    )


def course_detail(cytokine: CytokineSupport) -> dict[str, str]:
    """Return the detail of a course's task: the drug and its dose, in million units per square metre."""
    return {"agent": cytokine.agent, "million_units_per_m2": f"{cytokine.million_units_per_m2:g}"}


def infusion_number(step: str) -> int:
    """Return which infusion of its cycle a step is: 1 for 'infusion-1' and for 'cycle-2-infusion-1'."""
    return int(step.rpartition("-")[2])


def judge_support(rules: CytokineRules, state: ParticipantState, today: date) -> SupportVerdict:
    """Judge whether cytokines may be given today, or on the latest day on record if that is later."""
    first = min((infusion.started_at.date() for infusion in state.infusions), default=today)
    onsets = [event.onset_on for event in state.adverse_events]
    day = max([today, state.latest_on, *onsets])
    return judge_cytokine(rules, state.adverse_events, state.last_toxicity_check, first, day, earlier=state.cytokine)


def wrong_course(
    cytokine: CytokineSupport, rules: CytokineRules, state: ParticipantState, step: str, course: CytokineCourse
) -> Problem | None:
    """Return the refusal of a course that a site reports, or none; without an agent it is of the protocol's first."""
    planned = next((known for known in planned_courses(cytokine, state) if known.step == step), None)
    if planned is None:
        return None
    if course.administered_on and course.dose is not None and course.unit is None:
        return unit_missing(course.dose)
    doses = CytokineDoses(
        agent=course.agent or cytokine.agent,
        dose=course.million_units_per_m2 if course.dose is None else course.dose,
        unit=DoseUnit.MILLION_UNITS_PER_M2 if course.dose is None or course.unit is None else course.unit,
        administered_on=course.administered_on,
    )
    return check_course(rules, doses, planned.infused_on, cytokine.window_days, state.cytokine_verdicts)


def course_title(step: str) -> str:
    """Return the title of a course's task, for an infusion's step or the course's own."""
    return f"Give the cytokine course{cycle_in_words(step)}"


def course_step(infusion_step: str) -> str:
    """Return the step of the course after an infusion: 'cycle-1-cytokine-course-1' after 'cycle-1-infusion-1'."""
    return infusion_step.replace(_INFUSION, _COURSE)
