"""One arm: cohort slots at the open dose level, DLT outcomes, the committee's decisions, Phase 2 at the RP2D."""

from temporalio import workflow

from decisions.commands import checks
from decisions.dose.escalation import closes_arm, next_subject
from decisions.schedule.tasks import next_deadline, passed_deadlines
from decisions.state import arm as folds
from schemas import facts as f
from schemas import messages as m
from schemas import names
from schemas.base import Role
from schemas.commands.commands import Accepted, Decide, DecisionAction
from schemas.schedule.task import TaskEnd
from schemas.state.arm import ArmState, ArmStatus
from schemas.state.participant import Slot
from workflows.arm.committee import Committee
from workflows.arm.expansion import ArmExpansion
from workflows.arm.slot_refusal import refuse_slot
from workflows.arm.stopping import ArmStopping, subjects_concerned
from workflows.journal import Journal, hold_fact, person, reject, system
from workflows.logs import workflow_log
from workflows.run_end import drain
from workflows.signals import Signals
from workflows.workflow_time import now, wait_until


@workflow.defn(name="ArmWorkflow")
class ArmWorkflow:
    """Gives out slots, collects outcomes, asks the committee; one run for each cohort."""

    @workflow.init
    def __init__(self, start: m.ArmStart) -> None:
        """Take the whole state, so that a signal that arrives before `run` finds it."""
        self._start = start
        why = system("the protocol's starting dose level")
        opened = f.ArmOpened(study=start.study, arm=start.arm.id, level=start.arm.start_level, **why)
        self._journal: Journal[ArmState, f.ArmFact] = Journal(
            study=start.study,
            owner=start.arm.id,
            state=start.state or folds.open_arm(opened),
            apply=folds.apply_arm,
            sequence=start.sequence,
        )
        if start.state is None:
            self._journal.begin(opened)
        self._log = workflow_log(start.study, start.arm.id)
        self._signals = Signals()
        self._committee = Committee(start, self._journal, self._signals)
        self._stopping = ArmStopping(start, self._journal, self._signals)
        self._expansion = ArmExpansion(start, self._journal, self._signals)

    @property
    def _state(self) -> ArmState:
        return self._journal.state

    @workflow.run
    async def run(self, start: m.ArmStart) -> None:  # noqa: ARG002 - taken in __init__
        """Serve one cohort up to its decision; then continue as new. A closed arm still answers and still counts."""
        while True:
            for fact in passed_deadlines(self._state.tasks.values(), now()):
                self._journal.record(fact)
            self._give_slots()
            self._expansion.serve()
            self._committee.ask_if_due()
            reviewed = self._journal.sequence
            self._journal.publish()
            if self._cohort_is_decided() or workflow.info().is_continue_as_new_suggested():
                await drain(self._journal, self._signals)
                state, sequence = self._state, self._journal.sequence
                workflow.continue_as_new(self._start.model_copy(update={"state": state, "sequence": sequence}))
            await self._wait(reviewed)

    async def _wait(self, reviewed: int) -> None:
        await wait_until(next_deadline(self._state.tasks.values()), or_when=lambda: self._journal.sequence != reviewed)

    def _give_slots(self) -> None:
        while (subject := next_subject(self._start.escalation, self._state)) is not None:
            state = self._state
            level = self._start.arm.dose_levels[state.level - 1]
            slot = Slot(
                arm=state.arm,
                cohort=state.cohort,
                level=level.level,
                million_cells=level.million_cells,
                first_of_cohort=self._start.escalation.stagger_days > 0 and not state.stagger_cleared,
                not_before=state.latest_on,
            )
            why = f"cohort {state.cohort}, dose level {level.level}: {level.million_cells:g} million cells"
            self._journal.record(f.SlotGiven(subject=subject, slot=slot, **system(why)))
            self._signals.add_for_participant(state.study, subject, "grant_slot", m.SlotGrant(slot=slot, why=why))

    def _cohort_is_decided(self) -> bool:
        earlier = self._start.state.decisions if self._start.state else ()
        return len(self._state.decisions) > len(earlier)

    # ------------------------------------------------------------------ what participants report

    @workflow.signal
    def request_slot(self, request: m.SlotRequest) -> None:
        """A participant waits for a slot; a closed arm refuses at once."""
        if self._state.status is ArmStatus.CLOSED:
            refusal = m.ArmRefusal(arm=self._state.arm, why="the arm is closed in Phase 1")
            self._signals.add_for_participant(self._state.study, request.subject, "refuse_slot", refusal)
            return
        if self._expansion.refuse_if_closed(request.subject, request.target):
            return
        why = system("assigned to this arm")
        self._journal.record(f.SlotRequested(subject=request.subject, target=request.target, **why))
        # The study signals its own holds to its participants; passed on from here, one could arrive after its end.
        if self._state.arm in self._state.holds:
            held = m.HoldChange(scope=self._state.arm, held=True, who="system", why=f"{self._state.arm} is held")
            self._signals.add_for_participant(self._state.study, request.subject, "change_hold", held)

    @workflow.signal
    def take_slot_back(self, back: m.SlotBack) -> None:
        """A participant leaves before dosing."""
        self._journal.record(f.SlotGivenBack(subject=back.subject, occurred_on=back.occurred_on, **system(back.why)))

    @workflow.signal
    def report_first_dose(self, dose: m.FirstDose) -> None:
        """A participant of the cohort was dosed."""
        why = system("first infusion")
        self._journal.record(f.FirstDoseReported(subject=dose.subject, infused_on=dose.infused_on, **why))
        self._stopping.judge()

    @workflow.signal
    def clear_stagger(self, done: m.StaggerDone) -> None:
        """The cohort's first participant was observed long enough."""
        why = system(f"first participant of the cohort observed until {done.observed_until}")
        self._journal.record(f.StaggerCleared(subject=done.subject, occurred_on=done.observed_until, **why))

    @workflow.signal
    def report_outcome(self, outcome: m.Outcome) -> None:
        """A participant's DLT outcome, with what is known of the participant's safety."""
        before = self._state
        if outcome.summary is not None:
            self._committee.receive(outcome.summary, outcome.why)
        subject, status, day = outcome.subject, outcome.status, outcome.occurred_on
        self._journal.record(f.OutcomeReported(subject=subject, status=status, occurred_on=day, **system(outcome.why)))
        self._committee.reopen(before)
        if outcome.summary is not None:
            self._stopping.judge()

    @workflow.signal
    def report_safety(self, report: m.SafetyReport) -> None:
        """What is known of a participant's safety."""
        before = self._state
        self._committee.receive(report.summary, report.why)
        self._committee.reopen(before)
        self._stopping.judge()

    @workflow.signal
    def report_response(self, report: m.ResponseReport) -> None:
        """A participant's response in Phase 2."""
        self._expansion.receive_response(report)

    # ------------------------------------------------------------------ what the study sends

    @workflow.signal
    def change_delegation(self, change: m.DelegationChange) -> None:
        """The study delegated a role, or took it back: the arm has to know who may sign."""
        why = system(f"{change.who}: {change.why}")
        self._journal.record(
            f.DelegationChanged(person=change.person, delegated_role=change.role, delegated=change.delegated, **why)
        )

    @workflow.signal
    def change_hold(self, change: m.HoldChange) -> None:
        """A hold on this arm was placed or lifted: no slot is given meanwhile, and its participants receive it."""
        if self._stopping.keeps_hold(change):
            return
        self._journal.record(hold_fact(change))
        if change.scope == self._state.arm:
            for subject in subjects_concerned(self._state):
                self._signals.add_for_participant(self._state.study, subject, "change_hold", change)

    # ------------------------------------------------------------------ the committee

    @workflow.update
    def decide(self, command: Decide) -> Accepted:
        """Take the safety review committee's decision, checked against the rule."""
        envelope, state = command.envelope, self._state
        problem = (
            checks.wrong_role("envelope.role", envelope.role, Role.COMMITTEE)
            or self._committee.unsigned(envelope)
            or self._committee.forbidden(command)
        )
        if problem is not None:
            raise self._journal.refuse(envelope, "decide", problem)
        accepted, level = self._committee.record_decision(command)
        if state.review_due:
            self._committee.close_review(envelope)
        for task in list(state.tasks.values()):
            self._journal.record(f.TaskClosed(task_id=task.id, end=TaskEnd.ANSWERED, **person(envelope, "decided")))
        self._close_if_final(command.action, level)
        self._report_to_study(command, level, before=state)
        self._log.info("decided", action=command.action.value, level=level, cohort=state.cohort)
        return accepted

    @decide.validator
    def _check_decide(self, command: Decide) -> None:
        reject(
            checks.future_time("envelope.time", command.envelope.time, workflow.now())
            or self._committee.unknown_meaning(command.envelope)
        )

    def _report_to_study(self, command: Decide, level: int | None, *, before: ArmState) -> None:
        # A review that lets the arm go on leaves what the study knows of it as it is.
        if before.review_due and command.action is DecisionAction.STAY:
            return
        report = m.ArmReport(
            arm=before.arm,
            cohort=before.cohort,
            action=command.action,
            level=level,
            rp2d_level=level if command.action is DecisionAction.DECLARE_RP2D else None,
            who=command.envelope.person,
            why=command.envelope.reason or "as the rule recommends",
            phase=2 if self._expansion.follows(command.action) else 1,
        )
        self._signals.add(names.study_id(before.study), "report_arm", report)

    def _close_if_final(self, action: DecisionAction, level: int | None) -> None:
        if not closes_arm(action):
            return
        if level is not None and self._expansion.follows(action):
            self._expansion.open(level)
            return
        rp2d = level if action is DecisionAction.DECLARE_RP2D else None
        why = f"RP2D declared at dose level {rp2d}" if rp2d else "stopped by the committee"
        for subject in self._state.queue:
            refuse_slot(self._signals, self._state, subject, why)
        self._journal.record(f.ArmClosed(rp2d_level=rp2d, **system(why)))
