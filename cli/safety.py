"""The `trial` commands about adverse events and their reports: report, amend, list, show, and how clocks were kept."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.connection import client_of, runs_of, say_accepted, site_in, states_of, subjects_of
from cli.input import Call, checked, command, read_values
from cli.output import Exit, emit, fail, of_problem
from cli.safety_output import (
    clock_rows,
    event_line,
    event_row,
    show_changes,
    show_clocks,
    show_event,
    show_events,
    versions_in,
)

if TYPE_CHECKING:
    from schemas.commands.commands import AdverseEvent
    from schemas.state.participant import ParticipantState

# Imports of Temporal, pydantic and our own rooms stand inside functions: `trial --help` and completion must answer at
# once.
# ruff: noqa: PLC0415

event_app = typer.Typer(no_args_is_help=True)
safety_app = typer.Typer(no_args_is_help=True)

Subject = Annotated[str, typer.Argument(help="The participant's pseudonym, such as CN01-001.")]
EventId = Annotated[str, typer.Argument(help="The event's id, such as AE-001; `adverse-event list` shows it.")]
OBSERVATIONS = ("crs", "icans", "gvhd", "infusion_reaction")
"""Parts of an event from which its grade is computed."""
SCALARS = {
    name: {"onset": "onset_on", "end": "ended_on"}.get(name, name)
    for name in ("term", "grade", "onset", "end", "dlt", "category", "expected", "action", "outcome", "aware_at")
}
"""Which option is which field of an event, of those that hold one value."""


# ---------------------------------------------------------------------- an event from flags and files


@dataclass(frozen=True)
class EventOptions:
    """An adverse event as it is typed; what is left out comes from the file, or stays as it is."""

    term: Annotated[str | None, typer.Option(help="The CTCAE 5.0 term.")] = None
    grade: Annotated[int | None, typer.Option(help="The worst CTCAE 5.0 grade so far, 1 to 5.")] = None
    onset: Annotated[str | None, typer.Option(help="The day it began, YYYY-MM-DD.")] = None
    end: Annotated[str | None, typer.Option(help="The day it ended, YYYY-MM-DD.")] = None
    related: Annotated[
        bool | None,
        typer.Option("--related/--not-related", help="Related to the treatment; follows from --causality if given."),
    ] = None
    dlt: Annotated[
        bool | None, typer.Option("--dlt/--no-dlt", help="In the investigator's judgement, a dose-limiting toxicity.")
    ] = None
    category: Annotated[
        str | None,
        typer.Option(help="crs, icans, gvhd, infusion_reaction, haematological, organ, laboratory or other."),
    ] = None
    serious: Annotated[
        list[str] | None,
        typer.Option(
            help="A criterion of ICH E2A: death, life_threatening, hospitalisation, disability, congenital_anomaly or "
            "medically_important; repeat it."
        ),
    ] = None
    causality: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART=LEVEL",
            help="lymphodepletion, car_nk, cytokine or biopsy = not_related, unlikely, possible, probable or definite; "
            "repeat it.",
        ),
    ] = None
    expected: Annotated[
        bool | None,
        typer.Option("--expected/--unexpected", help="By the reference safety information; unknown if left out."),
    ] = None
    action: Annotated[
        str | None, typer.Option(help="dose_not_changed, treatment_delayed, treatment_stopped or not_applicable.")
    ] = None
    outcome: Annotated[
        str | None,
        typer.Option(help="recovered, recovered_with_sequelae, recovering, not_recovered, fatal or unknown."),
    ] = None
    aware_at: Annotated[
        str | None, typer.Option(help="When the site came to know, such as 2026-11-24T09:00:00Z; else now.")
    ] = None
    course: Annotated[
        list[str] | None,
        typer.Option(metavar="DATE=GRADE", help="The grade from a day on, 0 when it is gone; repeat it."),
    ] = None
    file: Annotated[
        Path | None,
        typer.Option(
            help="Fields of the event in JSON or YAML, such as the observations crs, icans, gvhd or infusion_reaction; "
            "- is stdin. A flag counts more than the file."
        ),
    ] = None

    @property
    def says_something(self) -> bool:
        """Whether any of it was typed."""
        return any(getattr(self, option.name) not in (None, []) for option in fields(self))

    def changed(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Return an event's fields with what was typed: lists gain entries, everything else is replaced."""
        from_file = _read_event(self.file) if self.file else {}
        event = {**before, **from_file}
        scalars = {name: getattr(self, option) for option, name in SCALARS.items()}
        event |= {name: value for name, value in scalars.items() if value is not None}
        if self.serious:
            event["seriousness"] = list(dict.fromkeys([*_part(event, "seriousness", list), *self.serious]))
        if self.course:
            days = {str(entry.get("on")): entry for entry in _part(event, "course", list)}
            days |= {
                day: {"on": day, "grade": grade}
                for day, grade in _pairs("--course", self.course, "DATE=GRADE", "2026-11-24=2")
            }
            event["course"] = [days[day] for day in sorted(days)]
        if self.causality:
            told = dict(_pairs("--causality", self.causality, "PART=LEVEL", "car_nk=possible"))
            event["causality"] = {**_part(event, "causality", dict), **told}
        return self._with_relation(event, from_file)

    def _with_relation(self, event: dict[str, Any], from_file: Mapping[str, Any]) -> dict[str, Any]:
        if self.related is not None:
            return event | {"related": self.related}
        if (self.causality or "causality" in from_file) and "related" not in from_file:
            # The causality of the parts says it anew.
            return {name: value for name, value in event.items() if name != "related"}
        return event


def _part(event: Mapping[str, Any], name: str, kind: type[Any]) -> Any:  # noqa: ANN401 - of the kind asked for
    part = event.get(name) or kind()
    if not isinstance(part, kind):
        fail(Exit.BAD_INPUT, "InvalidInput", f"is no {kind.__name__}", field=f"event.{name}", value=part)
    return part


def _pairs(flag: str, given: Sequence[str], form: str, example: str) -> list[tuple[str, str]]:
    pairs = [tuple(each.split("=", maxsplit=1)) for each in given]
    for each, pair in zip(given, pairs, strict=True):
        if len(pair) != 2 or not all(pair):  # noqa: PLR2004 - a pair
            fail(
                Exit.BAD_INPUT, "InvalidInput", f"is not {form}", field=flag, value=each, expected=f"such as {example}"
            )
    return [(str(pair[0]).strip(), str(pair[1]).strip()) for pair in pairs]


def _read_event(file: Path) -> dict[str, Any]:
    values = read_values(file)
    return values | {name: _with_numbers(values[name]) for name in OBSERVATIONS if name in values}


def _with_numbers(value: object) -> object:
    # YAML comes as text, and counts and stages are whole numbers that take no text.
    if isinstance(value, dict):
        return {key: _with_numbers(item) for key, item in value.items()}
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,4}", value) else value


def _check_given(event: Mapping[str, Any]) -> None:
    """Name the flags of what every event needs."""
    needs = {"term": "--term", "grade": "--grade", "onset_on": "--onset"}
    missing = [flag for name, flag in needs.items() if event.get(name) is None]
    if event.get("related") is None and not event.get("causality"):
        missing.append("--related or --not-related (or --causality PART=LEVEL)")
    if missing:
        rule, expected = "an adverse event needs it", "the flag, or the field in --file"
        fail(Exit.BAD_INPUT, "MissingOption", rule, field=", ".join(missing), expected=expected)


# ---------------------------------------------------------------------- commands


@command(event_app, "report", writes=True)
async def adverse_event_report(call: Call, subject: Subject, options: EventOptions) -> None:
    """Report an adverse event of a participant, from flags, from a file, or from both."""
    from schemas.commands.commands import ReportAdverseEvent

    event = options.changed({})
    _check_given(event)
    report = checked(ReportAdverseEvent, {"envelope": call.envelope(site=site_in(subject)), "event": event})
    say_accepted(call, await (await client_of(call)).report_adverse_event(subject, report))


@command(event_app, "amend", writes=True)
async def adverse_event_amend(
    call: Call,
    subject: Subject,
    event_id: EventId,
    options: EventOptions,
    version: Annotated[
        int | None, typer.Option(help="The version that you have read; else the current one, which is shown.")
    ] = None,
    clear: Annotated[
        list[str] | None, typer.Option(metavar="FIELD", help="Empty a field first, such as ended_on; repeat it.")
    ] = None,
) -> None:
    """
    Amend an adverse event: a new version with what is changed; the earlier ones stay on record.

    --serious, --causality and --course add to what is there; --clear empties a field before.
    """
    from schemas.commands.commands import AmendAdverseEvent

    if not (options.says_something or clear):
        rule, expected = "nothing is changed", "a changed field, such as --grade 3, --file or --clear ended_on"
        fail(Exit.BAD_INPUT, "MissingOption", rule, field="event", expected=expected)
    envelope = call.envelope(site=site_in(subject), needs_reason=True)
    client = await client_of(call)
    before, current = _current(await client.participant_state(subject), event_id)
    event = options.changed(_cleared(before, clear or []))
    values = {"envelope": envelope, "event_id": event_id, "version": version or current, "event": event}
    amend = checked(AmendAdverseEvent, values)
    if version is None:
        typer.echo(f"{event_id} is at version {current}: {event_line(before)}", err=True)
    show_changes(before, amend.event)
    say_accepted(call, await client.amend_adverse_event(subject, amend))


def _cleared(event: "AdverseEvent", clear: Sequence[str]) -> dict[str, Any]:
    known = type(event).model_fields
    optional = [name for name, info in known.items() if not info.is_required()]
    for name in clear:
        if name not in optional:
            rule = "can't be empty" if name in known else "is no field of an adverse event"
            fail(Exit.BAD_INPUT, "InvalidInput", rule, field="--clear", value=name, expected=", ".join(optional))
    return {name: value for name, value in event.model_dump(mode="json").items() if name not in clear}


def _current(state: "ParticipantState", event_id: str) -> "tuple[AdverseEvent, int]":
    """Return an event and its version, or stop with the ids that there are."""
    from decisions.safety.adverse_events import event_ids, event_of, version_of
    from schemas.problem import Problem, ProblemType

    known = event_ids(state)
    if event_id not in known:
        expected = " or ".join(known) or "an event that was reported; there is none"
        rule = f"{state.subject} has no such adverse event"
        raise of_problem(
            Problem(type=ProblemType.UNKNOWN_EVENT, field="event_id", value=event_id, rule=rule, expected=expected)
        )
    return event_of(state, event_id), version_of(state, event_id)


@command(event_app, "list")
async def adverse_event_list(call: Call, subject: Subject) -> None:
    """List a participant's adverse events: grades, standing as a dose-limiting toxicity, reports due."""
    from decisions.safety.adverse_events import event_ids

    state = await (await client_of(call)).participant_state(subject)
    rows = [event_row(state, event_id) for event_id in event_ids(state)]
    return emit(rows) if call.as_json else show_events(subject, rows)


@command(event_app, "show")
async def adverse_event_show(call: Call, subject: Subject, event_id: EventId) -> None:
    """Show an adverse event: what it says now, all its versions (who, when, why, old and new), what followed."""
    from history.reading import facts_in

    state = await (await client_of(call)).participant_state(subject)
    event, _ = _current(state, event_id)
    versions, followed = versions_in(facts_in(await runs_of(call, subject)), event_id)
    row = event_row(state, event_id) | {"event": event}
    if call.as_json:
        return emit(row | {"versions": versions, "followed": followed})
    return show_event(subject, row, versions, followed)


@command(safety_app, "clocks")
async def safety_clocks(
    call: Call,
    as_of: Annotated[
        str | None, typer.Option(help="Judge what is overdue at this time, such as 2026-11-24T09:00:00Z; else now.")
    ] = None,
) -> None:
    """Say how many safety reports of the study kept their clock, and which are still owed, by when."""
    from decisions.safety.reporting_clocks import clock_report

    now = _moment(as_of)
    client = await client_of(call)
    states = await states_of(client, subjects_of(await client.study_state()))
    counts = clock_report([row for state in states for row in state.reports.values()], now)
    rows = [row for state in states for row in clock_rows(state, now)]
    rows.sort(key=lambda row: (str(row["due_at"]), str(row["subject"])))
    if call.as_json:
        return emit({"study": call.study_id, "as_of": now, "counts": counts, "reports": rows})
    return show_clocks(call.study_id, now, counts, rows)


def _moment(text: str | None) -> datetime:
    from pydantic import AwareDatetime, TypeAdapter, ValidationError

    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        moment: datetime = TypeAdapter(AwareDatetime).validate_python(text)
    except ValidationError as error:
        rule, expected = error.errors()[0]["msg"], "a time with its zone, such as 2026-11-24T09:00:00Z"
        fail(Exit.BAD_INPUT, "InvalidInput", rule, field="--as-of", value=text, expected=expected)
    return moment
