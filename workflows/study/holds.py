"""Holds on the study and on its arms: placed, lifted, and passed on to everybody concerned."""

from decisions.stopping.holds import STUDY
from schemas import messages as m
from schemas import names
from schemas.commands.commands import Accepted, Hold, LiftHold
from schemas.facts import HoldLifted, HoldPlaced, StudyFact
from schemas.protocol import Protocol
from schemas.state.study import StudyState
from workflows.journal import Journal, person
from workflows.signals import Signals
from workflows.study.stopping import StudyStopping


class StudyHolds:
    """The holds that people place and lift."""

    def __init__(
        self, protocol: Protocol, journal: Journal[StudyState, StudyFact], signals: Signals, stopping: StudyStopping
    ) -> None:
        self._protocol, self._journal, self._signals, self._stopping = protocol, journal, signals, stopping

    @property
    def _state(self) -> StudyState:
        return self._journal.state

    def place(self, command: Hold) -> Accepted:
        """Place a hold, and signal it."""
        scope = command.arm or STUDY
        accepted = self._journal.record(HoldPlaced(scope=scope, **person(command.envelope, "hold")))
        self._signal_all(command, held=True, fired=None)
        return accepted

    def lift(self, command: LiftHold) -> Accepted:
        """Lift a hold that may be lifted, and signal it."""
        scope, envelope = command.arm or STUDY, command.envelope
        signature = None if self._protocol.signatures is None else envelope.signature
        accepted = self._journal.record(HoldLifted(scope=scope, signature=signature, **person(envelope, "hold")))
        self._signal_all(command, held=False, fired=self._stopping.known_findings(command.arm))
        return accepted

    def signal_to(self, subject: str) -> None:
        """Signal a hold on the whole study to somebody who has just been enrolled."""
        if STUDY in self._state.holds:
            change = m.HoldChange(scope=STUDY, held=True, who="system", why=f"{STUDY} is held")
            self._signals.add_for_participant(self._state.study, subject, "change_hold", change)

    def _signal_all(self, command: Hold | LiftHold, *, held: bool, fired: int | None) -> None:
        envelope, state = command.envelope, self._state
        change = m.HoldChange(
            scope=command.arm or STUDY, held=held, who=envelope.person, why=envelope.reason or "", fired=fired
        )
        for arm in [command.arm] if command.arm else list(state.arms):
            self._signals.add(names.arm_id(state.study, arm), "change_hold", change)
        if command.arm is None:
            for subject in state.active:
                self._signals.add_for_participant(state.study, subject, "change_hold", change)
