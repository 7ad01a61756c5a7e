"""The tumour's response in a participant's schedule: baseline, assessments, deviations, and what progression ends."""

from datetime import date, datetime

from decisions.response.imaging import contradiction, judge_response, progressed_on
from decisions.response.tumour_answers import baseline_is_fresh
from decisions.schedule.deviations import visit_deviation, visit_window
from schemas import facts as f
from schemas.commands.answers import ImagingDone
from schemas.protocol import Visit, VisitKind
from schemas.response.tumour import BestResponse, TimepointResponse
from schemas.schedule.task import TaskKind
from workflows.journal import system
from workflows.moments import now
from workflows.participant_schedule import Schedule

BASELINE = "baseline-imaging"


class TumourResponse:
    """Asks for the baseline, and judges what assessments tell; only under a protocol that assesses by RECIST 1.1."""

    def __init__(self, schedule: Schedule) -> None:
        """Act in this schedule."""
        self._schedule = schedule

    # ------------------------------------------------------------------ baseline

    def open_baseline(self) -> None:
        """
        Ask for the baseline beside the wait for slot and product.

        Without an expiry: who waits long for a slot has done nothing wrong. Whether it is too old by then is judged
        before lymphodepletion.
        """
        first = f"{BASELINE}-1"
        state = self._schedule.state
        asked = any(task_id.endswith(f"-{first}") for task_id in state.closed)
        if self._schedule.rules().recist is not None and not asked:
            self._schedule.open(TaskKind.BASELINE_IMAGING, first, "Measure the lesions before treatment")

    async def has_baseline(self, closes: datetime) -> bool:
        """Wait for a baseline that is fresh enough, and ask for another if it is not, until the window closes."""
        if self._schedule.rules().recist is None:
            return True
        if self._schedule.state.baseline is None:
            await self._schedule.wait(lambda: self._schedule.state.baseline is not None, closes)
        attempt = 2
        while self._schedule.state.baseline is not None and not self.baseline_is_fresh():
            step, title = f"{BASELINE}-{attempt}", "Measure the lesions again: the baseline is too old"
            if not await self._schedule.ask(TaskKind.BASELINE_IMAGING, step, title, expires_at=closes):
                return False
            attempt += 1
        return self._schedule.state.baseline is not None

    def baseline_is_fresh(self) -> bool:
        """Tell whether lymphodepletion may start today by the baseline's day."""
        return baseline_is_fresh(self._schedule.rules(), self._schedule.state, now().date())

    # ------------------------------------------------------------------ assessments

    def told(self, step: str, answer: ImagingDone) -> None:
        """Record what an assessment means: its deviation from the window, the response, and progression."""
        rules = self._schedule.rules()
        visit = next((visit for visit in rules.visits if visit.id == step), None)
        if visit is not None and (rules.recist is not None or visit.late_days):
            self._deviate(visit, answer.scanned_on)
        if rules.recist is None:
            return
        points, best = judge_response(rules.recist, self._schedule.state)
        for point in points:
            self._assess(answer, point, best)
        self._stop_if_progressed()

    def missed(self, visit: Visit) -> None:
        """Record that a visit was not told within its window; a protocol without RECIST only skips it."""
        if self._schedule.rules().recist is not None:
            self._deviate(visit, None)

    def not_asked(self, visit: Visit) -> str | None:
        """Say why an assessment is no longer asked, if it is not: the tumour has progressed."""
        if self._schedule.rules().recist is None or visit.kind is not VisitKind.IMAGING:
            return None
        progressed = progressed_on(self._schedule.state)
        return None if progressed is None else f"the tumour progressed on {progressed}: no further assessment"

    def _deviate(self, visit: Visit, done_on: date | None) -> None:
        day_zero = self._schedule.state.day_zero
        if day_zero is None:
            return
        deviation = visit_deviation(visit_window(visit, day_zero), done_on, now().date())
        if deviation is not None:
            fact = f.DeviationRecorded(step=visit.id, deviation=deviation, **system(deviation.why))
            self._schedule.journal.record(fact)

    def _assess(self, answer: ImagingDone, point: TimepointResponse, best: BestResponse | None) -> None:
        if best is None:
            return
        steps = {day: step for step, day in self._schedule.state.imaging_on.items()}
        reasons = [f"{point.overall} on {point.assessed_on}, best so far {best.response} ({best.why})"]
        if point.assessed_on == answer.scanned_on:
            reasons += [reason for reason in (contradiction(answer.response, point.overall),) if reason is not None]
        else:
            reasons.append(f"judged anew by the assessment of {answer.scanned_on}")
        why = "; ".join([*reasons, *best.review])
        fact = f.ResponseAssessed(step=steps[point.assessed_on], timepoint=point, best=best, **system(why))
        self._schedule.journal.record(fact)

    def _stop_if_progressed(self) -> None:
        progressed = progressed_on(self._schedule.state)
        if progressed is not None and not self._schedule.state.treatment_stopped:
            why = f"progression of the tumour on {progressed}"
            self._schedule.journal.record(f.TreatmentStopped(**system(why)))
