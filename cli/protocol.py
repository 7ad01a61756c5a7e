"""`trial protocol`: check and show protocol files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.call import Call
from cli.command import command, noun
from cli.exit_codes import Exit
from cli.failures import FailureError, Trouble
from cli.output import emit, say, spaced
from cli.tables import table

if TYPE_CHECKING:
    from protocols.loader import LoadedProtocol

# What a command needs is loaded when it runs.
# ruff: noqa: PLC0415

app = noun()


@command(app, "check")
def protocol_check(call: Call, file: Annotated[Path, typer.Argument(help="The protocol's YAML file.")]) -> None:
    """Check a protocol file, and name every problem at once (exit code 2)."""
    reference = sound_protocol(file).reference
    if call.as_json:
        return emit({"ok": True, **reference.model_dump()})
    return say(f"ok: {reference.id} {reference.version}, sha256 {reference.sha256}")


def sound_protocol(file: Path) -> "LoadedProtocol":
    """Load a protocol, or stop: also when the design of its expansion does not keep its alpha and beta."""
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


@command(app, "show")
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
        document = {"protocol": loaded.reference, "schedule": rows}
        return emit(document | ({"sources": loaded.sources} if sources else {}))
    title = f"{loaded.protocol.title} ({loaded.reference.id} {loaded.reference.version})"
    if sources:
        return table(title, ("Value", "Source"), list(loaded.sources.items()))
    shown = [
        (row.step, "-" if row.day is None else row.day, row.window, f"{row.who}: {spaced(row.kind)}", row.due)
        for row in rows
    ]
    return table(title, ("Step", "Day", "Window", "Who: task", "Due"), shown)
