"""
`make demo`: a Phase 1 of virtual participants on the embedded stack, reproducible by seed.

What must happen is scripted (STORIES and TOXICITIES); who the participants are is drawn from the seed. Every number
that is printed at the end comes from the read model and the histories.
"""

import argparse
import asyncio
import shutil
import sys
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from activities.database import open_pool
from activities.read_model import listen
from client.converter import DATA_CONVERTER
from client.trial_client import TrialClient
from deploy.migrate import migrate
from deploy.services import embedded_services
from deploy.stack import down, up
from deploy.temporal_client import connect_temporal
from history.reading import facts_in, fetch_runs
from protocols.loader import LoadedProtocol, default_protocol_path, load_protocol
from schemas import names
from schemas.protocol import Protocol
from schemas.state.arm import ArmState
from schemas.state.participant import ParticipantState
from simulation.demo_report import arm_table, ends_table, expansion_line, plain_table, safety_table, timeline
from simulation.people import VirtualParticipant, draw_population
from simulation.trial import fill_bank, run_phase_one, start_study
from simulation.world import News, World

STUDY = "car-nk-01"
SITES = ("CN01", "CN02", "CN03")
UNITS_PER_TARGET = 48

SINGLE: dict[str, object] = {"story": "single-target"}
DUAL: dict[str, object] = {"story": "dual-target", "dual": True}
# In the order of their enrolment.
STORIES: tuple[dict[str, object], ...] = (
    SINGLE,
    DUAL,
    {"story": "no antigen of the panel is above threshold", "antigens": ()},
    SINGLE | {"story": "the first biopsy has too little tissue", "first_biopsy_adequate": False},
    SINGLE | {"story": "withdraws between reservation and infusion", "withdraws_at": "lymphodepletion-1"},
    DUAL,
    {"story": "ECOG performance status 3", "form_changes": (("ecog", 3),)},
    SINGLE,
    DUAL | {"story": "a site that answers imaging only when reminded", "late_steps": ("imaging-week-8",)},
    {"story": "symptomatic CNS metastases", "form_changes": (("cns_disease", "symptomatic"),)},
    SINGLE,
    SINGLE,
    DUAL,
    {"story": "80 years old", "age_years": 80},
    SINGLE,
    DUAL,
    SINGLE,
    DUAL,
    SINGLE,
    SINGLE,
    DUAL,
    {"story": "prednisone 20 mg/day", "form_changes": (("prednisone_mg_per_day", 20.0),)},
    DUAL,
    SINGLE,
    SINGLE,
    DUAL,
    SINGLE,
    SINGLE | {"story": "comes after the arm has found its dose"},
)
# Single-target: one DLT at level 2 expands the cohort to six; two at level 3 make it toxic, so level 2 is the RP2D.
# Dual-target: two DLTs at the starting level 2 de-escalate the arm; one in six at level 1 makes it the RP2D.
TOXICITIES = {
    ("single-target", 2): (2,),
    ("single-target", 3): (2, 3),
    ("dual-target", 2): (2, 3),
    ("dual-target", 1): (4,),
}

console = Console()


def main() -> None:
    """Set up, run, report; leave the data folder to be looked at."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20261124, help="draws who the participants are")
    parser.add_argument("--data", type=Path, default=Path(".trial-demo"), help="data folder; made anew")
    chosen = parser.parse_args()
    began = time.monotonic()
    try:
        _start_anew(chosen.data)
        asyncio.run(_demo(chosen.data, chosen.seed))
    finally:
        console.print("Stopping the stack (histories and database stay in the data folder) ...")
        down(chosen.data, report=_silent)
    console.print(f"Done in {time.monotonic() - began:.0f} s.")


def _start_anew(data: Path) -> None:
    down(data, report=_silent)
    # Only a folder that an earlier demo made is removed.
    if (data / "stack.json").exists():
        shutil.rmtree(data)
    console.print(f"Starting Temporal, PostgreSQL and the worker on {data} ...")
    stack = up(data, virtual_time=True, task_queue=names.TASK_QUEUE, report=_step)
    console.print(f"Temporal's own page while this runs: {stack.ui_url}")


def _silent(line: str) -> None:
    """Say nothing."""


def _step(line: str) -> None:
    console.print(f"  {line}", style="dim", soft_wrap=True)


async def _demo(data: Path, seed: int) -> None:
    services = embedded_services(data)
    client = await connect_temporal(services, DATA_CONVERTER)
    pool = await open_pool(services.database_url)
    await migrate(pool)
    news = News()
    connection = await listen(services.database_url, news.receive)
    world = World(TrialClient(client, STUDY), pool, news)
    loaded = load_protocol(default_protocol_path())
    people = draw_population(seed, SITES, [target for arm in loaded.protocol.arms for target in arm.targets], STORIES)
    targets = sorted({person.antigens for person in people if person.antigens})
    units = await fill_bank(pool, loaded, targets, units=UNITS_PER_TARGET)
    await start_study(world, loaded)
    version = loaded.reference.version
    console.print(f"{len(people)} virtual participants (seed {seed}), {units} units banked, protocol {version}\n")
    arms = await _with_progress(world, loaded, people)
    await _report(world, loaded, arms, people)
    await connection.close()
    await pool.close()


async def _with_progress(world: World, loaded: LoadedProtocol, people: list[VirtualParticipant]) -> list[ArmState]:
    trial = asyncio.create_task(run_phase_one(world, loaded, people, TOXICITIES))
    began = time.monotonic()
    with Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else nullcontext() as live:
        while not trial.done():
            await asyncio.wait([trial], timeout=0.5 if console.is_terminal else 5)
            view = await _progress(world, loaded.protocol, len(people), time.monotonic() - began)
            if isinstance(live, Live):
                live.update(view)
            else:
                console.print(view)
    return await trial


async def _progress(world: World, protocol: Protocol, expected: int, seconds: float) -> Table:
    study = await world.study_state()
    title = f"{seconds:.0f} s: {len(study.active)} on study, {len(study.ended)} of {expected} ended"
    table = plain_table(title, "Arm", "Cohort", "Level", "Waiting", "In cohort", "Decisions")
    for arm in protocol.arms:
        state = await world.arm_state(arm.id)
        cohort = [slot.state.value for slot in state.slots if slot.cohort == state.cohort]
        decided = ", ".join(d.action.value for d in state.decisions)
        table.add_row(arm.id, str(state.cohort), str(state.level), str(len(state.queue)), ", ".join(cohort), decided)
    return table


async def _report(world: World, loaded: LoadedProtocol, arms: list[ArmState], people: list[VirtualParticipant]) -> None:
    states = [await world.participant_state(person.subject) for person in people]
    for arm in arms:
        console.print(arm_table(loaded.protocol, arm))
        if arm.expansions:
            console.print(expansion_line(arm))
    console.print(safety_table(states))
    console.print(ends_table(states))
    expanded = next((s for s in states if s.dlt is not None and s.dlt.value == "dlt"), states[0])
    runs = await fetch_runs(world.client.temporal, names.participant_id(world.client.study, expanded.subject))
    console.print(timeline(expanded, facts_in(runs)))
    await _facts_check(world, states)
    _show_what_next(arms[0].arm, expanded.subject)


def _show_what_next(arm: str, subject: str) -> None:
    data = f"--data {_data_hint()}"
    console.print("\nLook on, at the same data:")
    for line in (
        f".venv/bin/trial up {data} --virtual-time",
        f".venv/bin/trial arm status {data}",
        f".venv/bin/trial arm packet {arm} --pdf packet.pdf {data}",
        f".venv/bin/trial adverse-event list {subject} {data}",
        f".venv/bin/trial safety clocks {data}",
        f".venv/bin/trial participant timeline {subject} {data}",
        f".venv/bin/trial audit replay {subject} {data}",
        f".venv/bin/trial down {data}",
    ):
        console.print(f"  {line}", highlight=False)


def _data_hint() -> str:
    return sys.argv[sys.argv.index("--data") + 1] if "--data" in sys.argv else ".trial-demo"


async def _facts_check(world: World, states: list[ParticipantState]) -> None:
    events = Counter[str]()
    for state in states:
        handle = world.client.temporal.get_workflow_handle(names.participant_id(world.client.study, state.subject))
        description = await handle.describe()
        events["events"] += description.history_length
        events["open"] += description.close_time is None
    console.print(
        f"\n{len(states)} participants' workflows, {events['open']} still open, {events['events']} history events."
    )


if __name__ == "__main__":
    main()
