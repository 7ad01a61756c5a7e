"""Simon's two-stage design by exact binomial formulas: Simon 1989, Controlled Clinical Trials 10:1-10."""

from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from decisions.phase_two.simon import (
    check_design,
    early_termination,
    expected_sample_size,
    find_design,
    power,
    probability_promising,
    type_one_error,
)
from schemas.phase_two.expansion import DesignKind, SimonDesign

OPTIMAL, MINIMAX = DesignKind.OPTIMAL, DesignKind.MINIMAX


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


def boundaries(found: SimonDesign | None) -> tuple[int, int, int, int] | None:
    """Return r1, n1, r, n as the published tables print them."""
    if found is None:
        return None
    return found.stage_one_futility, found.stage_one_size, found.total_futility, found.total_size


# The published tables

PUBLISHED = [
    # (p0, p1, alpha, beta), kind, (r1, n1, r, n), expected sample size and probability of early termination at p0
    ((0.05, 0.25, 0.05, 0.2), OPTIMAL, (0, 9, 2, 17), 12.0, 0.63),
    ((0.05, 0.25, 0.05, 0.2), MINIMAX, (0, 12, 2, 16), 13.8, 0.54),
    ((0.10, 0.30, 0.05, 0.2), OPTIMAL, (1, 10, 5, 29), 15.0, 0.74),
    ((0.10, 0.30, 0.05, 0.2), MINIMAX, (1, 15, 5, 25), 19.5, 0.55),
    ((0.10, 0.30, 0.10, 0.1), OPTIMAL, (1, 12, 5, 35), 19.8, 0.66),
    ((0.10, 0.30, 0.10, 0.1), MINIMAX, (1, 16, 4, 25), 20.4, 0.51),
    ((0.20, 0.40, 0.05, 0.2), OPTIMAL, (3, 13, 12, 43), 20.6, 0.75),
    ((0.20, 0.40, 0.05, 0.2), MINIMAX, (4, 18, 10, 33), 22.3, 0.72),
    ((0.30, 0.50, 0.05, 0.2), OPTIMAL, (5, 15, 18, 46), 23.6, 0.72),
    ((0.30, 0.50, 0.05, 0.2), MINIMAX, (6, 19, 16, 39), 25.7, 0.67),
]


@pytest.mark.parametrize(("rates", "kind", "published", "size", "early"), PUBLISHED)
def test_the_search_finds_the_published_designs(
    rates: tuple[float, float, float, float],
    kind: DesignKind,
    published: tuple[int, int, int, int],
    size: float,
    early: float,
) -> None:
    """Simon 1989, table 1: r1/n1 and r/n, with what they cost at the uninteresting response rate."""
    found = find_design(*rates, kind, 50)

    assert boundaries(found) == published
    assert found is not None
    assert (found.null_rate, found.target_rate, found.alpha, found.beta) == rates
    assert found.open_stage_two_early is False
    assert expected_sample_size(found, rates[0]) == pytest.approx(size, abs=0.05)
    assert early_termination(found, rates[0]) == pytest.approx(early, abs=0.005)
    assert check_design(found) == ()


@pytest.mark.parametrize(
    ("max_n", "kind", "expected"),
    [
        (15, MINIMAX, None),
        (15, OPTIMAL, None),
        (16, MINIMAX, (0, 12, 2, 16)),
        (16, OPTIMAL, (0, 12, 2, 16)),
        (17, MINIMAX, (0, 12, 2, 16)),
        (17, OPTIMAL, (0, 9, 2, 17)),
    ],
)
def test_the_search_ends_at_the_largest_size(
    max_n: int, kind: DesignKind, expected: tuple[int, int, int, int] | None
) -> None:
    """For 0.05 and 0.25 no design has fewer than 16 participants, and 17 are needed for the optimal one."""
    assert boundaries(find_design(0.05, 0.25, 0.05, 0.2, kind, max_n)) == expected


@pytest.mark.parametrize(
    ("alpha", "beta", "expected"),
    [(0.1, 0.1, (0, 1, 0, 2)), (0.0999, 0.2, (0, 1, 1, 2)), (0.1, 0.0999, None), (0.0099, 0.2, None)],
)
def test_the_search_keeps_alpha_and_beta_to_the_last_digit(
    alpha: float, beta: float, expected: tuple[int, int, int, int] | None
) -> None:
    """Of two participants at 0.1 and 0.9: one response has 0.1 and 0.9, two have 0.01 and 0.81; equality is enough."""
    assert boundaries(find_design(0.1, 0.9, alpha, beta, MINIMAX, 2)) == expected
    assert boundaries(find_design(0.1, 0.9, alpha, beta, OPTIMAL, 2)) == expected


def every_design(null: float, target: float, max_n: int) -> list[SimonDesign]:
    """Make every coherent design of up to `max_n` participants."""
    return [
        design(r1, n1, r, n, null_rate=null, target_rate=target, alpha=0.1, beta=0.2)
        for n in range(2, max_n + 1)
        for n1 in range(1, n)
        for r1 in range(n1)
        for r in range(r1, r1 + n - n1 + 1)
    ]


@pytest.mark.parametrize(("null", "target", "max_n"), [(0.1, 0.5, 10), (0.2, 0.7, 9), (0.4, 0.9, 9)])
def test_no_design_is_better_than_the_one_found(null: float, target: float, max_n: int) -> None:
    """Against all designs one by one: the smallest expected size, and the smallest total, that keep alpha and beta."""
    sound = [one for one in every_design(null, target, max_n) if not check_design(one)]
    costs = {boundaries(one): (expected_sample_size(one, null), one.total_size) for one in sound}

    optimal = boundaries(find_design(null, target, 0.1, 0.2, OPTIMAL, max_n))
    minimax = boundaries(find_design(null, target, 0.1, 0.2, MINIMAX, max_n))

    assert costs[optimal] == min(costs.values())
    assert costs[minimax] == min(costs.values(), key=lambda cost: cost[::-1])


# Error rates


def test_the_characteristics_are_those_of_another_implementation() -> None:
    """2/18 4/26 for 0.10 and 0.30 (samplesize-copilot, example 5): 0.0995, 0.9037, 0.7338, and 20.1 expected."""
    other = design(2, 18, 4, 26)

    assert type_one_error(other) == pytest.approx(0.0995, abs=0.00005)
    assert power(other) == pytest.approx(0.9037, abs=0.00005)
    assert early_termination(other, 0.1) == pytest.approx(0.7338, abs=0.00005)
    assert expected_sample_size(other, 0.1) == pytest.approx(20.1, abs=0.05)


@pytest.mark.parametrize(("rate", "size"), [(0.1, 15.0141), (0.3, 26.1631)])
def test_the_expected_size_depends_on_the_true_rate(rate: float, size: float) -> None:
    """With a better treatment stage 2 opens more often."""
    assert expected_sample_size(design(1, 10, 5, 29), rate) == pytest.approx(size, abs=0.0001)


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
    stopped = sum(p for x1, _, p in outcomes if x1 <= one.stage_one_futility)
    promising = sum(p for x1, x2, p in outcomes if x1 > one.stage_one_futility and x1 + x2 > one.total_futility)

    assert early_termination(one, rate) == pytest.approx(stopped)
    assert probability_promising(one, rate) == pytest.approx(promising)
    assert expected_sample_size(one, rate) == pytest.approx(one.stage_one_size + (1 - stopped) * rest)


@given(designs())
def test_a_better_treatment_is_called_promising_more_often(one: SimonDesign) -> None:
    """Power is above the type I error, as the target rate is above the null rate."""
    assert type_one_error(one) == probability_promising(one, one.null_rate)
    assert power(one) == probability_promising(one, one.target_rate)
    assert power(one) > type_one_error(one)


@settings(max_examples=25)
@given(designs())
def test_a_design_is_refused_exactly_for_what_it_does_not_keep(one: SimonDesign) -> None:
    """There is one sentence for each error rate that is not kept."""
    broken = [type_one_error(one) > one.alpha, power(one) < 1 - one.beta]

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
