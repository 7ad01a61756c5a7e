"""The study's stopping rules, and the holds that they and the arms' rules place."""

from decisions.safety.records import study_findings
from decisions.stopping.holds import STUDY
from schemas import facts as f
from schemas import messages as m
from schemas import names
from schemas.state.study import StudyState
from schemas.stopping.rules import StoppingFinding, StoppingRules
from workflows.journal import Journal, system
from workflows.signals import Signals


class StudyStopping:
    """Holds the study by the protocol's rules, and keeps the record of the holds that arms placed by theirs."""

    def __init__(self, rules: StoppingRules, journal: Journal[StudyState, f.StudyFact], signals: Signals) -> None:
        self._rules, self._journal, self._signals = rules, journal, signals

    def receive(self, report: m.SafetyReport) -> None:
        """Record a participant's safety; a rule that finds more than was seen before fires."""
        self._journal.record(
            f.SafetyReceived(summary=report.summary, arm=report.arm, phase=report.phase, **system(report.why))
        )
        for finding in study_findings(self._rules, self._journal.state):
            self._record(finding, STUDY)
            self._hold_all(finding)

    def receive_from_arm(self, report: m.StoppingReport) -> None:
        """Record a hold that an arm has placed and signalled to its participants already."""
        self._record(report.finding, report.arm)

    def known_findings(self, arm: str | None) -> int | None:
        """Return how many findings of an arm the study knows of: what a lift of its hold is signed for."""
        return None if arm is None or not self._rules else sum(rule.arm == arm for rule in self._journal.state.fired)

    def _record(self, finding: StoppingFinding, scope: str) -> None:
        self._journal.record(f.StoppingRuleFired(finding=finding, **system(finding.why)))
        self._journal.record(f.HoldPlaced(scope=scope, rule=finding.rule_id, **system(finding.why)))

    def _hold_all(self, finding: StoppingFinding) -> None:
        state = self._journal.state
        change = m.HoldChange(scope=STUDY, held=True, who="system", why=finding.why, rule=finding.rule_id)
        # Participants first: it is their infusions that must not start.
        for subject in state.active:
            self._signals.add_for_participant(state.study, subject, "change_hold", change)
        for arm in state.arms:
            self._signals.add(names.arm_id(state.study, arm), "change_hold", change)
