"""
Whether a later assessment confirms a response (docs/domain.md, section 5; algorithm of pharmaverse admiralonco, CBOR).

A response counts only if it is seen again after `confirmation_days`, with no contrary assessment between.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

from schemas.response.tumour import RecistRules, Response, TimepointResponse

_CONFIRMED_BY = {Response.CR: {Response.CR}, Response.PR: {Response.CR, Response.PR}}
_ALLOWED_BETWEEN = {
    Response.CR: {Response.CR, Response.NE},
    Response.PR: {Response.CR, Response.PR, Response.SD, Response.NE},
}


class Confirmation(NamedTuple):
    """When a response was seen first, and when again."""

    responded_on: date
    confirmed_on: date


def first_confirmed(
    rules: RecistRules, response: Response, timepoints: Sequence[TimepointResponse]
) -> Confirmation | None:
    """
    Find the first confirmed CR or PR among assessments in the order of their dates.

    A CR is confirmed by a CR, a PR by a PR or CR, at least `confirmation_days` (days, the last included) later. Between
    them at most `maximum_not_evaluable_between` NE, for a PR also `maximum_stable_between` SD, and no PR after a CR.
    """
    for index, timepoint in enumerate(timepoints):
        if timepoint.overall is response:
            later = timepoints[index + 1 :]
            confirmed_on = _confirmed_on(rules, response, timepoint.assessed_on, later)
            if confirmed_on is not None:
                return Confirmation(timepoint.assessed_on, confirmed_on)
    return None


def _confirmed_on(
    rules: RecistRules, response: Response, responded_on: date, later: Sequence[TimepointResponse]
) -> date | None:
    earliest = responded_on + timedelta(days=rules.confirmation_days)
    for index, timepoint in enumerate(later):
        if timepoint.overall in _CONFIRMED_BY[response] and timepoint.assessed_on >= earliest:
            # Only the first candidate is tried: a later one has everything before this one between as well.
            period = [between.overall for between in later[: index + 1]]
            return timepoint.assessed_on if _holds(rules, response, period) else None
    return None


def _holds(rules: RecistRules, response: Response, period: Sequence[Response]) -> bool:
    # The confirming assessment ends the period: it is of an allowed kind itself, and may be the PR after a CR.
    falls_back = any((before, after) == (Response.CR, Response.PR) for before, after in pairwise(_judged(period)))
    return (
        set(period) <= _ALLOWED_BETWEEN[response]
        and period.count(Response.NE) <= rules.maximum_not_evaluable_between
        and period.count(Response.SD) <= rules.maximum_stable_between
        and not falls_back
    )


def _judged(period: Sequence[Response]) -> list[Response]:
    return [response for response in period if response in {Response.CR, Response.PR}]
