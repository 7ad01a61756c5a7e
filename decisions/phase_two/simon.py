"""
Simon's two-stage design: its error rates by the exact binomial formulas, and the search for the best design.

Simon R. Optimal two-stage designs for phase II clinical trials. Controlled Clinical Trials 1989;10:1-10.
Rates are read as the decimal numbers they are written as and calculated as fractions: nothing is rounded before a
comparison with alpha or beta.
"""

from bisect import bisect_left
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from math import comb
from typing import NamedTuple

from schemas.phase_two.expansion import DesignKind, SimonDesign

# Error rates of a given design


def early_termination(design: SimonDesign, rate: float) -> float:
    """Return the probability (0-1) of at most r1 responses in stage 1 at a true response `rate` (PET, Simon 1989)."""
    return float(_early_termination(_shape(design), _exact(rate)))


def expected_sample_size(design: SimonDesign, rate: float) -> float:
    """Return the expected number of evaluable participants, n1 to n, at a true response `rate` (EN, Simon 1989)."""
    return float(_expected_size(_shape(design), _exact(rate)))


def probability_promising(design: SimonDesign, rate: float) -> float:
    """Return the probability (0-1) of passing both boundaries at a true response `rate` (Simon 1989, equation 1)."""
    return float(_promising(_shape(design), _exact(rate)))


def type_one_error(design: SimonDesign) -> float:
    """Return the probability (0-1) of 'promising' at the uninteresting response rate p0."""
    return probability_promising(design, design.null_rate)


def power(design: SimonDesign) -> float:
    """Return the probability (0-1) of 'promising' at the desirable response rate p1."""
    return probability_promising(design, design.target_rate)


def check_design(design: SimonDesign) -> tuple[str, ...]:
    """
    Return the error rates that the design does not keep, in words; empty when it keeps both.

    Its true type I error must be at most alpha, and its true power at least 1 - beta; both boundaries are allowed.
    """
    shape, goal = _shape(design), _goal(design.null_rate, design.target_rate, design.alpha, design.beta)
    error, reached, found = _promising(shape, goal.null), _promising(shape, goal.target), []
    if error > goal.alpha:
        found.append(
            f"the type I error, at a response rate of {design.null_rate:g}, is {float(error):.4f}: "
            f"above alpha, {design.alpha:g}"
        )
    if reached < goal.power:
        found.append(
            f"the power, at a response rate of {design.target_rate:g}, is {float(reached):.4f}: "
            f"below 1 - beta, {float(goal.power):g}"
        )
    return tuple(found)


# The search


def find_design(
    null_rate: float, target_rate: float, alpha: float, beta: float, kind: DesignKind, max_n: int
) -> SimonDesign | None:
    """
    Return the best design with at most `max_n` participants, or `None` if none keeps alpha and beta.

    Optimal is the smallest expected sample size at `null_rate`, then the smallest total; minimax is the smallest total,
    then the smallest expected sample size (Simon 1989). Exact, over every design.
    """
    goal, best = _goal(null_rate, target_rate, alpha, beta), None
    for total in range(2, max_n + 1):
        best = _best_of_total(goal, total, best) or best
        if best is not None and kind is DesignKind.MINIMAX:
            break
    if best is None:
        return None
    return SimonDesign(
        null_rate=null_rate,
        target_rate=target_rate,
        alpha=alpha,
        beta=beta,
        stage_one_size=best.first,
        stage_one_futility=best.first_limit,
        total_size=best.total,
        total_futility=best.total_limit,
        open_stage_two_early=False,
    )


def _best_of_total(goal: "_Goal", total: int, best: "_Shape | None") -> "_Shape | None":
    """Return the design of this total size with the smallest expected one, if it is smaller than that of `best`."""
    limit, found = None if best is None else _expected_size(best, goal.null), None
    for first in range(1, total):
        for shape in _shapes(goal, first, total):
            size = _expected_size(shape, goal.null)
            if limit is not None and size >= limit:
                break
            if _promising(shape, goal.target) >= goal.power:
                limit, found = size, shape
                break
    return found


def _shapes(goal: "_Goal", first: int, total: int) -> Iterator["_Shape"]:
    """Yield the designs of these sizes that keep alpha, the smallest expected sample size first."""
    for first_limit in reversed(range(first)):
        # Who fails stage 1 too often at the target rate cannot have the power, whatever the second boundary is.
        if _at_least(first, goal.target)[first_limit + 1] < goal.power * goal.target.denominator**first:
            continue
        highest = first_limit + total - first
        shapes = [_Shape(first, first_limit, total, limit) for limit in range(first_limit, highest + 1)]
        # The lowest second boundary that keeps alpha: any higher one has less power at the same expected size.
        lowest = bisect_left(shapes, True, key=lambda shape: _promising(shape, goal.null) <= goal.alpha)
        if lowest < len(shapes):
            yield shapes[lowest]


# The formulas, in whole numbers


class _Shape(NamedTuple):
    first: int
    first_limit: int
    total: int
    total_limit: int


class _Goal(NamedTuple):
    null: Fraction
    target: Fraction
    alpha: Fraction
    power: Fraction


def _shape(design: SimonDesign) -> _Shape:
    return _Shape(design.stage_one_size, design.stage_one_futility, design.total_size, design.total_futility)


def _goal(null_rate: float, target_rate: float, alpha: float, beta: float) -> _Goal:
    return _Goal(_exact(null_rate), _exact(target_rate), _exact(alpha), 1 - _exact(beta))


def _exact(rate: float) -> Fraction:
    # 0.1 is one tenth, not the binary fraction next to it.
    return Fraction(str(rate))


def _early_termination(shape: _Shape, rate: Fraction) -> Fraction:
    every = rate.denominator**shape.first
    return Fraction(every - _at_least(shape.first, rate)[shape.first_limit + 1], every)


def _expected_size(shape: _Shape, rate: Fraction) -> Fraction:
    return shape.first + (1 - _early_termination(shape, rate)) * (shape.total - shape.first)


def _promising(shape: _Shape, rate: Fraction) -> Fraction:
    first, rest = _exactly(shape.first, rate), _at_least(shape.total - shape.first, rate)
    ways = sum(
        first[responses] * rest[max(shape.total_limit + 1 - responses, 0)]
        for responses in range(shape.first_limit + 1, shape.first + 1)
    )
    return Fraction(ways, rate.denominator**shape.total)


@lru_cache(maxsize=4096)
def _exactly(trials: int, rate: Fraction) -> tuple[int, ...]:
    """Weigh exactly k responses, k = 0 to `trials`; together the weights are the rate's denominator ** `trials`."""
    yes, no = rate.numerator, rate.denominator - rate.numerator
    return tuple(comb(trials, count) * yes**count * no ** (trials - count) for count in range(trials + 1))


@lru_cache(maxsize=4096)
def _at_least(trials: int, rate: Fraction) -> tuple[int, ...]:
    """Weigh k responses or more, k = 0 to `trials`."""
    return tuple(accumulate(reversed(_exactly(trials, rate))))[::-1]
