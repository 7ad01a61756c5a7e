"""`trial arm`: an arm's counts and decisions, the committee's packet, and the decision to sign."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.acceptance import carry_out
from cli.arm_screen import show_arm
from cli.as_of import AsOfOption, as_of_in
from cli.call import Call
from cli.command import command, noun
from cli.connection import database
from cli.exit_codes import Exit
from cli.failures import fail, fail_unwritable
from cli.output import emit, say
from cli.owners import arm_state, packet, study_state
from cli.packet_screen import show_packet
from cli.signing import MeaningOption, SignOption, signature
from cli.validation import checked

if TYPE_CHECKING:
    from schemas.dose.packet import PacketWithHash

# What a command needs is loaded when it runs.
# ruff: noqa: PLC0415

app = noun()

ArmName = Annotated[str, typer.Argument(help="The arm, such as single-target.")]


@command(app, "status")
async def arm_status(
    call: Call,
    arm: Annotated[str | None, typer.Argument(help="One arm; else all.")] = None,
    as_of: AsOfOption = None,
) -> None:
    """Show an arm: counts per level, the rule's recommendation, the decisions, reopened ones, Phase 2."""
    from activities.states import protocol_of
    from decisions.dose.escalation import tallies

    moment = as_of_in(as_of)
    if arm is None and isinstance(moment, int):
        rule, expected = "a fact's number belongs to one arm", "the arm's name with it, or a time"
        fail(Exit.BAD_INPUT, "InvalidInput", rule, field="--as-of", value=moment, expected=expected)
    async with database(call) as connection:
        protocol = await protocol_of(connection, (await study_state(call, connection)).protocol)
        names = [arm] if arm else [each.id for each in protocol.arms]
        states = [await arm_state(call, connection, name, moment) for name in names]
    counted = [(state, tallies(state, protocol.arm(state.arm))) for state in states]
    if call.as_json:
        documents = [state.model_dump(mode="json") | {"tallies": counts} for state, counts in counted]
        return emit(documents[0] if arm else documents)
    for state, counts in counted:
        show_arm(state, protocol, counts)
    return None


@command(app, "packet")
async def arm_packet(
    call: Call,
    arm: ArmName,
    html: Annotated[Path | None, typer.Option("--html", help="Write the packet as a page to this file.")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write the packet as a PDF to this file.")] = None,
    as_of: AsOfOption = None,
) -> None:
    """Show what the committee reads before it decides, and the hash that its signature names."""
    moment = as_of_in(as_of)
    async with database(call) as connection:
        found = await packet(call, connection, arm, moment)
    written = _write(found, html, pdf)
    if call.as_json:
        return emit(found.model_dump(mode="json") | {"files": [str(file) for file in written]})
    show_packet(found)
    for file in written:
        say(f"wrote {file}")
    return None


def _write(found: "PacketWithHash", html: Path | None, pdf: Path | None) -> list[Path]:
    # The page's and the PDF's libraries are slow to load, and few want them.
    if html is not None:
        from cli.packet.render import render_html

        _save("--html", html, render_html(found.packet, found.sha256).encode())
    if pdf is not None:
        from cli.packet.render import render_pdf

        _save("--pdf", pdf, render_pdf(found.packet, found.sha256))
    return [file for file in (html, pdf) if file is not None]


def _save(flag: str, file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        fail_unwritable(flag, file, error)


@command(app, "decide", writes=True)
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
    await carry_out(call, lambda client: client.decide(arm, decide))
