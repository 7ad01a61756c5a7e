"""Holds and what a signature under their lifting names."""

from decisions.hashing import content_sha256
from schemas.state.arm import ArmState
from schemas.state.study import HoldRecord

STUDY = "study"
"""The scope of a hold on the whole study."""


def hold_sha256(hold: HoldRecord) -> str:
    """Return the hash of a hold: by whom, when and why it was placed (21 CFR 11.70); 64 hex digits."""
    return content_sha256(hold)


def review_hold(arm: str) -> str:
    """
    Return the scope of the arm's own hold during the review of an earlier decision: '<arm>/review'.

    It is not the arm's scope, under which the study keeps its holds: one that is lifted must not end the other.
    """
    return f"{arm}/review"


def freed_by_review(state: ArmState, lowest_toxic: int | None) -> tuple[str, ...]:
    """
    Return who may be dosed again after a review, the latest decision, of those held for it.

    Only whose slot is at the level that the review led to or below it, and below any toxic one; nobody after a stop.
    The others stay held: nobody is dosed at a level that the committee has left.
    """
    review = state.decisions[-1]
    if review.level is None:
        return ()
    # Places of Phase 2 are in no cohort: they are at the level of the time when the review was decided.
    levels = dict.fromkeys(state.held_for_review, review.from_level) | {
        slot.subject: slot.level for slot in state.slots
    }
    return tuple(
        subject
        for subject in state.held_for_review
        if levels[subject] <= review.level and (lowest_toxic is None or levels[subject] < lowest_toxic)
    )
