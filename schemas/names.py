"""Names that cross processes: task queue, workflow ids, activities."""

TASK_QUEUE = "car-nk-trial"

RECORDED = "recorded"
"""The key of a memo, and the field of an update's answer, by which a history names the facts of a workflow task."""
PUBLISH_FACTS = "publish_facts"
"""The activity by which workflows of earlier revisions publish."""
PUBLISH_AGAIN = "publish_again"
"""The signal by which a publication that the workflow task could not wait for comes back to its workflow."""
EARLIER_FACTS_MISSING = "EarlierFactsMissing"
"""The error of a publication whose facts do not follow on what is published, however long it waited."""
RESERVE_UNITS = "reserve_units"
RETURN_UNITS = "return_units"
COUNT_UNITS = "count_units"
LOWEST_TOXIC_LEVEL = "lowest_toxic_level"
LOAD_PROTOCOL = "load_protocol"
REGISTER_PROTOCOL = "register_protocol"


def participant_id(study: str, subject: str) -> str:
    """Return the id of a participant's workflow."""
    return f"participant/{study}/{subject}"


def arm_id(study: str, arm: str) -> str:
    """Return the id of an arm's workflow."""
    return f"arm/{study}/{arm}"


def study_id(study: str) -> str:
    """Return the id of a study's workflow."""
    return f"study/{study}"


def parts_of(workflow_id: str) -> tuple[str, str]:
    """Return the study of a workflow, and whose it is: a subject, an arm, or the study itself."""
    _kind, study, *owner = workflow_id.split("/")
    return study, owner[0] if owner else study
