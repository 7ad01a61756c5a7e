"""Further cycles of CAR-NK infusions in a participant's schedule: considered, offered, and run between two visits."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

from decisions.schedule.tasks import step_of
from decisions.treatment.cycles import (
    CyclePlan,
    cycle_starts_on,
    cycle_step,
    cycle_under_way,
    last_window_on,
    may_be_judged,
    offer_closes_on,
    plan_cycle,
    same_verdict,
    treatment_record,
)
from decisions.treatment.readiness import treatment_is_over
from decisions.treatment.retreatment import judge_retreatment
from schemas import facts as f
from schemas import messages as m
from schemas import names
from schemas.schedule.task import TaskEnd, TaskKind, TaskPlan
from schemas.treatment.support import RetreatmentRules, SupportState, SupportVerdict
from workflows.journal import system
from workflows.participant import product
from workflows.participant.infusions import give_infusion
from workflows.participant.lymphodepletion import ask_for_day
from workflows.participant.schedule import Schedule, start_of
from workflows.participant.treatment_check import has_passed, pass_check
from workflows.workflow_time import now


class FurtherCycles:
    """
    Offers and runs further cycles by the rules of the protocol; without rules there are none.

    The visits keep their days, which count from the very first infusion. A cycle runs between two visits, and is
    offered only while it can be over before the next visit's window closes.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    async def until_visit(self, opens: datetime, closes: datetime) -> None:
        """
        Wait until the next visit's window opens; meanwhile consider a further cycle, and run it if accepted.

        It can be entered again after continue-as-new: the state tells which cycle is under way, and where it stands.
        """
        rules = self._schedule.protocol.retreatment
        while rules is not None and await self._act(rules, opens, closes):
            pass
        await self._schedule.until(opens)

    async def _act(self, rules: RetreatmentRules, opens: datetime, closes: datetime) -> bool:
        """Do what is next; return whether there may be more to do before the visit."""
        cycle = cycle_under_way(rules, self._schedule.state)
        if cycle is not None:
            await self._go_on(rules, cycle)
            return True
        if now() >= opens or not may_be_judged(self._schedule.state):
            return False
        if self._schedule.state.retreatment_accepted:
            return await self._begin(rules, self._closes(rules, opens, closes))
        return await self._consider(rules, opens, closes)

    async def _consider(self, rules: RetreatmentRules, opens: datetime, closes: datetime) -> bool:
        unchanged = self._unchanged()
        verdict = await self._judge(rules)
        if verdict.state is SupportState.OFFER:
            return await self._offer(rules, unchanged, self._closes(rules, opens, closes))
        self._take_back(verdict.why)
        if verdict.state is SupportState.NEVER:
            return False
        again = opens if verdict.next_on is None else min(opens, start_of(verdict.next_on))
        await self._schedule.wait(lambda: not unchanged(), again)
        return True

    def _closes(self, rules: RetreatmentRules, opens: datetime, closes: datetime) -> datetime:
        state = self._schedule.state
        return start_of(offer_closes_on(self._schedule.protocol, rules, state, opens.date(), closes.date()))

    def _unchanged(self) -> Callable[[], bool]:
        """Return what tells whether nothing has happened since that a judgement goes by."""

        def seen() -> tuple[object, ...]:
            state = self._schedule.state
            events = state.adverse_events, state.dlt_findings, state.adjudications
            return state.holds, state.dlt, state.treatment_stopped, *events

        before = seen()
        return lambda: seen() == before

    async def _judge(self, rules: RetreatmentRules) -> SupportVerdict:
        needed = len(rules.infusion_days)
        verdict = self._verdict(rules, needed)
        if verdict.state is SupportState.OFFER:
            # Arm and bank are asked only if nothing else is in the way.
            toxic, fitting = await self._lowest_toxic_level(), needed
            if rules.product_needed:
                fitting = await product.count_fitting(
                    self._schedule, needed, self._last_window_on(rules, self._plan(rules))
                )
            verdict = self._verdict(rules, fitting, toxic)
        if not same_verdict(self._schedule.state.retreatment, verdict):
            self._record(verdict)
        return verdict

    async def _lowest_toxic_level(self) -> int | None:
        slot = self._schedule.state.slot
        if slot is None:
            return None
        question = m.ToxicityQuestion(
            study=self._schedule.state.study, arm=slot.arm, escalation=self._schedule.protocol.escalation
        )
        return (await self._schedule.execute(names.LOWEST_TOXIC_LEVEL, question, m.ToxicLevel)).level

    def _verdict(self, rules: RetreatmentRules, units: int, toxic_level: int | None = None) -> SupportVerdict:
        return judge_retreatment(rules, treatment_record(self._schedule.state, units, toxic_level), now().date())

    def _record(self, verdict: SupportVerdict) -> None:
        self._schedule.journal.record(f.RetreatmentJudged(verdict=verdict, **system(verdict.why)))

    def _plan(self, rules: RetreatmentRules) -> CyclePlan:
        return plan_cycle(self._schedule.protocol, rules, self._schedule.state, now().date())

    def _last_window_on(self, rules: RetreatmentRules, plan: CyclePlan) -> date:
        return last_window_on(self._schedule.protocol, rules, plan.day_zero)

    # ------------------------------------------------------------------ the offer

    async def _offer(self, rules: RetreatmentRules, unchanged: Callable[[], bool], closes: datetime) -> bool:
        """Wait for the answer, or for what may come in its way; return whether there is more to do before the visit."""
        if now() >= closes:
            return False
        cycle = self._schedule.state.cycles + 1
        plan = TaskPlan(
            kind=TaskKind.RETREATMENT,
            step=self._offer_step(cycle),
            title=f"Decide on further cycle {cycle}",
            expires_at=closes,
            detail={"cycle": str(cycle), "of_at_most": str(rules.maximum_cycles)},
        )
        task = self._schedule.tasks.open(plan)
        await self._schedule.wait(lambda: task.id in self._schedule.state.closed or not unchanged(), None)
        # Left unanswered, it is made again after the next assessment; declined, never.
        return self._schedule.state.closed.get(task.id) is not TaskEnd.EXPIRED

    def _offer_step(self, cycle: int) -> str:
        """Name the offer of a cycle; one that was left unanswered may be made again."""
        first = f"retreatment-{cycle}"
        steps = [step_of(task_id) for task_id in self._schedule.state.closed]
        earlier = sum(step == first or step.startswith(f"{first}.") for step in steps)
        return f"{first}.{earlier + 1}" if earlier else first

    def _take_back(self, why: str) -> None:
        for task in list(self._schedule.state.tasks.values()):
            if task.kind is TaskKind.RETREATMENT:
                self._schedule.tasks.cancel(task, why)

    # ------------------------------------------------------------------ the cycle

    async def _begin(self, rules: RetreatmentRules, closes: datetime) -> bool:
        """
        Reserve an accepted cycle's units, and begin it; return whether there is more to do before the visit.

        Product may have gone to others meanwhile. The bank is asked again while the cycle still fits before the visit;
        then the acceptance lapses, as it does when something has come in the cycle's way.
        """
        cycle, plan = self._schedule.state.cycles + 1, self._plan(rules)
        verdict = self._verdict(rules, len(rules.infusion_days))
        if verdict.state is not SupportState.OFFER:
            self._record(verdict)
            return True
        last = self._last_window_on(rules, plan)
        if now() < closes and await product.reserve(self._schedule, f"cycle-{cycle}", len(rules.infusion_days), last):
            started = f.CycleStarted(
                cycle=cycle, day_zero=plan.day_zero, lymphodepletion=plan.lymphodepletion, **system(plan.why)
            )
            self._schedule.journal.record(started)
            return True
        again = now() + timedelta(days=self._schedule.protocol.assignment.product_check_every_days)
        if again < closes:
            await self._schedule.until(again)
            return True
        self._record(self._verdict(rules, 0))
        return False

    async def _go_on(self, rules: RetreatmentRules, cycle: int) -> None:
        """Do what is left of a cycle; what is not given is skipped, and its units go back."""
        depleted = not self._schedule.state.cycle_lymphodepletion or await self._deplete(cycle)
        for number, offset in enumerate(rules.infusion_days, start=1):
            step = cycle_step(cycle, f"infusion-{number}")
            if step in self._schedule.state.infusion_steps or step in self._schedule.state.skipped:
                continue
            if not depleted or treatment_is_over(self._schedule.state, step):
                self._schedule.skip(step, "treatment has stopped" if depleted else "lymphodepletion was not given")
                continue
            await give_infusion(self._schedule, number, step, self._day(offset))
        await product.give_back(self._schedule, f"no further infusion is planned in cycle {cycle}")

    def _day(self, offset: int) -> datetime:
        day_zero = cycle_starts_on(self._schedule.protocol, self._schedule.state)
        return start_of(day_zero + timedelta(days=offset))

    async def _deplete(self, cycle: int) -> bool:
        """Repeat lymphodepletion, whose late first day moves the cycle; return whether the first day was given."""
        rule = self._schedule.protocol.lymphodepletion
        window = timedelta(days=rule.window_after_days + 1)
        first = cycle_step(cycle, "lymphodepletion-1")
        for number, offset in enumerate(rule.days, start=1):
            step = cycle_step(cycle, f"lymphodepletion-{number}")
            if first in self._schedule.state.skipped:
                return False
            if step in self._schedule.state.skipped:
                continue
            starts = self._day(offset)
            if step == first and not await self._may_deplete(cycle, first, starts, starts + window):
                self._schedule.skip(step, "lymphodepletion could not start in time")
            elif not await ask_for_day(
                self._schedule, step, f"Give lymphodepletion day {number} of cycle {cycle}", starts
            ):
                self._schedule.skip(step, "lymphodepletion was not given within its window")
        return first not in self._schedule.state.skipped

    async def _may_deplete(self, cycle: int, first: str, starts: datetime, closes: datetime) -> bool:
        checked = cycle_step(cycle, "lymphodepletion")
        asked = self._schedule.tasks.open_task(first) is not None
        given = self._schedule.state.cycle_depleted_on is not None
        return (
            asked
            or given
            or (has_passed(self._schedule, checked) or await pass_check(self._schedule, checked, starts, closes))
        )
