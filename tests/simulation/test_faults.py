"""`make faults` in short: each part is killed once while four participants go through the schedule."""

import pytest

from simulation.faults import run_faults
from simulation.kills import Part


@pytest.mark.nightly
def test_no_part_that_is_killed_costs_a_fact_a_step_or_a_unit() -> None:
    """The worker, the Temporal server and Postgres are killed with -9, once each, and everything is as it must be."""
    result = run_faults(kills=3, seed=1, participants=4)

    assert result.violation_details == ()
    assert result.kills_by_part == dict.fromkeys(Part, 1)
