"""The benchmark's report: the figures beside their bars, on the terminal and in docs/."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent.parent / "docs"


class Bar(NamedTuple):
    """What a figure has to be: at least, or at most."""

    limit: float
    at_least: bool = False

    def is_kept(self, value: float) -> bool:
        """Return whether a value keeps to the bar."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:,g}"


BARS = {
    "same_commands_ratio": Bar(0.7, at_least=True),
    "same_commands_latency_ratio": Bar(1.3),
    "replay_ratio": Bar(0.5, at_least=True),
    "history_events": Bar(800),
    "history_bytes": Bar(220_000),
    "worker_rss_mb_at_1000": Bar(512),
    "trial_help_seconds": Bar(0.4),
    "trial_worklist_seconds": Bar(0.6),
    "trial_participant_status_seconds": Bar(0.6),
    "trial_task_complete_seconds": Bar(1.2),
}
ABOUT = """\
# Benchmark

Measured on {when} by `make bench`. `same_commands` is a Temporal workflow that gives the same commands as a participant
(activities, signals, updates, timers; payloads of the same size) and does nothing else, driven in the same manner;
`participants_ratio` and `update_latency_ratio` are against one with the same updates and timers only. Rates and
latencies belong to the machine; the ratios are taken from runs that follow each other.

| figure | value | bar | |
|---|---:|---|---|
"""


def verdict(name: str, value: float) -> tuple[str, str]:
    """Return a figure's bar, and whether it is kept; nothing for one without a bar."""
    bar = BARS.get(name)
    return ("", "") if bar is None else (str(bar), "kept" if bar.is_kept(value) else "MISSED")


def show(console: Console, figures: Mapping[str, float]) -> None:
    """Print the figures."""
    table = Table(title="Benchmark", title_justify="left")
    for column in ("Figure", "Value", "Bar", ""):
        table.add_column(column, justify="right" if column == "Value" else "left", no_wrap=True)
    for name, value in figures.items():
        table.add_row(name, f"{value:,.2f}", *verdict(name, value))
    console.print(table)


def write(figures: Mapping[str, float], when: date) -> None:
    """Write the figures to docs/bench.json and docs/bench.md."""
    RESULTS.mkdir(exist_ok=True)
    rounded = {name: round(value, 4) for name, value in figures.items()}
    (RESULTS / "bench.json").write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")
    rows = (f"| {name} | {value:,.2f} | {' | '.join(verdict(name, value))} |\n" for name, value in figures.items())
    (RESULTS / "bench.md").write_text(ABOUT.format(when=when) + "".join(rows), encoding="utf-8")
