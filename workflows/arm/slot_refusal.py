"""An arm's refusal of a participant who waits for a slot or a place."""

from schemas import messages as m
from schemas.state.arm import ArmState
from workflows.signals import Signals


def refuse_slot(signals: Signals, state: ArmState, subject: str, why: str) -> None:
    """Refuse a participant, and end the arm's hold on it, if there is one: its lifting would never be signalled."""
    arm = state.arm
    signals.add_for_participant(state.study, subject, "refuse_slot", m.ArmRefusal(arm=arm, why=why))
    if arm in state.holds:
        over = m.HoldChange(scope=arm, held=False, who="system", why=f"no participant of {arm} any more")
        signals.add_for_participant(state.study, subject, "change_hold", over)
