"""
The best overall response by RECIST 1.1, with confirmation (docs/domain.md, section 5).

Ranks as in pharmaverse admiralonco (confirmed BOR): CR, PR, SD, NON-CR/NON-PD, PD, NE.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from decisions.response.recist_confirmation import first_confirmed
from schemas.response.tumour import BestResponse, RecistRules, Response, TimepointResponse

_STABLE_OR_BETTER = {Response.CR, Response.PR, Response.SD}
_DISEASE = {Response.PR, Response.SD, Response.NON_CR_NON_PD}


class Best(NamedTuple):
    """The best response, the assessment that gives it, its confirmation, and the reason."""

    response: Response
    on: date | None
    why: str
    confirmed_on: date | None = None


def judge_best_response(
    rules: RecistRules,
    treatment_started_on: date,
    timepoints: Sequence[TimepointResponse],
    *,
    new_therapy_on: date | None = None,
    died_on: date | None = None,
) -> BestResponse:
    """
    Judge the best overall response from all assessments, in whatever order they come, with dates and reasons.

    Days count from the start of treatment, day 0. Nothing counts after the first PD, nor after the day on which other
    anticancer therapy started, itself included (docs/domain.md, section 5).
    """
    counting = counting_timepoints(timepoints, new_therapy_on)
    best = _best_confirmed(rules, counting) or _best_unconfirmed(rules, treatment_started_on, counting)
    progressed_on = next((point.assessed_on for point in counting if point.overall is Response.PD), None)
    responded_on = _responded_on(rules, counting)
    ended_on = _ended_on(progressed_on, died_on, new_therapy_on)
    return BestResponse(
        response=best.response,
        confirmed=best.confirmed_on is not None,
        on=best.on,
        responded_on=responded_on,
        confirmed_on=best.confirmed_on,
        progressed_on=progressed_on,
        duration_days=_duration_days(responded_on, ended_on, counting),
        duration_censored=None if responded_on is None else ended_on is None,
        review=_review(counting),
        why=best.why,
    )


def counting_timepoints(
    timepoints: Sequence[TimepointResponse], new_therapy_on: date | None
) -> tuple[TimepointResponse, ...]:
    """Return the assessments up to the first PD and to the start of other therapy, both days included, in order."""
    ordered = sorted(timepoints, key=lambda point: point.assessed_on)
    before = [point for point in ordered if new_therapy_on is None or point.assessed_on <= new_therapy_on]
    progressions = [index for index, point in enumerate(before) if point.overall is Response.PD]
    return tuple(before[: progressions[0] + 1] if progressions else before)


# The best response


def _best_confirmed(rules: RecistRules, counting: Sequence[TimepointResponse]) -> Best | None:
    for response in (Response.CR, Response.PR):
        found = first_confirmed(rules, response, counting)
        if found is not None:
            why = f"{response} on {found.responded_on}, confirmed on {found.confirmed_on}"
            return Best(response, found.responded_on, why, found.confirmed_on)
    return None


def _best_unconfirmed(rules: RecistRules, started_on: date, counting: Sequence[TimepointResponse]) -> Best:
    """Return stable disease if it lasted, whatever the unconfirmed responses; then PD, then NE."""
    earliest = started_on + timedelta(days=rules.minimum_stable_days)
    from_day = f"day {rules.minimum_stable_days} ({earliest})"
    lasting = [point for point in counting if point.assessed_on >= earliest]
    for response, kinds in ((Response.SD, _STABLE_OR_BETTER), (Response.NON_CR_NON_PD, {Response.NON_CR_NON_PD})):
        for point in lasting:
            if point.overall in kinds:
                unconfirmed = "" if point.overall is response else ", not confirmed"
                why = f"{point.overall} on {point.assessed_on}{unconfirmed}, not before {from_day}"
                return Best(response, point.assessed_on, why)
    for point in counting:
        if point.overall is Response.PD:
            return Best(Response.PD, point.assessed_on, f"PD on {point.assessed_on}, no stable disease from {from_day}")
    if not counting:
        return Best(Response.NE, None, "no assessment counts")
    return Best(Response.NE, counting[0].assessed_on, f"nothing confirmed, and nothing evaluable from {from_day} on")


# Dates


def _responded_on(rules: RecistRules, counting: Sequence[TimepointResponse]) -> date | None:
    # A PR that deepened into a CR is one response: it lasts from the PR on.
    found = [first_confirmed(rules, response, counting) for response in (Response.CR, Response.PR)]
    return min((confirmation.responded_on for confirmation in found if confirmation is not None), default=None)


def _ended_on(progressed_on: date | None, died_on: date | None, new_therapy_on: date | None) -> date | None:
    # A death after other therapy started does not end this response: it was followed until then.
    if progressed_on is not None or died_on is None:
        return progressed_on
    return died_on if new_therapy_on is None or died_on <= new_therapy_on else None


def _duration_days(
    responded_on: date | None, ended_on: date | None, counting: Sequence[TimepointResponse]
) -> int | None:
    if responded_on is None:
        return None
    evaluable = [point.assessed_on for point in counting if point.overall is not Response.NE]
    return ((ended_on or evaluable[-1]) - responded_on).days


# Data issues


def _review(counting: Sequence[TimepointResponse]) -> tuple[str, ...]:
    """Return the assessments after a CR with disease that is not called PD (Eisenhauer, table 3, note a)."""
    complete = next((point for point in counting if point.overall is Response.CR), None)
    if complete is None:
        return ()
    return tuple(
        f"CR on {complete.assessed_on}, then {point.overall} on {point.assessed_on}: it was no CR, or this is PD"
        for point in counting
        if point.assessed_on > complete.assessed_on and point.overall in _DISEASE
    )
