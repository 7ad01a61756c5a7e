"""An arm's Phase 2: places, verdicts and the end of each target (Simon 1989)."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from decisions.phase_two.expansion import judge_expansion
from decisions.phase_two.places import (
    all_decided,
    decision_after,
    is_placed,
    new_verdict,
    next_place,
    place_slot,
    refusal_reason,
    subjects_with_place,
    target_key,
    waiting_for,
)
from decisions.state.arm import apply_arm
from schemas import facts as f
from schemas.base import ArmId, Role
from schemas.dlt.outcome import DltStatus
from schemas.phase_two.expansion import (
    ExpansionAction,
    ExpansionDecision,
    ExpansionState,
    ExpansionVerdict,
    ResponseOutcome,
    ResponseStatus,
    ResponseTally,
    SimonDesign,
)
from schemas.screening.panel import Antigen
from schemas.state.arm import ArmState, ArmStatus, SlotRecord, SlotState
from schemas.state.participant import Target

ARM: ArmId = "dual-target"
ONE: Target = (Antigen.TROP2, Antigen.HER2)
OTHER: Target = (Antigen.TROP2, Antigen.EGFR)
DAY = date(2026, 3, 2)
SAID: dict[str, Any] = {"at": datetime(2026, 3, 2, tzinfo=UTC), "who": "system", "role": Role.SYSTEM, "why": "so"}
DESIGN = SimonDesign(
    null_rate=0.1,
    target_rate=0.5,
    alpha=0.05,
    beta=0.2,
    stage_one_size=2,
    stage_one_futility=0,
    total_size=3,
    total_futility=1,
    open_stage_two_early=False,
)
RESPONDER: ResponseOutcome = ResponseStatus.RESPONDER
NOT: ResponseOutcome = ResponseStatus.NON_RESPONDER
GONE: ResponseOutcome = ResponseStatus.NOT_EVALUABLE
PHASE_ONE = SlotRecord(subject="A", cohort=4, level=2, state=SlotState.NO_DLT, first_infused_on=DAY)


def after(state: ArmState, *facts: f.ArmFact) -> ArmState:
    """Fold facts."""
    for fact in facts:
        state = apply_arm(state, fact)
    return state


def opened(**changes: object) -> ArmState:
    """Make an arm whose Phase 2 has opened at level 2, with one participant of Phase 1."""
    state = ArmState(study="s", arm=ARM, level=2, cohort=4, status=ArmStatus.CLOSED, slots=(PHASE_ONE,))
    return after(state, f.ExpansionOpened(level=2, targets=(ONE, OTHER), **SAID)).model_copy(update=changes)


def asked(subject: str, target: Target | None = ONE) -> f.SlotRequested:
    """Make a request for a slot."""
    return f.SlotRequested(subject=subject, target=target, **SAID)


def placed(state: ArmState, subject: str, target: Target = ONE) -> ArmState:
    """Have somebody ask for a place and get one."""
    state = after(state, asked(subject, target))
    return after(state, f.SlotGiven(subject=subject, slot=place_slot(state, 300), **SAID))


def responded(subject: str, outcome: ResponseOutcome, target: Target = ONE) -> f.ResponseReceived:
    """Make a participant's response."""
    return f.ResponseReceived(subject=subject, target=target, outcome=outcome, occurred_on=DAY, **SAID)


def judged(state: ArmState, target: Target = ONE) -> ArmState:
    """Record every new verdict on a target."""
    while (new := new_verdict(DESIGN, state, target_key(target))) is not None:
        state = after(state, f.ExpansionJudged(verdict=new[0], decided=new[1], **SAID))
    return state


def statuses(state: ArmState, target: Target = ONE) -> list[tuple[str, ResponseStatus]]:
    """Return the places of a target."""
    return [(place.subject, place.status) for place in state.expansions[target_key(target)].places]


def test_phase_two_opens_at_the_rp2d_for_every_target() -> None:
    """Each target begins its first stage with no places; the slots of Phase 1 stay."""
    state = opened()

    assert (state.status, state.level, state.rp2d_level) == (ArmStatus.EXPANSION, 2, 2)
    assert state.expansions == {"TROP2+HER2": ExpansionState(target=ONE), "TROP2+EGFR": ExpansionState(target=OTHER)}
    assert state.slots == (PHASE_ONE,)


def test_a_place_is_at_the_rp2d_without_a_stagger_and_in_no_cohort_of_phase_one() -> None:
    """The slot says so itself."""
    slot = place_slot(opened(latest_on=DAY), 300)

    assert (slot.arm, slot.level, slot.million_cells, slot.phase) == (ARM, 2, 300, 2)
    assert (slot.cohort, slot.first_of_cohort, slot.not_before) == (5, False, DAY)


def test_who_asks_first_for_a_target_with_a_free_place_comes_first() -> None:
    """Two places in stage 1 of a target: the third waits, and somebody behind for another target goes ahead."""
    state = placed(placed(opened(), "B"), "C")
    state = after(state, asked("D"), asked("E", OTHER), asked("F"))

    assert next_place(DESIGN, state) == "E"
    assert waiting_for(state, ONE) == ("D", "F")
    state = after(state, f.SlotGiven(subject="E", slot=place_slot(state, 300), **SAID))
    assert (state.queue, state.targets) == (("D", "F"), {"D": ONE, "F": ONE})
    assert next_place(DESIGN, state) is None
    assert statuses(state, OTHER) == [("E", ResponseStatus.GIVEN)]


@pytest.mark.parametrize(
    "changes", [{"holds": (ARM,)}, {"holds": ("study",)}, {"review_due": True}, {"status": ArmStatus.CLOSED}]
)
def test_no_place_is_given_while_held_or_under_review(changes: dict[str, object]) -> None:
    """A free place stays free."""
    state = after(opened(), asked("B"))
    assert next_place(DESIGN, state) == "B"

    assert next_place(DESIGN, state.model_copy(update=changes)) is None


def test_nothing_of_phase_two_touches_the_slots_of_phase_one() -> None:
    """Dose, DLT outcome, a place given back: only the expansion changes, though somebody had a slot of Phase 1."""
    left = PHASE_ONE.model_copy(update={"subject": "B", "state": SlotState.NOT_EVALUABLE, "first_infused_on": None})
    slots = (PHASE_ONE, left)
    state = placed(placed(opened(slots=slots), "B"), "C", OTHER)

    state = after(
        state,
        f.FirstDoseReported(subject="B", infused_on=DAY, **SAID),
        f.OutcomeReported(subject="B", status=DltStatus.DLT, occurred_on=DAY, **SAID),
        f.SlotGivenBack(subject="B", occurred_on=DAY, **SAID),
        f.SlotGivenBack(subject="C", occurred_on=DAY, **SAID),
    )

    assert state.slots == slots
    assert state.expansions["TROP2+HER2"].places[0].first_infused_on == DAY
    assert statuses(state) == [("B", ResponseStatus.DOSED)]
    assert statuses(state, OTHER) == [("C", GONE)]
    assert subjects_with_place(state) == ("B", "C")
    assert (is_placed(state, "B"), is_placed(state, "C"), is_placed(state, "Z")) == (True, False, False)


def test_a_late_dlt_of_phase_one_still_counts_there() -> None:
    """Phase 2 is open, and a DLT of a Phase 1 participant comes in."""
    state = after(opened(), f.OutcomeReported(subject="A", status=DltStatus.DLT, **SAID))

    assert [slot.state for slot in state.slots] == [SlotState.DLT]


def test_who_has_a_place_does_not_wait_for_another_but_who_gave_it_back_may() -> None:
    """A request that comes twice leads to one place; a place given back undosed can be asked for anew."""
    state = placed(opened(), "B")
    assert after(state, asked("B")).queue == ()

    state = after(state, f.SlotGivenBack(subject="B", **SAID), asked("B"))
    assert (state.queue, state.targets) == (("B",), {"B": ONE})


def test_a_response_is_dated_and_kept() -> None:
    """The day of the response opens places, and the next slot cannot be used before it."""
    state = after(placed(opened(), "B"), responded("B", RESPONDER), responded("Z", RESPONDER))

    assert statuses(state) == [("B", RESPONDER)]
    assert state.latest_on == DAY


def test_the_first_stage_as_it_begins_is_no_news() -> None:
    """Places are free from the start; that none is left is new."""
    state = opened()
    assert new_verdict(DESIGN, state, "TROP2+HER2") is None

    new = new_verdict(DESIGN, placed(placed(state, "B"), "C"), "TROP2+HER2")
    assert new is not None
    assert (new[0].action, new[1]) == (ExpansionAction.AWAIT_STAGE_ONE, ExpansionDecision.OPEN)


def test_stage_two_opens_by_rule_and_is_judged_at_once() -> None:
    """One response of two: stage 2 opens, and its one place is free."""
    state = judged(
        after(placed(placed(opened(), "B"), "C"), responded("B", RESPONDER), responded("C", NOT), asked("D"))
    )

    held = state.expansions["TROP2+HER2"]
    assert (held.stage, held.decided) == (2, ExpansionDecision.OPEN)
    assert state.verdicts["TROP2+HER2"].action is ExpansionAction.CONTINUE_STAGE_TWO
    assert next_place(DESIGN, state) == "D"


def test_futility_sends_away_who_waits_for_this_target_only() -> None:
    """No response of two: the target is closed for good, with its reason."""
    state = after(placed(placed(opened(), "B"), "C"), asked("D"), asked("E", OTHER))
    assert refusal_reason(state, ONE) is None

    state = judged(after(state, responded("B", NOT), responded("C", NOT)))

    assert state.expansions["TROP2+HER2"].decided is ExpansionDecision.FUTILE
    assert (state.queue, state.targets) == (("E",), {"E": OTHER})
    reason = refusal_reason(state, ONE)
    assert reason == f"the expansion for TROP2+HER2 is futile: {state.verdicts['TROP2+HER2'].why}"
    assert refusal_reason(state, OTHER) is None
    late = judged(after(state, responded("B", RESPONDER)))
    assert late.expansions["TROP2+HER2"].decided is ExpansionDecision.FUTILE


@pytest.mark.parametrize(("target", "named"), [(None, "no target"), ((Antigen.MUC1,), "MUC1")])
def test_another_target_has_no_expansion(target: Target | None, named: str) -> None:
    """Whoever asks for a target that the arm does not have is refused."""
    assert refusal_reason(opened(), target) == f"{named}: not a target of the expansion of {ARM}"


def test_the_arm_is_done_when_every_target_is_decided() -> None:
    """One is promising and complete, the other futile."""
    state = opened()
    for subject, outcome in (("B", RESPONDER), ("C", NOT), ("D", RESPONDER)):
        state = judged(after(placed(state, subject), responded(subject, outcome)))
    assert state.expansions["TROP2+HER2"].decided is ExpansionDecision.COMPLETE
    assert not all_decided(state)

    for subject in ("E", "F"):
        state = judged(after(placed(state, subject, OTHER), responded(subject, NOT, OTHER)), OTHER)

    assert all_decided(state)
    assert not all_decided(ArmState(study="s", arm=ARM, level=1))


def verdict(action: ExpansionAction, evaluable: int = 2) -> ExpansionVerdict:
    """Make a verdict on so many evaluable of three."""
    counts = ResponseTally(size=3, evaluable=evaluable, responses=2, pending=0, beyond=0, not_evaluable=0)
    return ExpansionVerdict(target=ONE, action=action, why="so", stage_one=counts, total=counts)


D, A = ExpansionDecision, ExpansionAction


@pytest.mark.parametrize(
    ("earlier", "action", "evaluable", "decided"),
    [
        (D.OPEN, A.CONTINUE_STAGE_ONE, 1, D.OPEN),
        (D.OPEN, A.AWAIT_STAGE_TWO, 2, D.OPEN),
        (D.OPEN, A.STOP_FOR_FUTILITY, 2, D.FUTILE),
        (D.OPEN, A.PROMISING, 2, D.EFFICACIOUS),
        (D.OPEN, A.PROMISING, 3, D.COMPLETE),
        (D.EFFICACIOUS, A.PROMISING, 3, D.COMPLETE),
        (D.EFFICACIOUS, A.CONTINUE_STAGE_TWO, 2, D.OPEN),
        (D.COMPLETE, A.STOP_FOR_FUTILITY, 3, D.FUTILE),
        (D.COMPLETE, A.PROMISING, 2, D.COMPLETE),
        (D.FUTILE, A.PROMISING, 3, D.FUTILE),
        (D.FUTILE, A.CONTINUE_STAGE_ONE, 1, D.FUTILE),
    ],
)
def test_what_is_decided_after_a_verdict(
    earlier: ExpansionDecision, action: ExpansionAction, evaluable: int, decided: ExpansionDecision
) -> None:
    """Futility is for good; a promising target is complete with its last evaluable participant."""
    assert decision_after(earlier, verdict(action, evaluable)) is decided


def test_a_verdict_is_new_once() -> None:
    """What was recorded is not recorded again."""
    state = judged(placed(placed(opened(), "B"), "C"))

    assert state.verdicts["TROP2+HER2"] == judge_expansion(DESIGN, state.expansions["TROP2+HER2"])
    assert new_verdict(DESIGN, state, "TROP2+HER2") is None
