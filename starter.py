"""The `trial` command: its nouns, and its main."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from cli import adverse_event, arm, audit, bank, participant, protocol, safety, stack, study, task
from cli.call import Call, DataOption, JsonOption, StudyOption
from cli.command import noun
from cli.exit_codes import Exit
from cli.failures import FailureError, Trouble, report
from cli.output import OutputClosedError, note, say

PACKAGE = "car-nk-trial"

app = noun(help="Run and audit a CAR-NK cell therapy trial.", pretty_exceptions_enable=False)
app.add_typer(stack.app)
app.add_typer(study.app, name="study", help="Start, hold and look at the study.")
app.add_typer(protocol.app, name="protocol", help="Check and show protocol files.")
app.add_typer(bank.app, name="bank", help="The bank of cryopreserved product units.")
app.add_typer(participant.app, name="participant", help="Enrol participants; their status, response and timeline.")
app.add_typer(participant.withdraw_app)
app.add_typer(task.worklist_app)
app.add_typer(task.app, name="task", help="See and answer one task of the worklist.")
app.add_typer(arm.app, name="arm", help="An arm's status, the committee's packet and its decisions.")
app.add_typer(adverse_event.app, name="adverse-event", help="Report, amend and see adverse events.")
app.add_typer(adverse_event.app, name="ae", help="The same as adverse-event.")
app.add_typer(safety.app, name="safety", help="Safety reports to the sponsor and the authority.")
app.add_typer(audit.app, name="audit", help="Read, export and replay what happened.")


def _print_version(wanted: bool) -> None:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - `--help` must answer at once

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


def run(arguments: Sequence[str]) -> int:
    """Run one command; return its exit code. With --json a usage error is a JSON document, too."""
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except (OutputClosedError, BrokenPipeError):
        return Exit.OUTPUT_CLOSED
    return code


def _run(arguments: Sequence[str]) -> int:
    try:
        return int(app(args=list(arguments), prog_name="trial", standalone_mode=False) or Exit.OK)
    except typer.TyperException as error:
        return _report_usage(error, as_json="--json" in arguments)
    except typer.Abort:
        note("Aborted!")
        return Exit.UNEXPECTED
    except SystemExit as ended:
        # Typer ends so when nobody reads its own output, such as help, any more.
        return Exit.OUTPUT_CLOSED if ended.code else Exit.OK


def _report_usage(error: typer.TyperException, *, as_json: bool) -> int:
    if as_json:
        trouble = Trouble("Usage", "", "", error.format_message(), "see --help")
        return report(FailureError(Exit.BAD_INPUT, trouble), as_json=True)
    # Typer's usage errors show the usage, too.
    show: Callable[[], None] = getattr(error, "show", lambda: note(error.format_message()))
    show()
    return error.exit_code


def main() -> None:
    """Run the command that was typed."""
    code = run(sys.argv[1:])
    sys.stderr.flush()
    # The Temporal client's threads outlive the event loop; one that reports back while the interpreter shuts down
    # aborts the process, and the exit code would be lost. Nor does a closed output fail once more.
    os._exit(code)


if __name__ == "__main__":
    main()
