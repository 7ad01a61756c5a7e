"""The study's fold: who is on study, what the arms decided, and what is held."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from decisions.safety.records import fired_rule, record_of
from decisions.state.study import apply, start
from schemas import facts as f
from schemas.base import Role
from schemas.commands.commands import DecisionAction
from schemas.dlt.outcome import Disposition
from schemas.phase_two.expansion import ExpansionAction, ExpansionDecision, ExpansionVerdict, ResponseTally
from schemas.problem import Problem, ProblemType
from schemas.protocol import ProtocolReference
from schemas.safety.summary import SafetySummary
from schemas.screening.panel import Antigen
from schemas.state.study import HoldRecord, StudyArm, StudyState
from schemas.stopping.rules import StoppingFinding, StoppingScope

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SYSTEM: dict[str, Any] = {"at": NOW, "who": "system", "role": Role.SYSTEM, "why": "the rule"}
REFERENCE = ProtocolReference(id="example", version="1.0", sha256="0" * 64)
STARTED = f.StudyStarted(
    **SYSTEM, study="study-1", protocol=REFERENCE, start_levels={"single-target": 1, "dual-target": 2}
)
SINGLE, DUAL = StudyArm(arm="single-target", level=1), StudyArm(arm="dual-target", level=2)
NEW = StudyState(study="study-1", protocol=REFERENCE, arms={"single-target": SINGLE, "dual-target": DUAL})
HELD = HoldRecord(scope="study", placed_by="operations-01", placed_at=NOW, why="a death", rule="related-death")
RUNNING = NEW.model_copy(
    update={
        "active": ("CN01-001", "CN01-002"),
        "ended": {"CN01-003": Disposition.SCREEN_FAILURE},
        "holds": ("study",),
        "hold_records": {"study": HELD},
        "delegations": {"operations-01": (Role.OPERATIONS,), "src-chair": (Role.COMMITTEE,)},
    }
)
PROBLEM = Problem(type=ProblemType.NOTHING_TO_LIFT, field="arm", value="x", rule="no hold", expected="a hold")


def test_a_study_starts_with_the_protocol_s_arms_at_their_start_levels() -> None:
    """Nobody is enrolled, nothing is decided or held."""
    assert start(STARTED) == NEW


@pytest.mark.parametrize(
    ("fact", "changes"),
    [
        (f.SubjectEnrolled(**SYSTEM, subject="CN02-001"), {"active": ("CN01-001", "CN01-002", "CN02-001")}),
        (
            f.SubjectEnded(**SYSTEM, subject="CN01-001", disposition=Disposition.DIED),
            {
                "active": ("CN01-002",),
                "ended": {"CN01-003": Disposition.SCREEN_FAILURE, "CN01-001": Disposition.DIED},
            },
        ),
        (
            f.HoldPlaced(**SYSTEM, scope="dual-target"),
            {
                "holds": ("dual-target", "study"),
                "hold_records": {
                    "study": HELD,
                    "dual-target": HoldRecord(scope="dual-target", placed_by="system", placed_at=NOW, why="the rule"),
                },
            },
        ),
        (f.HoldLifted(**SYSTEM, scope="study"), {"holds": (), "hold_records": {}}),
        (f.HoldLifted(**SYSTEM, scope="dual-target"), {}),
        (STARTED, {}),
        (f.Refused(**SYSTEM, command="lift_hold", problem=PROBLEM), {}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_a_fact_changes_what_it_says(fact: f.StudyFact, changes: dict[str, Any]) -> None:
    """Everything else in the study's state stays as it was."""
    assert apply(RUNNING, fact) == RUNNING.model_copy(update=changes)


def test_a_hold_that_is_placed_anew_keeps_every_reason() -> None:
    """Whoever lifts it signs all of them, and the rule that placed it first; who and when are the latest."""
    later = SYSTEM | {"at": NOW + timedelta(days=1), "who": "operations-02", "why": "another death"}

    held = apply(RUNNING, f.HoldPlaced(**later, scope="study"))
    twice = apply(held, f.HoldPlaced(**later, scope="study", rule="severe-crs"))

    assert held.holds == ("study",)
    assert held.hold_records["study"] == HoldRecord(
        scope="study",
        placed_by="operations-02",
        placed_at=NOW + timedelta(days=1),
        why="a death; another death",
        rule="related-death",
    )
    assert twice.hold_records["study"].rule == "related-death"


@pytest.mark.parametrize(
    ("person", "role", "delegated", "changes"),
    [
        ("src-member", Role.COMMITTEE, True, {"src-member": (Role.COMMITTEE,)}),
        ("src-chair", Role.COMMITTEE, True, {}),
        ("src-chair", Role.OPERATIONS, True, {"src-chair": (Role.COMMITTEE, Role.OPERATIONS)}),
        ("src-chair", Role.OPERATIONS, False, {}),
        ("nobody", Role.OPERATIONS, False, {}),
    ],
)
def test_a_role_is_delegated_to_a_person(
    person: str, role: Role, delegated: bool, changes: dict[str, tuple[Role, ...]]
) -> None:
    """A person can hold several roles; delegating twice, or taking back what was never delegated, changes nothing."""
    fact = f.DelegationChanged(**SYSTEM, person=person, delegated_role=role, delegated=delegated)

    assert apply(RUNNING, fact) == RUNNING.model_copy(update={"delegations": RUNNING.delegations | changes})


def test_who_has_lost_every_role_is_no_longer_listed() -> None:
    """The chair's only role is taken back."""
    fact = f.DelegationChanged(**SYSTEM, person="src-chair", delegated_role=Role.COMMITTEE, delegated=False)

    assert apply(RUNNING, fact).delegations == {"operations-01": (Role.OPERATIONS,)}


@pytest.mark.parametrize(
    ("action", "level", "rp2d_level", "closed"),
    [
        (DecisionAction.ESCALATE, 2, None, False),
        (DecisionAction.EXPAND, 1, None, False),
        (DecisionAction.STAY, 1, None, False),
        (DecisionAction.DE_ESCALATE, 1, None, False),
        (DecisionAction.STOP, None, None, True),
        (DecisionAction.DECLARE_RP2D, 2, 2, True),
    ],
)
def test_a_decision_is_counted_for_its_own_arm(
    action: DecisionAction, level: int | None, rp2d_level: int | None, closed: bool
) -> None:
    """The last action, level and RP2D are shown; stopping and declaring close the arm; the other arm is untouched."""
    earlier = RUNNING.model_copy(
        update={"arms": RUNNING.arms | {"single-target": SINGLE.model_copy(update={"decisions": 1})}}
    )
    fact = f.ArmDecided(**SYSTEM, arm="single-target", cohort=2, action=action, level=level, rp2d_level=rp2d_level)

    arm = StudyArm(
        arm="single-target", decisions=2, last_action=action, level=level, closed=closed, rp2d_level=rp2d_level
    )
    assert apply(earlier, fact) == earlier.model_copy(update={"arms": {"single-target": arm, "dual-target": DUAL}})


def test_an_arm_with_a_phase_two_is_not_closed_by_its_rp2d() -> None:
    """It goes on in Phase 2, target by target, and closes with the last; a stop in Phase 2 closes it at once."""
    action = DecisionAction.DECLARE_RP2D
    declared = f.ArmDecided(**SYSTEM, arm="single-target", cohort=2, action=action, level=2, rp2d_level=2, phase=2)
    counts = ResponseTally(size=10, evaluable=10, responses=1, pending=0, beyond=0, not_evaluable=0)
    verdict = ExpansionVerdict(
        target=(Antigen.TROP2,),
        action=ExpansionAction.STOP_FOR_FUTILITY,
        why="futile",
        stage_one=counts,
        total=counts,
    )
    futile = ExpansionDecision.FUTILE

    state = apply(RUNNING, declared)
    assert (state.arms["single-target"].phase, state.arms["single-target"].closed) == (2, False)
    state = apply(state, f.ExpansionJudged(**SYSTEM, arm="single-target", verdict=verdict, decided=futile))
    assert state.arms["single-target"].expansions == {"TROP2": futile}
    assert state.arms["dual-target"] == DUAL
    assert not state.arms["single-target"].closed
    assert apply(state, f.ArmClosed(**SYSTEM, arm="single-target", rp2d_level=2)).arms["single-target"].closed
    stopped = f.ArmDecided(**SYSTEM, arm="single-target", cohort=2, action=DecisionAction.STOP, phase=2)
    assert apply(state, stopped).arms["single-target"].closed
    for nameless in (f.ArmClosed(**SYSTEM), f.ExpansionJudged(**SYSTEM, verdict=verdict)):
        with pytest.raises(ValueError, match=f"^{nameless.kind} in a study names the arm$"):
            apply(state, nameless)


def test_safety_is_kept_by_subject_and_what_has_fired_is_kept() -> None:
    """The latest of a participant stands, with arm and phase; a finding says what it counted."""
    told = SafetySummary(subject="CN01-001", target=(Antigen.TROP2,), cohort=3, level=2, million_cells=300)
    finding = StoppingFinding(
        rule_id="related-death",
        scope=StoppingScope.STUDY,
        count=1,
        treated=3,
        fires_at=1,
        why="a death",
        subjects=("CN01-001",),
        events=(),
    )

    state = apply(RUNNING, f.SafetyReceived(**SYSTEM, summary=told, arm="dual-target", phase=2))
    assert state.safety == {"CN01-001": record_of(told, "dual-target", 2)}
    state = apply(state, f.StoppingRuleFired(**SYSTEM, finding=finding))
    assert state.fired == (fired_rule(finding, NOW.date()),)
    with pytest.raises(ValueError, match="safety_received of CN01-001 in a study names the arm"):
        apply(state, f.SafetyReceived(**SYSTEM, summary=told))


def test_a_fact_of_an_arm_is_none_of_the_study_s() -> None:
    """Facts of another workflow cannot slip into the study's history."""
    fact: Any = f.ArmOpened(**SYSTEM, study="study-1", arm="single-target", level=1)

    with pytest.raises(AssertionError, match="ArmOpened"):
        apply(NEW, fact)
