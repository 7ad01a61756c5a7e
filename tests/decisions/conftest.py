"""
How thoroughly Hypothesis searches: `quick` unless another profile is asked for.

`thorough` is for a night or a changed rule (`pytest tests/decisions --hypothesis-profile=thorough`), `mutation` for
`make mutation`, which runs the rules' tests thousands of times.
"""

import pytest
from hypothesis import HealthCheck, Phase, settings

# No deadline: on a machine that others use, too, a slow example says nothing of the rule.
settings.register_profile("quick", max_examples=40, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# A few examples, the same each time: a mutant is killed or not by the tests, never by luck or by a slow machine.
# What Hypothesis would find by searching longer belongs into a table of cases.
settings.register_profile(
    "mutation",
    max_examples=10,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def pytest_configure(config: pytest.Config) -> None:
    """Load the quick profile, unless the command line names one."""
    if config.getoption("--hypothesis-profile") is None:
        settings.load_profile("quick")
