"""The `trial` commands of the safety review committee: an arm's standing, the packet to read, the decision to sign."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.committee_output import show_arm, show_packet
from cli.connection import client_of, say_accepted
from cli.input import Call, MeaningOption, SignOption, checked, command, signature
from cli.output import Exit, emit, fail, say

if TYPE_CHECKING:
    from schemas.dose.packet import PacketWithHash

# Imports of Temporal, pydantic and our own rooms stand inside functions: `trial --help` and completion must answer at
# once.
# ruff: noqa: PLC0415

arm_app = typer.Typer(no_args_is_help=True)

ArmName = Annotated[str, typer.Argument(help="The arm, such as single-target.")]


@command(arm_app, "status")
async def arm_status(call: Call, arm: Annotated[str | None, typer.Argument(help="One arm; else all.")] = None) -> None:
    """Show an arm: counts per level, the rule's recommendation, the decisions, reopened ones, Phase 2."""
    from decisions.dose.escalation import tallies

    client = await client_of(call)
    protocol = await client.protocol()
    states = [await client.arm_state(name) for name in ([arm] if arm else [each.id for each in protocol.arms])]
    counted = [(state, tallies(state, protocol.arm(state.arm))) for state in states]
    if call.as_json:
        documents = [
            state.model_dump(mode="json") | {"tallies": [t.model_dump() for t in counts]} for state, counts in counted
        ]
        return emit(documents[0] if arm else documents)
    for state, counts in counted:
        show_arm(state, protocol, counts)
    return None


@command(arm_app, "packet")
async def arm_packet(
    call: Call,
    arm: ArmName,
    html: Annotated[Path | None, typer.Option("--html", help="Write the packet as a page to this file.")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write the packet as a PDF to this file.")] = None,
) -> None:
    """Show what the committee reads before it decides, and the hash that its signature names."""
    told = await (await client_of(call)).packet(arm)
    written = _write(told, html, pdf)
    if call.as_json:
        return emit(told.model_dump(mode="json") | {"files": [str(file) for file in written]})
    show_packet(told)
    for file in written:
        say(f"wrote {file}")
    return None


def _write(told: "PacketWithHash", html: Path | None, pdf: Path | None) -> list[Path]:
    # The page's and the PDF's libraries are slow to load, and few want them.
    if html is not None:
        from cli.packet import render_html

        _save("--html", html, render_html(told.packet, told.sha256).encode())
    if pdf is not None:
        from cli.packet import render_pdf

        _save("--pdf", pdf, render_pdf(told.packet, told.sha256))
    return [file for file in (html, pdf) if file is not None]


def _save(flag: str, file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        fail(Exit.BAD_INPUT, "UnwritableFile", str(error), field=flag, value=file, expected="a file in a folder")


@command(arm_app, "decide", writes=True)
async def arm_decide(  # noqa: PLR0913, PLR0917 - a signed decision has these parts
    call: Call,
    arm: ArmName,
    cohort: Annotated[int, typer.Option(help="The cohort that is decided on.")],
    action: Annotated[str, typer.Option(help="escalate, expand, stay, de_escalate, stop or declare_rp2d.")],
    level: Annotated[int | None, typer.Option(help="The dose level it leads to; else the action's own.")] = None,
    sign: SignOption = False,
    meaning: MeaningOption = None,
    packet_sha256: Annotated[
        str | None, typer.Option(help="With --sign: the hash of the packet that you have read.")
    ] = None,
) -> None:
    """
    Record the safety review committee's decision on a cohort; any other than the rule's needs a reason.

    Where the protocol asks for signatures, sign it: --sign --packet-sha256 HASH, as `trial arm packet` shows it.
    """
    from schemas.commands.commands import Decide

    signed = signature(
        sign=sign,
        meaning=meaning,
        sha256=packet_sha256,
        flag="--packet-sha256",
        source=f"`trial arm packet {arm}`",
    )
    envelope = call.envelope() | signed
    decide = checked(Decide, {"envelope": envelope, "cohort": cohort, "action": action, "level": level})
    say_accepted(call, await (await client_of(call)).decide(arm, decide))
