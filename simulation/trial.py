"""A whole Phase 1 of virtual people, against a running stack; the demo, the tests and the benchmark share it."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from activities.bank_file import load_units
from activities.database import Pool
from protocols.loader import LoadedProtocol
from schemas.base import Role
from schemas.commands.commands import ChangeDelegation, Envelope, StartStudy
from schemas.protocol import Protocol
from schemas.screening.panel import Antigen
from schemas.state.arm import ArmState, SlotState
from schemas.state.participant import ParticipantState
from simulation.committee import decide_all
from simulation.people import VirtualParticipant
from simulation.site import PEOPLE, Toxicity, VirtualSite
from simulation.world import World

Toxicities = Mapping[tuple[str, int], Sequence[int]]
"""For an arm and dose level: which participants dosed there, counted from 1, will have a DLT."""
SiteMaker = Callable[[World, Protocol, VirtualParticipant, Toxicity], VirtualSite]


def bank_csv(
    targets: Iterable[tuple[Antigen, ...]], *, units: int, million_cells: float, first_expiry: date, prefix: str = "P"
) -> str:
    """
    Return a bank file with `units` released units for each target, each expiring a day after the one before.

    The ids of units begin with `prefix`: the bank knows an id once, for ever.
    """
    rows = ["unit_id,lot,donor,antigens,million_cells,quality,expires_on"]
    for product, target in enumerate(targets, start=1):
        for number in range(1, units + 1):
            expiry = first_expiry + timedelta(days=number)
            name = "+".join(target)
            rows.append(
                f"{prefix}{product:02d}-{number:04d},LOT-{product:02d},DONOR-{number % 7:02d},"
                f"{name},{million_cells:g},released,{expiry}"
            )
    return "\n".join(rows) + "\n"


async def start_study(world: World, loaded: LoadedProtocol) -> None:
    """Start the study, and delegate what is signed for: the committee's decisions, and the lifting of holds."""
    await world.client.start_study(
        StartStudy(
            envelope=Envelope(
                person=PEOPLE[Role.OPERATIONS],
                role=Role.OPERATIONS,
                time=datetime.now(UTC),
                reason="first site is ready",
            ),
            study=world.client.study,
            protocol=loaded.protocol,
            reference=loaded.reference,
        )
    )
    if loaded.protocol.signatures is not None:
        for role in (Role.COMMITTEE, Role.OPERATIONS):
            await delegate(world, role)


async def delegate(world: World, role: Role, *, delegated: bool = True) -> None:
    """Delegate a role to the one person who plays it, or take it back."""
    command = ChangeDelegation(
        envelope=Envelope(
            person=PEOPLE[Role.OPERATIONS],
            role=Role.OPERATIONS,
            time=datetime.now(UTC),
            reason="on the study's delegation log" if delegated else "off the study's delegation log",
        ),
        person=PEOPLE[role],
        role=role,
        delegated=delegated,
    )
    await world.client.change_delegation(command)


async def fill_bank(pool: Pool, loaded: LoadedProtocol, targets: Iterable[tuple[Antigen, ...]], *, units: int) -> int:
    """Load units of each target, large enough for every dose level; return how many were loaded."""
    today = datetime.now(UTC).date()
    largest = max(level.million_cells for arm in loaded.protocol.arms for level in arm.dose_levels)
    text = bank_csv(targets, units=units, million_cells=largest, first_expiry=today + timedelta(days=900))
    return len((await load_units(pool, text, today, PEOPLE[Role.PHARMACIST])).loaded)


def toxicity_script(world: World, script: Toxicities) -> Toxicity:
    """Return who has a DLT: by the order in which slots were given at a level, so that it is the same every time."""

    async def has_dlt(state: ParticipantState) -> bool:
        if state.slot is None or state.slot.phase > 1:
            return False
        arm = await world.arm_state(state.slot.arm)
        ordinal = slot_ordinal(arm, state.subject, state.slot.level)
        return ordinal in script.get((arm.arm, state.slot.level), ())

    return has_dlt


def slot_ordinal(arm: ArmState, subject: str, level: int) -> int:
    """Return which of a level's dosed participants this is, from 1; who left before dosing does not count."""
    gone = SlotState.NOT_EVALUABLE
    here = [s.subject for s in arm.slots if s.level == level and not (s.state is gone and s.first_infused_on is None)]
    return here.index(subject) + 1


async def run_phase_one(
    world: World, loaded: LoadedProtocol, people: Sequence[VirtualParticipant], script: Toxicities
) -> list[ArmState]:
    """Run everybody through the schedule and every arm to its end; return the arms' final states."""
    committee = asyncio.create_task(decide_all(world, [arm.id for arm in loaded.protocol.arms]))
    try:
        await run_participants(world, loaded, people, script)
        return await committee
    finally:
        committee.cancel()


async def run_participants(
    world: World,
    loaded: LoadedProtocol,
    people: Sequence[VirtualParticipant],
    script: Toxicities,
    make_site: SiteMaker = VirtualSite,
) -> None:
    """
    Run everybody through the schedule.

    Participants are enrolled one after another, each when the one before has been assigned or has failed screening,
    so that slots are asked for in the same order every time.
    """
    toxicity = toxicity_script(world, script)
    living: list[asyncio.Task[None]] = []
    try:
        for person in people:
            site = make_site(world, loaded.protocol, person, toxicity)
            await site.enroll()
            await site.live(until=lambda stage: stage != "screening")
            living.append(asyncio.create_task(site.live()))
        await asyncio.gather(*living)
    finally:
        for task in living:
            task.cancel()
