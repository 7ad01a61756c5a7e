"""
The expansion for one target, as pure functions of its state: Simon's two stages, a participant at a time.

How a participant's outcome changes the state, which places are free, and what the design says of the present counts
(Simon 1989). Counts are participants. Who is not evaluable is replaced, so the order in which places were given decides
who belongs to stage 1 and to the whole: the first n1, and the first n, that are evaluable or pending.
"""

from collections.abc import Callable
from datetime import date

from schemas.phase_two.expansion import (
    ExpansionAction,
    ExpansionDecision,
    ExpansionPlace,
    ExpansionState,
    ExpansionVerdict,
    ResponseOutcome,
    ResponseStatus,
    ResponseTally,
    SimonDesign,
)

_PENDING = (ResponseStatus.GIVEN, ResponseStatus.DOSED)

# The state


def give_place(state: ExpansionState, subject: str) -> ExpansionState:
    """Return the state with a place for the subject; unchanged if there is one that was not given back undosed."""
    place = _latest(state, subject)
    if place is not None and (place.status is not ResponseStatus.NOT_EVALUABLE or place.first_infused_on is not None):
        return state
    return state.model_copy(update={"places": (*state.places, ExpansionPlace(subject=subject))})


def give_back(state: ExpansionState, subject: str) -> ExpansionState:
    """Return the state without the place of an undosed subject; a dosed one keeps it until the response is judged."""
    return _change(state, subject, _given_back)


def apply_first_dose(state: ExpansionState, subject: str, infused_on: date) -> ExpansionState:
    """Return the state with the first infusion; one that is reported after the outcome leaves the outcome as it is."""
    return _change(state, subject, lambda place: _dosed(place, infused_on))


def apply_outcome(state: ExpansionState, subject: str, outcome: ResponseOutcome) -> ExpansionState:
    """
    Return the state with the response: responder, non-responder or not evaluable.

    The latest judgement counts, since a response may come late and a review may revoke one.
    """
    return _change(state, subject, lambda place: place.model_copy(update={"status": outcome}))


def open_stage_two(state: ExpansionState) -> ExpansionState:
    """Return the state in stage 2; `judge_expansion` judges whether it may open."""
    return state.model_copy(update={"stage": 2})


def decide(state: ExpansionState, decision: ExpansionDecision) -> ExpansionState:
    """Return the state with what was decided on the target."""
    return state.model_copy(update={"decided": decision})


def _latest(state: ExpansionState, subject: str) -> ExpansionPlace | None:
    return next((place for place in reversed(state.places) if place.subject == subject), None)


def _change(state: ExpansionState, subject: str, change: Callable[[ExpansionPlace], ExpansionPlace]) -> ExpansionState:
    latest = _latest(state, subject)
    places = tuple(change(place) if place is latest else place for place in state.places)
    return state.model_copy(update={"places": places})


def _given_back(place: ExpansionPlace) -> ExpansionPlace:
    if place.status is not ResponseStatus.GIVEN:
        return place
    return place.model_copy(update={"status": ResponseStatus.NOT_EVALUABLE})


def _dosed(place: ExpansionPlace, infused_on: date) -> ExpansionPlace:
    status = ResponseStatus.DOSED if place.status is ResponseStatus.GIVEN else place.status
    return place.model_copy(update={"status": status, "first_infused_on": place.first_infused_on or infused_on})


# Counts and places


def tally(state: ExpansionState, size: int) -> ResponseTally:
    """
    Count the participants against a size of the design (n1 or n).

    Over-enrolment shows as `beyond`: a participant judged evaluable after being replaced. The boundary is read on the
    first `size` in the order of places, so that nobody is added to a stage because of how they responded.
    """
    counted = [place.status for place in state.places if place.status is not ResponseStatus.NOT_EVALUABLE]
    within = counted[:size]
    pending = sum(status in _PENDING for status in within)
    return ResponseTally(
        size=size,
        evaluable=len(within) - pending,
        responses=within.count(ResponseStatus.RESPONDER),
        pending=pending,
        beyond=len(counted) - len(within),
        not_evaluable=len(state.places) - len(counted),
    )


def free_places(design: SimonDesign, state: ExpansionState) -> int:
    """
    Return how many participants may get a place now, 0 or more.

    What the stage's size (n1, or n once stage 2 is open) leaves beside the evaluable and the pending: never more than n
    of them. None after a decision for futility or completion, nor as soon as the responses that a boundary
    needs are out of reach.
    """
    closed = state.decided in (ExpansionDecision.FUTILE, ExpansionDecision.COMPLETE)
    if closed or judge_expansion(design, state).action is ExpansionAction.STOP_FOR_FUTILITY:
        return 0
    return _room(tally(state, design.stage_one_size if state.stage == 1 else design.total_size))


def _room(counts: ResponseTally) -> int:
    return counts.size - counts.evaluable - counts.pending


# The rule


def judge_expansion(design: SimonDesign, state: ExpansionState) -> ExpansionVerdict:
    """
    Return what the design does next on the present counts, whatever was decided before (Simon 1989).

    Futility is called as soon as the boundary cannot be passed any more, for stage 1 in stage 2 too, when a response of
    its first n1 was revoked. 'Promising' is called in stage 2, as soon as there are more than r responses.
    """
    first, total = tally(state, design.stage_one_size), tally(state, design.total_size)
    if _out_of_reach(first, design.stage_one_futility):
        action, why = ExpansionAction.STOP_FOR_FUTILITY, _futile("stage 1", first, design.stage_one_futility)
    elif state.stage == 1:
        action, why = _judge_stage_one(design, first)
    else:
        action, why = _judge_total(design, total)
    return ExpansionVerdict(target=state.target, action=action, why=why, stage_one=first, total=total)


def _judge_stage_one(design: SimonDesign, counts: ResponseTally) -> tuple[ExpansionAction, str]:
    here = _in_words("stage 1", counts)
    if counts.evaluable == counts.size:
        return ExpansionAction.OPEN_STAGE_TWO, f"{here}: more than {design.stage_one_futility}, stage 2 may open"
    passed = counts.responses > design.stage_one_futility
    if passed and design.open_stage_two_early:
        why = f"{here}: already more than {design.stage_one_futility}, and stage 2 may open early"
        return ExpansionAction.OPEN_STAGE_TWO, why
    needs = f"stage 2 opens with all {counts.size} evaluable and more than {design.stage_one_futility} responses"
    if _room(counts) == 0:
        return ExpansionAction.AWAIT_STAGE_ONE, f"{here}: {needs}; {counts.pending} response(s) are awaited"
    return ExpansionAction.CONTINUE_STAGE_ONE, f"{here}: {needs}; {_room(counts)} place(s) are free"


def _judge_total(design: SimonDesign, counts: ResponseTally) -> tuple[ExpansionAction, str]:
    here = _in_words("in total", counts)
    if counts.responses > design.total_futility:
        return ExpansionAction.PROMISING, f"{here}: more than {design.total_futility}"
    if _out_of_reach(counts, design.total_futility):
        return ExpansionAction.STOP_FOR_FUTILITY, _futile("in total", counts, design.total_futility)
    needs = f"promising with more than {design.total_futility} responses"
    if _room(counts) == 0:
        return ExpansionAction.AWAIT_STAGE_TWO, f"{here}: {needs}; {counts.pending} response(s) are awaited"
    return ExpansionAction.CONTINUE_STAGE_TWO, f"{here}: {needs}; {_room(counts)} place(s) are free"


def _out_of_reach(counts: ResponseTally, futility: int) -> bool:
    return counts.responses + counts.size - counts.evaluable <= futility


def _futile(scope: str, counts: ResponseTally, futility: int) -> str:
    left = counts.size - counts.evaluable
    if left == 0:
        return f"{_in_words(scope, counts)}: futile with {futility} or fewer"
    return f"{_in_words(scope, counts)}: the {left} still open cannot lead to more than {futility}"


def _in_words(scope: str, counts: ResponseTally) -> str:
    words = f"{scope}, {counts.responses} response(s), {counts.evaluable} of {counts.size} evaluable"
    return f"{words}, {counts.beyond} beyond these not counted" if counts.beyond else words
