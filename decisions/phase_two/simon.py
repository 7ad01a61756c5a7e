"""
Simon's two-stage design: whether it keeps its error rates, by the exact binomial formulas.

Simon R. Optimal two-stage designs for phase II clinical trials. Controlled Clinical Trials 1989;10:1-10.
Rates are read as the decimal numbers they are written as and calculated as fractions: nothing is rounded before a
comparison with alpha or beta.
"""

from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from math import comb

from schemas.phase_two.expansion import SimonDesign


def check_design(design: SimonDesign) -> tuple[str, ...]:
    """
    Return the error rates that the design does not keep, in words; empty when it keeps both.

    Its true type I error must be at most alpha, and its true power at least 1 - beta; both boundaries are allowed.
    """
    error, reached = (probability_promising(design, rate) for rate in (design.null_rate, design.target_rate))
    alpha, power, found = _exact(design.alpha), 1 - _exact(design.beta), []
    if error > alpha:
        found.append(
            f"the type I error, at a response rate of {design.null_rate:g}, is {float(error):.4f}: "
            f"above alpha, {design.alpha:g}"
        )
    if reached < power:
        found.append(
            f"the power, at a response rate of {design.target_rate:g}, is {float(reached):.4f}: "
            f"below 1 - beta, {float(power):g}"
        )
    return tuple(found)


def probability_promising(design: SimonDesign, rate: float) -> Fraction:
    """Return the probability (0-1) of passing both boundaries at a true response `rate` (Simon 1989, equation 1)."""
    exact, size = _exact(rate), design.stage_one_size
    first, rest = _exactly(size, exact), _at_least(design.total_size - size, exact)
    ways = sum(
        first[responses] * rest[max(design.total_futility + 1 - responses, 0)]
        for responses in range(design.stage_one_futility + 1, size + 1)
    )
    return Fraction(ways, exact.denominator**design.total_size)


def _exact(rate: float) -> Fraction:
    # 0.1 is one tenth, not the binary fraction next to it.
    return Fraction(str(rate))


@lru_cache(maxsize=4096)
def _exactly(trials: int, rate: Fraction) -> tuple[int, ...]:
    """Weigh exactly k responses, k = 0 to `trials`; together the weights are the rate's denominator ** `trials`."""
    yes, no = rate.numerator, rate.denominator - rate.numerator
    return tuple(comb(trials, count) * yes**count * no ** (trials - count) for count in range(trials + 1))


@lru_cache(maxsize=4096)
def _at_least(trials: int, rate: Fraction) -> tuple[int, ...]:
    """Weigh k responses or more, k = 0 to `trials`."""
    return tuple(accumulate(reversed(_exactly(trials, rate))))[::-1]
