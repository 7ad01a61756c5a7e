"""The schedule of activities as a table."""

from protocols.loader import default_protocol_path, load_protocol
from protocols.schedule import ScheduleRow, schedule_table
from schemas.schedule.task import TaskKind

PROTOCOL = load_protocol(default_protocol_path()).protocol
TABLE = schedule_table(PROTOCOL)


def row(step: str) -> ScheduleRow:
    """Pick one step."""
    return {one.step: one for one in TABLE}[step]


def test_the_table_goes_from_screening_to_the_end_of_study() -> None:
    """Steps come in the order in which a participant goes through them, each once."""
    steps = [one.step for one in TABLE]

    assert steps[:4] == ["biopsy", "antigen-panel", "eligibility", "baseline-imaging"]
    assert steps[4] == "check-before-lymphodepletion"
    assert steps[-1] == "end-of-study"
    assert len(set(steps)) == len(steps)
    days = [one.day for one in TABLE if one.day is not None]
    assert sorted(days) == days


def test_screening_has_no_day_before_day_0_is_planned() -> None:
    """Screening counts from consent."""
    assert (row("biopsy").day, row("biopsy").window) == (None, "within 28 days of consent")


def test_every_lymphodepletion_infusion_and_visit_has_its_row() -> None:
    """Days are the protocol's."""
    days = {kind: [one.day for one in TABLE if one.kind is kind] for kind in TaskKind}

    assert days[TaskKind.LYMPHODEPLETION] == [-5, -4, -3]
    assert days[TaskKind.INFUSION] == [0, 7, 14]
    assert days[TaskKind.TREATMENT_CHECK] == [-5, 0, 7, 14]
    assert days[TaskKind.CYTOKINE_COURSE] == [0]
    assert days[TaskKind.SAFETY] == [21, 28]
    assert days[TaskKind.IMAGING] == [56, 112, 168, 252, 336, 420, 504, 588, 672]
    assert days[TaskKind.END_OF_STUDY] == [728]
    assert days[TaskKind.COMMITTEE_DECISION] == []


def test_a_row_says_who_when_and_until_when() -> None:
    """A coordinator can read a row without the protocol."""
    infusion, visit = row("infusion-2"), row("imaging-week-8")

    assert (infusion.who, infusion.window, infusion.due) == ("coordinator", "up to 3 days late", "1 day after opening")
    assert (visit.who, visit.window, visit.due) == (
        "investigator",
        "day 49 to 63, told up to 14 days late",
        "by the end of day 56",
    )
    assert row("safety-day-28").window == "day 28 to 35"
    assert row("baseline-imaging").window == "at most 28 days before treatment"


def test_a_protocol_without_recist_asks_for_no_baseline() -> None:
    """The row comes with the section."""
    table = schedule_table(PROTOCOL.model_copy(update={"recist": None}))

    assert "baseline-imaging" not in [one.step for one in table]


def test_another_protocol_gives_another_table() -> None:
    """Nothing in the table is fixed in code."""
    infusions = PROTOCOL.infusions.model_copy(update={"days": (0,)})
    cytokine = PROTOCOL.cytokine.model_copy(update={"after_infusions": ()})

    table = schedule_table(PROTOCOL.model_copy(update={"infusions": infusions, "cytokine": cytokine}))

    assert [one.step for one in table if one.kind is TaskKind.INFUSION] == ["infusion-1"]
    assert not any(one.kind is TaskKind.CYTOKINE_COURSE for one in table)
