"""Simon's two-stage design by exact binomial formulas: Simon 1989, Controlled Clinical Trials 10:1-10."""

from math import comb
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from decisions.phase_two.simon import check_design, probability_promising
from schemas.phase_two.expansion import SimonDesign


def design(first_limit: int, first: int, limit: int, total: int, **changes: float) -> SimonDesign:
    """Make a design r1/n1 r/n for response rates of 0.10 and 0.30, and with changes."""
    rates = {"null_rate": 0.1, "target_rate": 0.3, "alpha": 0.05, "beta": 0.2} | changes
    return SimonDesign(
        stage_one_futility=first_limit,
        stage_one_size=first,
        total_futility=limit,
        total_size=total,
        open_stage_two_early=False,
        **rates,
    )


def boundaries(found: SimonDesign) -> tuple[int, int, int, int]:
    """Return r1, n1, r, n as the published tables print them."""
    return found.stage_one_futility, found.stage_one_size, found.total_futility, found.total_size


# The published tables

PUBLISHED = [
    # p0, p1, alpha, beta; then r1, n1, r, n: the optimal design and the minimax one of each
    ((0.05, 0.25, 0.05, 0.2), (0, 9, 2, 17)),
    ((0.05, 0.25, 0.05, 0.2), (0, 12, 2, 16)),
    ((0.10, 0.30, 0.05, 0.2), (1, 10, 5, 29)),
    ((0.10, 0.30, 0.05, 0.2), (1, 15, 5, 25)),
    ((0.10, 0.30, 0.10, 0.1), (1, 12, 5, 35)),
    ((0.10, 0.30, 0.10, 0.1), (1, 16, 4, 25)),
    ((0.20, 0.40, 0.05, 0.2), (3, 13, 12, 43)),
    ((0.20, 0.40, 0.05, 0.2), (4, 18, 10, 33)),
    ((0.30, 0.50, 0.05, 0.2), (5, 15, 18, 46)),
    ((0.30, 0.50, 0.05, 0.2), (6, 19, 16, 39)),
]


@pytest.mark.parametrize(("rates", "published"), PUBLISHED)
def test_the_published_designs_keep_what_they_promise(
    rates: tuple[float, float, float, float], published: tuple[int, int, int, int]
) -> None:
    """Simon 1989, table 1; called promising with one response fewer, each has a type I error above its alpha."""
    null, target, alpha, beta = rates
    asked: dict[str, Any] = {"null_rate": null, "target_rate": target, "alpha": alpha, "beta": beta}
    first_limit, first, limit, total = published

    assert check_design(design(*published, **asked)) == ()
    (problem,) = check_design(design(first_limit, first, limit - 1, total, **asked))
    assert problem.startswith(f"the type I error, at a response rate of {null:g}")


# Error rates


def test_the_error_rates_are_those_of_another_implementation() -> None:
    """2/18 4/26 for 0.10 and 0.30 (samplesize-copilot, example 5): type I error 0.0995 and power 0.9037."""
    other = design(2, 18, 4, 26)

    assert float(probability_promising(other, 0.1)) == pytest.approx(0.0995, abs=0.00005)
    assert float(probability_promising(other, 0.3)) == pytest.approx(0.9037, abs=0.00005)


def chance(trials: int, count: int, rate: float) -> float:
    """Return the binomial probability in floating point."""
    return float(comb(trials, count) * rate**count * (1 - rate) ** (trials - count))


@st.composite
def designs(draw: st.DrawFn) -> SimonDesign:
    """Draw a coherent design, sound or not."""
    first = draw(st.integers(1, 8))
    rest = draw(st.integers(1, 8))
    first_limit = draw(st.integers(0, first - 1))
    limit = first_limit + draw(st.integers(0, rest))
    null, step = draw(st.integers(1, 80)), draw(st.integers(1, 19))
    return design(first_limit, first, limit, first + rest, null_rate=null / 100, target_rate=(null + step) / 100)


@given(designs(), st.integers(1, 99))
def test_the_formulas_count_every_outcome(one: SimonDesign, percent: int) -> None:
    """Summed over every pair of responses in stage 1 and 2, the boundaries read as the protocol says them."""
    rate, rest = percent / 100, one.total_size - one.stage_one_size
    outcomes = [
        (x1, x2, chance(one.stage_one_size, x1, rate) * chance(rest, x2, rate))
        for x1 in range(one.stage_one_size + 1)
        for x2 in range(rest + 1)
    ]
    promising = sum(p for x1, x2, p in outcomes if x1 > one.stage_one_futility and x1 + x2 > one.total_futility)

    assert float(probability_promising(one, rate)) == pytest.approx(promising)


@given(designs())
def test_a_better_treatment_is_called_promising_more_often(one: SimonDesign) -> None:
    """Power is above the type I error, as the target rate is above the null rate."""
    assert probability_promising(one, one.target_rate) > probability_promising(one, one.null_rate)


@settings(max_examples=25)
@given(designs())
def test_a_design_is_refused_exactly_for_what_it_does_not_keep(one: SimonDesign) -> None:
    """There is one sentence for each error rate that is not kept."""
    error, power = (float(probability_promising(one, rate)) for rate in (one.null_rate, one.target_rate))
    broken = [error > one.alpha, power < 1 - one.beta]

    assert len(check_design(one)) == sum(broken)


# Two of two at 0.5 and 0.8: exactly 0.25 and 0.64.
@pytest.mark.parametrize(
    ("alpha", "beta", "problems"),
    [
        (0.25, 0.36, ()),
        (0.2499, 0.36, ("the type I error, at a response rate of 0.5, is 0.2500: above alpha, 0.2499",)),
        (0.25, 0.3599, ("the power, at a response rate of 0.8, is 0.6400: below 1 - beta, 0.6401",)),
        (
            0.05,
            0.2,
            (
                "the type I error, at a response rate of 0.5, is 0.2500: above alpha, 0.05",
                "the power, at a response rate of 0.8, is 0.6400: below 1 - beta, 0.8",
            ),
        ),
    ],
)
def test_a_design_must_keep_what_it_promises(alpha: float, beta: float, problems: tuple[str, ...]) -> None:
    """Right at alpha and at 1 - beta it does; each number that it misses is named."""
    assert check_design(design(0, 1, 1, 2, null_rate=0.5, target_rate=0.8, alpha=alpha, beta=beta)) == problems


# What a design may be


@pytest.mark.parametrize(
    "sizes",
    [(0, 1, 0, 2), (9, 10, 28, 29), (1, 10, 1, 29), (1, 10, 20, 29), (0, 9, 2, 10 + 7)],
)
def test_a_coherent_design_is_taken(sizes: tuple[int, int, int, int]) -> None:
    """The boundaries may be as far apart as stage 2 is large, and as near as equal."""
    assert boundaries(design(*sizes)) == sizes


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ((1, 10, 5, 10), "total_size 10 must be above stage_one_size 10"),
        ((10, 10, 15, 29), "stage_one_futility 10 must be below stage_one_size 10"),
        ((3, 10, 2, 29), "total_futility 2 must be at least stage_one_futility 3"),
        ((1, 10, 21, 29), "above it by no more than the 19 of stage 2"),
    ],
)
def test_an_incoherent_design_is_refused(sizes: tuple[int, int, int, int], words: str) -> None:
    """A boundary that cannot be passed, or a stage without participants, is a slip."""
    with pytest.raises(ValidationError, match=words):
        design(*sizes)


@pytest.mark.parametrize(("null", "target"), [(0.3, 0.3), (0.3, 0.1)])
def test_the_target_rate_is_above_the_null_rate(null: float, target: float) -> None:
    """Equal rates leave nothing to tell apart."""
    with pytest.raises(ValidationError, match=f"target_rate {target} must be above null_rate {null}"):
        design(1, 10, 5, 29, null_rate=null, target_rate=target)


@pytest.mark.parametrize("field", ["null_rate", "target_rate", "alpha", "beta"])
@pytest.mark.parametrize("value", [0, 1])
def test_a_rate_is_neither_0_nor_1(field: str, value: float) -> None:
    """Certainty is no rate to plan with."""
    with pytest.raises(ValidationError, match=field):
        design(1, 10, 5, 29, **{field: value})
