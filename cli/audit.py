"""`trial audit`: facts and events from the histories themselves, replay by today's code, and the rebuild."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.call import Call
from cli.command import command, noun, wait_for
from cli.connection import database_pool, temporal
from cli.exit_codes import Exit
from cli.fact_screen import show_facts
from cli.failures import fail, fail_unreadable, fail_unwritable
from cli.history_screen import show_events
from cli.output import emit, opened, say, write
from cli.owners import workflow_id_of
from cli.typed_values import read_text

if TYPE_CHECKING:
    from temporalio.client import WorkflowHistory

    from history.rebuild import Rebuilt
    from history.replay import Replay

# What a command needs is loaded when it runs.
# ruff: noqa: PLC0415

app = noun()

Owner = Annotated[str, typer.Argument(metavar="OWNER", help="A subject, an arm, 'study', or a workflow id.")]
WORKFLOW_KINDS = ("participant/", "arm/", "study/")


@command(app, "facts")
async def audit_facts(
    call: Call, owner: Owner, kind: Annotated[str | None, typer.Option(help="Only this kind, such as refused.")] = None
) -> None:
    """Show the facts that a history names, without running any workflow code."""
    from history.reading import facts_in

    _check_kind(kind)
    facts = [found for found in facts_in(await _runs_of(call, owner)) if kind in (None, found.fact["kind"])]
    if call.as_json:
        return emit([found.row() for found in facts])
    return show_facts(workflow_id_of(call, owner), [(found.sequence, found.fact) for found in facts])


def _check_kind(kind: str | None) -> None:
    from typing import get_args

    from schemas.facts import ArmFact, ParticipantFact, StudyFact

    models = {model for union in (ParticipantFact, ArmFact, StudyFact) for model in get_args(get_args(union)[0])}
    known = sorted(str(model.model_fields["kind"].default) for model in models)
    if kind is not None and kind not in known:
        expected = "one of " + ", ".join(known)
        fail(Exit.BAD_INPUT, "InvalidInput", "is no kind of fact", field="--kind", value=kind, expected=expected)


async def _runs_of(call: Call, owner: str) -> "list[WorkflowHistory]":
    """Fetch every run of a workflow's history."""
    from temporalio.service import RPCError, RPCStatusCode

    from history.reading import fetch_runs

    workflow_id = workflow_id_of(call, owner)
    client = await temporal(call)
    try:
        return await fetch_runs(client, workflow_id)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        fail(Exit.UNKNOWN, "Unknown", "not known to this server and namespace", field="workflow", value=workflow_id)


@command(app, "export")
async def audit_export(
    call: Call,
    owner: Owner,
    out: Annotated[Path | None, typer.Option("--out", help="Write to this file; else to stdout.")] = None,
    form: Annotated[str | None, typer.Option("--format", help="table or json (for --json and *.json files).")] = None,
) -> None:
    """Export a history: every event and fact as a table, or Temporal's JSON that `trial audit replay` reads."""
    is_json = call.as_json or (out is not None and out.suffix == ".json")
    form = form or ("json" if is_json else "table")
    if form not in ("table", "json"):
        fail(Exit.BAD_INPUT, "InvalidInput", "is no format", field="--format", value=form, expected="table or json")
    runs = await _runs_of(call, owner)
    _export(runs, out, form)
    if out is None:
        return None
    events = sum(len(run.events) for run in runs)
    written = {"file": str(out), "workflow_id": runs[0].workflow_id, "runs": len(runs), "events": events}
    return emit(written) if call.as_json else say(f"wrote {events} events of {len(runs)} run(s) to {out}")


def _export(runs: "list[WorkflowHistory]", out: Path | None, form: str) -> None:
    from history.documents import to_document

    try:
        with opened(out) as to:
            if form == "json":
                write(to, json.dumps(to_document(runs), indent=1) + "\n")
            else:
                show_events(runs, to)
    except OSError as error:
        if out is None:
            raise
        fail_unwritable("--out", out, error)


@command(app, "rebuild")
def audit_rebuild(call: Call) -> Exit:
    """
    Write the worklist and the facts in the database anew from the histories; nobody is notified again.

    Every difference that is mended is reported: an altered, missing or added fact or task. Exit code 8 if there was
    one.
    """
    # No limit: a whole trial may be to be read.
    rebuilt = wait_for(_rebuild(call), limit=None)
    if not rebuilt:
        fail(Exit.UNKNOWN, "Unknown", "has no workflow on this server", field="study", value=call.study_id)
    differences = sum(len(each.differences) for each in rebuilt)
    if call.as_json:
        emit({"workflows": [vars(each) for each in rebuilt], "differences": differences})
    else:
        say(f"{len(rebuilt)} workflows rebuilt, {differences or 'no'} difference{'' if differences == 1 else 's'}")
    return Exit.MENDED if differences else Exit.OK


async def _rebuild(call: Call) -> "list[Rebuilt]":
    from history.rebuild import rebuild

    rebuilt = []
    client = await temporal(call)
    async with database_pool(call) as pool:
        async for each in rebuild(client, pool, call.study_id):
            rebuilt.append(each)
            if not call.as_json:
                found = [f"  {difference}" for difference in each.differences]
                say("\n".join([f"{each.workflow_id}: {each.facts} facts", *found]))
    return rebuilt


@command(app, "replay")
def audit_replay(
    call: Call,
    sources: Annotated[
        list[str], typer.Argument(metavar="FILE_OR_OWNER...", help="Exported files, or what `audit export` takes.")
    ],
) -> Exit:
    """Run histories through today's code: same commands and same facts, or what differs first (exit code 5)."""
    files = {source: _read_history(Path(source)) for source in sources if _is_file(source)}
    # No limit: an auditor may replay a whole trial.
    results = wait_for(_replayed(call, sources, files), limit=None)
    if call.as_json:
        emit([vars(result) | {"same": result.difference is None} for result in results])
    else:
        for result in results:
            verdict = f"differs: {result.difference}" if result.difference else "same commands, same facts"
            say(f"{result.workflow_id} run {result.run_id}: {result.events} events, {result.facts} facts: {verdict}")
    return Exit.REPLAY_DIFFERS if any(result.difference for result in results) else Exit.OK


async def _replayed(call: Call, sources: list[str], files: "dict[str, list[WorkflowHistory]]") -> "list[Replay]":
    from client.converter import DATA_CONVERTER
    from history.replay import replay
    from workflows.registry import WORKFLOWS
    from workflows.sandbox import workflow_runner

    runs = [run for source in sources for run in files.get(source) or await _runs_of(call, source)]
    runner = workflow_runner()
    return [await replay(run, workflows=WORKFLOWS, runner=runner, data_converter=DATA_CONVERTER) for run in runs]


def _is_file(source: str) -> bool:
    """Whether a source is a file, and not whose history it is; a missing file is a failure."""
    file = Path(source)
    if file.is_file():
        return True
    if file.suffix or ("/" in source and not source.startswith(WORKFLOW_KINDS)):
        fail_unreadable(source, "there is no such file", expected="what `trial audit export` writes")
    return False


def _read_history(file: Path) -> "list[WorkflowHistory]":
    from history.documents import HistoryFormatError, read_document

    try:
        return read_document(read_text(file))
    except HistoryFormatError as error:
        fail_unreadable(file, str(error), expected="what `trial audit export` writes")
