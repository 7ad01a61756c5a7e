"""Which workflows a worker lets go of after a question: those that it may have taken further than their tasks went."""

from collections.abc import Sequence

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

from workflows.questions import QUESTION, Reading

RUN = "run"


def activation(what: str, seconds: int, *, replaying: bool = False) -> WorkflowActivation:
    """Make an activation: a timer's, a question's, an update's with a question beside it, or a farewell."""
    made = WorkflowActivation(run_id=RUN, is_replaying=replaying)
    made.timestamp.FromSeconds(seconds)
    match what:
        case "timer":
            made.jobs.add().fire_timer.seq = 1
        case "question":
            made.jobs.add().query_workflow.query_id = QUESTION
        case "attached":
            made.jobs.add().query_workflow.query_id = "1"
        case _:
            made.jobs.add().remove_from_cache.SetInParent()
    return made


REPLAYED = activation("timer", 1, replaying=True)
QUESTIONS = activation("question", 1)


@pytest.mark.parametrize(
    ("before", "is_let_go"),
    [
        ([REPLAYED], False),
        ([REPLAYED, activation("timer", 1)], True),
        ([REPLAYED, activation("timer", 1), activation("timer", 1)], True),
        ([REPLAYED, activation("timer", 2)], True),
        ([REPLAYED, activation("timer", 1), activation("timer", 2)], False),
        ([activation("timer", 1), activation("timer", 1)], False),
        ([REPLAYED, activation("timer", 1), activation("farewell", 0)], False),
        ([REPLAYED, activation("timer", 1), activation("farewell", 0), REPLAYED], False),
    ],
)
def test_a_run_that_may_be_ahead_of_its_tasks_is_let_go_after_a_question(
    before: Sequence[WorkflowActivation], is_let_go: bool
) -> None:
    """What came right after a replay makes the difference, until another task has followed; and it does so once."""
    reading = Reading()
    for each in (*before, QUESTIONS):
        reading.begins(each)

    assert reading.is_over(WorkflowActivationCompletion(run_id=RUN)) is is_let_go
    assert not reading.is_over(WorkflowActivationCompletion(run_id=RUN))


def test_a_question_that_comes_with_a_task_changes_nothing() -> None:
    """It is answered with its task, which is in the history."""
    reading = Reading()
    for each in (REPLAYED, activation("timer", 1), activation("attached", 1)):
        reading.begins(each)

    assert not reading.is_over(WorkflowActivationCompletion(run_id=RUN))
