"""Who plays the people and the time of one workflow of the yardstick, in the same manner as a virtual site."""

import asyncio
import time
from datetime import datetime

from temporalio.client import Client, WorkflowUpdateFailedError

from activities import read_model
from activities.database import Pool
from client.trial_client import NOT_READY, refusal
from simulation.clock import Clocks
from simulation.observation import Observation, observe
from simulation.world import REST_SECONDS
from simulation.yardstick import YardstickParticipant, message_of
from simulation.yardstick_script import Script, Step, Trigger


class YardstickSite:
    """Answers what a script says when the workflow is at rest, and lets its clock go on to the next timer."""

    def __init__(self, client: Client, pool: Pool, workflow_id: str, script: Script, like: str) -> None:
        """`like` is the real workflow whose worklist is read as often as a site reads its own."""
        self._client, self._pool, self._workflow_id, self._script, self._like = client, pool, workflow_id, script, like
        self._handle = client.get_workflow_handle_for(YardstickParticipant.run, workflow_id)
        self._publishes = any(step.published for step in script.steps)
        self._clocks = Clocks(client)
        self._forwarded: datetime | None = None
        self.latencies: list[float] = []
        """Of each update, in milliseconds."""

    async def live(self) -> None:
        """Go through the script to its end."""
        for step in self._script.steps:
            match step.trigger:
                case Trigger.UPDATE:
                    await self._answer(step)
                case Trigger.TIMER:
                    await self._let_time_pass()
                case _:
                    continue
        await self._handle.result()

    async def _at_rest(self) -> Observation:
        while True:
            observed = await self._observe()
            await read_model.kinds_of(self._pool, self._like)
            await read_model.tasks_of(self._pool, self._like)
            if observed is not None and observed.is_at_rest and self._has_arrived(observed):
                return observed
            await asyncio.sleep(REST_SECONDS)

    def _has_arrived(self, observed: Observation) -> bool:
        return observed.next_at is None or observed.next_at != self._forwarded

    async def _observe(self) -> Observation | None:
        return await observe(self._client, self._workflow_id, publishes=self._publishes)

    async def _answer(self, step: Step) -> None:
        while True:
            await self._at_rest()
            began = time.perf_counter()
            try:
                await self._handle.execute_update(
                    YardstickParticipant.take, message_of(step.received, answered=step.answered)
                )
            except WorkflowUpdateFailedError as failed:
                error = refusal(failed)
                if error is None or error.type != NOT_READY:
                    raise
            else:
                self.latencies.append(1000 * (time.perf_counter() - began))
                return
            finally:
                await asyncio.sleep(REST_SECONDS)

    async def _let_time_pass(self) -> None:
        while True:
            observed = await self._at_rest()
            if observed.next_at is not None and await self._observe() == observed:
                self._forwarded = observed.next_at
                self._clocks.note(self._workflow_id, observed.at)
                await self._clocks.bring_to(self._workflow_id, observed.next_at)
                await asyncio.sleep(REST_SECONDS)
                return
            await asyncio.sleep(REST_SECONDS)
