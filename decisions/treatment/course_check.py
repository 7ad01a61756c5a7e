"""Whether a cytokine course that a site reports keeps the protocol's rules (docs/domain.md, section 6)."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

from decisions.treatment import cytokine_refusals as refusals
from schemas.problem import Problem
from schemas.treatment.support import CytokineAgent, CytokineDoses, CytokineRules, SupportState, SupportVerdict


def check_course(
    rules: CytokineRules,
    course: CytokineDoses,
    given_infusion_on: date,
    window_days: int,
    verdicts: Sequence[SupportVerdict] = (),
) -> Problem | None:
    """
    Return the refusal of a course that was given after the infusion of `given_infusion_on`, or none.

    A lower dose than the agent's is allowed, a higher one is not. Days run from the infusion's day to `window_days`
    after it, both included. `verdicts` are those on this participant, in the order of their days: the course has days
    and no hours, so an administration on the day of a hold or stop may have come before it and is accepted.
    """
    if not course.administered_on:
        return None
    agent = rules.agent(course.agent)
    if agent is None:
        return refusals.unknown_agent(course.agent, rules)
    days = sorted(course.administered_on)
    return (
        _wrong_dose(agent, course)
        or _wrong_days(days, given_infusion_on, window_days)
        or _too_many_or_too_close(agent, days)
        or _withheld(days, verdicts)
    )


def _wrong_dose(agent: CytokineAgent, course: CytokineDoses) -> Problem | None:
    if course.unit is not agent.unit:
        return refusals.wrong_unit(agent, course.unit)
    return None if 0 < course.dose <= agent.dose else refusals.above_dose(agent, course)


def _wrong_days(days: Sequence[date], infusion_on: date, window_days: int) -> Problem | None:
    first, last, closes = days[0], days[-1], infusion_on + timedelta(days=window_days)
    if first < infusion_on:
        return refusals.before_infusion(first, infusion_on, closes)
    if last > closes:
        return refusals.after_window(last, infusion_on, closes)
    return None


def _too_many_or_too_close(agent: CytokineAgent, days: Sequence[date]) -> Problem | None:
    if len(days) > agent.maximum_administrations:
        return refusals.too_many_administrations(agent, len(days))
    for day, following in pairwise(days):
        if (following - day).days < agent.interval_days:
            return refusals.too_close(agent, day, following)
    return None


def _withheld(days: Sequence[date], verdicts: Sequence[SupportVerdict]) -> Problem | None:
    for day in days:
        verdict = _hold_or_stop_on(day, verdicts)
        if verdict is None:
            continue
        if verdict.state is SupportState.STOP:
            return refusals.cytokine_stopped(day, verdict)
        return refusals.cytokine_on_hold(day, verdict)
    return None


def _hold_or_stop_on(day: date, verdicts: Sequence[SupportVerdict]) -> SupportVerdict | None:
    """Return the hold or stop that was in force for the whole day, if there is one."""
    before = [verdict for verdict in verdicts if verdict.judged_on < day]
    stop = next((verdict for verdict in before if verdict.state is SupportState.STOP), None)
    if stop is not None or not before:
        return stop
    released = any(verdict.judged_on == day and verdict.state is SupportState.GIVE for verdict in verdicts)
    return before[-1] if before[-1].state is SupportState.HOLD and not released else None
