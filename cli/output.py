"""What the `trial` command says: exit codes, refusals, tables, and one JSON document where asked for."""

import json
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TextIO

if TYPE_CHECKING:
    from rich.text import Text
    from temporalio.client import WorkflowHistory

    from history.reading import FoundFact
    from schemas.problem import Problem
    from schemas.product.bank import LoadResult
    from schemas.state.participant import ParticipantState

# Imports of Temporal, pydantic and rich stand inside functions: `trial --help` and completion must answer at once.

WIDTH_WITHOUT_TERMINAL = 160
"""Columns of a table that goes to a file or a pipe: ids must not be cut."""


class Exit(IntEnum):
    """The exit codes of `trial`. They are stable: scripts may rely on them."""

    OK = 0
    """Done."""
    UNEXPECTED = 1
    """A mistake in the program or its surroundings; the traceback is on stderr."""
    BAD_INPUT = 2
    """Malformed: usage, a missing field, a value out of range, a protocol with problems. Nothing was recorded."""
    PARTLY_DONE = 3
    """Some rows of a bank file were rejected; the others are loaded."""
    REFUSED = 4
    """A rule of the trial refused the command; an auditor finds the refusal in the history."""
    REPLAY_DIFFERS = 5
    """Today's code does not do what the history says was done."""
    UNKNOWN = 6
    """There is no such study, arm, subject, task, adverse event or workflow."""
    UNREACHABLE = 7
    """Temporal, Postgres or the worker does not answer, or the settings are wrong."""


MALFORMED = ("InvalidInput", "OutOfRange", "WrongUnit", "DateInFuture", "DateBeforeStep")
UNKNOWN = ("UnknownTask", "UnknownArm", "UnknownEvent")


class Trouble(NamedTuple):
    """One thing that is wrong: where, with which value, against which rule, and what would be right."""

    type: str
    field: str
    value: str
    rule: str
    expected: str

    @property
    def message(self) -> str:
        """Say it in one sentence."""
        subject = f"{self.field} = {self.value}" if self.field and self.value else self.field or self.value
        said = f"{subject}: {self.rule}" if subject else self.rule
        return f"{said}; expected {self.expected}" if self.expected else said


class FailureError(Exception):
    """A command was not carried out; everything that is wrong, and the exit code."""

    def __init__(self, code: Exit, *troubles: Trouble) -> None:
        """Take one trouble or more."""
        super().__init__("\n".join(trouble.message for trouble in troubles))
        self.code = code
        self.troubles = troubles


def fail(code: Exit, kind: str, rule: str, *, field: str = "", value: object = "", expected: str = "") -> NoReturn:
    """Stop the command with one trouble."""
    raise FailureError(code, Trouble(kind, field, str(value), rule, expected))


def of_problem(problem: "Problem") -> FailureError:
    """Give a workflow's refusal its exit code."""
    kind = problem.type.value
    code = Exit.BAD_INPUT if kind in MALFORMED else Exit.UNKNOWN if kind in UNKNOWN else Exit.REFUSED
    return FailureError(code, Trouble(kind, problem.field, problem.value, problem.rule, problem.expected))


def failure_of(error: Exception) -> FailureError | None:  # noqa: PLR0911 - one line for each kind
    """Say what an exception means to whoever typed the command; None when it should not have happened."""
    if isinstance(error, FailureError):
        return error
    import asyncpg  # noqa: PLC0415 - see above
    from temporalio.service import RPCError, RPCStatusCode  # noqa: PLC0415

    from activities.bank_file import BankFileError  # noqa: PLC0415
    from client.trial_client import NotReadyError, RefusedError, UnknownError  # noqa: PLC0415
    from deploy.postgres import PostgresError  # noqa: PLC0415
    from deploy.settings import SettingsError  # noqa: PLC0415
    from deploy.stack import StackError  # noqa: PLC0415
    from deploy.temporal_server import ServerNotFoundError  # noqa: PLC0415
    from protocols.loader import ProtocolError  # noqa: PLC0415

    match error:
        case RefusedError():
            return of_problem(error.problem)
        case UnknownError():
            return _failure(Exit.UNKNOWN, "Unknown", error)
        case ProtocolError():
            return FailureError(Exit.BAD_INPUT, *(_protocol_trouble(line) for line in error.problems))
        case BankFileError() | UnicodeDecodeError():
            return _failure(Exit.BAD_INPUT, "UnreadableFile", error)
        case RPCError() if error.status is RPCStatusCode.NOT_FOUND:
            return _failure(Exit.UNKNOWN, "Unknown", error)
        case SettingsError() | StackError() | ServerNotFoundError() | PostgresError() | RPCError() | NotReadyError():
            return _failure(Exit.UNREACHABLE, "Unreachable", error)
        case asyncpg.PostgresError() | asyncpg.InterfaceError() | ConnectionError():
            return _failure(Exit.UNREACHABLE, "Unreachable", error)
        case _:
            return None


def _failure(code: Exit, kind: str, error: Exception) -> FailureError:
    return FailureError(code, Trouble(kind, "", "", str(error) or type(error).__name__, ""))


def _protocol_trouble(line: str) -> Trouble:
    # 'FILE: path.in.file = VALUE: rule'; a value is JSON on one line and may hold ': ' itself, a rule seldom does.
    place, _, rest = line.partition(" = ")
    value, _, rule = rest.partition(": ")
    return Trouble("ProtocolError", place.rpartition(": ")[2], value, rule, "")


def report(error: Exception, *, as_json: bool) -> Exit:
    """Tell a failure: JSON on stdout where asked for, else sentences on stderr."""
    failure = failure_of(error)
    if failure is None:
        traceback.print_exception(error)
        failure = _failure(Exit.UNEXPECTED, type(error).__name__, error)
    if as_json:
        first, *others = [trouble._asdict() | {"message": trouble.message} for trouble in failure.troubles]
        emit({"error": first | {"others": others} if others else first})
    else:
        for trouble in failure.troubles:
            sys.stderr.write(f"trial: {trouble.type}: {trouble.message}\n")
    return failure.code


def emit(document: object) -> None:
    """Print one JSON document."""
    from pydantic_core import to_jsonable_python  # noqa: PLC0415 - see above

    sys.stdout.write(json.dumps(to_jsonable_python(document), indent=2, ensure_ascii=False) + "\n")


def pretty(document: object) -> str:
    """Return JSON for people: a list of plain values stands on one line."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), text)


def open_output(path: Path | None) -> AbstractContextManager[TextIO]:
    """Open a file to write, or stdout."""
    if path is None:
        return nullcontext(sys.stdout)
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        fail(Exit.BAD_INPUT, "UnwritableFile", str(error), field="--out", value=path, expected="a file in a folder")


def say(line: str) -> None:
    """Print a line as it is."""
    sys.stdout.write(f"{line}\n")


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    styles: Sequence[str] = (),
    to: TextIO | None = None,
) -> None:
    """Print a table; `styles` gives each row its style."""
    from rich.box import SIMPLE  # noqa: PLC0415 - see above
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    to = to or sys.stdout
    drawn = Table(box=SIMPLE, pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for number, row in enumerate(rows):
        drawn.add_row(*(plain(cell) for cell in row), style=styles[number] if styles else None)
    # What stands in a table is data: nothing in it may be taken for markup.
    width = None if to.isatty() else WIDTH_WITHOUT_TERMINAL
    if title:
        to.write(f"{title}\n")
    Console(file=to, markup=False, highlight=False, emoji=False, width=width).print(drawn)


def plain(cell: object) -> "Text":
    """Return a cell's text: empty for None, a dose without needless zeros, anything else as it says itself."""
    from rich.text import Text  # noqa: PLC0415 - see above

    if cell is None:
        return Text("")
    return Text(f"{cell:g}" if isinstance(cell, float) else str(cell))


def when(moment: object) -> str:
    """Return a moment or its ISO text as 'YYYY-MM-DD HH:MM' UTC."""
    return str(moment)[:16].replace("T", " ") if moment else ""


# ---------------------------------------------------------------------- what commands show


def show_participant(state: "ParticipantState") -> None:
    """Show a participant: what is known of it, and what is not is left out."""
    judged, assignment, slot, best = state.eligibility, state.assignment, state.slot, state.best_response
    rows: list[tuple[str, object]] = [
        ("Stage", state.stage),
        ("Disposition", f"{state.disposition}: {state.disposition_reason}" if state.disposition else None),
        ("Consent", state.consent_signed_on),
        ("Protocol", f"{state.protocol.id} {state.protocol.version}"),
        ("Antigens", state.profile.reason if state.profile else None),
        ("Eligibility", "; ".join((judged.outcome, *judged.reasons())) if judged else None),
        ("Arm", f"{assignment.arm} ({'+'.join(assignment.target)})" if assignment else None),
        ("Slot", f"cohort {slot.cohort}, level {slot.level}: {slot.million_cells:g} million cells" if slot else None),
        ("Reserved units", ", ".join(state.units)),
        ("Day 0", state.day_zero),
        ("Infusions", ", ".join(f"{i.started_at:%Y-%m-%d}: {i.unit_id}" for i in state.infusions)),
        ("Further cycles", f"{state.cycles}, the latest from {state.cycle_day_zero}" if state.cycles else None),
        (
            "Cytokines",
            f"{state.cytokine.state}, {state.cytokine.judged_on}: {state.cytokine.why}" if state.cytokine else None,
        ),
        ("Adverse events", "\n".join(_events(state))),
        ("May be a DLT", "\n".join(_open_candidates(state))),
        ("Reports due", "\n".join(_reports_due(state))),
        ("DLT", f"{state.dlt}: {state.dlt_reason}" if state.dlt and state.dlt_reason else state.dlt),
        ("Responses", ", ".join(f"{visit}: {response}" for visit, response in state.responses)),
        ("Best response", f"{best.response}, {'confirmed' if best.confirmed else 'not confirmed'}" if best else None),
        ("Retreatment", f"{state.retreatment.state}: {state.retreatment.why}" if state.retreatment else None),
        ("Deviations", "\n".join(each.why for each in state.deviations)),
        ("Holds", ", ".join(state.holds)),
        ("Open tasks", "\n".join(f"{task.id}, due {when(task.due_at)}" for task in state.tasks.values())),
        ("Refused commands", state.refusals),
    ]
    table("", (state.subject, state.study), [row for row in rows if row[1]])


def _events(state: "ParticipantState") -> Iterable[str]:
    from decisions.safety.adverse_events import event_ids, event_of  # noqa: PLC0415 - see above

    for event_id in event_ids(state):
        event, computed = event_of(state, event_id), state.computed_grades.get(event_id)
        rules = f" (rules: {computed.grade})" if computed is not None and computed.grade != event.grade else ""
        yield f"{event_id} {event.onset_on}: {event.term}, grade {event.grade}{rules}"


def _open_candidates(state: "ParticipantState") -> Iterable[str]:
    from decisions.dlt.status import dlt_status_of, open_events  # noqa: PLC0415 - see above

    return (
        f"{event_id} {dlt_status_of(state, event_id)}: {state.dlt_findings[event_id].why}"
        for event_id in open_events(state)
    )


def _reports_due(state: "ParticipantState") -> Iterable[str]:
    return (f"{key}, due {when(row.due.due_at)}" for key, row in state.reports.items() if row.reported_at is None)


def show_worklist(study: str, tasks: "Sequence[Mapping[str, Any]]") -> None:
    """Show open tasks, overdue ones in red."""
    now = datetime.now(UTC)
    columns = ("Task", "What", "Role", "Site", "Due (UTC)", "Closes", "Urgency")
    rows = [
        (t["task_id"], t["title"], t["role"], t["site"], when(t["due_at"]), when(t["expires_at"]), t["urgency"])
        for t in tasks
    ]
    # Reminded and escalated tasks are overdue by their workflow's own clock, which a simulation runs ahead of ours.
    styles = ["red" if t["due_at"] <= now or t["urgency"] != "open" else "" for t in tasks]
    table(f"Open tasks of {study}", columns, rows, styles=styles)


def show_task(task: "Mapping[str, Any]") -> None:
    """Show what a task asks for."""
    times = [(name, when(task[name])) for name in ("opened_at", "due_at", "expires_at")]
    words = [(name, task[name]) for name in ("kind", "role", "site", "status", "urgency")]
    table(task["title"], ("Task", task["task_id"]), [*words, *times, *task["detail"].items()])


def show_load(result: "LoadResult") -> None:
    """Show what became of a bank file."""
    say(f"loaded {len(result.loaded)}, rejected {len(result.rejected)}")
    if result.rejected:
        rows = [(row.line, row.field, row.value, row.rule) for row in result.rejected]
        table("Rejected rows", ("Line", "Field", "Value", "Rule"), rows)


def show_facts(title: str, facts: "Iterable[FoundFact]") -> None:
    """Show facts: when, what, who, in which role, why."""
    from history.fact_words import describe_fact  # noqa: PLC0415 - see above

    rows = [
        (
            found.sequence,
            when(found.fact["at"]),
            f"{found.fact['kind'].replace('_', ' ')}\n{describe_fact(found.fact)}".strip(),
            who_said(found.fact),
            found.fact["why"],
        )
        for found in facts
    ]
    table(title, ("#", "When (UTC)", "What", "Who (role)", "Why"), rows)


def who_said(fact: "Mapping[str, Any]") -> str:
    """Say who a fact comes from, and in which role."""
    return "system" if fact["who"] == "system" else f"{fact['who']} ({fact['role']})"


def show_history(runs: "Iterable[WorkflowHistory]", to: TextIO) -> None:
    """Show every event, and every fact below the event that carries it."""
    from history.replay import rows_of  # noqa: PLC0415 - see above

    for run in runs:
        rows = [(row.event_id, row.at, row.what, row.detail, row.who, row.why) for row in rows_of(run)]
        columns = ("Event", "Time (UTC)", "What", "Detail", "Who", "Why")
        table(f"{run.workflow_id}, run {run.run_id}", columns, rows, to=to)
