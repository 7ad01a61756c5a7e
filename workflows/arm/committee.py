"""What an arm has to do with its safety review committee: the packet, signatures, and reviews of earlier decisions."""

from decisions.commands.signatures import open_candidate, unknown_meaning, unsigned
from decisions.dose.committee_decision import check_decision
from decisions.dose.escalation import decision_due, lowest_toxic_level, recommend, resulting_level
from decisions.dose.packet import present_packet
from decisions.dose.reopening import check_review, recommend_review, reopened, review_level
from decisions.schedule.tasks import plan_task
from decisions.stopping.holds import freed_by_review, review_hold
from schemas import facts as f
from schemas import messages as m
from schemas.commands.commands import Accepted, Decide, DecisionAction, Envelope
from schemas.dose.packet import PacketWithHash
from schemas.problem import Problem
from schemas.safety.summary import SafetySummary
from schemas.schedule.task import TaskEnd, TaskKind, TaskPlan
from schemas.state.arm import ArmState, ArmStatus, Recommendation
from workflows.journal import Journal, person, system
from workflows.signals import Signals
from workflows.workflow_time import now

REVIEW = "review-cohort-"


class Committee:
    """The part of an arm's workflow that the committee works with; it changes state only through the arm's journal."""

    def __init__(self, start: m.ArmStart, journal: Journal[ArmState, f.ArmFact], signals: Signals) -> None:
        self._start, self._journal, self._signals = start, journal, signals

    @property
    def _state(self) -> ArmState:
        return self._journal.state

    # ------------------------------------------------------------------ what is read and signed

    def packet(self) -> PacketWithHash:
        """Return what the committee reads now, and the hash that it signs."""
        start = self._start
        return present_packet(
            start.escalation,
            start.arm,
            self._state,
            protocol=start.protocol,
            dlt_window_days=start.dlt.window_days,
            planned_infusions=start.planned_infusions,
        )

    def unknown_meaning(self, envelope: Envelope) -> Problem | None:
        """Find a signature whose meaning the protocol does not know."""
        rules = self._start.signatures
        return None if rules is None else unknown_meaning(rules.decision_meanings, envelope)

    def unsigned(self, envelope: Envelope) -> Problem | None:
        """Find why what is sent is not signed as the protocol asks, or may not be decided on yet."""
        if self._start.signatures is None:
            return None
        what = f"the packet of {self._state.arm}"
        packet = self.packet()
        return unsigned(envelope, self._state.signers, packet.sha256, what) or open_candidate(self._state)

    # ------------------------------------------------------------------ what it decides

    def forbidden(self, command: Decide) -> Problem | None:
        """Find the rule that a decision, or a review while one is due, breaks."""
        check = check_review if self._state.review_due else check_decision
        return check(
            self._start.escalation,
            self._start.arm,
            self._state,
            cohort=command.cohort,
            action=command.action,
            level=command.level,
            reason=command.envelope.reason,
        )

    def _outcome_of(self, command: Decide) -> tuple[DecisionAction, int | None]:
        """Return what the rule recommends, and the dose level that the command leads to."""
        due = self._state.review_due
        recommending, leading = (recommend_review, review_level) if due else (recommend, resulting_level)
        rules, arm = self._start.escalation, self._start.arm
        level = leading(rules, arm, self._state, command.action, command.level)
        return recommending(rules, arm, self._state).action, level

    def record_decision(self, command: Decide) -> tuple[Accepted, int | None]:
        """Record a decision that was checked; return its fact's number and the dose level that it leads to."""
        envelope, state = command.envelope, self._state
        recommended, level = self._outcome_of(command)
        decided = f.Decided(
            cohort=state.cohort,
            from_level=state.level,
            action=command.action,
            level=level,
            recommended=recommended,
            signature=None if self._start.signatures is None else envelope.signature,
            **person(envelope, "as the rule recommends"),
        )
        return self._journal.record(decided), level

    # ------------------------------------------------------------------ what it receives

    def receive(self, summary: SafetySummary, why: str) -> None:
        """Record a participant's safety summary; one that is known already leaves the packet as it is."""
        if self._state.summaries.get(summary.subject) != summary:
            self._journal.record(f.SafetyReceived(summary=summary, **system(why)))

    def reopen(self, before: ArmState) -> None:
        """Reopen the decisions that the news since `before` puts in question: from now on nobody gets a slot."""
        was_due = self._state.review_due
        findings = reopened(self._start.escalation, self._start.arm, before, self._state, now().date())
        for finding in findings:
            self._journal.record(f.DecisionReopened(finding=finding, **system(f"{finding.about}: {finding.known_now}")))
        if findings and not was_due:
            cohorts = ", ".join(str(cohort) for cohort in self._state.reviewing)
            self._change_hold(f"the decision on cohort {cohorts} is under review: {findings[0].about}", held=True)

    def _change_hold(self, why: str, *, held: bool) -> None:
        scope = review_hold(self._state.arm)
        make = f.HoldPlaced if held else f.HoldLifted
        self._journal.record(make(scope=scope, **system(why)))
        subjects = self._state.held_for_review if held else ()
        self._signal_hold(subjects, m.HoldChange(scope=scope, held=held, who="system", why=why))

    def _signal_hold(self, subjects: tuple[str, ...], change: m.HoldChange) -> None:
        for subject in subjects:
            self._signals.add_for_participant(self._state.study, subject, "change_hold", change)

    # ------------------------------------------------------------------ what it is asked

    def ask_if_due(self) -> None:
        """Open the task for a decision or a review that is due, anew when what the rule recommends has changed."""
        if self._state.review_due:
            self._ask_for_review()
        elif self._state.status is ArmStatus.DECISION_DUE or decision_due(self._start.escalation, self._state):
            self._ask_for_decision()

    def _ask_for_decision(self) -> None:
        recommendation = recommend(self._start.escalation, self._start.arm, self._state)
        if recommendation == self._state.recommendation:
            return
        self._close_tasks("the recommendation changed: an outcome came in after the committee was asked")
        cohort = self._state.cohort
        asked = f.DecisionAsked(cohort=cohort, recommendation=recommendation, **system(recommendation.why))
        self._journal.record(asked)
        title = f"Decide on cohort {cohort} of {self._state.arm}"
        why = "the DLT window has closed for the whole cohort"
        self._open_task(f"decision-cohort-{cohort}", title, _in_words(recommendation), why)

    def _ask_for_review(self) -> None:
        recommendation = recommend_review(self._start.escalation, self._start.arm, self._state)
        step = f"{REVIEW}{max(self._state.reviewing)}"
        latest = next(found for found in reversed(self._state.reopened) if found.cohort in self._state.reviewing)
        detail = _in_words(recommendation)
        detail |= {"about": latest.about, "known_then": latest.known_then, "known_now": latest.known_now}
        if any(task.step == step and task.detail == detail for task in self._state.tasks.values()):
            return
        self._close_tasks("an earlier decision was reopened, or more is known about it")
        cohorts = ", ".join(str(cohort) for cohort in self._state.reviewing)
        title = f"Review the decision on cohort {cohorts} of {self._state.arm}"
        self._open_task(step, title, detail, latest.known_now)

    def _close_tasks(self, why: str) -> None:
        for task in list(self._state.tasks.values()):
            self._journal.record(f.TaskClosed(task_id=task.id, end=TaskEnd.CANCELLED, **system(why)))

    def _open_task(self, step: str, title: str, detail: dict[str, str], why: str) -> None:
        plan = TaskPlan(
            kind=TaskKind.COMMITTEE_DECISION,
            step=step,
            title=f"{title}: the rule recommends {detail['recommendation']}",
            detail=detail,
        )
        times = {TaskKind.COMMITTEE_DECISION.value: self._start.decision_task}
        task = plan_task(times, plan, owner=self._state.arm, number=self._state.tasks_opened + 1, now=now())
        self._journal.record(f.TaskOpened(task=task, **system(why)))

    def close_review(self, envelope: Envelope) -> None:
        """Close the review after its decision was recorded, and lift its hold where dosing may go on."""
        held = self._state.held_for_review
        freed = freed_by_review(self._state, lowest_toxic_level(self._start.escalation, self._state))
        for cohort in self._state.reviewing:
            self._journal.record(f.DecisionReviewed(cohort=cohort, **person(envelope, "as the rule recommends")))
        decision = self._state.decisions[-1]
        still = [subject for subject in held if subject not in freed]
        why = f"reviewed, decided: {decision.action}" + (f" at level {decision.level}" if decision.level else "")
        kept = f"; not dosed at a level that was left: {', '.join(still)}" if still else ""
        self._change_hold(why + kept, held=False)
        scope = review_hold(self._state.arm)
        self._signal_hold(freed, m.HoldChange(scope=scope, held=False, who=envelope.person, why=why))


def _in_words(recommendation: Recommendation) -> dict[str, str]:
    return {
        "recommendation": recommendation.action.value,
        "level": str(recommendation.level or "-"),
        "why": recommendation.why,
    }
