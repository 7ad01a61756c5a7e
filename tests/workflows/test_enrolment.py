"""Enrolment: a subject id is taken once, for ever."""

import asyncio
from datetime import timedelta

from client.trial_client import RefusedError
from history.reading import facts_in, fetch_runs
from protocols.loader import LoadedProtocol
from schemas import names
from schemas.base import Role
from schemas.commands.commands import Accepted, EndReason
from schemas.problem import ProblemType
from simulation.world import World
from tests.workflows.stories import Case, begin, one, refused, somebody


async def refused_by_the_study(world: World) -> list[str]:
    """Return the types of the refusals in the study's event history."""
    runs = await fetch_runs(world.client.temporal, names.study_id(world.client.study))
    return [fact.fact["problem"]["type"] for fact in facts_in(runs) if fact.fact["kind"] == "refused"]


async def test_a_subject_cannot_be_enrolled_twice(world: World, protocol: LoadedProtocol) -> None:
    """A second consent under the same id is refused on record, while on study and after the end."""
    case = await one(world, protocol)
    await case.reach("biopsy-1")

    with refused(ProblemType.SUBJECT_ALREADY_ENROLLED):
        await case.enroll()
    await case.end(EndReason.WITHDRAWAL)
    await case.reach_end()
    with refused(ProblemType.SUBJECT_ALREADY_ENROLLED):
        await case.enroll()

    assert await refused_by_the_study(world) == [ProblemType.SUBJECT_ALREADY_ENROLLED] * 2
    assert len(await case.facts("participant_enrolled")) == 1


async def test_of_two_enrolments_at_once_one_succeeds(world: World, protocol: LoadedProtocol) -> None:
    """Two coordinators enrol the same subject at the same moment: one is told that the id is taken."""
    await begin(world, protocol)
    case = Case(world, protocol, somebody())

    answers = await asyncio.gather(*(case.enroll() for _ in range(4)), return_exceptions=True)

    assert sum(isinstance(answer, Accepted) for answer in answers) == 1
    kinds = [answer.problem.type for answer in answers if isinstance(answer, RefusedError)]
    assert kinds == [ProblemType.SUBJECT_ALREADY_ENROLLED] * 3
    await case.reach("biopsy-1")
    assert (await world.study_state()).active == (case.subject,)
    assert await refused_by_the_study(world) == kinds


async def test_a_consent_of_tomorrow_and_a_wrong_role_enrol_nobody(world: World, protocol: LoadedProtocol) -> None:
    """A consent date in the future is rejected; a laboratory that enrols is refused."""
    await begin(world, protocol)
    case = Case(world, protocol, somebody())
    early = Case(world, protocol, somebody(2))
    early._now += timedelta(days=1)

    with refused(ProblemType.DATE_IN_FUTURE):
        await early.enroll()
    with refused(ProblemType.WRONG_ROLE):
        await case.enroll(role=Role.LABORATORY)

    assert (await world.study_state()).active == ()
