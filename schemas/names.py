"""Names that cross processes: task queue, workflow ids, activities."""

TASK_QUEUE = "car-nk-trial"

PUBLISH_FACTS = "publish_facts"
RESERVE_UNITS = "reserve_units"
RETURN_UNITS = "return_units"
BOOK_INFUSION = "book_infusion"
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


def is_of(study: str, workflow_id: str) -> bool:
    """Tell whether a workflow id is the study's own, or one of its participants or arms."""
    return workflow_id == study_id(study) or workflow_id.startswith((participant_id(study, ""), arm_id(study, "")))


def parts_of(workflow_id: str) -> tuple[str, str]:
    """Return the study of a workflow, and whose it is: a subject, an arm, or the study itself."""
    _kind, study, *owner = workflow_id.split("/")
    return study, owner[0] if owner else study
