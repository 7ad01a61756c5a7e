"""The `trial` command: starts the stack and the study, answers tasks, decides, asks, and audits."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.committee import arm_app
from cli.committee_output import show_study
from cli.connection import client_of, connected, database, runs_of, say_accepted, site_in, states_of, workflow_id_of
from cli.input import (
    AnswerForm,
    Call,
    DataOption,
    JsonOption,
    MeaningOption,
    SignOption,
    StudyOption,
    checked,
    command,
    read_text,
    read_values,
    roles,
    set_fields,
    signature,
    wait_for,
)
from cli.output import (
    Exit,
    FailureError,
    Trouble,
    emit,
    fail,
    of_problem,
    open_output,
    pretty,
    report,
    say,
    show_facts,
    show_history,
    show_load,
    show_participant,
    show_task,
    show_worklist,
    table,
)
from cli.safety import event_app, safety_app
from cli.safety_output import show_response

if TYPE_CHECKING:
    from temporalio.client import WorkflowHistory

    from protocols.loader import LoadedProtocol
    from schemas.commands.commands import Accepted
    from schemas.state.participant import ParticipantState

# Imports of Temporal, pydantic and our own rooms stand inside functions: they take a second, and `trial --help` and
# shell completion must answer at once.
# ruff: noqa: PLC0415

PACKAGE = "car-nk-trial"

app = typer.Typer(help="Run and audit a CAR-NK cell therapy trial.", no_args_is_help=True, add_completion=True)
study_app, protocol_app, bank_app, participant_app, task_app, audit_app = (
    typer.Typer(no_args_is_help=True) for _ in range(6)
)
app.add_typer(study_app, name="study", help="Start, hold and look at the study.")
app.add_typer(protocol_app, name="protocol", help="Check and show protocol files.")
app.add_typer(bank_app, name="bank", help="The bank of cryopreserved product units.")
app.add_typer(participant_app, name="participant", help="Enrol participants and see where they stand.")
app.add_typer(task_app, name="task", help="See and answer one task of the worklist.")
app.add_typer(arm_app, name="arm", help="Where an arm stands, the committee's packet and its decisions.")
app.add_typer(event_app, name="adverse-event", help="Report, amend and see adverse events.")
app.add_typer(event_app, name="ae", help="The same as adverse-event.")
app.add_typer(safety_app, name="safety", help="Safety reports to the sponsor and the authority.")
app.add_typer(audit_app, name="audit", help="Read, export and replay what happened.")

Subject = Annotated[str, typer.Argument(help="The participant's pseudonym, such as CN01-001.")]
TaskId = Annotated[str, typer.Argument(help="The task's id, as the worklist shows it.")]
Where = Annotated[str, typer.Argument(help="A subject, an arm, 'study', or a workflow id.")]


# ---------------------------------------------------------------------- the stack


def _print_version(wanted: bool) -> None:
    from importlib.metadata import PackageNotFoundError, version

    if not wanted:
        return
    try:
        say(f"trial {version(PACKAGE)}")
    except PackageNotFoundError:
        say("trial (run from its source, not installed)")
    raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    study: StudyOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Take the options that may stand before or after the command."""
    ctx.obj = Call(study=study, data=data, as_json=as_json)


@command(app, "up")
def up(
    call: Call,
    virtual_time: Annotated[
        bool, typer.Option(help="A server whose time simulations can skip. Never for real.")
    ] = False,
) -> None:
    """Start the embedded stack: Temporal, PostgreSQL and the worker. They run on until `trial down`."""
    from deploy import stack
    from schemas.names import TASK_QUEUE

    _print_stack(call, stack.up(call.data_folder, virtual_time=virtual_time, task_queue=TASK_QUEUE))


@command(app, "down")
def down(call: Call) -> None:
    """Stop the embedded stack; the data stay."""
    from deploy import stack

    stack.down(call.data_folder)
    emit({"stopped": str(call.data_folder.resolve())}) if call.as_json else say(
        f"stopped: {call.data_folder.resolve()}"
    )


@command(app, "status")
def status(call: Call) -> Exit:
    """Say which parts of the embedded stack run; exit code 7 when Temporal or PostgreSQL does not."""
    from deploy.stack_file import read_stack
    from deploy.status import status

    parts, known = status(call.data_folder), read_stack(call.data_folder)
    _print_stack(call, known, parts.model_dump())
    return Exit.OK if parts.ready else Exit.UNREACHABLE


def _print_stack(call: Call, stack: Any, parts: dict[str, bool] | None = None) -> None:  # noqa: ANN401 - a Stack or None
    from deploy.services import database_host

    lines: dict[str, object] = {"data": str(call.data_folder.resolve())}
    if stack is not None:
        lines |= {"temporal": stack.temporal_address, "ui": stack.ui_url, "virtual_time": stack.virtual_time}
        lines |= {"postgres": database_host(stack.database_url)}
    if call.as_json:
        emit(lines | ({"running": parts} if parts else {}))
        return
    running = {name: "running" if runs else "not running" for name, runs in (parts or {}).items()}
    table("", ("Embedded stack", ""), [*lines.items(), *((f"{name} is", state) for name, state in running.items())])


# ---------------------------------------------------------------------- study


@command(study_app, "start", writes=True)
async def study_start(
    call: Call, protocol: Annotated[Path, typer.Option("--protocol", help="The protocol's YAML file.")]
) -> None:
    """Start the study under a protocol; its id can be used once, for ever."""
    from schemas.commands.commands import StartStudy

    loaded = _sound_protocol(protocol)
    values = {"envelope": call.envelope(), "study": call.study_id, "protocol": loaded.protocol}
    client = await client_of(call)
    workflow_id = await client.start_study(checked(StartStudy, {**values, "reference": loaded.reference}))
    reference = loaded.reference
    if call.as_json:
        emit({"workflow_id": workflow_id, "protocol": reference})
    else:
        say(f"started: {workflow_id} under {reference.id} {reference.version} (sha256 {reference.sha256})")


@command(study_app, "status")
async def study_status(call: Call) -> None:
    """Show the study: protocol, arms, participants, holds with why and hash, delegations."""
    from decisions.stopping.holds import hold_sha256

    state = await (await client_of(call)).study_state()
    if call.as_json:
        hashes = {scope: hold_sha256(hold) for scope, hold in state.hold_records.items()}
        return emit(state.model_dump(mode="json") | {"hold_sha256": hashes})
    return show_study(state)


HeldArm = Annotated[str | None, typer.Option("--arm", help="Only this arm; else the whole study.")]


@command(study_app, "hold", writes=True)
async def study_hold(call: Call, arm: HeldArm = None) -> None:
    """Hold the study or an arm: no infusion starts until the hold is lifted."""
    from schemas.commands.commands import Hold

    hold = checked(Hold, {"envelope": call.envelope(needs_reason=True), "arm": arm})
    say_accepted(call, await (await client_of(call)).hold(hold))


@command(study_app, "lift", writes=True)
async def study_lift(
    call: Call,
    arm: HeldArm = None,
    sign: SignOption = False,
    meaning: MeaningOption = None,
    hold_sha256: Annotated[
        str | None, typer.Option(help="With --sign: the hash of the hold, as `trial study status` shows it.")
    ] = None,
) -> None:
    """Lift a hold on the study or on an arm; where the protocol asks for signatures, with --sign --hold-sha256 HASH."""
    from schemas.commands.commands import LiftHold

    signed = signature(
        sign=sign,
        meaning=meaning,
        sha256=hold_sha256,
        flag="--hold-sha256",
        source="`trial study status`",
    )
    lift = checked(LiftHold, {"envelope": call.envelope(needs_reason=True) | signed, "arm": arm})
    say_accepted(call, await (await client_of(call)).lift_hold(lift))


@command(study_app, "delegate", writes=True)
async def study_delegate(
    call: Call,
    to_person: Annotated[str, typer.Argument(metavar="PERSON", help="To whom, by user id, such as src-chair.")],
    to_role: Annotated[str, typer.Argument(metavar="ROLE", help="The role, such as committee.", autocompletion=roles)],
    revoke: Annotated[bool, typer.Option("--revoke", help="Take it back.")] = False,
) -> None:
    """Delegate a role to a person, or take it back: only who is delegated may sign; --role is the role you act in."""
    from schemas.commands.commands import ChangeDelegation

    values = {"person": to_person, "role": to_role, "delegated": not revoke}
    change = checked(ChangeDelegation, {"envelope": call.envelope(needs_reason=True), **values})
    say_accepted(call, await (await client_of(call)).change_delegation(change))


# ---------------------------------------------------------------------- protocol


@command(protocol_app, "check")
def protocol_check(call: Call, file: Annotated[Path, typer.Argument(help="The protocol's YAML file.")]) -> None:
    """Check a protocol file, and name every problem at once (exit code 2)."""
    reference = _sound_protocol(file).reference
    if call.as_json:
        return emit({"ok": True, **reference.model_dump()})
    return say(f"ok: {reference.id} {reference.version}, sha256 {reference.sha256}")


def _sound_protocol(file: Path) -> "LoadedProtocol":
    """Load a protocol, and refuse it too when the design of its expansion does not keep what it promises."""
    from decisions.phase_two.simon import check_design
    from protocols.loader import load_protocol

    loaded = load_protocol(file)
    design = loaded.protocol.expansion
    problems = () if design is None else check_design(design)
    if design is not None and problems:
        value = (
            f"{design.stage_one_futility}/{design.stage_one_size} {design.total_futility}/{design.total_size} for "
            f"{design.null_rate:g} and {design.target_rate:g}"
        )
        expected = "a design that keeps alpha and beta (Simon 1989)"
        troubles = [Trouble("ProtocolError", "expansion", value, problem, expected) for problem in problems]
        raise FailureError(Exit.BAD_INPUT, *troubles)
    return loaded


@command(protocol_app, "show")
def protocol_show(
    call: Call,
    file: Annotated[Path | None, typer.Argument(help="A protocol file; else the platform protocol.")] = None,
    sources: Annotated[bool, typer.Option("--sources", help="List where every value comes from instead.")] = False,
) -> None:
    """Show the schedule of activities."""
    from protocols.loader import default_protocol_path, load_protocol
    from protocols.schedule import schedule_table

    loaded = load_protocol(file or default_protocol_path())
    rows = schedule_table(loaded.protocol)
    if call.as_json:
        return emit(
            {"protocol": loaded.reference, "schedule": rows, **({"sources": loaded.sources} if sources else {})}
        )
    title = f"{loaded.protocol.title} ({loaded.reference.id} {loaded.reference.version})"
    if sources:
        return table(title, ("Value", "Source"), list(loaded.sources.items()))
    shown = [("-" if row.day is None else row.day, row.window, row.step, row.kind, row.who, row.due) for row in rows]
    return table(title, ("Day", "Window", "Step", "Task", "Who", "Due"), shown)


# ---------------------------------------------------------------------- bank


@command(bank_app, "load", writes=True)
async def bank_load(call: Call, file: Annotated[Path, typer.Argument(help="The bank's CSV file.")]) -> Exit:
    """Load units: good rows load, bad rows are listed (exit code 3 when any was rejected)."""
    from activities.bank_file import load_units
    from schemas.commands.commands import Envelope

    # Custody names a person, not a role; the envelope checks both, so a role that is not given is operations'.
    signed = Call(person=call.person, role=call.role or "operations", reason=call.reason, at=call.at)
    envelope = checked(Envelope, signed.envelope())
    text = read_text(file)
    async with database(call) as pool:
        result = await load_units(pool, text, envelope.time.date(), envelope.person)
    if call.as_json:
        emit(result)
    else:
        show_load(result)
    return Exit.PARTLY_DONE if result.rejected else Exit.OK


@command(bank_app, "status")
async def bank_status(call: Call) -> None:
    """Count the units by product: free, reserved, infused."""
    from activities.read_model import bank_summary

    async with database(call) as pool:
        rows = await bank_summary(pool)
    if call.as_json:
        return emit(rows)
    columns = ("product", "quality", "million_cells", "free", "reserved", "infused", "first_expiry")
    titles = ("Product", "Quality", "Million cells", "Free", "Reserved", "Infused", "First expiry")
    return table("Bank", titles, [[row[name] for name in columns] for row in rows])


# ---------------------------------------------------------------------- participants


@command(participant_app, "enroll", writes=True)
async def participant_enroll(
    call: Call,
    subject: Subject,
    consent_date: Annotated[str, typer.Option(help="When the informed consent was signed, YYYY-MM-DD.")],
    consent_version: Annotated[str, typer.Option(help="Which version of the consent form.")],
    age: Annotated[int, typer.Option(help="Age in years at consent.")],
) -> None:
    """Enrol a participant who has signed the informed consent."""
    from schemas.commands.commands import Enroll

    values = {
        "subject": subject,
        "consent_signed_on": consent_date,
        "consent_version": consent_version,
        "age_years": age,
    }
    enroll = checked(Enroll, {"envelope": call.envelope(site=site_in(subject)), **values})
    say_accepted(call, await (await client_of(call)).enroll(enroll))


@command(participant_app, "status")
async def participant_status(call: Call, subject: Subject) -> None:
    """Show where a participant stands."""
    state = await (await client_of(call)).participant_state(subject)
    if call.as_json:
        return emit(state)
    return show_participant(state)


@command(participant_app, "response")
async def participant_response(call: Call, subject: Subject) -> None:
    """Show a participant's tumour assessments, responses by RECIST 1.1, the best one and its duration, deviations."""
    from decisions.response.imaging import imaging_overview

    client = await client_of(call)
    state, protocol = await client.participant_state(subject), await client.protocol()
    imaging = imaging_overview(protocol, state, datetime.now(UTC).date())
    if call.as_json:
        names = ("baseline", "assessments", "timepoints", "best_response", "responses", "deviations")
        return emit({"subject": subject, "imaging": imaging, **{name: getattr(state, name) for name in names}})
    return show_response(state, imaging)


@command(participant_app, "list")
async def participant_list(call: Call) -> None:
    """List the study's participants: where they stand, or how they ended."""
    client = await client_of(call)
    study = await client.study_state()
    states = await states_of(client, study.active)
    rows: list[dict[str, object]] = [
        {"subject": s.subject, "stage": s.stage, "arm": s.assignment and s.assignment.arm, "open_tasks": len(s.tasks)}
        for s in states
    ]
    rows += [{"subject": subject, "stage": f"ended: {how}"} for subject, how in study.ended.items()]
    rows.sort(key=lambda row: str(row["subject"]))
    if call.as_json:
        return emit(rows)
    shown = [(row["subject"], row["stage"], row.get("arm"), row.get("open_tasks")) for row in rows]
    return table(study.study, ("Subject", "Stage", "Arm", "Open tasks"), shown)


@command(participant_app, "timeline")
async def participant_timeline(call: Call, subject: Subject) -> None:
    """Show what happened to a participant, from the history itself: when, what, who, in which role, why."""
    await _show_facts(call, subject)


@command(app, "withdraw", writes=True)
async def withdraw(
    call: Call,
    subject: Subject,
    kind: Annotated[
        str, typer.Option(help="withdrawal_by_subject, death, lost_to_follow_up or investigator_decision.")
    ],
    on: Annotated[str, typer.Option("--on", help="The day it happened, YYYY-MM-DD.")],
) -> None:
    """End a participation early; open tasks close, and unused units return to the bank."""
    from schemas.commands.commands import EndParticipation

    envelope = call.envelope(site=site_in(subject), needs_reason=True)
    end = checked(EndParticipation, {"envelope": envelope, "reason": kind, "occurred_on": on})
    say_accepted(call, await (await client_of(call)).end_participation(subject, end))


# ---------------------------------------------------------------------- worklist and tasks


@command(app, "worklist")
async def worklist(
    call: Call,
    only_role: Annotated[str | None, typer.Option("--role", help="Only tasks of this role.")] = None,
    only_site: Annotated[str | None, typer.Option("--site", help="Only tasks of this site, such as CN01.")] = None,
) -> None:
    """Show the open tasks, the earliest due first; overdue ones in red."""
    from activities.read_model import open_tasks

    async with database(call) as pool:
        tasks = await open_tasks(pool, call.study_id, role=only_role, site=only_site)
    if call.as_json:
        return emit(tasks)
    return show_worklist(call.study_id, tasks)


@command(task_app, "show")
async def task_show(call: Call, task_id: TaskId) -> None:
    """Show a task: what is asked, the answer's fields, and an example to fill in."""
    task = await _find_task(call, task_id)
    form = await _form(call, task) if task["kind"] != "committee_decision" else None
    example = form.example(datetime.now(UTC).date()) if form else None
    if call.as_json:
        return emit(task | {"fields": [field._asdict() for field in form.fields()] if form else [], "example": example})
    show_task(task)
    if form is None:
        return say(_decide_instead(task))
    table("The answer", ("Field", "Type", "Range and unit", "Needed", "Meaning"), form.fields())
    say(f"Fill in what is null and send it with: trial task complete {task_id} --file answer.json")
    return say(pretty(example))


@command(task_app, "complete", writes=True)
def task_complete(
    call: Call,
    task_id: TaskId,
    file: Annotated[Path | None, typer.Option("--file", help="The answer in JSON or YAML; - is stdin.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="A field=value of the answer; repeat it.")
    ] = None,
) -> None:
    """Answer a task: from a file, from --set field=value, or from prompts on a terminal."""
    from schemas.commands.commands import AnswerTask

    task = wait_for(_find_task(call, task_id))
    if task["kind"] == "committee_decision":
        fail(Exit.BAD_INPUT, "InvalidInput", _decide_instead(task), field="task_id", value=task_id)
    envelope = call.envelope(site=task["site"])
    form = wait_for(_form(call, task))
    if file is None and not assignments:
        values = _prompted(form, task)
    else:
        values = set_fields(read_values(file) if file else {}, assignments or [])
    answer = checked(form.model, {"kind": task["kind"], **form.given, **values})
    send = checked(AnswerTask, {"envelope": envelope, "task_id": task_id, "answer": answer.model_dump()})

    async def sent() -> "Accepted":
        return await (await client_of(call)).answer_task(task["owner"], send)

    say_accepted(call, wait_for(sent()))


def _prompted(form: AnswerForm, task: dict[str, Any]) -> dict[str, Any]:
    if not sys.stdin.isatty():
        fail(
            Exit.BAD_INPUT,
            "MissingOption",
            "the answer is missing",
            field="--file",
            expected="--file, --set, or a terminal",
        )
    typer.echo(f"{task['title']}. Ctrl-C leaves without sending.", err=True)
    values = form.ask()
    typer.echo(pretty(values), err=True)
    if not typer.confirm("Send this answer?", err=True):
        raise typer.Abort
    return values


async def _find_task(call: Call, task_id: str) -> dict[str, Any]:
    """Find a task in the worklist, or, if the worklist is a moment behind, ask the workflow that opened it."""
    from activities.read_model import find_task
    from schemas.problem import Problem, ProblemType

    async with database(call) as pool:
        row = await find_task(pool, call.study_id, task_id)
    if row is not None:
        return row
    client, owner = await client_of(call), task_id.partition(":")[0]
    site = site_in(owner)
    state = await (client.participant_state(owner) if site else client.arm_state(owner))
    task = state.tasks.get(task_id)
    if task is None:
        rule, expected = f"{owner} has no such task", " or ".join(state.tasks) or "no open task now"
        raise of_problem(
            Problem(type=ProblemType.UNKNOWN_TASK, field="task_id", value=task_id, rule=rule, expected=expected)
        )
    return task.model_dump() | {"task_id": task_id, "owner": owner, "site": site, "status": "open", "urgency": "open"}


async def _form(call: Call, task: dict[str, Any]) -> AnswerForm:
    client = await client_of(call)
    known = _lesions(await client.participant_state(task["owner"])) if task["kind"] == "imaging" else {}
    return AnswerForm(str(task["kind"]), await client.protocol(), task["detail"], known)


def _lesions(state: "ParticipantState") -> dict[str, list[dict[str, str]]]:
    """Return the baseline's lesions as an assessment names them: nobody should have to copy them."""
    if state.baseline is None:
        return {}
    named = {"targets": state.baseline.targets, "non_targets": state.baseline.non_targets}
    return {
        name: [{"lesion": lesion.id, "organ": lesion.organ.value} for lesion in lesions]
        for name, lesions in named.items()
    }


def _decide_instead(task: dict[str, Any]) -> str:
    cohort = str(task["step"]).rpartition("-")[2]
    return f"the committee answers it with: trial arm decide {task['owner']} --cohort {cohort} --action ..."


# ---------------------------------------------------------------------- audit


async def _show_facts(call: Call, where: str, kind: str | None = None) -> None:
    from history.reading import facts_in

    facts = [found for found in facts_in(await runs_of(call, where)) if kind in (None, found.fact["kind"])]
    if call.as_json:
        return emit([found.row() for found in facts])
    return show_facts(workflow_id_of(call, where), facts)


@command(audit_app, "facts")
async def audit_facts(
    call: Call, where: Where, kind: Annotated[str | None, typer.Option(help="Only this kind, such as refused.")] = None
) -> None:
    """Show the facts that a history names, without running any workflow code."""
    await _show_facts(call, where, kind)


@command(audit_app, "export")
async def audit_export(
    call: Call,
    where: Where,
    out: Annotated[Path | None, typer.Option("--out", help="Write to this file; else to stdout.")] = None,
    form: Annotated[str | None, typer.Option("--format", help="table or json (for --json and *.json files).")] = None,
) -> None:
    """Export a history: every event and fact as a table, or Temporal's JSON that `trial audit replay` reads."""
    from history.replay import to_document

    is_json = call.as_json or (out is not None and out.suffix == ".json")
    form = form or ("json" if is_json else "table")
    if form not in ("table", "json"):
        fail(Exit.BAD_INPUT, "InvalidInput", "is no format", field="--format", value=form, expected="table or json")
    runs = await runs_of(call, where)
    with open_output(out) as to:
        if form == "json":
            to.write(json.dumps(to_document(runs), indent=1) + "\n")
        else:
            show_history(runs, to)
    if out is None:
        return None
    written = {
        "file": str(out),
        "workflow_id": runs[0].workflow_id,
        "runs": len(runs),
        "events": sum(len(r.events) for r in runs),
    }
    return emit(written) if call.as_json else say(f"wrote {written['events']} events of {len(runs)} run(s) to {out}")


@command(audit_app, "rebuild")
def audit_rebuild(call: Call) -> None:
    """Write the worklist and the facts in the database anew, as the histories say; nobody is notified again."""
    import asyncio

    from activities.ledger import Ledger
    from activities.projection import Projection

    from history.reading import Record

    async def rebuild() -> int:
        followed = 0
        client = await connected(call)
        async with database(call) as pool:
            async for workflow_id in Projection(Ledger(pool), Record(client)).rebuild(call.study_id):
                followed += 1
                if not call.as_json:
                    say(f"{workflow_id}: as its history says")
        return followed

    # No limit: a whole trial may be to be followed.
    followed = asyncio.run(rebuild())
    if not followed:
        fail(Exit.UNKNOWN, "Unknown", "has no workflow on this server", field="study", value=call.study_id)
    if call.as_json:
        emit({"workflows": followed})
    else:
        say(f"{followed} workflows followed")


@command(audit_app, "replay")
def audit_replay(
    call: Call,
    sources: Annotated[
        list[str], typer.Argument(metavar="FILE_OR_SUBJECT...", help="Exported files, or what `audit export` takes.")
    ],
) -> Exit:
    """Run histories through today's code: same commands and same facts, or what differs first (exit code 5)."""
    import asyncio

    from client.converter import DATA_CONVERTER
    from history.replay import Replay, replay
    from worker import WORKFLOWS
    from workflows.sandbox import workflow_runner

    files = {source: _read_history(Path(source)) for source in sources if Path(source).is_file()}

    async def replayed() -> list[Replay]:
        runs = [run for source in sources for run in files.get(source) or await runs_of(call, source)]
        runner = workflow_runner()
        return [await replay(run, workflows=WORKFLOWS, runner=runner, data_converter=DATA_CONVERTER) for run in runs]

    # No limit: an auditor may replay a whole trial.
    results = asyncio.run(replayed())
    if call.as_json:
        emit([vars(result) | {"same": result.difference is None} for result in results])
    else:
        for result in results:
            verdict = f"differs: {result.difference}" if result.difference else "same commands, same facts"
            say(f"{result.workflow_id} run {result.run_id}: {result.events} events, {result.facts} facts: {verdict}")
    return Exit.REPLAY_DIFFERS if any(result.difference for result in results) else Exit.OK


def _read_history(file: Path) -> "list[WorkflowHistory]":
    from history.replay import HistoryFormatError, read_document

    try:
        return read_document(read_text(file))
    except HistoryFormatError as error:
        expected = "what `trial audit export` writes"
        fail(Exit.BAD_INPUT, "UnreadableFile", str(error), field="file", value=file, expected=expected)


def main() -> None:
    """Run the command; with --json a usage error is a JSON document too."""
    code = _main()
    sys.stdout.flush()
    sys.stderr.flush()
    # The Temporal client's threads outlive the event loop; one that reports back while the interpreter shuts down
    # aborts the process, and the exit code would be lost.
    os._exit(code)


def _main() -> int:
    as_json = "--json" in sys.argv[1:]
    try:
        return int(app(prog_name="trial", standalone_mode=not as_json) or Exit.OK)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else Exit.UNEXPECTED
    except typer.TyperException as error:
        trouble = Trouble("Usage", "", "", error.format_message(), "see --help")
        return report(FailureError(Exit.BAD_INPUT, trouble), as_json=True)
    except typer.Abort:
        return Exit.UNEXPECTED


if __name__ == "__main__":
    main()
