"""Holds on the study and on its arms: placed, lifted, and passed on to everybody concerned."""

from temporalio import workflow

from decisions.commands import checks
from decisions.commands.signatures import unknown_meaning, unsigned
from decisions.stopping.holds import hold_sha256
from schemas import messages as m
from schemas import names
from schemas.base import Role
from schemas.commands.commands import Accepted, Hold, LiftHold
from schemas.facts import HoldLifted, HoldPlaced, StudyFact
from schemas.problem import Problem, ProblemType
from schemas.protocol import Protocol
from schemas.state.study import StudyState
from workflows.journal import Journal, person
from workflows.signals import Signals
from workflows.study.stopping import STUDY, StudyStopping


class StudyHolds:
    """The holds that people place and lift."""

    def __init__(
        self, protocol: Protocol, journal: Journal[StudyState, StudyFact], signals: Signals, stopping: StudyStopping
    ) -> None:
        self._protocol, self._journal, self._signals, self._stopping = protocol, journal, signals, stopping

    @property
    def _state(self) -> StudyState:
        return self._journal.state

    # ------------------------------------------------------------------ what is wrong with a command

    def malformed(self, command: Hold | LiftHold) -> Problem | None:
        """Find a future time, a missing reason, or an arm that the study does not have."""
        envelope, arm = command.envelope, command.arm
        problem = checks.future_time("envelope.time", envelope.time, workflow.now()) or checks.missing_reason(envelope)
        if problem is None and arm is not None and arm not in self._state.arms:
            return Problem(
                type=ProblemType.UNKNOWN_ARM,
                field="arm",
                value=arm,
                rule="is not an arm of this study",
                expected=" or ".join(self._state.arms),
            )
        return problem

    def unknown_meaning(self, command: LiftHold) -> Problem | None:
        """Find a signature whose meaning the protocol does not know."""
        rules = self._protocol.signatures
        return None if rules is None else unknown_meaning(rules.lift_hold_meanings, command.envelope)

    def refused(self, command: Hold | LiftHold) -> Problem | None:
        """Find a role that may not hold."""
        if command.envelope.role in (Role.OPERATIONS, Role.COMMITTEE):
            return None
        return checks.wrong_role("envelope.role", command.envelope.role, Role.OPERATIONS)

    def refused_lift(self, command: LiftHold) -> Problem | None:
        """Find a hold that is not in force, a role that may not lift it, or a missing signature."""
        scope = command.arm or STUDY
        if scope not in self._state.holds:
            return Problem(
                type=ProblemType.NOTHING_TO_LIFT,
                field="arm",
                value=scope,
                rule="is not held",
                expected=" or ".join(self._state.holds) or "no hold is in force",
            )
        return self.refused(command) or self._unsigned(command, scope)

    def _unsigned(self, command: LiftHold, scope: str) -> Problem | None:
        record = self._state.hold_records.get(scope)
        if self._protocol.signatures is None or record is None:
            return None
        delegations = self._state.delegations.items()
        delegated = [someone for someone, roles in delegations if command.envelope.role in roles]
        return unsigned(command.envelope, delegated, hold_sha256(record), f"the hold on {scope}")

    # ------------------------------------------------------------------ what follows

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
            self._signals.add(names.participant_id(self._state.study, subject), "change_hold", change)

    def _signal_all(self, command: Hold | LiftHold, *, held: bool, fired: int | None) -> None:
        envelope, state = command.envelope, self._state
        change = m.HoldChange(
            scope=command.arm or STUDY, held=held, who=envelope.person, why=envelope.reason or "", fired=fired
        )
        for arm in [command.arm] if command.arm else list(state.arms):
            self._signals.add(names.arm_id(state.study, arm), "change_hold", change)
        if command.arm is None:
            for subject in state.active:
                self._signals.add(names.participant_id(state.study, subject), "change_hold", change)
