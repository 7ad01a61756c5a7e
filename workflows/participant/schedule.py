"""What the parts of a participant's schedule share: the journal, the protocol, tasks, waiting, and the end of a run."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from decisions.state.participant import DISPOSITIONS
from schemas import names
from schemas.dlt.outcome import Disposition
from schemas.facts import ParticipantFact, StepSkipped
from schemas.messages import ParticipantStart, ScheduleMarks
from schemas.protocol import Protocol as TrialProtocol
from schemas.schedule.task import TaskPlan
from schemas.state.participant import ParticipantState
from workflows import activity_options
from workflows.journal import Journal, system
from workflows.participant.tasks import Tasks
from workflows.run_end import drain
from workflows.signals import Signals
from workflows.workflow_time import now, wait_until

Result = TypeVar("Result")


class ScheduleEndedError(Exception):
    """The schedule ends before its last visit, in a named final state."""

    def __init__(self, disposition: Disposition, reason: str) -> None:
        super().__init__(reason)
        self.disposition = disposition
        self.reason = reason


class Review(Protocol):
    """What is reviewed beside the schedule whenever the participant's workflow wakes."""

    def review(self, *, ending: bool) -> None:
        """Record what is due now; `ending` says that the participation has ended and only its reports are owed."""

    def next_at(self, *, ending: bool) -> datetime | None:
        """Return when something is due by itself, if it is."""


class Schedule:
    """The schedule of activities of one participant, as its parts see it."""

    def __init__(
        self, start: ParticipantStart, journal: Journal[ParticipantState, ParticipantFact], signals: Signals
    ) -> None:
        """Continue where the start message says; `reviews` are added once all parts are made."""
        self.journal, self.signals = journal, signals
        self.marks: ScheduleMarks = start.marks
        self.tasks = Tasks(journal)
        self.reviews: tuple[Review, ...] = ()
        self._start = start
        self._protocol: TrialProtocol | None = None

    @property
    def state(self) -> ParticipantState:
        """The participant's state now."""
        return self.journal.state

    @property
    def protocol(self) -> TrialProtocol:
        """
        The protocol that the participant is treated under.

        Raises:
            ApplicationError: NotReady, while it is being loaded; the sender tries again.
        """
        if self._protocol is None:
            raise ApplicationError("the protocol is not loaded yet", type="NotReady")
        return self._protocol

    async def load_protocol(self) -> None:
        """Load the protocol that the study has registered, by its hash, into this run's history."""
        self.journal.publish()
        loaded: TrialProtocol = await workflow.execute_activity(
            names.LOAD_PROTOCOL, self._start.protocol, result_type=TrialProtocol, **activity_options.TRANSACTION
        )
        self._protocol = loaded
        self.tasks.times = loaded.tasks

    def mark(self, **marks: object) -> None:
        """Change what the next run has to know beside the state."""
        self.marks = self.marks.model_copy(update=marks)

    def day(self, offset: int) -> datetime:
        """Return the beginning of a day of the schedule, counted from day 0."""
        if self.state.day_zero is None:
            raise RuntimeError("day 0 is not planned yet")
        return start_of(self.state.day_zero + timedelta(days=offset))

    def skip(self, step: str, why: str) -> None:
        """Record that a step is left out."""
        self.journal.record(StepSkipped(step=step, **system(why)))

    # ------------------------------------------------------------------ others

    async def execute(self, activity: str, request: object, result_type: type[Result]) -> Result:
        """
        Run an activity and wait for its result, however long it takes.

        What the activity waits for may have to be put right by people. So everything beside the schedule is reviewed
        and published meanwhile: an adverse event opens its tasks, and deadlines are kept. Its result is never given up:
        it may have changed the bank.
        """
        while True:
            handle = workflow.start_activity(activity, request, result_type=result_type, **activity_options.TRANSACTION)
            while not handle.done():
                await self._review_until(handle.done)
            try:
                result: Result = await handle
            except ActivityError as error:
                # Somebody failed or cancelled it by hand. It has a key: done again, it changes nothing twice.
                workflow.logger.warning("activity_failed", extra={"activity": activity, "error": str(error.cause)})
                await workflow.sleep(activity_options.PAUSE_AFTER_FAILURE)
            else:
                return result

    async def _review_until(self, done: Callable[[], bool]) -> None:
        ending = self.state.end is not None or self.marks.ending is not None
        self._review(ending=ending)
        reviewed = self.journal.sequence
        self.journal.publish()
        moment = self._next_at(None, ending=ending)
        await wait_until(moment, or_when=lambda: done() or self.journal.sequence != reviewed)

    def signal_arm(self, signal: str, message: object) -> None:
        """Leave a signal for the arm that the participant is assigned to, if any."""
        if self.state.assignment is not None:
            self.signals.add(names.arm_id(self.state.study, self.state.assignment.arm), signal, message)

    # ------------------------------------------------------------------ waiting

    async def ask(self, plan: TaskPlan) -> bool:
        """Open a task and wait; return whether it was answered before its window closed."""
        if self.tasks.end_of(plan.step) is None:
            task = self.tasks.open(plan)
            await self.wait(lambda: task.id in self.state.closed)
        return self.tasks.was_answered(plan.step)

    async def until(self, moment: datetime) -> None:
        """Wait until a moment."""
        await self.wait(lambda: False, moment)

    async def wait(self, done: Callable[[], bool], until: datetime | None = None, *, ending: bool = False) -> bool:
        """
        Wait until `done` or the moment `until`; return whether it was `done`.

        The only place where the schedule waits for people or time. Whenever the workflow wakes, everything beside the
        schedule is reviewed; an end of participation leaves the wait at once, unless `ending` says that it is over.

        Raises:
            ScheduleEndedError: the participation was ended.
        """
        while True:
            if not ending:
                self._leave_if_ended()
            self._review(ending=ending)
            finished = done()
            if finished or (until is not None and now() >= until):
                return finished
            reviewed = self.journal.sequence
            self.journal.publish()
            await self.continue_as_new_if_suggested(done)
            await self._wait_for_change(reviewed, done, self._next_at(until, ending=ending))

    async def _wait_for_change(self, reviewed: int, done: Callable[[], bool], moment: datetime | None) -> None:
        await wait_until(moment, or_when=lambda: done() or self.journal.sequence != reviewed)

    def _review(self, *, ending: bool) -> None:
        for each in self.reviews:
            each.review(ending=ending)

    def _next_at(self, until: datetime | None, *, ending: bool) -> datetime | None:
        deadlines = (until, *(each.next_at(ending=ending) for each in self.reviews))
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _leave_if_ended(self) -> None:
        if self.state.end is not None:
            reason = f"{self.state.end} on {self.state.end_on}"
            raise ScheduleEndedError(DISPOSITIONS[self.state.end], reason)

    def leave_if_ending(self) -> None:
        """Go on with the end of participation, where an earlier run was at it."""
        if self.marks.ending is not None:
            raise ScheduleEndedError(self.marks.ending, self.marks.ending_reason)

    # ------------------------------------------------------------------ the end of a run

    async def drain(self) -> None:
        """Finish what this run has begun, with the reports that reviews still leave."""
        await drain(self.journal, self.signals, self._review_before_end)

    def _review_before_end(self) -> None:
        if self.state.disposition is None:
            self._review(ending=True)

    async def continue_as_new_if_suggested(self, done: Callable[[], bool] = lambda: False) -> None:
        """
        Go on in a new run when the server suggests it; not when what is awaited came true meanwhile.

        So what follows an answer is always done in the run that took it, and the next run enters the schedule again
        where this one waited.
        """
        if not workflow.info().is_continue_as_new_suggested():
            return
        await self.drain()
        if done() or (self.state.end is not None and self.marks.ending is None):
            return
        changes: dict[str, Any] = {"state": self.state, "sequence": self.journal.sequence, "marks": self.marks}
        workflow.continue_as_new(self._start.model_copy(update=changes))


def start_of(day: date) -> datetime:
    """Return the moment at which a day begins, in UTC."""
    return datetime.combine(day, time(), tzinfo=UTC)
