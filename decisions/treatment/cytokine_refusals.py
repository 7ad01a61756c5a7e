"""Refusals about a cytokine course: its agent, dose, unit, days and number of administrations."""

from datetime import date

from decisions.treatment.refusals import dose_out_of_rule
from schemas.problem import Problem, ProblemType
from schemas.protocol import CytokineSupport
from schemas.treatment.support import CytokineAgent, CytokineDoses, CytokineRules, DoseUnit, SupportVerdict

_AGENT, _DAYS, _DOSE, _UNIT = "answer.agent", "answer.administered_on", "answer.dose", "answer.unit"


def unknown_agent(agent: str, rules: CytokineRules) -> Problem:
    """The protocol has no such cytokine."""
    return Problem(
        type=ProblemType.INVALID_INPUT,
        field=_AGENT,
        value=agent,
        rule="the protocol has no such cytokine",
        expected=" or ".join(known.id for known in rules.agents),
    )


def unit_missing(dose: float) -> Problem:
    """A dose was given without its unit."""
    rule = f"a dose of {dose:g} says nothing without its unit"
    return Problem(type=ProblemType.WRONG_UNIT, field=_UNIT, value="(none)", rule=rule, expected=" or ".join(DoseUnit))


def wrong_unit(agent: CytokineAgent, unit: DoseUnit) -> Problem:
    """The protocol doses the agent in another unit."""
    rule = f"{agent.id} is dosed in another unit"
    return Problem(type=ProblemType.WRONG_UNIT, field=_UNIT, value=unit, rule=rule, expected=agent.unit)


def above_dose(agent: CytokineAgent, course: CytokineDoses) -> Problem:
    """The dose of each administration is above the agent's, or 0."""
    limit = f"at most {agent.dose:g} {agent.unit}"
    return dose_out_of_rule(
        _DOSE, f"{course.dose:g} {course.unit}", f"the dose of {agent.id} is {limit}", f"above 0 and {limit}"
    )


def before_infusion(day: date, infused_on: date, closes_on: date) -> Problem:
    """An administration lies before the infusion that the course follows."""
    return Problem(
        type=ProblemType.DATE_BEFORE_STEP,
        field=_DAYS,
        value=day.isoformat(),
        rule="lies before the infusion",
        expected=f"{infused_on} to {closes_on}",
    )


def after_window(day: date, infused_on: date, closes_on: date) -> Problem:
    """An administration lies after the window of the course, whose last day is `closes_on`."""
    return Problem(
        type=ProblemType.OUT_OF_RANGE,
        field=_DAYS,
        value=day.isoformat(),
        rule=f"lies more than {(closes_on - infused_on).days} days after the infusion",
        expected=f"{infused_on} to {closes_on}",
    )


def too_many_administrations(agent: CytokineAgent, count: int) -> Problem:
    """The course has more administrations than the protocol allows of the agent."""
    rule = f"more administrations of {agent.id} than the protocol allows"
    return dose_out_of_rule(_DAYS, str(count), rule, f"at most {agent.maximum_administrations}")


def too_close(agent: CytokineAgent, earlier: date, later: date) -> Problem:
    """Two administrations lie closer together than the agent's interval (days)."""
    rule = f"too close to the administration on {earlier}: {(later - earlier).days} days later"
    expected = f"at least {agent.interval_days} days between two administrations of {agent.id}"
    return dose_out_of_rule(_DAYS, later.isoformat(), rule, expected)


def cytokine_stopped(day: date, verdict: SupportVerdict) -> Problem:
    """The cytokine was given after it had been stopped for good."""
    rule = f"the cytokine is stopped for good ({verdict.judged_on}: {verdict.why})"
    return dose_out_of_rule(_DAYS, day.isoformat(), rule, "no further administration")


def cytokine_on_hold(day: date, verdict: SupportVerdict) -> Problem:
    """The cytokine was given while it was held."""
    return Problem(
        type=ProblemType.ON_HOLD,
        field=_DAYS,
        value=day.isoformat(),
        rule=f"the cytokine is on hold ({verdict.judged_on}: {verdict.why})",
        expected="no administration until the hold has ended",
    )


def too_many_doses(rule: CytokineSupport, count: int) -> Problem:
    """The course has more administrations than a protocol without cytokine rules allows."""
    expected = f"at most {rule.maximum_administrations}"
    return dose_out_of_rule(_DAYS, str(count), "more administrations than the protocol allows", expected)


def above_planned_dose(rule: CytokineSupport, million_units_per_m2: float) -> Problem:
    """The dose is above the one of a protocol without cytokine rules (million units per square metre)."""
    return dose_out_of_rule(
        "answer.million_units_per_m2",
        f"{million_units_per_m2:g}",
        "above the protocol's dose",
        f"at most {rule.million_units_per_m2:g} million units/m2",
    )
