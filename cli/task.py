"""`trial worklist` and `trial task`: what is to be done, what a task asks for, and its answer."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.acceptance import carry_out
from cli.call import Call, roles
from cli.command import command, noun, wait_for
from cli.connection import database
from cli.exit_codes import Exit
from cli.failures import fail, of_problem
from cli.output import emit, note, pretty, say, write
from cli.owners import check_study, listed, participant_state, workflow_id_of
from cli.tables import table
from cli.task_screen import show_task, show_worklist
from cli.typed_values import read_values, set_fields
from cli.validation import checked

if TYPE_CHECKING:
    from activities.database import Database
    from cli.answer_form import AnswerForm
    from schemas.state.participant import ParticipantState

# What a command needs is loaded when it runs.
# ruff: noqa: PLC0415

app = noun()
worklist_app = noun()

TaskId = Annotated[str, typer.Argument(help="The task's id, as the worklist shows it.")]
Task = dict[str, Any]


@command(worklist_app, "worklist")
async def worklist(
    call: Call,
    only_role: Annotated[
        str | None, typer.Option("--role", help="Only tasks of this role.", autocompletion=roles)
    ] = None,
    only_site: Annotated[str | None, typer.Option("--site", help="Only tasks of this site, such as CN01.")] = None,
) -> None:
    """Show the open tasks, the earliest due first; overdue ones in red."""
    from activities.read_model import open_tasks

    async with database(call) as connection:
        tasks = await open_tasks(connection, call.study_id, role=only_role, site=only_site)
        if not tasks:
            await _check_filters(call, connection, only_role, only_site)
    return emit(tasks) if call.as_json else show_worklist(call.study_id, tasks)


async def _check_filters(call: Call, database: "Database", role: str | None, site: str | None) -> None:
    """Stop where nothing was found for a study, a role or a site that there is not."""
    from activities.read_model import task_sites

    await check_study(call, database)
    if role is not None and role not in roles():
        fail(Exit.BAD_INPUT, "InvalidInput", "is no role", field="--role", value=role, expected=" or ".join(roles()))
    known = await task_sites(database, call.study_id)
    if site is not None and site not in known:
        rule, expected = f"never had a task in {call.study_id}", listed(known, "no site had one yet")
        fail(Exit.BAD_INPUT, "InvalidInput", rule, field="--site", value=site, expected=expected)


@command(app, "show")
async def task_show(call: Call, task_id: TaskId) -> None:
    """Show a task: what is asked, the answer's fields, and an example to fill in."""
    async with database(call) as connection:
        task = await _find_task(call, connection, task_id)
        form = await _form(call, connection, task) if task["kind"] != "committee_decision" else None
    example = form.example(datetime.now(UTC).date()) if form else None
    if call.as_json:
        return emit(task | {"fields": [field._asdict() for field in form.fields()] if form else [], "example": example})
    show_task(task)
    if form is None:
        return say(_decide_instead(task))
    rows = [(field.field, "; ".join(part for part in field[1:] if part)) for field in form.fields()]
    table("The answer", ("Field", "What it takes"), rows)
    say(f"Fill in what is null and send it with: trial task complete {task_id} --file answer.json")
    return write(sys.stdout, pretty(example))


@command(app, "complete", writes=True)
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

    # Prompts stand outside of what is waited for: people take their time.
    task, form = wait_for(_asked(call, task_id))
    envelope = call.envelope(site=task["site"])
    if file is None and not assignments:
        values = _prompted(form, task)
    else:
        values = set_fields(read_values(file) if file else {}, assignments or [])
    answer = checked(form.model, {"kind": task["kind"], **form.given, **values})
    send = checked(AnswerTask, {"envelope": envelope, "task_id": task_id, "answer": answer.model_dump()})
    wait_for(carry_out(call, lambda client: client.answer_task(task["owner"], send)))


async def _asked(call: Call, task_id: str) -> "tuple[Task, AnswerForm]":
    async with database(call) as connection:
        task = await _find_task(call, connection, task_id)
        if task["kind"] == "committee_decision":
            fail(Exit.BAD_INPUT, "InvalidInput", _decide_instead(task), field="task_id", value=task_id)
        return task, await _form(call, connection, task)


def _prompted(form: "AnswerForm", task: Task) -> dict[str, Any]:
    from cli.answer_prompts import ask

    if not sys.stdin.isatty():
        rule, expected = "the answer is missing", "--file, --set, or a terminal"
        fail(Exit.BAD_INPUT, "MissingOption", rule, field="--file", expected=expected)
    note(f"{task['title']}. Ctrl-C leaves without sending.")
    values = ask(form)
    sys.stderr.write(pretty(values))
    if not typer.confirm("Send this answer?", err=True):
        raise typer.Abort
    return values


async def _find_task(call: Call, database: "Database", task_id: str) -> Task:
    """Return a task, open or closed, or stop with the owner's open tasks."""
    from activities.read_model import find_task, tasks_of
    from decisions.commands.refusals import unknown_task

    row = await find_task(database, call.study_id, task_id)
    if row is not None:
        return row
    await check_study(call, database)
    owner = task_id.partition(":")[0]
    open_tasks = [task["task_id"] for task in await tasks_of(database, workflow_id_of(call, owner))]
    raise of_problem(unknown_task(owner, task_id, open_tasks))


async def _form(call: Call, database: "Database", task: Task) -> "AnswerForm":
    from activities.states import protocol_of
    from cli.answer_form import AnswerForm

    state = await participant_state(call, database, task["owner"])
    protocol = await protocol_of(database, state.protocol)
    known = _lesions(state) if task["kind"] == "imaging" else {}
    return AnswerForm(str(task["kind"]), protocol, task["detail"], known)


def _lesions(state: "ParticipantState") -> dict[str, list[dict[str, str]]]:
    """Return the baseline's lesions as an assessment names them: nobody should have to copy them."""
    if state.baseline is None:
        return {}
    named = {"targets": state.baseline.targets, "non_targets": state.baseline.non_targets}
    return {
        name: [{"lesion": lesion.id, "organ": lesion.organ.value} for lesion in lesions]
        for name, lesions in named.items()
    }


def _decide_instead(task: Task) -> str:
    cohort = str(task["step"]).rpartition("-")[2]
    return f"the committee answers it with: trial arm decide {task['owner']} --cohort {cohort} --action ..."
