"""The arm's fold: each fact changes what it says and nothing else."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from decisions.dose.escalation import free_slots
from decisions.state.arm import apply_arm, open_arm
from schemas import facts as f
from schemas.base import Role
from schemas.commands.commands import DecisionAction, Signature
from schemas.dlt.outcome import DltStatus
from schemas.problem import Problem, ProblemType
from schemas.protocol import Arm, ArmKind, DoseLevel, Escalation
from schemas.safety.summary import Finding, SafetySummary
from schemas.schedule.task import Task, TaskEnd, TaskKind
from schemas.screening.panel import Antigen
from schemas.state.arm import ArmState, ArmStatus, Recommendation, SlotState
from schemas.state.participant import Slot

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = date(2026, 3, 2)
SYSTEM: dict[str, Any] = {"at": NOW, "who": "system", "role": Role.SYSTEM, "why": "the rule"}
COMMITTEE: dict[str, Any] = {"at": NOW, "who": "src-chair", "role": Role.COMMITTEE, "why": "minutes 4"}
ARM = Arm(
    id="single",
    kind=ArmKind.SINGLE,
    targets=((Antigen.MESOTHELIN,),),
    dose_levels=tuple(DoseLevel(level=level, million_cells=100.0 * level) for level in (1, 2, 3)),
    start_level=1,
)
RULES = Escalation(
    cohort_size=3, expanded_size=6, toxic_at_dlts=2, stagger_days=14, require_expanded_cohort_for_rp2d=True
)
TASK = Task(
    id="single:01-cohort-1",
    kind=TaskKind.COMMITTEE_DECISION,
    step="cohort-1",
    title="Decide on cohort 1",
    role=Role.COMMITTEE,
    opened_at=NOW,
    due_at=NOW + timedelta(days=7),
    escalate_at=NOW + timedelta(days=14),
)


def opened(level: int) -> f.ArmOpened:
    """Return the arm's first fact."""
    return f.ArmOpened(**SYSTEM, study="study", arm=ARM.id, level=level)


def told(*facts: f.ArmFact, state: ArmState | None = None) -> ArmState:
    """Fold facts onto a new arm, or onto `state`."""
    state = state or open_arm(opened(1))
    for fact in facts:
        state = apply_arm(state, fact)
    return state


def asked(subject: str) -> f.SlotRequested:
    """Make the request for a slot."""
    return f.SlotRequested(**SYSTEM, subject=subject)


def given(subject: str, cohort: int = 1, level: int = 1) -> f.SlotGiven:
    """Make the giving of a slot."""
    slot = Slot(arm="single", cohort=cohort, level=level, million_cells=100.0 * level)
    return f.SlotGiven(**SYSTEM, slot=slot, subject=subject)


def back(subject: str) -> f.SlotGivenBack:
    """Make the return of a slot."""
    return f.SlotGivenBack(**SYSTEM, subject=subject)


def dosed(subject: str) -> f.FirstDoseReported:
    """Make the news of a first infusion."""
    return f.FirstDoseReported(**SYSTEM, subject=subject, infused_on=DAY)


def outcome(subject: str, status: DltStatus) -> f.OutcomeReported:
    """Make the news of an outcome."""
    return f.OutcomeReported(**SYSTEM, subject=subject, status=status)


def observed(subject: str) -> f.StaggerCleared:
    """Make the news that the first was observed long enough."""
    return f.StaggerCleared(**SYSTEM, subject=subject)


def question(cohort: int = 1) -> f.DecisionAsked:
    """Make the question to the committee."""
    recommendation = Recommendation(action=DecisionAction.ESCALATE, level=2, why="0 in 3", tallies=())
    return f.DecisionAsked(**SYSTEM, cohort=cohort, recommendation=recommendation)


def decided(
    action: DecisionAction,
    level: int | None,
    *,
    from_level: int = 1,
    recommended: DecisionAction = DecisionAction.ESCALATE,
) -> f.Decided:
    """Make the decision on cohort 1."""
    return f.Decided(**COMMITTEE, cohort=1, from_level=from_level, action=action, level=level, recommended=recommended)


def slots(state: ArmState) -> list[tuple[str, SlotState]]:
    """Return who has which slot state."""
    return [(slot.subject, slot.state) for slot in state.slots]


def test_an_arm_opens_at_the_level_of_its_first_fact() -> None:
    """The fact, not the protocol of today, says where the arm started."""
    state = open_arm(opened(2))

    assert (state.study, state.arm, state.level, state.cohort, state.status) == (
        "study",
        "single",
        2,
        1,
        ArmStatus.OPEN,
    )


def test_subjects_wait_in_the_order_of_asking() -> None:
    """A request that arrives twice waits once."""
    assert told(asked("CN01-001"), asked("CN01-002"), asked("CN01-001")).queue == ("CN01-001", "CN01-002")


def test_a_given_slot_leaves_the_queue() -> None:
    """The slot keeps its cohort and level."""
    state = told(asked("CN01-001"), asked("CN01-002"), given("CN01-001", cohort=1, level=1))

    assert state.queue == ("CN01-002",)
    assert [(slot.subject, slot.cohort, slot.level, slot.state) for slot in state.slots] == [
        ("CN01-001", 1, 1, SlotState.GIVEN)
    ]


def test_a_request_repeated_after_the_slot_was_given_is_ignored() -> None:
    """Nobody gets a second slot, not after dosing and not after a not evaluable outcome either."""
    holding = told(asked("CN01-001"), given("CN01-001"))
    treated = told(dosed("CN01-001"), outcome("CN01-001", DltStatus.NOT_EVALUABLE), state=holding)

    assert told(asked("CN01-001"), state=holding).queue == ()
    assert told(asked("CN01-001"), state=treated).queue == ()


def test_who_gave_back_undosed_may_ask_again() -> None:
    """The first slot stays on record; news goes to the second."""
    state = told(given("CN01-001"), back("CN01-001"), asked("CN01-001"), given("CN01-001"), dosed("CN01-001"))

    assert slots(state) == [("CN01-001", SlotState.NOT_EVALUABLE), ("CN01-001", SlotState.DOSED)]


def test_a_slot_given_back_frees_its_place_and_stays_on_record() -> None:
    """The participant is replaced, and counts as not treated."""
    state = told(given("CN01-001"), back("CN01-001"))

    assert slots(state) == [("CN01-001", SlotState.NOT_EVALUABLE)]
    assert state.slots[0].first_infused_on is None


def test_giving_back_while_waiting_only_leaves_the_queue() -> None:
    """Without a slot there is none to free."""
    state = told(asked("CN01-001"), back("CN01-001"))

    assert (state.queue, state.slots) == ((), ())


def test_a_dosed_participant_cannot_give_back() -> None:
    """After the first infusion only an outcome closes the account."""
    assert slots(told(given("CN01-001"), dosed("CN01-001"), back("CN01-001"))) == [("CN01-001", SlotState.DOSED)]


def test_the_first_dose_is_dated() -> None:
    """The date is the participant's, not the arm's clock."""
    state = told(given("CN01-001"), dosed("CN01-001"))

    assert (state.slots[0].state, state.slots[0].first_infused_on) == (SlotState.DOSED, DAY)


@pytest.mark.parametrize(
    ("news", "state"),
    [
        ([DltStatus.DLT], SlotState.DLT),
        ([DltStatus.NO_DLT], SlotState.NO_DLT),
        ([DltStatus.NOT_EVALUABLE], SlotState.NOT_EVALUABLE),
        ([DltStatus.NO_DLT, DltStatus.DLT], SlotState.DLT),
        ([DltStatus.NOT_EVALUABLE, DltStatus.DLT], SlotState.DLT),
        ([DltStatus.DLT, DltStatus.NO_DLT], SlotState.DLT),
        ([DltStatus.DLT, DltStatus.NOT_EVALUABLE], SlotState.DLT),
        ([DltStatus.NO_DLT, DltStatus.NOT_EVALUABLE], SlotState.NO_DLT),
        ([DltStatus.NOT_EVALUABLE, DltStatus.NO_DLT], SlotState.NOT_EVALUABLE),
    ],
)
def test_an_outcome_changes_only_to_a_dlt(news: list[DltStatus], state: SlotState) -> None:
    """A late DLT counts; a DLT is never taken back; other outcomes stand."""
    facts = [outcome("CN01-001", status) for status in news]

    assert slots(told(given("CN01-001"), dosed("CN01-001"), *facts)) == [("CN01-001", state)]


def test_a_dose_reported_after_its_outcome_is_still_dated() -> None:
    """The outcome stands, and the participant counts as treated."""
    state = told(given("CN01-001"), outcome("CN01-001", DltStatus.DLT), dosed("CN01-001"))

    assert (state.slots[0].state, state.slots[0].first_infused_on) == (SlotState.DLT, DAY)


def test_news_of_somebody_without_a_slot_changes_nothing() -> None:
    """Neither a dose, an outcome nor an observation makes a slot."""
    state = told(given("CN01-001"))

    news = dosed("CN01-009"), outcome("CN01-009", DltStatus.DLT), observed("CN01-009")

    assert told(*news, state=state) == state


def test_the_stagger_is_cleared_by_the_cohorts_own_participant() -> None:
    """Once the first was observed, the others get their slots."""
    state = told(given("CN01-001"), dosed("CN01-001"))

    assert free_slots(RULES, state) == 0
    assert free_slots(RULES, told(observed("CN01-001"), state=state)) == 2


def test_when_the_first_drops_out_the_next_is_the_first() -> None:
    """The new first goes alone as well, until observed."""
    first_lost = told(given("CN01-001"), dosed("CN01-001"), outcome("CN01-001", DltStatus.NOT_EVALUABLE))
    next_given = told(given("CN01-002"), dosed("CN01-002"), state=first_lost)

    assert free_slots(RULES, first_lost) == 1
    assert free_slots(RULES, next_given) == 0
    assert free_slots(RULES, told(observed("CN01-002"), state=next_given)) == 2


def test_an_earlier_cohort_does_not_clear_the_present_stagger() -> None:
    """Late news of cohort 1 leaves cohort 2 staggered."""
    state = told(given("CN01-001"), dosed("CN01-001"), question(), decided(DecisionAction.EXPAND, 1))

    assert not told(observed("CN01-001"), state=state).stagger_cleared


def test_a_question_to_the_committee_stops_new_slots() -> None:
    """The state keeps the recommendation to show."""
    state = told(question())

    assert state.status is ArmStatus.DECISION_DUE
    assert state.recommendation is not None
    assert state.recommendation.level == 2


def test_a_decision_is_recorded_with_the_counts_it_stood_on() -> None:
    """Who, when, why, and evaluable, DLTs and treated of the level decided on."""
    facts: list[f.ArmFact] = [given("CN01-001"), dosed("CN01-001"), outcome("CN01-001", DltStatus.DLT)]
    facts += [given("CN01-002"), dosed("CN01-002"), outcome("CN01-002", DltStatus.NOT_EVALUABLE)]

    record = told(*facts, question(), decided(DecisionAction.ESCALATE, 2)).decisions[0]

    assert (record.cohort, record.from_level, record.action, record.level) == (1, 1, DecisionAction.ESCALATE, 2)
    assert (record.decided_by, record.decided_at, record.reason) == ("src-chair", NOW, "minutes 4")
    assert (record.evaluable, record.dlts, record.treated) == (1, 1, 2)


@pytest.mark.parametrize(
    ("action", "level", "recommended", "expanded"),
    [
        (DecisionAction.ESCALATE, 3, DecisionAction.ESCALATE, ()),
        (DecisionAction.EXPAND, 2, DecisionAction.EXPAND, (2,)),
        (DecisionAction.DE_ESCALATE, 1, DecisionAction.DE_ESCALATE, (1,)),
        (DecisionAction.STAY, 2, DecisionAction.ESCALATE, (2,)),
        (DecisionAction.STAY, 2, DecisionAction.STAY, ()),
    ],
)
def test_a_decision_opens_the_next_cohort(
    action: DecisionAction, level: int, recommended: DecisionAction, expanded: tuple[int, ...]
) -> None:
    """The cohort counts up, its stagger begins, and the level is expanded where more participants are wanted there."""
    before = open_arm(opened(2)).model_copy(update={"stagger_cleared": True})

    state = told(question(), decided(action, level, from_level=2, recommended=recommended), state=before)

    assert (state.status, state.cohort, state.level) == (ArmStatus.OPEN, 2, level)
    assert state.expanded_levels == expanded
    assert not state.stagger_cleared
    assert state.recommendation is None


@pytest.mark.parametrize(("action", "level"), [(DecisionAction.STOP, None), (DecisionAction.DECLARE_RP2D, 1)])
def test_a_final_decision_opens_no_cohort(action: DecisionAction, level: int | None) -> None:
    """No slot slips out before the arm's closing, which names the RP2D and sends the queue elsewhere."""
    state = told(asked("CN01-004"), question(), decided(action, level))
    closed = told(f.ArmClosed(**SYSTEM, rp2d_level=level), state=state)

    assert (state.status, state.cohort, state.level, state.queue) == (ArmStatus.CLOSED, 1, 1, ("CN01-004",))
    assert free_slots(RULES, state) == 0
    assert (closed.status, closed.rp2d_level, closed.queue) == (ArmStatus.CLOSED, level, ())


def test_the_closing_fact_closes_by_itself() -> None:
    """An arm that is closed without a decision of the committee gives out nothing more either."""
    closed = told(asked("CN01-004"), f.ArmClosed(**SYSTEM, rp2d_level=None))

    assert (closed.status, closed.rp2d_level, closed.queue) == (ArmStatus.CLOSED, None, ())


def test_tasks_open_are_reminded_escalated_and_closed() -> None:
    """Open tasks are kept by id, the closed ones by how they ended, and their number only grows."""
    opened = told(f.TaskOpened(**SYSTEM, task=TASK))
    reminded = told(f.TaskReminded(**SYSTEM, task_id=TASK.id), state=opened)
    escalated = told(f.TaskEscalated(**SYSTEM, task_id=TASK.id), state=opened)
    closed = told(f.TaskClosed(**SYSTEM, task_id=TASK.id, end=TaskEnd.ANSWERED), state=escalated)

    assert (opened.tasks, opened.tasks_opened) == ({TASK.id: TASK}, 1)
    assert (reminded.tasks[TASK.id].reminded, reminded.tasks[TASK.id].escalated) == (True, False)
    assert (escalated.tasks[TASK.id].reminded, escalated.tasks[TASK.id].escalated) == (True, True)
    assert (closed.tasks, closed.closed_tasks, closed.tasks_opened) == ({}, {TASK.id: TaskEnd.ANSWERED}, 1)


def test_what_happens_to_a_task_leaves_the_others_alone() -> None:
    """A reminder, an escalation and a closing concern one task by its id."""
    other = TASK.model_copy(update={"id": "single:02-cohort-2", "step": "cohort-2"})
    both = told(f.TaskOpened(**SYSTEM, task=TASK), f.TaskOpened(**SYSTEM, task=other))

    for fact in (
        f.TaskReminded(**SYSTEM, task_id=TASK.id),
        f.TaskEscalated(**SYSTEM, task_id=TASK.id),
        f.TaskClosed(**SYSTEM, task_id=TASK.id, end=TaskEnd.CANCELLED),
    ):
        assert told(fact, state=both).tasks[other.id] == other
    assert both.tasks_opened == 2


LATER = DAY + timedelta(days=3)
EARLIER = DAY - timedelta(days=3)


@pytest.mark.parametrize(
    ("fact", "latest_on"),
    [
        (f.FirstDoseReported(**SYSTEM, subject="CN01-001", infused_on=LATER), LATER),
        (f.SlotGivenBack(**SYSTEM, subject="CN01-001", occurred_on=LATER), LATER),
        (f.StaggerCleared(**SYSTEM, subject="CN01-001", occurred_on=LATER), LATER),
        (f.OutcomeReported(**SYSTEM, subject="CN01-001", status=DltStatus.NO_DLT, occurred_on=LATER), LATER),
        # A day that is not told, or is earlier than what was known, moves nothing.
        (f.OutcomeReported(**SYSTEM, subject="CN01-001", status=DltStatus.NO_DLT), DAY),
        (f.OutcomeReported(**SYSTEM, subject="CN01-001", status=DltStatus.NO_DLT, occurred_on=EARLIER), DAY),
        (f.OutcomeReported(**SYSTEM, subject="CN01-001", status=DltStatus.NO_DLT, occurred_on=DAY), DAY),
        (asked("CN01-002"), DAY),
        (given("CN01-002"), DAY),
        # News that changes nothing opens no slot, and has no day.
        (f.OutcomeReported(**SYSTEM, subject="CN01-009", status=DltStatus.NO_DLT, occurred_on=LATER), DAY),
        (f.FirstDoseReported(**SYSTEM, subject="CN01-009", infused_on=LATER), DAY),
    ],
)
def test_a_participant_s_news_dates_the_arm(fact: f.ArmFact, latest_on: date) -> None:
    """A slot that such news opens cannot be used before the day of the news."""
    state = told(given("CN01-001")).model_copy(update={"latest_on": DAY})

    assert told(fact, state=state).latest_on == latest_on


def test_the_first_news_dates_the_arm() -> None:
    """Before anybody's news the arm has no day."""
    assert told(given("CN01-001")).latest_on is None
    assert told(given("CN01-001"), dosed("CN01-001")).latest_on == DAY


@pytest.mark.parametrize(
    ("action", "level", "stands_at"), [(DecisionAction.STOP, None, 1), (DecisionAction.DECLARE_RP2D, 2, 2)]
)
def test_a_decision_without_a_level_stays_where_the_arm_is(
    action: DecisionAction, level: int | None, stands_at: int
) -> None:
    """A stop names no level: the record keeps that, and the arm its last level."""
    state = told(question(), decided(action, level))

    assert (state.level, state.decisions[0].level) == (stands_at, level)


def test_a_fact_of_a_participant_is_none_of_an_arm_s() -> None:
    """Facts of another workflow cannot slip into an arm's history."""
    fact: Any = f.TreatmentStopped(**SYSTEM)

    with pytest.raises(AssertionError, match="TreatmentStopped"):
        told(fact)


def test_holds_add_up_and_are_lifted_one_by_one() -> None:
    """A hold of the study and one of the arm are two; placing one twice is placing it once."""
    held = told(*(f.HoldPlaced(**COMMITTEE, scope=scope) for scope in ("study", "single", "study")))
    lifted = told(f.HoldLifted(**COMMITTEE, scope="study"), state=held)

    assert held.holds == ("single", "study")
    assert lifted.holds == ("single",)
    assert free_slots(RULES, lifted) == 0
    assert free_slots(RULES, told(f.HoldLifted(**COMMITTEE, scope="single"), state=lifted)) == 1


def test_a_refusal_changes_nothing() -> None:
    """It is there for the auditor only."""
    problem = Problem(type=ProblemType.WINDOW_OPEN, field="cohort", value="1", rule="open", expected="later")
    state = told(given("CN01-001"))

    assert told(f.Refused(**COMMITTEE, command="decide", problem=problem), state=state) == state


# The committee: what it is told, who signs, and what it reviews


def summary(subject: str, follow_up_until: date = DAY) -> SafetySummary:
    """Make what is told of a participant's safety."""
    return SafetySummary(
        subject=subject,
        target=(Antigen.MESOTHELIN,),
        cohort=1,
        level=1,
        million_cells=100,
        follow_up_until=follow_up_until,
    )


def test_the_latest_summary_of_each_participant_is_kept() -> None:
    """A later summary takes the earlier one's place; the counts stay as they are."""
    later = summary("CN01-001", DAY + timedelta(days=7))
    news = (summary("CN01-001"), summary("CN01-002"), later)

    state = told(*(f.SafetyReceived(**SYSTEM, summary=each) for each in news))

    assert state == told().model_copy(update={"summaries": {"CN01-001": later, "CN01-002": summary("CN01-002")}})


@pytest.mark.parametrize(
    ("person", "role", "delegated", "signers"),
    [
        ("src-member", Role.COMMITTEE, True, ("src-chair", "src-member")),
        ("src-chair", Role.COMMITTEE, True, ("src-chair",)),
        ("src-chair", Role.COMMITTEE, False, ()),
        ("src-chair", Role.OPERATIONS, False, ("src-chair",)),
        ("operations-01", Role.OPERATIONS, True, ("src-chair",)),
        ("src-member", Role.COMMITTEE, False, ("src-chair",)),
    ],
)
def test_who_has_the_committee_s_role_signs(person: str, role: Role, delegated: bool, signers: tuple[str, ...]) -> None:
    """Other roles are none of the arm's."""
    chair = f.DelegationChanged(**SYSTEM, person="src-chair", delegated_role=Role.COMMITTEE, delegated=True)
    change = f.DelegationChanged(**SYSTEM, person=person, delegated_role=role, delegated=delegated)

    assert told(chair, change).signers == signers


def found(cohort: int) -> Finding:
    """Make a finding about a cohort's decision."""
    return Finding(cohort=cohort, about="CN01-001 has a DLT", known_then="0 in 1", known_now="1 in 1")


def reopen(cohort: int = 1) -> f.DecisionReopened:
    """Make the reopening of a cohort's decision."""
    return f.DecisionReopened(**SYSTEM, finding=found(cohort))


def review(action: DecisionAction, level: int | None, signature: Signature | None = None) -> f.Decided:
    """Make the committee's review in cohort 2, at level 2."""
    return f.Decided(
        **COMMITTEE, cohort=2, from_level=2, action=action, level=level, recommended=action, signature=signature
    )


ESCALATED = told(
    given("CN01-001"),
    dosed("CN01-001"),
    outcome("CN01-001", DltStatus.NO_DLT),
    f.Decided(
        **COMMITTEE,
        cohort=1,
        from_level=1,
        action=DecisionAction.ESCALATE,
        level=2,
        recommended=DecisionAction.ESCALATE,
    ),
    given("CN01-002", 2, 2),
    given("CN01-003", 2, 2),
    dosed("CN01-003"),
    asked("CN01-004"),
)


def test_a_reopened_decision_is_due_for_review_and_stops_the_slots() -> None:
    """The finding is kept; who has a slot undosed is noted; nobody gets a slot, though one is free."""
    assert free_slots(RULES.model_copy(update={"stagger_days": 0}), ESCALATED) == 1

    state = told(reopen(), reopen(), state=ESCALATED)

    assert state == ESCALATED.model_copy(
        update={
            "reopened": (found(1), found(1)),
            "review_due": True,
            "reviewing": (1,),
            "held_for_review": ("CN01-002",),
        }
    )
    assert free_slots(RULES.model_copy(update={"stagger_days": 0}), state) == 0


def test_a_review_that_goes_on_leaves_the_cohort_as_it_is() -> None:
    """The decision is recorded as a review, with its signature; cohort, level, stagger and slots stay."""
    signature = Signature(meaning="approval", signed_sha256="a" * 64)
    before = told(reopen(), state=ESCALATED.model_copy(update={"stagger_cleared": True}))

    after = told(review(DecisionAction.STAY, 2, signature), state=before)

    assert after == before.model_copy(update={"decisions": after.decisions})
    assert [(d.action, d.reviews, d.signature) for d in after.decisions] == [
        (DecisionAction.ESCALATE, None, None),
        (DecisionAction.STAY, (1,), signature),
    ]


def test_a_cohort_that_was_due_is_asked_about_anew_after_its_review() -> None:
    """The present cohort's own decision waits until the review is done."""
    due = ESCALATED.model_copy(update={"status": ArmStatus.DECISION_DUE})

    assert told(reopen(), review(DecisionAction.STAY, 2), state=due).status is ArmStatus.OPEN


@pytest.mark.parametrize("status", [ArmStatus.CLOSED, ArmStatus.EXPANSION])
def test_a_review_that_goes_on_leaves_an_arm_past_its_escalation_where_it_is(status: ArmStatus) -> None:
    """The declared dose stands."""
    past = ESCALATED.model_copy(update={"status": status, "rp2d_level": 2})

    assert told(reopen(), review(DecisionAction.STAY, 2), state=past).status is status


def test_a_review_that_goes_back_opens_a_cohort_below() -> None:
    """The level below is filled up, with a first participant to be observed."""
    state = told(reopen(), review(DecisionAction.DE_ESCALATE, 1), state=ESCALATED)

    assert (state.cohort, state.level, state.expanded_levels, state.stagger_cleared) == (3, 1, (1,), False)


def test_a_review_that_takes_an_rp2d_back_goes_on_with_the_escalation() -> None:
    """More are treated at the level before it is declared again."""
    past = ESCALATED.model_copy(update={"status": ArmStatus.EXPANSION, "rp2d_level": 2})

    state = told(reopen(), review(DecisionAction.EXPAND, 2), state=past)

    assert (state.status, state.rp2d_level, state.cohort, state.level) == (ArmStatus.OPEN, None, 3, 2)


def test_a_review_that_stops_closes_the_arm() -> None:
    """As any stop."""
    assert told(reopen(), review(DecisionAction.STOP, None), state=ESCALATED).status is ArmStatus.CLOSED


def test_the_review_is_done_once_every_reopened_decision_was_reviewed() -> None:
    """The findings stay on record."""
    one, two = (f.DecisionReviewed(**COMMITTEE, cohort=cohort) for cohort in (1, 2))
    due = told(reopen(1), reopen(2), state=ESCALATED)

    half, done = told(one, state=due), told(one, two, state=due)

    assert (half.review_due, half.reviewing, half.held_for_review) == (True, (2,), ("CN01-002",))
    assert (done.review_due, done.reviewing, done.held_for_review) == (False, (), ())
    assert done.reopened == (found(1), found(2))
