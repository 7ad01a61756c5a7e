"""What the stopping rules read, and which of their findings are news."""

from datetime import date

import pytest

from decisions.safety.records import arm_findings, arm_records, fired_rule, is_new, record_of, study_findings
from schemas.base import ArmId
from schemas.phase_two.expansion import ExpansionPlace, ExpansionState
from schemas.protocol import ProtocolReference
from schemas.safety.adverse_events import EventCategory
from schemas.safety.summary import DoseInfused, FiredRule, ReportedEvent, SafetySummary
from schemas.screening.panel import Antigen
from schemas.state.arm import ArmState, SlotRecord, SlotState
from schemas.state.study import StudyState
from schemas.stopping.rules import EventCountRule, RelatedDeathRule, StoppingFinding, StoppingScope

ARM: ArmId = "single-target"
TARGET = (Antigen.TROP2,)
DAY_0 = date(2026, 3, 2)
CRS_RULE = EventCountRule(
    kind="event_count",
    id="severe-crs",
    text="two CRS of grade 4",
    scope=StoppingScope.ARM,
    phases=(1, 2),
    minimum_grade=4,
    categories=(EventCategory.CRS,),
    related_only=False,
    fires_at=2,
)
DEATH_RULE = RelatedDeathRule(kind="related_death", id="death", text="death", scope=StoppingScope.STUDY, maximum=0)


def event(number: int = 1, grade: int = 4, computed: int | None = None, **changes: object) -> ReportedEvent:
    """Make a related CRS."""
    made = ReportedEvent(
        event_id=f"AE-{number:03d}",
        version=1,
        term="CRS",
        category=EventCategory.CRS,
        grade=grade,
        onset_on=DAY_0,
        related=True,
        serious=True,
        computed_grade=computed,
    )
    return made.model_copy(update=changes)


def summary(subject: str, *events: ReportedEvent, infused_on: tuple[date, ...] = ()) -> SafetySummary:
    """Make what a participant's workflow tells."""
    doses = tuple(DoseInfused(infused_on=day, million_cells=100, unit_id="U") for day in infused_on)
    return SafetySummary(
        subject=subject, target=TARGET, cohort=1, level=1, million_cells=100, infusions=doses, events=events
    )


def arm(*told: SafetySummary, **changes: object) -> ArmState:
    """Make an arm that was told so."""
    state = ArmState(study="s", arm=ARM, level=1, summaries={each.subject: each for each in told})
    return state.model_copy(update=changes)


def test_a_record_has_the_last_infusion_and_the_events() -> None:
    """A participant of Phase 2 with two infusions: treated, and the later day counts."""
    later = date(2026, 3, 9)

    record = record_of(summary("CN01-001", event(), infused_on=(later, DAY_0)), ARM, 2)

    assert (record.subject, record.arm, record.phase) == ("CN01-001", ARM, 2)
    assert (record.treated, record.last_infusion_on) == (True, later)
    (only,) = record.events
    assert (only.event_id, only.term, only.category, only.onset_on) == ("AE-001", "CRS", EventCategory.CRS, DAY_0)
    assert (only.related, only.ended_on, only.fatal) == (True, None, False)


def test_who_was_not_infused_is_not_treated() -> None:
    """A slot alone makes nobody treated."""
    record = record_of(summary("CN01-001"), ARM, 1)

    assert (record.treated, record.last_infusion_on, record.events) == (False, None, ())


@pytest.mark.parametrize(
    ("grade", "computed", "fatal", "read", "is_death"),
    [
        (3, None, None, 3, False),
        (3, 4, None, 4, False),
        (4, 3, None, 4, False),
        (4, 5, None, 4, False),
        (5, None, None, 5, True),
        (5, 4, None, 5, True),
        (4, None, True, 4, True),
    ],
)
def test_the_higher_grade_counts_but_only_a_report_makes_a_death(
    grade: int, computed: int | None, fatal: bool | None, read: int, is_death: bool
) -> None:
    """The grades of the reporter and of the rules: the higher one is read; a computed 5 makes no death."""
    (only,) = record_of(summary("CN01-001", event(grade=grade, computed=computed, fatal=fatal)), ARM, 1).events

    assert (only.grade, only.is_death) == (read, is_death)


def test_everybody_who_was_dosed_or_told_of_has_a_record() -> None:
    """The first dose alone makes a record; its phase is that of the place; a summary without the dose is completed."""
    slots = (
        SlotRecord(subject="CN01-003", cohort=1, level=1, state=SlotState.DOSED, first_infused_on=DAY_0),
        SlotRecord(subject="CN01-002", cohort=1, level=1, state=SlotState.DOSED, first_infused_on=DAY_0),
        SlotRecord(subject="CN01-005", cohort=1, level=1, state=SlotState.GIVEN),
    )
    places = (ExpansionPlace(subject="CN01-004", first_infused_on=DAY_0), ExpansionPlace(subject="CN01-006"))
    state = arm(
        summary("CN01-002", event()),
        summary("CN01-001"),
        summary("CN01-006"),
        slots=slots,
        expansions={"TROP2": ExpansionState(target=TARGET, places=places)},
    )

    records = arm_records(state)

    assert [(r.subject, r.treated, r.phase, r.last_infusion_on, len(r.events)) for r in records] == [
        ("CN01-001", False, 1, None, 0),
        ("CN01-002", True, 1, DAY_0, 1),
        ("CN01-003", True, 1, DAY_0, 0),
        ("CN01-004", True, 2, DAY_0, 0),
        ("CN01-006", False, 2, None, 0),
    ]
    assert {record.arm for record in records} == {ARM}


def test_a_later_infusion_that_was_told_stands() -> None:
    """The summary knows of a later infusion than the first dose."""
    later = date(2026, 3, 9)
    slot = SlotRecord(subject="CN01-001", cohort=1, level=1, state=SlotState.DOSED, first_infused_on=DAY_0)

    (record,) = arm_records(arm(summary("CN01-001", infused_on=(DAY_0, later)), slots=(slot,)))

    assert record.last_infusion_on == later


def finding(count: int, *subjects: str, arm: str | None = ARM) -> StoppingFinding:
    """Make a finding of the CRS rule."""
    return StoppingFinding(
        rule_id="severe-crs",
        scope=StoppingScope.STUDY if arm is None else StoppingScope.ARM,
        arm=arm,
        count=count,
        treated=6,
        fires_at=2,
        why="because",
        subjects=subjects,
        events=(),
    )


def fired(*findings: StoppingFinding) -> tuple[FiredRule, ...]:
    """Return the findings as they are kept."""
    return tuple(fired_rule(each, DAY_0) for each in findings)


@pytest.mark.parametrize(
    ("earlier", "now", "news"),
    [
        ((), finding(2, "A", "B"), True),
        (fired(finding(2, "A", "B")), finding(2, "A", "B"), False),
        (fired(finding(3, "A", "B")), finding(2, "A", "B"), False),
        (fired(finding(2, "A", "B")), finding(3, "A", "B"), True),
        (fired(finding(2, "A", "B")), finding(2, "A", "C"), True),
        (fired(finding(2, "A", "B"), finding(2, "A", "C")), finding(2, "B", "C"), False),
        (fired(finding(2, "A", "B"), finding(2, "A", "C")), finding(3, "A", "B", "C"), True),
        (fired(finding(2, "A", "B", arm="dual-target")), finding(2, "A", "B"), True),
        (fired(finding(2, "A", "B")), finding(2, "A", "B", arm=None), True),
        ((FiredRule(rule="another", why="", arm=ARM, count=9, subjects=("A", "B")),), finding(2, "A", "B"), True),
        ((FiredRule(rule="severe-crs", why="", arm=ARM),), finding(2, "A", "B"), True),
    ],
)
def test_a_finding_is_new_with_a_higher_count_or_another_participant(
    earlier: tuple[FiredRule, ...], now: StoppingFinding, news: bool
) -> None:
    """Of the same rule and arm, what has been seen is not told again."""
    assert is_new(now, earlier) is news


def test_a_fired_rule_keeps_what_it_counted() -> None:
    """What is shown and what is compared with later."""
    assert fired_rule(finding(2, "A", "B"), DAY_0) == FiredRule(
        rule="severe-crs", why="because", fired_on=DAY_0, arm=ARM, count=2, subjects=("A", "B")
    )


def test_an_arm_finds_what_its_committee_has_not_seen() -> None:
    """Two CRS of grade 4 fire; once kept they do not; a third does. The study's rules are not the arm's."""
    one, two, three = (summary(f"CN01-00{number}", event()) for number in (1, 2, 3))
    rules = (DEATH_RULE, CRS_RULE)

    assert arm_findings(rules, arm(one)) == ()
    (first,) = arm_findings(rules, arm(one, two))
    assert (first.rule_id, first.arm, first.count) == ("severe-crs", ARM, 2)
    kept = fired(first)
    assert arm_findings(rules, arm(one, two, fired=kept)) == ()
    assert [found.count for found in arm_findings(rules, arm(one, two, three, fired=kept))] == [3]


def test_the_study_finds_what_nobody_has_seen() -> None:
    """A related death fires for the study, once."""
    reference = ProtocolReference(id="p", version="1.0", sha256="0" * 64)
    record = record_of(summary("CN01-001", event(grade=5)), ARM, 1)
    state = StudyState(study="s", protocol=reference, arms={}, safety={"CN01-001": record})

    (found,) = study_findings((CRS_RULE, DEATH_RULE), state)

    assert (found.rule_id, found.arm, found.subjects) == ("death", None, ("CN01-001",))
    seen = state.model_copy(update={"fired": (fired_rule(found, DAY_0),)})
    assert study_findings((CRS_RULE, DEATH_RULE), seen) == ()
