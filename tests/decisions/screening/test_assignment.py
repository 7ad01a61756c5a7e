"""Which arm and target."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.screening.assignment import AssignmentChoice, assign
from schemas.protocol import Arm, ArmKind, Protocol
from schemas.screening.panel import Antigen, AntigenProfile, ProfileOutcome
from tests.decisions.makers import PROTOCOL, make_profile

MSLN, TROP2, HER2, MUC1, AXL, EGFR = (
    Antigen.MESOTHELIN,
    Antigen.TROP2,
    Antigen.HER2,
    Antigen.MUC1,
    Antigen.AXL,
    Antigen.EGFR,
)
SINGLE_ARM, DUAL_ARM = "single-target", "dual-target"


def choose(
    ratios: dict[Antigen, float], *, refused: tuple[str, ...] = (), risk: bool = False, protocol: Protocol = PROTOCOL
) -> AssignmentChoice:
    """Assign somebody with these ratios over the thresholds."""
    return assign(protocol, make_profile(ratios), risk, refused)


def make_protocol(*, fallback_to_single: bool = True, arms: tuple[Arm, ...] = PROTOCOL.arms) -> Protocol:
    """Change how the platform protocol assigns."""
    rules = PROTOCOL.assignment.model_copy(update={"fallback_to_single": fallback_to_single})
    return PROTOCOL.model_copy(update={"assignment": rules, "arms": arms})


def target_of(result: AssignmentChoice) -> tuple[str, tuple[Antigen, ...]]:
    """Return arm and target of somebody who was assigned."""
    assert result.choice is not None
    assert result.outcome == "assigned"
    return result.choice.arm, result.choice.target


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        # One positive antigen: the single arm.
        ({AXL: 1.0}, (SINGLE_ARM, (AXL,))),
        ({AXL: 1.0, EGFR: 0.99}, (SINGLE_ARM, (AXL,))),
        # Two: the dual arm with the pair.
        ({AXL: 1.0, EGFR: 1.0}, (DUAL_ARM, (AXL, EGFR))),
        # Three: the pair whose lower ratio is highest, here TROP2+HER2 (1.4) over mesothelin+TROP2 (1.1).
        ({MSLN: 1.1, TROP2: 1.4, HER2: 1.6}, (DUAL_ARM, (TROP2, HER2))),
        # The highest antigen alone does not decide: mesothelin+TROP2 (1.2) beats mesothelin+MUC1 (1.1).
        ({MSLN: 2.0, TROP2: 1.2, MUC1: 1.1}, (DUAL_ARM, (MSLN, TROP2))),
        # Equal lower ratios (TROP2 1.2): the higher other ratio, HER2 1.9 over mesothelin 1.3.
        ({MSLN: 1.3, TROP2: 1.2, HER2: 1.9}, (DUAL_ARM, (TROP2, HER2))),
        # All equal: the panel's order, mesothelin before HER2.
        ({MSLN: 1.5, TROP2: 1.5, HER2: 1.5}, (DUAL_ARM, (MSLN, TROP2))),
    ],
)
def test_the_target_follows_the_ratios(ratios: dict[Antigen, float], expected: tuple[str, tuple[Antigen, ...]]) -> None:
    """One antigen above threshold leads to the single arm, more to the pair whose weaker one is strongest."""
    assert expected == target_of(choose(ratios))


def test_no_positive_antigen_is_a_screen_failure() -> None:
    """Without a target there is no product."""
    result = choose({AXL: 0.99})

    assert (result.choice, result.outcome) == (None, "screen_failure")
    assert result.why == "no antigen is above its threshold"


def test_a_profile_that_is_not_complete_assigns_nobody() -> None:
    """An insufficient profile has no positive antigen."""
    profile = AntigenProfile(outcome=ProfileOutcome.INSUFFICIENT, reason="no adequate sample")

    assert assign(PROTOCOL, profile, False, ()).outcome == "screen_failure"


def test_a_judged_risk_of_heterogeneity_does_not_replace_the_second_antigen() -> None:
    """One positive antigen stays single, and the reason documents the judgement and the rule against dual."""
    result = choose({TROP2: 1.5, HER2: 0.9}, risk=True)

    assert target_of(result) == (SINGLE_ARM, (TROP2,))
    assert result.why == (
        "one antigen above threshold, TROP2; a high risk of antigen heterogeneity was judged, but a dual target needs "
        "both antigens above threshold (trial record, Eligibility, inclusion 4); dominant antigen: "
        "TROP2 1.50 times its threshold"
    )
    assert "heterogeneity" not in choose({TROP2: 1.5}).why


def test_a_judged_risk_changes_nothing_with_two_positive_antigens() -> None:
    """Two positive antigens are dual already."""
    assert choose({MSLN: 1.2, TROP2: 1.3}, risk=True) == choose({MSLN: 1.2, TROP2: 1.3})


def test_two_positive_antigens_without_a_product_fall_back_to_the_dominant_one() -> None:
    """Where no pair has a product the single arm treats the highest ratio, and the reason says so."""
    result = choose({MUC1: 1.2, AXL: 1.7})

    assert target_of(result) == (SINGLE_ARM, (AXL,))
    assert result.why == (
        "no dual target among the antigens above threshold (AXL, MUC1); the protocol falls back to a single target; "
        "dominant antigen: AXL 1.70 times its threshold"
    )


def test_the_dominant_antigen_of_equal_ones_is_the_panel_s_first() -> None:
    """Ties keep the panel's order: MUC1 stands before AXL."""
    assert target_of(choose({AXL: 1.5, MUC1: 1.5})) == (SINGLE_ARM, (MUC1,))


def test_a_refused_dual_arm_falls_back_to_single() -> None:
    """Somebody whom the dual arm gave no slot is offered the single arm, with the reason."""
    result = choose({MSLN: 1.2, TROP2: 1.3}, refused=(DUAL_ARM,))

    assert target_of(result) == (SINGLE_ARM, (TROP2,))
    assert result.why == (
        "no open arm for a dual target; the protocol falls back to a single target; "
        "dominant antigen: TROP2 1.30 times its threshold"
    )


@pytest.mark.parametrize(
    ("ratios", "refused", "why"),
    [
        ({MSLN: 1.2, TROP2: 1.3}, (), None),
        (
            {MSLN: 1.2, TROP2: 1.3},
            (DUAL_ARM,),
            "no open arm for a dual target; the protocol does not fall back to a single target",
        ),
        (
            {MUC1: 1.2, AXL: 1.7},
            (),
            (
                "no dual target among the antigens above threshold (AXL, MUC1); "
                "the protocol does not fall back to a single target"
            ),
        ),
    ],
)
def test_without_the_fallback_a_missing_pair_is_a_screen_failure(
    ratios: dict[Antigen, float], refused: tuple[str, ...], why: str | None
) -> None:
    """A protocol may forbid the fallback; one positive antigen is not concerned."""
    result = choose(ratios, refused=refused, protocol=make_protocol(fallback_to_single=False))

    assert (why is None) == (result.outcome == "assigned")
    assert why is None or why == result.why


@pytest.mark.parametrize(
    ("ratios", "refused"),
    [
        ({AXL: 1.0}, (SINGLE_ARM,)),
        ({MSLN: 1.2, TROP2: 1.3}, (SINGLE_ARM, DUAL_ARM)),
        ({MUC1: 1, AXL: 1}, (SINGLE_ARM,)),
    ],
)
def test_when_all_arms_refused_there_is_no_open_arm(ratios: dict[Antigen, float], refused: tuple[str, ...]) -> None:
    """A screen failure says that it is for lack of an arm."""
    result = choose(ratios, refused=refused)

    assert result.outcome == "screen_failure"
    assert "no open arm" in result.why


def test_one_positive_antigen_that_no_arm_targets_is_a_screen_failure() -> None:
    """An open arm without that product does not help."""
    single = PROTOCOL.arm(SINGLE_ARM).model_copy(update={"targets": ((MSLN,),)})

    result = choose({AXL: 1.4}, protocol=make_protocol(arms=(single, PROTOCOL.arm(DUAL_ARM))))

    assert result.outcome == "screen_failure"
    assert "no single target among the antigens above threshold" in result.why


def test_the_dominant_antigen_is_sought_among_the_arm_s_targets() -> None:
    """The highest ratio of those that have a product decides."""
    single = PROTOCOL.arm(SINGLE_ARM).model_copy(update={"targets": ((MUC1,),)})
    protocol = make_protocol(arms=(single, PROTOCOL.arm(DUAL_ARM)))

    assert target_of(choose({MUC1: 1.2, AXL: 1.7}, protocol=protocol)) == (SINGLE_ARM, (MUC1,))


def test_the_reason_shows_how_far_each_antigen_is_above_its_threshold() -> None:
    """An auditor sees the figures that decided."""
    assert choose({MSLN: 1.25, TROP2: 1.5}).why == (
        "2 antigens above threshold; the pair whose weaker antigen is furthest above it: "
        "mesothelin 1.25 times its threshold, TROP2 1.50 times its threshold"
    )
    assert choose({AXL: 1.25}).why == (
        "one antigen above threshold, AXL; dominant antigen: AXL 1.25 times its threshold"
    )


@given(
    ratios=st.dictionaries(st.sampled_from(Antigen), st.sampled_from([0.0, 0.5, 0.99, 1.0, 1.2, 1.5, 2.0])),
    refused=st.sets(st.sampled_from([SINGLE_ARM, DUAL_ARM])),
    risk=st.booleans(),
    fallback_to_single=st.booleans(),
)
def test_a_target_is_always_positive_and_of_an_open_arm(
    ratios: dict[Antigen, float], refused: set[str], risk: bool, fallback_to_single: bool
) -> None:
    """Whatever the figures: all antigens of the target are above threshold, and the arm has it and did not refuse."""
    protocol = make_protocol(fallback_to_single=fallback_to_single)

    result = choose(ratios, refused=tuple(refused), risk=risk, protocol=protocol)

    assert result.why
    assert (result.choice is None) == (result.outcome == "screen_failure")
    if result.choice is not None:
        arm = protocol.arm(result.choice.arm)
        assert arm.id not in refused
        assert arm.kind is result.choice.arm_kind
        assert result.choice.target in arm.targets
        assert all(ratios[antigen] >= 1 for antigen in result.choice.target)


@given(ratios=st.dictionaries(st.sampled_from(Antigen), st.sampled_from([1.0, 1.2, 1.5, 2.0]), min_size=2))
def test_no_other_pair_has_a_stronger_weaker_antigen(ratios: dict[Antigen, float]) -> None:
    """The chosen pair is best by its lower ratio."""
    choice = choose(ratios).choice

    assert choice is not None
    pairs = [pair for pair in PROTOCOL.arm(DUAL_ARM).targets if set(pair) <= set(ratios)]
    assert (choice.arm_kind is ArmKind.DUAL) == bool(pairs)
    if pairs:
        lower = min(ratios[antigen] for antigen in choice.target)
        assert lower == max(min(ratios[antigen] for antigen in pair) for pair in pairs)
