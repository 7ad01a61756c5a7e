"""Whether a participant had a dose-limiting toxicity, or counts at all (docs/domain.md, section 3)."""

import math
from collections.abc import Iterator
from datetime import date, timedelta

from decisions.dlt.status import dlt_status_of, open_events
from decisions.safety.event_ids import event_id
from schemas.dlt.outcome import DltStatus
from schemas.protocol import DltRules
from schemas.safety.adverse_events import AdverseEvent
from schemas.safety.summary import EventDlt
from schemas.state.participant import ParticipantState, Stage


def window_closes_on(dlt: DltRules, day_zero: date) -> date:
    """
    Return the last date of the DLT window, itself included: day `window_days` (days, 1-3650) after day 0.

    Day 0 is the date of the first infusion (docs/domain.md, section 3).
    """
    return day_zero + timedelta(days=dlt.window_days)


def in_window(dlt: DltRules, first_infusion: date, onset: date) -> bool:
    """Return whether `onset` is on day 0 to `window_days`, both included (docs/domain.md, section 3)."""
    return first_infusion <= onset <= window_closes_on(dlt, first_infusion)


def judge_dlt(
    dlt: DltRules, planned_infusions: int, state: ParticipantState, window_complete: bool
) -> tuple[DltStatus, str] | None:
    """
    Judge the participant's part in the dose decision, with the reason; `None` while it is open.

    A DLT counts at once. Without one, the participant is evaluable only after the whole window (`window_complete`) and
    with at least `minimum_dose_fraction` (0-1) of the planned cells, which are the slot's million cells times
    `planned_infusions` (1 or more). Everybody else is not evaluable and is replaced (docs/domain.md, section 3).

    Without a definition in the protocol the reporter judges what is a DLT. With one, an event in the window is a DLT
    once it was adjudicated as dose-limiting, and while any event is pending or an unjudged candidate the outcome stays
    open, also after the window and after the end of participation: an unresolved event blocks the dose decision.

    A DLT that was judged is never revoked: when a later version of the event is adjudicated otherwise, the outcome
    that was recorded is kept, and the committee sees both (docs/domain.md, section 3: the old one is kept).
    """
    first = first_infusion_on(state)
    if first is None:
        return _judge_undosed(state)
    toxicity = _dose_limiting_toxicity(dlt, state, first)
    if toxicity is not None:
        return DltStatus.DLT, toxicity
    if dlt.definition is not None and open_events(state):
        return None
    if _left_early(dlt, state, first, window_complete):
        return DltStatus.NOT_EVALUABLE, f"participation ended before the window closed on {_closes(dlt, first)}, no DLT"
    if not window_complete:
        return None
    return _judge_dose(dlt, planned_infusions, state)


def first_infusion_on(state: ParticipantState) -> date | None:
    """Return day 0: the date of the first infusion, none before it."""
    # The date as the site wrote it, in its own offset: onsets are calendar dates of the same place.
    first = min(state.infusions, key=lambda infusion: infusion.started_at, default=None)
    return None if first is None else first.started_at.date()


def _judge_undosed(state: ParticipantState) -> tuple[DltStatus, str] | None:
    if _has_ended(state) or state.treatment_stopped:
        return DltStatus.NOT_EVALUABLE, "no CAR-NK infusion was given"
    return None


def _dose_limiting_toxicity(dlt: DltRules, state: ParticipantState, first: date) -> str | None:
    for event, judged in _dose_limiting_events(dlt, state):
        if in_window(dlt, first, event.onset_on):
            day = (event.onset_on - first).days
            return f"{event.term}, grade {event.grade}, on day {day} of 0-{dlt.window_days}{judged}"
    return None


def _dose_limiting_events(dlt: DltRules, state: ParticipantState) -> Iterator[tuple[AdverseEvent, str]]:
    for number, event in enumerate(state.adverse_events, start=1):
        name = event_id(number)
        if dlt.definition is None and event.dlt:
            yield event, ""
        elif dlt.definition is not None and dlt_status_of(state, name) is EventDlt.CONFIRMED:
            yield event, f", {name} adjudicated as dose-limiting"


def _left_early(dlt: DltRules, state: ParticipantState, first: date, window_complete: bool) -> bool:
    # The end may be dated back into a window that seemed complete: then it was not observed to its last day.
    ended_inside = state.end_on is not None and state.end_on < window_closes_on(dlt, first)
    return _has_ended(state) and (ended_inside or not window_complete)


def _judge_dose(dlt: DltRules, planned_infusions: int, state: ParticipantState) -> tuple[DltStatus, str]:
    planned = 0.0 if state.slot is None else state.slot.million_cells * planned_infusions
    infused = math.fsum(infusion.million_cells for infusion in state.infusions)
    required = dlt.minimum_dose_fraction * planned
    counts = f"{infused:g} of {planned:g} planned million cells infused, {required:g} required"
    # A dose right at the minimum counts, whatever binary fractions make of the product.
    if planned > 0 and (infused >= required or math.isclose(infused, required)):
        return DltStatus.NO_DLT, f"window complete without a DLT; {counts}"
    return DltStatus.NOT_EVALUABLE, f"window complete without a DLT, but too little dose; {counts}"


def _has_ended(state: ParticipantState) -> bool:
    return state.end is not None or state.disposition is not None or state.stage is Stage.ENDED


def _closes(dlt: DltRules, first: date) -> str:
    return window_closes_on(dlt, first).isoformat()
