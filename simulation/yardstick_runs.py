"""Runs of the yardstick, as many workflows at a time as the benchmark says, and how long they take."""

import asyncio
from typing import NamedTuple

import psutil

from schemas import names
from simulation.bench_run import Run, timed
from simulation.bench_stack import BenchStack
from simulation.yardstick import YARDSTICK_QUEUE, Message, YardstickOwner, YardstickParticipant
from simulation.yardstick_script import Script, Step, script_of
from simulation.yardstick_site import YardstickSite

UPDATES_AT_ONCE = 8
"""A workflow takes ten updates at a time, and enrolments are updates of one study."""


class Scripts(NamedTuple):
    """What a real journey was made of: the participant's part, the arm's and the study's."""

    like: str
    """The participant's workflow id."""
    participant: Script
    arm: Script
    study: Script


async def read_scripts(stack: BenchStack, study: str, subject: str, arm: str) -> Scripts:
    """Read the scripts from the histories of a study that had one participant."""
    ids = names.participant_id(study, subject), names.arm_id(study, arm), names.study_id(study)
    participant, of_arm, of_study = [script_of(await stack.history(workflow_id)) for workflow_id in ids]
    return Scripts(ids[0], participant, of_arm, of_study)


class YardstickRuns:
    """Runs on a stack whose yardstick's worker runs; each has a study and arms of its own."""

    def __init__(self, stack: BenchStack, worker: psutil.Process, scripts: Scripts, arms: int) -> None:
        self._stack, self._worker, self._scripts, self._arms = stack, worker, scripts, arms
        self._studies = 0
        self._places = asyncio.Semaphore(UPDATES_AT_ONCE)

    @property
    def study(self) -> str:
        """The study of the latest run."""
        return f"yardstick-{self._studies}"

    async def same_commands(self, count: int, together: int) -> Run:
        """Run so many participants that give the same commands as real ones, `together` at a time."""
        await self._start_study()
        latencies: list[float] = []

        async def journey(number: int) -> None:
            await self._enroll(number)
            site = self._site(number, self._scripts.participant)
            await site.live()
            latencies.extend(site.latencies)

        run = await timed(self._worker, count, together, journey)
        return run._replace(latencies=latencies)

    async def updates_and_timers(self, count: int, together: int) -> Run:
        """Run so many workflows that only take the same updates and wait for the same timers."""
        self._studies += 1
        script = self._scripts.participant.of_updates_and_timers()
        latencies: list[float] = []

        async def journey(number: int) -> None:
            await self._start_alone(number, script)
            site = self._site(number, script)
            await site.live()
            latencies.extend(site.latencies)

        run = await timed(self._worker, count, together, journey)
        return run._replace(latencies=latencies)

    async def starts(self, count: int, together: int) -> Run:
        """Start so many workflows that wait for an update."""
        self._studies += 1
        script = Script(steps=self._scripts.participant.of_updates_and_timers().steps[:2])
        return await timed(self._worker, count, together, lambda number: self._start_alone(number, script))

    def participant_id(self, number: int) -> str:
        """Return the id of a workflow of the latest run."""
        return names.participant_id(self.study, str(number))

    def _site(self, number: int, script: Script) -> YardstickSite:
        return YardstickSite(
            self._stack.client, self._stack.pool, self.participant_id(number), script, self._scripts.like
        )

    async def _start_study(self) -> None:
        self._studies += 1
        await self._start_owner(names.study_id(self.study), self._scripts.study)
        arms = range(1, self._arms + 1)
        await asyncio.gather(*(self._start_owner(self._arm_id(arm), self._scripts.arm) for arm in arms))

    def _arm_id(self, number: int) -> str:
        return names.arm_id(self.study, f"arm-{1 + number % self._arms}")

    async def _start_owner(self, workflow_id: str, script: Script) -> None:
        start = Message(text=Script(steps=tuple(script.by_name.values())).to_text())
        await self._stack.client.start_workflow(YardstickOwner.run, start, id=workflow_id, task_queue=YARDSTICK_QUEUE)

    async def _enroll(self, number: int) -> None:
        enrolment: Step = self._scripts.study.by_name["enroll"]
        message = Message(
            name=self.participant_id(number),
            text=self._scripts.participant.opening().to_text(),
            answered=enrolment.answered,
            sender=self._arm_id(number),
        )
        study = self._stack.client.get_workflow_handle_for(YardstickOwner.run, names.study_id(self.study))
        async with self._places:
            await study.execute_update(YardstickOwner.enroll, message)

    async def _start_alone(self, number: int, script: Script) -> None:
        await self._stack.client.start_workflow(
            YardstickParticipant.run,
            Message(text=script.to_text()),
            id=self.participant_id(number),
            task_queue=YARDSTICK_QUEUE,
        )
