"""An arm's stopping rules: judged on all news of safety, and the arm is held at once when one fires."""

from decisions.phase_two.places import subjects_with_place
from decisions.safety.records import arm_findings
from schemas import facts as f
from schemas import messages as m
from schemas import names
from schemas.state.arm import ArmState
from schemas.stopping.rules import StoppingFinding
from workflows.journal import Journal, system
from workflows.signals import Signals


class ArmStopping:
    """Holds the arm by the protocol's rules; only the study can lift that."""

    def __init__(
        self,
        start: m.ArmStart,
        journal: Journal[ArmState, f.ArmFact],
        signals: Signals,
    ) -> None:
        self._rules, self._journal, self._signals = start.stopping, journal, signals

    def judge(self) -> None:
        """Fire every rule that finds more than its committee has seen."""
        for finding in arm_findings(self._rules, self._journal.state):
            self._fire(finding)

    def _fire(self, finding: StoppingFinding) -> None:
        arm = self._journal.state.arm
        held = arm in self._journal.state.holds
        self._journal.record(f.StoppingRuleFired(finding=finding, **system(finding.why)))
        # Placed anew on a hold that is in force: whoever lifts it signs this reason, too.
        self._journal.record(f.HoldPlaced(scope=arm, rule=finding.rule_id, **system(finding.why)))
        if not held:
            change = m.HoldChange(scope=arm, held=True, who="system", why=finding.why, rule=finding.rule_id)
            for subject in subjects_concerned(self._journal.state):
                self._signals.add_for_participant(self._journal.state.study, subject, "change_hold", change)
        news = m.StoppingReport(arm=arm, finding=finding)
        self._signals.add(names.study_id(self._journal.state.study), "report_stopping", news)

    def keeps_hold(self, change: m.HoldChange) -> bool:
        """Tell whether a lift passes the arm by: it was signed before the study knew of the latest finding."""
        mine = change.scope == self._journal.state.arm and not change.held
        return mine and change.fired is not None and change.fired < len(self._journal.state.fired)


def subjects_concerned(state: ArmState) -> list[str]:
    """Return everybody whom a hold of the arm concerns, each once: who waits, who has a slot or a place."""
    everybody = [*state.queue, *(slot.subject for slot in state.slots), *subjects_with_place(state)]
    return list(dict.fromkeys(everybody))
