"""What the arm receives of a participant by itself: the end of the stagger days, and responses in Phase 2."""

from datetime import datetime

from decisions.response.outcome import response_outcome
from schemas import messages as m
from workflows.participant.schedule import Schedule
from workflows.workflow_time import now


class ArmReports:
    """Reports to the arm whatever has become due."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def review(self, *, ending: bool) -> None:
        """Report what is due; after the end of participation only the end itself reports."""
        if not ending:
            self._report_stagger()
            self.report_response(over=False)

    def next_at(self, *, ending: bool) -> datetime | None:
        """Return the end of the stagger days."""
        return None if ending else self._stagger_ends_at()

    def report_response(self, *, over: bool) -> None:
        """Report the response in Phase 2 once it is final or changes; `over` says that no assessment follows."""
        schedule, state = self._schedule, self._schedule.state
        slot, assignment = state.slot, state.assignment
        if slot is None or assignment is None or slot.phase == 1:
            return
        known = response_outcome(schedule.protocol.visits, state, over=over)
        if known is None or known[0] == schedule.marks.response_reported:
            return
        outcome, why = known
        schedule.mark(response_reported=outcome)
        report = m.ResponseReport(
            subject=state.subject, target=assignment.target, outcome=outcome, occurred_on=now().date(), why=why
        )
        schedule.signal_arm("report_response", report)

    def _stagger_ends_at(self) -> datetime | None:
        schedule, state = self._schedule, self._schedule.state
        is_first = state.slot is not None and state.slot.first_of_cohort
        if not is_first or schedule.marks.stagger_reported or not state.infusions or state.dlt:
            return None
        return schedule.day(schedule.protocol.escalation.stagger_days)

    def _report_stagger(self) -> None:
        ends_at = self._stagger_ends_at()
        if ends_at is None or now() < ends_at:
            return
        self._schedule.mark(stagger_reported=True)
        done = m.StaggerDone(subject=self._schedule.state.subject, observed_until=now().date())
        self._schedule.signal_arm("clear_stagger", done)
