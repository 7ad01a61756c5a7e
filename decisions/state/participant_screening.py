"""What the facts of screening, slot and product change in a participant's state."""

from typing import Any, assert_never

from schemas import facts as f
from schemas.state.participant import Assignment, ParticipantState, Stage

ScreeningFact = f.AntigensProfiled | f.EligibilityJudged | f.Assigned | f.ArmRefused
SlotFact = f.SlotGranted | f.SlotReturned | f.ProductReserved | f.ProductAwaited | f.ProductReturned | f.DayZeroPlanned


def screening_changes(state: ParticipantState, fact: ScreeningFact) -> dict[str, Any]:
    """Return the fields that change with a fact of screening or assignment."""
    match fact:
        case f.AntigensProfiled():
            return {"profile": fact.profile}
        case f.EligibilityJudged():
            return {"eligibility": fact.verdict}
        case f.Assigned():
            chosen = Assignment(arm=fact.arm, arm_kind=fact.arm_kind, target=fact.target)
            return {"assignment": chosen, "stage": Stage.WAITING_FOR_SLOT}
        case f.ArmRefused():
            return {"refused_arms": (*state.refused_arms, fact.arm), "assignment": None, "stage": Stage.SCREENING}
        case _:
            assert_never(fact)


def slot_changes(state: ParticipantState, fact: SlotFact) -> dict[str, Any]:
    """Return the fields that change with a fact of the slot, the reserved units, or the planned day 0."""
    match fact:
        case f.SlotGranted():
            return {"slot": fact.slot, "stage": Stage.WAITING_FOR_PRODUCT}
        case f.SlotReturned():
            return {"slot": None, "stage": Stage.WAITING_FOR_PRODUCT}
        case f.ProductReserved():
            return {"units": fact.units, "stage": Stage.LYMPHODEPLETION}
        case f.ProductAwaited():
            return {}
        case f.ProductReturned():
            return {"units": tuple(unit for unit in state.units if unit not in fact.units)}
        case f.DayZeroPlanned():
            return {"day_zero": fact.day_zero}
        case _:
            assert_never(fact)
