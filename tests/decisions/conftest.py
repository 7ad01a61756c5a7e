"""How thoroughly Hypothesis searches when `make mutation` runs the rules' tests thousands of times."""

from hypothesis import HealthCheck, Phase, settings

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
