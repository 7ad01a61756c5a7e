"""A participant's adverse events: their numbers and versions, and the grade that the findings give."""

from decisions.safety.event_ids import event_id, event_index
from decisions.safety.grading import astct
from decisions.safety.grading.gvhd import grade_gvhd
from decisions.safety.grading.infusion_reaction import grade_infusion_reaction
from schemas.safety.adverse_events import AdverseEvent
from schemas.safety.reports import EventVersion
from schemas.safety.toxicity import ComputedGrade
from schemas.state.participant import ParticipantState


def next_event_id(state: ParticipantState) -> str:
    """Return the id of the participant's next adverse event; numbers are never used again."""
    return event_id(len(state.adverse_events) + 1)


def event_ids(state: ParticipantState) -> tuple[str, ...]:
    """Return the ids of the participant's adverse events, the first reported first."""
    return tuple(event_id(number) for number in range(1, len(state.adverse_events) + 1))


def event_of(state: ParticipantState, wanted: str) -> AdverseEvent:
    """Return an event in its latest version, or raise `KeyError` naming it."""
    index = event_index(state, wanted)
    if index is None:
        raise KeyError(wanted)
    return state.adverse_events[index]


def version_of(state: ParticipantState, wanted: str) -> int:
    """Return the number of an event's latest version, from 1."""
    return state.event_versions.get(wanted, 1)


def newest_version(state: ParticipantState, wanted: str) -> EventVersion:
    """Return an event's latest version, or raise `KeyError` naming the event."""
    return EventVersion(event_id=wanted, version=version_of(state, wanted), event=event_of(state, wanted))


def computed_grade(event: AdverseEvent) -> ComputedGrade | None:
    """
    Grade an event from the observation that it carries (docs/domain.md, section 1); none without one.

    CRS and ICANS by ASTCT 2019, acute GVHD by MAGIC, infusion reactions by CTCAE 5.0.
    """
    if event.crs is not None:
        return astct.grade_crs(event.crs)
    if event.icans is not None:
        return astct.grade_icans(event.icans)
    if event.gvhd is not None:
        return grade_gvhd(event.gvhd)
    if event.infusion_reaction is not None:
        return grade_infusion_reaction(event.infusion_reaction)
    return None


def grade_question(event: AdverseEvent, computed: ComputedGrade | None) -> str | None:
    """
    Return the question about an event's grade that a person should answer, or none.

    It is asked if the reported grade is not the computed one, or if the grading leaves a review to a person.
    """
    if computed is None:
        return None
    return astct.compare(event.grade, computed) or computed.review


def worst_grade(event: AdverseEvent, computed: ComputedGrade | None) -> int:
    """Return the higher of the reported grade (1-5) and the computed one."""
    return event.grade if computed is None else max(event.grade, computed.grade)
