"""
Amendments of an adverse event: what changes, whether it may, and whether the event must be adjudicated again.

An amendment is a new version of the whole event with its reason (21 CFR 11.10(e); docs/domain.md, section 8). Nothing
is overwritten: a grade may be lowered, since the earlier version keeps its grade and course.
"""

import json
from collections.abc import Mapping

from decisions.safety import refusals
from schemas.problem import Problem
from schemas.safety.adverse_events import RELATED, AdverseEvent, StudyPart
from schemas.safety.reports import EventVersion, FieldChange

_BEARS_ON_DLT = ("grade", "onset_on", "related", "dlt", "category")


def changes(before: AdverseEvent, after: AdverseEvent) -> tuple[FieldChange, ...]:
    """Return the fields that differ, in the model's order; a time given in another zone is no change."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return tuple(
        FieldChange(field=field, old=_text(old[field]), new=_text(new[field]))
        for field in AdverseEvent.model_fields
        if getattr(before, field) != getattr(after, field)
    )


def refused_amendment(
    known: Mapping[str, EventVersion], event_id: str, expected_version: int, after: AdverseEvent
) -> Problem | None:
    """
    Return the refusal of an amendment, or `None`.

    `known` holds the newest version of each event by its id. `expected_version` (1 upward) is the version that the
    person saw: of two amendments to one version the second is refused, so that nobody changes what they have not
    read. An amendment that changes nothing is refused too.
    """
    newest = known.get(event_id)
    if newest is None:
        return refusals.unknown_event(event_id, list(known))
    if expected_version != newest.version:
        return refusals.version_changed(newest, expected_version)
    if not changes(newest.event, after):
        return refusals.nothing_amended(newest)
    return None


def upgraded(before: AdverseEvent, after: AdverseEvent) -> tuple[FieldChange, ...]:
    """
    Return the changes for which an event must be adjudicated again; empty when the earlier adjudication is kept.

    They are those of grade, relatedness, category, onset and the reporter's own judgement, up or down
    (docs/domain.md, section 3: a changed adjudication re-runs the decision and keeps the old one). Relatedness changes
    when a part becomes or ceases to be a possible cause, not when 'possible' becomes 'probable'. How long the event
    lasted is not compared here: `decisions.dlt.criteria.find_candidate` judges it day by day.
    """
    fields = set(_BEARS_ON_DLT)
    if _possible_causes(before) != _possible_causes(after):
        fields.add("causality")
    return tuple(change for change in changes(before, after) if change.field in fields)


def _possible_causes(event: AdverseEvent) -> set[StudyPart]:
    return {part for part, causality in event.causality.items() if causality in RELATED}


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
