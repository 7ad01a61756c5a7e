"""
A trial verified from outside, once it is over: histories, read model, custody and notices say the same, each once.

The histories are read without the trial's code; only their replay runs it. Each violation is a sentence.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from temporalio.client import WorkflowHistory

from activities import read_model
from client.converter import DATA_CONVERTER
from history.reading import facts_in, fetch_runs, workflow_ids
from history.rebuild import rebuild
from history.replay import replay
from schemas import names
from simulation.custody_check import custody_violations
from simulation.world import World
from workflows.registry import WORKFLOWS
from workflows.sandbox import workflow_runner

CAUGHT_UP_SECONDS = 120.0
"""For what the histories hold to be published, after the last part has been started again."""
LOOK_SECONDS = 0.5

Fact = Mapping[str, Any]
NOTICE_OF = {"task_opened": "opened", "task_reminded": "reminded", "task_escalated": "escalated"}
"""Which notice follows from a fact."""


class Recorded(NamedTuple):
    """A workflow's runs, and the facts that stand in them, in their order."""

    runs: Sequence[WorkflowHistory]
    facts: Sequence[Fact]


async def verify(world: World, arms: Iterable[str], subjects: Sequence[str]) -> list[str]:
    """Return every violation in a study whose participants have all had the time to end."""
    study = world.client.study
    found = await _late(world)
    recorded = await _recorded(world)
    participants = {subject: names.participant_id(study, subject) for subject in subjects}
    expected = {names.study_id(study), *(names.arm_id(study, arm) for arm in arms), *participants.values()}
    found += [f"{workflow_id}: has no history" for workflow_id in sorted(expected - recorded.keys())]
    facts = {workflow_id: entry.facts for workflow_id, entry in recorded.items()}
    histories = {subject: facts[workflow_id] for subject, workflow_id in participants.items() if workflow_id in facts}
    found += await _replay_violations(recorded)
    for workflow_id, theirs in facts.items():
        found += [f"{workflow_id}: {sentence}" for sentence in step_violations(theirs)]
    found += end_violations(histories, facts.get(names.study_id(study), ()))
    found += outcome_violations(histories, [facts.get(names.arm_id(study, arm), ()) for arm in arms])
    found += custody_violations(histories, await read_model.custody_of_study(world.pool, study))
    found += notice_violations(facts.values(), await read_model.notices(world.pool, study))
    return found + await _read_model_violations(world, recorded)


async def _late(world: World) -> list[str]:
    """Wait until every workflow is at rest and published, and every notice delivered; name what is not in time."""
    workflows = await workflow_ids(world.client.temporal, world.client.study)
    notices: list[str] = []
    deadline = asyncio.get_running_loop().time() + CAUGHT_UP_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        workflows = [workflow_id for workflow_id in workflows if not await _is_published(world, workflow_id)]
        rows = await read_model.notices(world.pool, world.client.study)
        notices = [f"{row['event']} of task {row['task_id']}" for row in rows if row["delivered_at"] is None]
        if not workflows and not notices:
            return []
        await asyncio.sleep(LOOK_SECONDS)
    late = f"{CAUGHT_UP_SECONDS:.0f} s after the trial"
    return [
        *(f"{workflow_id}: is not at rest, or not published, {late}" for workflow_id in workflows),
        *(f"notice {notice} is not delivered {late}" for notice in notices),
    ]


async def _is_published(world: World, workflow_id: str) -> bool:
    observed = await world.observe(workflow_id)
    if observed is None or not observed.is_at_rest:
        return False
    recorded = facts_in(await fetch_runs(world.client.temporal, workflow_id))
    return len(recorded) == await read_model.latest_number(world.pool, workflow_id)


async def _recorded(world: World) -> dict[str, Recorded]:
    client = world.client.temporal
    recorded = {}
    for workflow_id in await workflow_ids(client, world.client.study):
        runs = await fetch_runs(client, workflow_id)
        recorded[workflow_id] = Recorded(runs, [found.fact for found in facts_in(runs)])
    return recorded


async def _replay_violations(recorded: Mapping[str, Recorded]) -> list[str]:
    """Return the runs by which today's code comes to other commands, or to other facts."""
    found = []
    for workflow_id, entry in recorded.items():
        for run in entry.runs:
            done = await replay(run, workflows=WORKFLOWS, runner=workflow_runner(), data_converter=DATA_CONVERTER)
            if done.difference is not None:
                found.append(f"{workflow_id}, run {run.run_id}: does not replay: {done.difference}")
    return found


async def _read_model_violations(world: World, recorded: Mapping[str, Recorded]) -> list[str]:
    """Return where the numbers of facts have gaps, and where facts or tasks differ from the histories."""
    found = []
    for workflow_id, entry in recorded.items():
        rows = await read_model.fact_rows(world.pool, workflow_id)
        if [row["sequence"] for row in rows] != list(range(1, len(entry.facts) + 1)):
            found.append(f"{workflow_id}: {len(entry.facts)} facts in its history, {len(rows)} in the read model")
    async for rebuilt in rebuild(world.client.temporal, world.pool, world.client.study):
        found += [f"{rebuilt.workflow_id}: read model differs: {difference}" for difference in rebuilt.differences]
    return found


def step_violations(facts: Sequence[Fact]) -> Iterator[str]:
    """Name the steps whose task was opened once more though it was open or done, and tasks that ended twice."""
    task_of: dict[str, str] = {}
    ends: dict[str, str] = {}
    for fact in facts:
        if fact["kind"] == "task_opened":
            step, task_id = fact["task"]["step"], fact["task"]["id"]
            before = task_of.get(step)
            # What was taken off the worklist, such as an infusion during a hold, may be asked for again.
            if before is not None and ends.get(before) != "cancelled":
                yield f"step {step} has a second task {task_id}, though {before} is {ends.get(before, 'open')}"
            task_of[step] = task_id
        elif fact["kind"] in ("task_answered", "task_closed"):
            end = fact.get("end", "answered")
            if fact["task_id"] in ends:
                yield f"task {fact['task_id']} was {end}, though it was {ends[fact['task_id']]} before"
            ends[fact["task_id"]] = end


def end_violations(histories: Mapping[str, Sequence[Fact]], study: Sequence[Fact]) -> Iterator[str]:
    """Name participants who have not ended once, left a task open, or whose end the study has not received once."""
    received = [(fact["subject"], fact["disposition"]) for fact in study if fact["kind"] == "subject_ended"]
    for subject, facts in histories.items():
        ends = [fact["disposition"] for fact in facts if fact["kind"] == "participation_ended"]
        if len(ends) != 1:
            yield f"{subject}: participation ended {len(ends)} times; latest fact: {facts[-1]['kind']}"
        if received.count((subject, "".join(ends))) != 1 or sum(name == subject for name, _ in received) != 1:
            yield f"{subject}: ended as {ends}, and the study has received {[e for s, e in received if s == subject]}"
        opened = {fact["task"]["id"] for fact in facts if fact["kind"] == "task_opened"}
        closed = {fact["task_id"] for fact in facts if fact["kind"] in ("task_answered", "task_closed")}
        for task_id in sorted(opened - closed):
            yield f"{subject}: task {task_id} was never closed"


def outcome_violations(histories: Mapping[str, Sequence[Fact]], arms: Iterable[Sequence[Fact]]) -> Iterator[str]:
    """Name participants whose DLT outcomes an arm has not received, or not as often as they were judged."""
    received = [fact for facts in arms for fact in facts if fact["kind"] == "outcome_reported"]
    for subject, facts in histories.items():
        judged = [fact["status"] for fact in facts if fact["kind"] == "dlt_judged"]
        known = [fact["status"] for fact in received if fact["subject"] == subject]
        if judged != known:
            yield f"{subject}: DLT outcomes are {judged}, and an arm has received {known}"


def notice_violations(histories: Iterable[Sequence[Fact]], notices: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Name the notices that are in the outbox more than once, or never, or without a fact that they follow from."""
    there = Counter((row["task_id"], row["event"]) for row in notices)
    due = Counter(
        (fact["task"]["id"] if fact["kind"] == "task_opened" else fact["task_id"], NOTICE_OF[fact["kind"]])
        for facts in histories
        for fact in facts
        if fact["kind"] in NOTICE_OF
    )
    for key in sorted(there.keys() | due.keys()):
        if there[key] != min(due[key], 1):
            yield f"notice '{key[1]}' of task {key[0]}: {there[key]} in the outbox, {due[key]} in the histories"
