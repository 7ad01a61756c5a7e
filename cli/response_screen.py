"""Tumour assessments and responses on the screen."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cli.output import say, spaced
from cli.tables import table

if TYPE_CHECKING:
    from schemas.state.participant import ParticipantState
    from schemas.treatment.support import ImagingRow


def show_response(state: "ParticipantState", imaging: Sequence["ImagingRow"]) -> None:
    """Show a participant's tumour assessments, what they mean by RECIST 1.1, and deviations."""
    _show_best(state)
    _show_baseline(state)
    _show_timepoints(state)
    _show_imaging(state, imaging)
    if state.deviations:
        rows = [(each.visit, each.kind, each.days, each.why) for each in state.deviations]
        table("Deviations", ("Visit", "What", "Days", "Why"), rows)


def _show_best(state: "ParticipantState") -> None:
    best = state.best_response
    if best is None:
        return say(f"{state.subject}: no response yet\n")
    lasts = None
    if best.duration_days is not None:
        lasts = f"{best.duration_days} days{', going on or not followed to its end' if best.duration_censored else ''}"
    rows: list[tuple[str, object]] = [
        ("Best overall response", f"{best.response}, {'confirmed' if best.confirmed else 'not confirmed'}"),
        ("Assessed", best.on),
        ("First response", best.responded_on),
        ("Confirmed", best.confirmed_on),
        ("Progression", best.progressed_on),
        ("Duration of response", lasts),
        ("Why", best.why),
        ("To look at again", "\n".join(best.review)),
    ]
    return table("", (state.subject, "RECIST 1.1"), [row for row in rows if row[1]])


def _show_baseline(state: "ParticipantState") -> None:
    baseline = state.baseline
    if baseline is None:
        return
    targets = [(each.id, "target", _place(each), f"{each.diameter_mm}", each.method) for each in baseline.targets]
    others = [(each.id, "non-target", _place(each), each.short_axis_mm, None) for each in baseline.non_targets]
    columns = ("Lesion", "Kind", "Where", "mm", "Method")
    table(f"Baseline of {baseline.assessed_on}", columns, [*targets, *others])


def _place(lesion: Any) -> str:  # noqa: ANN401 - a lesion of either kind
    return f"{lesion.organ}, {lesion.location}" if lesion.location else str(lesion.organ)


def _show_timepoints(state: "ParticipantState") -> None:
    if not state.timepoints:
        return
    visits = {day: visit for visit, day in state.imaging_on.items()}
    rows = [
        (
            f"{point.assessed_on}\n{visits.get(point.assessed_on, '')}".strip(),
            point.sum_mm,
            point.nadir_mm,
            point.target or "-",
            point.non_target or "-",
            "yes" if point.new_lesion else "no",
            point.overall,
            point.why,
        )
        for point in state.timepoints
    ]
    columns = ("Assessed", "Sum mm", "Nadir mm", "Target", "Non-target", "New", "Overall", "Why")
    table("Timepoints", columns, rows)


def _show_imaging(state: "ParticipantState", imaging: Sequence["ImagingRow"]) -> None:
    if not imaging:
        return say("No tumour assessment is planned before day 0.")
    judged = dict(state.responses)
    rows = [
        (
            row.window.visit,
            row.window.planned_on,
            f"{row.window.opens_on}\n{row.window.closes_on}",
            row.done_on,
            spaced(row.status),
            judged.get(row.window.visit),
        )
        for row in imaging
    ]
    missed = [row.status == "missed" for row in imaging]
    columns = ("Visit", "Planned", "Window", "Done", "Status", "Investigator says")
    return table("Tumour assessments", columns, rows, red=missed)
