"""An arm's Phase 2: places at the RP2D for each target, by Simon's two stages, until every target is decided."""

from decisions.phase_two import places as rules
from schemas import facts as f
from schemas import messages as m
from schemas import names
from schemas.commands.commands import DecisionAction
from schemas.phase_two.expansion import ExpansionAction, ExpansionDecision, ExpansionVerdict
from schemas.state.arm import ArmState, ArmStatus
from schemas.state.participant import Target
from workflows.arm.slot_refusal import refuse_slot
from workflows.journal import Journal, system
from workflows.signals import Signals

_REPORTED = (ExpansionAction.OPEN_STAGE_TWO, ExpansionAction.STOP_FOR_FUTILITY, ExpansionAction.PROMISING)


class ArmExpansion:
    """Gives out places and judges targets; under a protocol without a Phase 2 it does nothing."""

    def __init__(self, start: m.ArmStart, journal: Journal[ArmState, f.ArmFact], signals: Signals) -> None:
        self._arm, self._design, self._journal, self._signals = start.arm, start.expansion, journal, signals

    @property
    def _state(self) -> ArmState:
        return self._journal.state

    def follows(self, action: DecisionAction) -> bool:
        """Tell whether Phase 2 follows a decision in place of the arm's end."""
        return self._design is not None and action is DecisionAction.DECLARE_RP2D

    def open(self, level: int) -> None:
        """Open Phase 2 at the RP2D for every target of the arm."""
        why = f"RP2D declared at dose level {level}: a two-stage trial for each target follows"
        self._journal.record(f.ExpansionOpened(level=level, targets=self._arm.targets, **system(why)))
        for subject in self._state.queue:
            self.refuse_if_closed(subject, self._state.targets.get(subject))

    def serve(self) -> None:
        """Judge every target, give out the places that are free, and close the arm once all are decided."""
        if self._design is None or not self._state.expansions:
            return
        self._judge()
        while (subject := rules.next_place(self._design, self._state)) is not None:
            self._give(subject)
            self._judge()

    def refuse_if_closed(self, subject: str, target: Target | None) -> bool:
        """Refuse who asks for a target that gets no more places; tell whether that was so."""
        if self._state.status is not ArmStatus.EXPANSION:
            return False
        why = rules.refusal_reason(self._state, target)
        if why is None:
            return False
        refuse_slot(self._signals, self._state, subject, why)
        return True

    def receive_response(self, report: m.ResponseReport) -> None:
        """Record a participant's response."""
        if not rules.has_place(self._state, report.subject):
            return
        self._journal.record(
            f.ResponseReceived(
                subject=report.subject,
                target=report.target,
                outcome=report.outcome,
                occurred_on=report.occurred_on,
                **system(report.why),
            )
        )

    def _give(self, subject: str) -> None:
        dose = self._arm.dose_levels[self._state.level - 1].million_cells
        slot = rules.place_slot(self._state, dose)
        target = rules.target_key(self._state.targets[subject])
        stage = self._state.expansions[target].stage
        why = f"Phase 2, {target}, stage {stage}: {dose:g} million cells, the RP2D (dose level {slot.level})"
        self._journal.record(f.SlotGiven(subject=subject, slot=slot, **system(why)))
        self._signals.add_for_participant(self._state.study, subject, "grant_slot", m.SlotGrant(slot=slot, why=why))

    def _judge(self) -> None:
        for key in self._state.expansions:
            # An opened stage 2 is judged again at once, on its own size.
            while (new := self._verdict(key)) is not None:
                self._decide(*new)

    def _verdict(self, key: str) -> tuple[ExpansionVerdict, ExpansionDecision] | None:
        return None if self._design is None else rules.new_verdict(self._design, self._state, key)

    def _decide(self, verdict: ExpansionVerdict, decided: ExpansionDecision) -> None:
        waiting = rules.waiting_for(self._state, verdict.target)
        self._journal.record(f.ExpansionJudged(verdict=verdict, decided=decided, **system(verdict.why)))
        for subject in waiting:
            self.refuse_if_closed(subject, verdict.target)
        closes = self._state.status is ArmStatus.EXPANSION and rules.all_decided(self._state)
        if closes:
            why = "every target of the expansion is decided"
            self._journal.record(f.ArmClosed(rp2d_level=self._state.rp2d_level, **system(why)))
        if verdict.action in _REPORTED:
            news = m.ExpansionReport(
                arm=self._state.arm,
                verdict=verdict,
                decided=decided,
                closed=closes,
                rp2d_level=self._state.rp2d_level,
            )
            self._signals.add(names.study_id(self._state.study), "report_expansion", news)
