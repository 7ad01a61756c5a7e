"""Holds: what a signature names, and who is freed by a review."""

from datetime import UTC, datetime, timedelta

import pytest

from decisions.stopping.holds import freed_by_review, hold_sha256, review_hold
from schemas.commands.commands import DecisionAction
from schemas.state.arm import ArmState, DecisionRecord, SlotRecord, SlotState
from schemas.state.study import HoldRecord

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOLD = HoldRecord(scope="study", placed_by="operations-01", placed_at=NOW, why="a death is looked into")


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": "single-target"},
        {"placed_by": "src-chair"},
        {"placed_at": NOW + timedelta(seconds=1)},
        {"why": "a death is looked into; and another one"},
        {"rule": "related-death"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_hold_that_differs_has_another_hash(changes: dict[str, object]) -> None:
    """A signature under the lifting of one hold does not fit another."""
    assert hold_sha256(HOLD.model_copy(update=changes)) != hold_sha256(HOLD)


def test_the_hash_of_a_hold_stays_what_it_is() -> None:
    """Signatures of years ago name it: the way of making it never changes."""
    assert hold_sha256(HOLD) == hold_sha256(HoldRecord.model_validate_json(HOLD.model_dump_json()))
    assert hold_sha256(HOLD) == "ec1acd13d499d97b1bcfa5839731647d6bdc81fa288dedecbe58e0a40475e943"


def test_a_review_holds_under_a_scope_of_its_own() -> None:
    """The study's hold on the arm and the arm's own hold for a review are lifted apart."""
    assert review_hold("single-target") == "single-target/review"


@pytest.mark.parametrize(
    ("action", "level", "lowest_toxic", "freed"),
    [
        (DecisionAction.STAY, 2, None, ("CN01-001", "CN01-002", "CN01-004")),
        (DecisionAction.STAY, 2, 2, ("CN01-001",)),
        (DecisionAction.STAY, 2, 3, ("CN01-001", "CN01-002", "CN01-004")),
        (DecisionAction.DE_ESCALATE, 1, None, ("CN01-001",)),
        (DecisionAction.DE_ESCALATE, 1, 1, ()),
        (DecisionAction.STOP, None, None, ()),
    ],
)
def test_a_review_frees_who_is_dosed_no_higher_than_it_leads(
    action: DecisionAction, level: int | None, lowest_toxic: int | None, freed: tuple[str, ...]
) -> None:
    """Slots at levels 1, 2 and 3, and a place of Phase 2 at the level that was in force: 2."""
    records = tuple(
        SlotRecord(subject=f"CN01-{number:03d}", cohort=1, level=number, state=SlotState.GIVEN) for number in (1, 2, 3)
    )
    decision = DecisionRecord(
        cohort=2,
        from_level=2,
        action=action,
        level=level,
        recommended=action,
        decided_by="src-chair",
        decided_at=NOW,
        reason="as the rule recommends",
        evaluable=3,
        dlts=0,
        treated=3,
    )
    state = ArmState(
        study="nk-01",
        arm="single-target",
        level=level or 2,
        slots=records,
        decisions=(decision,),
        held_for_review=("CN01-001", "CN01-002", "CN01-003", "CN01-004"),
    )

    assert freed_by_review(state, lowest_toxic) == freed
