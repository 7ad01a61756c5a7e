"""
`make bench`: participants against Temporal workflows that give the same commands and do nothing else, in one run.

All run on the same server, each kind in a worker process of its own, driven by this process in the same manner, one
after the other and back again; ratios compare runs that follow each other. Absolute figures belong to the machine; the
ratios are what is kept to.
"""

import argparse
import asyncio
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from deploy.stack import down
from simulation import bench_figures as measured
from simulation import bench_report
from simulation.bench_commands import command_figures
from simulation.bench_journeys import Journeys, subject
from simulation.bench_stack import BenchStack, open_stack, silent, yardstick_worker
from simulation.yardstick_runs import YardstickRuns, read_scripts

console = Console()


async def measure(data: Path, chosen: argparse.Namespace) -> measured.Figures:
    """Measure everything."""
    async with open_stack(data / "ratios") as stack:
        figures = await _ratios(stack, chosen)
    console.print(f"{chosen.open} open participants on one worker ...")
    async with open_stack(data / "open") as stack:
        return figures | await measured.memory_figures(stack, chosen.open)


async def _ratios(stack: BenchStack, chosen: argparse.Namespace) -> measured.Figures:
    console.print("One journey, for its history ...")
    journeys = Journeys(stack)
    await journeys.whole(1, 1)
    scripts = await read_scripts(stack, journeys.study, subject(1), journeys.arm_of(1))
    history = await stack.history(scripts.like)
    figures = measured.history_figures(history, scripts.participant)
    console.print("The command line ...")
    figures |= await command_figures(journeys, stack.data)
    async with yardstick_worker(stack.data, scripts.participant) as worker:
        yardstick = YardstickRuns(stack, worker, scripts, journeys.arms)
        await yardstick.same_commands(1, 1)
        same_history = await stack.history(yardstick.participant_id(1))
        figures["same_commands_history_events"] = float(len(same_history.events))
        console.print(f"{chosen.rounds} rounds of {chosen.participants} journeys, {chosen.together} at a time ...")
        rounds = await measured.rounds_of(journeys, yardstick, chosen.rounds, chosen.participants, chosen.together)
        figures |= measured.throughput_figures(rounds)
        console.print("Update latency, one participant at a time ...")
        rounds = await measured.rounds_of(journeys, yardstick, chosen.rounds, measured.ONE_BY_ONE, 1)
        figures |= measured.latency_figures(rounds)
        console.print("Start rate ...")
        figures |= await measured.start_figures(journeys, yardstick, chosen.starts)
    console.print("Replay ...")
    return figures | await measured.replay_figures(history, same_history, chosen.replay_seconds)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--participants", type=int, default=30, help="journeys in a round (at most 60)")
    parser.add_argument("--together", type=int, default=10, help="how many at a time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="keep the data folder, logs and all")
    parser.add_argument("--starts", type=int, default=200)
    parser.add_argument("--open", type=int, default=1000)
    parser.add_argument("--replay-seconds", type=float, default=8.0, help="of processor time, for each")
    chosen = parser.parse_args()
    data = Path(tempfile.mkdtemp(prefix="trial-bench-"))
    try:
        figures = asyncio.run(measure(data, chosen))
    finally:
        for part in ("ratios", "open"):
            down(data / part, silent)
        if not chosen.keep:
            shutil.rmtree(data, ignore_errors=True)
    bench_report.show(console, figures)
    bench_report.write(figures, datetime.now(UTC).date())


if __name__ == "__main__":
    main()
