"""`trial study`: start it, hold and lift, delegate, and its status."""

from pathlib import Path
from typing import Annotated

import typer

from cli.acceptance import NOT_SHOWN, carry_out, shown_facts
from cli.as_of import AsOfOption, as_of_in
from cli.call import Call, roles
from cli.command import command, noun
from cli.connection import database, trial_client
from cli.output import emit, note, say
from cli.owners import study_state
from cli.protocol import sound_protocol
from cli.signing import MeaningOption, SignOption, signature
from cli.study_screen import show_study
from cli.validation import checked

# What a command needs is loaded when it runs.
# ruff: noqa: PLC0415

app = noun()

HeldArm = Annotated[str | None, typer.Option("--arm", help="Only this arm; else the whole study.")]


@command(app, "start", writes=True)
async def study_start(
    call: Call, protocol: Annotated[Path, typer.Option("--protocol", help="The protocol's YAML file.")]
) -> None:
    """Start the study under a protocol; its id can be used once, for ever."""
    from schemas import names
    from schemas.commands.commands import StartStudy

    loaded = sound_protocol(protocol)
    reference = loaded.reference
    values = {"envelope": call.envelope(), "study": call.study_id, "protocol": loaded.protocol, "reference": reference}
    start = checked(StartStudy, values)
    workflow_id = await (await trial_client(call)).start_study(start)
    arms = [names.arm_id(call.study_id, arm.id) for arm in loaded.protocol.arms]
    shown = await shown_facts(call, workflow_id, 1, begins=arms) is not None
    if call.as_json:
        return emit({"workflow_id": workflow_id, "protocol": reference, "shown": shown})
    say(f"started: {workflow_id} under {reference.id} {reference.version} (sha256 {reference.sha256})")
    if not shown:
        note(NOT_SHOWN)
    return None


@command(app, "status")
async def study_status(call: Call, as_of: AsOfOption = None) -> None:
    """Show the study: protocol, arms, participants, holds with why and hash, delegations."""
    from decisions.stopping.holds import hold_sha256

    moment = as_of_in(as_of)
    async with database(call) as connection:
        state = await study_state(call, connection, moment)
    if call.as_json:
        hashes = {scope: hold_sha256(hold) for scope, hold in state.hold_records.items()}
        return emit(state.model_dump(mode="json") | {"hold_sha256": hashes})
    return show_study(state)


@command(app, "hold", writes=True)
async def study_hold(call: Call, arm: HeldArm = None) -> None:
    """Hold the study or an arm: no infusion starts until the hold is lifted."""
    from schemas.commands.commands import Hold

    hold = checked(Hold, {"envelope": call.envelope(needs_reason=True), "arm": arm})
    await carry_out(call, lambda client: client.hold(hold))


@command(app, "lift", writes=True)
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
    await carry_out(call, lambda client: client.lift_hold(lift))


@command(app, "delegate", writes=True)
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
    await carry_out(call, lambda client: client.change_delegation(change))
