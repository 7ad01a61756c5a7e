"""Counts of a dose level and decisions of the safety review committee, in words."""

from schemas.commands.commands import DecisionAction
from schemas.state.arm import LevelTally


def in_words(counts: LevelTally) -> str:
    """Return a level's counts in words: 'level 1 has 1 DLT in 3 evaluable'."""
    dlts = "1 DLT" if counts.dlts == 1 else f"{counts.dlts} DLTs"
    return f"level {counts.level} has {dlts} in {counts.evaluable} evaluable"


def decision_name(action: DecisionAction, level: int | None) -> str:
    """Return a decision in words: 'escalate at level 2', or 'stop'."""
    return f"{action}" if level is None else f"{action} at level {level}"
