"""What is said of a command that cannot be read."""

from typing import Any

import pytest
from pydantic import ValidationError

from decisions.commands.malformed import MAXIMUM_CHARACTERS, problem_of
from schemas.commands.commands import AmendAdverseEvent, ReportAdverseEvent
from schemas.problem import Problem, ProblemType

EVENT: dict[str, Any] = {"term": "Fatigue", "grade": 2, "onset_on": "2026-03-20", "related": False}
ENVELOPE: dict[str, Any] = {"person": "inv-01", "role": "investigator", "time": "2026-03-21T09:00:00Z"}


def found(**changes: Any) -> Problem:  # noqa: ANN401 - any field
    """Return the problem of an event with these changes."""
    with pytest.raises(ValidationError) as error:
        ReportAdverseEvent.model_validate({"envelope": ENVELOPE, "event": EVENT | changes})
    return problem_of(error.value)


@pytest.mark.parametrize(
    ("changes", "field", "value", "expected"),
    [
        ({"grade": 0}, "event.grade", "0", "at least 1"),
        ({"grade": 6}, "event.grade", "6", "at most 5"),
        ({"category": "headache"}, "event.category", "headache", "'crs', 'icans', 'gvhd'"),
        ({"onset_on": "2026-02-30"}, "event.onset_on", "2026-02-30", "what the rule says"),
        # Rules about several fields begin with the one that is wrong.
        ({"ended_on": "2026-03-19"}, "event.ended_on", "2026-03-19", "what the rule says"),
        ({"dlt": True}, "event", "{", "what the rule says"),
        ({"course": [{"on": "2026-03-21", "grade": 3}]}, "event.course", "[{", "what the rule says"),
        ({"unheard": 1}, "event.unheard", "1", "what the rule says"),
    ],
)
def test_the_field_that_is_wrong_is_named(changes: dict[str, Any], field: str, value: str, expected: str) -> None:
    """With its value, the rule, and what would be right where the rule has limits."""
    problem = found(**changes)

    assert (problem.type, problem.field) == (ProblemType.INVALID_INPUT, field)
    assert problem.value.startswith(value)
    assert problem.expected.startswith(expected)
    assert len(problem.value) <= MAXIMUM_CHARACTERS + len("...")
    assert not problem.rule.startswith("Value error")


def test_a_field_that_is_missing_is_named() -> None:
    """And what was not given at all has no value to repeat."""
    with pytest.raises(ValidationError) as error:
        AmendAdverseEvent.model_validate({"envelope": ENVELOPE, "event_id": "AE-001", "event": EVENT})

    assert problem_of(error.value) == Problem(
        type=ProblemType.INVALID_INPUT,
        field="version",
        value="(missing)",
        rule="Field required",
        expected="what the rule says",
    )


def test_something_else_than_a_command_is_said_to_be_one() -> None:
    """Where there is no field at all, the command as a whole is wrong; a long value is cut."""
    with pytest.raises(ValidationError) as error:
        ReportAdverseEvent.model_validate("x" * (MAXIMUM_CHARACTERS + 1))

    problem = problem_of(error.value)
    assert (problem.field, problem.value) == ("command", "x" * MAXIMUM_CHARACTERS + "...")
