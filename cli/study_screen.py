"""The study on the screen: protocol, arms, holds with the hash that a lift signs, delegations."""

from typing import TYPE_CHECKING

from cli.output import say, when
from cli.stopping_screen import show_fired
from cli.tables import table

if TYPE_CHECKING:
    from schemas.state.study import StudyState


def show_study(state: "StudyState") -> None:
    """Show a study."""
    protocol, holds = state.protocol, ", ".join(state.holds) or "none"
    say(f"{state.study}: protocol {protocol.id} {protocol.version}")
    say(f"protocol sha256 {protocol.sha256}")
    say(f"participants: {len(state.active)} on study, {len(state.ended)} ended; holds: {holds}\n")
    rows = [
        (
            arm.arm,
            arm.phase,
            arm.decisions,
            arm.last_action,
            arm.level,
            "closed" if arm.closed else "open",
            arm.rp2d_level,
        )
        for arm in state.arms.values()
    ]
    table("Arms", ("Arm", "Phase", "Decisions", "Last decision", "Level", "Slots", "RP2D level"), rows)
    _show_holds(state)
    show_fired(state.fired)
    if state.delegations:
        people = [(person, ", ".join(roles)) for person, roles in sorted(state.delegations.items()) if roles]
        table("Delegations", ("Person", "Roles"), people)


def _show_holds(state: "StudyState") -> None:
    from decisions.stopping.holds import hold_sha256  # noqa: PLC0415 - slow to load

    records = [(scope, state.hold_records[scope]) for scope in state.holds if scope in state.hold_records]
    if not records:
        return
    rows = [(scope, f"{hold.placed_by}\n{when(hold.placed_at)}", hold.rule, hold.why) for scope, hold in records]
    table("Holds", ("On", "By, when (UTC)", "Stopping rule", "Why"), rows)
    for scope, hold in records:
        arm = "" if scope == "study" else f" --arm {scope}"
        say(f"to lift it: trial study lift{arm} --reason ... --sign \\\n  --hold-sha256 {hold_sha256(hold)}")
