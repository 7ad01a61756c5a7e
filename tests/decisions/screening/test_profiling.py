"""The antigen profile from tissue and liquid samples."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.screening.profiling import percent_at_or_above, profile_antigens
from schemas.screening.panel import (
    Antigen,
    AntigenProfile,
    AntigenResult,
    AntigenVerdict,
    ProfileOutcome,
    SampleResult,
    SampleType,
)
from tests.decisions.makers import PROTOCOL, REPORTED_ON, make_cells, make_report, make_sample

CLDN = Antigen.CLDN18_2
TISSUE, CTC, CTDNA = SampleType.TISSUE, SampleType.CTC, SampleType.CTDNA


def profile(*samples: SampleResult, biopsies_taken: int = 1) -> AntigenProfile:
    """Profile under the platform protocol."""
    return profile_antigens(PROTOCOL, make_report(*samples), biopsies_taken)


def verdict(judged: AntigenProfile, antigen: Antigen) -> AntigenVerdict:
    """Pick one antigen."""
    return {one.antigen: one for one in judged.verdicts}[antigen]


def call(antigen: Antigen, detected: bool) -> AntigenResult:
    """Make a ctDNA call."""
    return AntigenResult(antigen=antigen, detected=detected)


@pytest.mark.parametrize(
    ("cells", "positive", "ratio"),
    [
        # CLDN18.2: at least 40% of cells at 2+ or more.
        ((60, 0, 40, 0), True, 1.0),
        ((60, 0, 0, 40), True, 1.0),
        ((60, 0, 15, 25), True, 1.0),
        ((60.1, 0, 15, 24.9), False, 0.9975),
        ((59.9, 0, 15, 25.1), True, 1.0025),
        ((0, 100, 0, 0), False, 0.0),
        ((20, 0, 0, 80), True, 2.0),
        # 14.7 + 25.3 is 40 on paper, and must be here.
        ((60, 0, 14.7, 25.3), True, 1.0),
        ((60, 0, 10.1, 29.9), True, 1.0),
    ],
)
def test_positive_at_or_above_the_threshold(
    cells: tuple[float, float, float, float], positive: bool, ratio: float
) -> None:
    """Cells at the minimum intensity or more are added up; equal to the threshold is positive."""
    judged = verdict(profile(make_sample(make_cells(CLDN, *cells))), CLDN)

    assert positive is judged.positive
    assert ratio == pytest.approx(judged.ratio)
    assert judged.positive == (judged.ratio >= 1)


def test_the_minimum_intensity_is_the_antigen_s_own() -> None:
    """TROP2 counts cells from 1+, mesothelin from 2+."""
    judged = profile(make_sample(make_cells(Antigen.TROP2, 50, 50, 0, 0), make_cells(Antigen.MESOTHELIN, 50, 50, 0, 0)))

    assert verdict(judged, Antigen.TROP2).positive
    assert not verdict(judged, Antigen.MESOTHELIN).positive


def test_the_verdicts_are_the_panel_s_in_its_order() -> None:
    """Every antigen of the panel has a verdict; one that no sample reports is negative and says so."""
    judged = profile(make_sample(make_cells(CLDN, 0, 0, 0, 100)))

    assert [entry.antigen for entry in PROTOCOL.panel] == [one.antigen for one in judged.verdicts]
    assert ProfileOutcome.COMPLETE is judged.outcome
    absent = verdict(judged, Antigen.EGFR)
    assert (absent.positive, absent.ratio, absent.sample) == (False, 0, TISSUE)
    assert absent.reason == "not reported in any adequate sample"
    assert judged.reason == "above threshold: CLDN18.2"


@pytest.mark.parametrize(
    ("antigens", "reason"),
    [
        ((), "above threshold: none"),
        ((CLDN,), "above threshold: CLDN18.2"),
        ((CLDN, Antigen.HER2), "above threshold: HER2, CLDN18.2"),
    ],
)
def test_a_profile_names_the_antigens_above_threshold(antigens: tuple[Antigen, ...], reason: str) -> None:
    """In the panel's order, whatever the laboratory's."""
    results = [make_cells(antigen, 0, 0, 0, 100) for antigen in antigens]

    assert profile(make_sample(make_cells(Antigen.EGFR, 100, 0, 0, 0), *results)).reason == reason


@pytest.mark.parametrize(
    ("detected", "ratio", "words"), [(True, 1.0, "detected: positive"), (False, 0.0, "not detected: negative")]
)
def test_ctdna_gives_a_call_only(detected: bool, ratio: float, words: str) -> None:
    """A detected antigen is positive, just at the threshold; an undetected one is negative."""
    judged = verdict(profile(make_sample(call(CLDN, detected), sample=CTDNA)), CLDN)

    assert (detected, ratio, CTDNA) == (judged.positive, judged.ratio, judged.sample)
    assert judged.reason == f"ctDNA of 2026-02-20: {words}"


def test_tissue_decides_and_a_liquid_sample_that_disagrees_is_named() -> None:
    """The most preferred sample decides; the reason says what each of the two found."""
    judged = verdict(
        profile(
            make_sample(call(CLDN, True), sample=CTDNA),
            make_sample(make_cells(CLDN, 90, 0, 10, 0)),
        ),
        CLDN,
    )

    assert (judged.positive, judged.sample, judged.discordant) == (False, TISSUE, True)
    assert judged.reason == (
        "tissue of 2026-02-20: 10% of cells at 2+ or more, threshold 40%: negative; "
        "discordant: ctDNA of 2026-02-20: detected: positive"
    )


def test_samples_that_agree_are_not_discordant() -> None:
    """Two samples on the same side of the threshold agree, however far apart."""
    judged = verdict(
        profile(make_sample(make_cells(CLDN, 0, 0, 0, 100)), make_sample(call(CLDN, True), sample=CTDNA)), CLDN
    )

    assert not judged.discordant
    assert judged.reason == "tissue of 2026-02-20: 100% of cells at 2+ or more, threshold 40%: positive"


def test_every_sample_that_disagrees_is_named() -> None:
    """Two liquid samples against tissue: both are told, the more preferred first."""
    judged = verdict(
        profile(
            make_sample(call(CLDN, True), sample=CTDNA),
            make_sample(make_cells(CLDN, 0, 0, 0, 100), sample=CTC),
            make_sample(make_cells(CLDN, 100, 0, 0, 0)),
        ),
        CLDN,
    )

    assert judged.reason == (
        "tissue of 2026-02-20: 0% of cells at 2+ or more, threshold 40%: negative; "
        "discordant: CTC of 2026-02-20: 100% of cells at 2+ or more, threshold 40%: positive; "
        "ctDNA of 2026-02-20: detected: positive"
    )


def test_a_less_preferred_sample_decides_what_tissue_does_not_report() -> None:
    """The choice of the sample is made for each antigen."""
    judged = profile(
        make_sample(make_cells(Antigen.HER2, 0, 0, 0, 100)),
        make_sample(make_cells(CLDN, 0, 0, 0, 100), make_cells(Antigen.HER2, 100, 0, 0, 0), sample=CTC),
    )

    assert (verdict(judged, Antigen.HER2).sample, verdict(judged, Antigen.HER2).positive) == (TISSUE, True)
    assert (verdict(judged, CLDN).sample, verdict(judged, CLDN).positive) == (CTC, True)


@pytest.mark.parametrize(("age_days", "counts"), [(89, True), (90, True), (91, False)])
def test_tissue_counts_up_to_its_age_limit(age_days: int, counts: bool) -> None:
    """Tissue of exactly 90 days on the report's day counts; older tissue is not adequate."""
    old = make_sample(make_cells(CLDN, 0, 0, 0, 100), collected_on=REPORTED_ON - timedelta(days=age_days))

    expected = ProfileOutcome.COMPLETE if counts else ProfileOutcome.REPEAT_BIOPSY
    assert expected is profile(old).outcome


def test_the_age_limit_is_for_tissue_only() -> None:
    """A liquid biopsy is taken for the trial and has no archive."""
    old = make_sample(call(CLDN, True), sample=CTDNA, collected_on=REPORTED_ON - timedelta(days=200))

    assert ProfileOutcome.COMPLETE is profile(old).outcome


def test_the_latest_of_two_biopsies_decides() -> None:
    """A repeat biopsy replaces the first one, whichever the laboratory lists first."""
    first = make_sample(make_cells(CLDN, 0, 0, 0, 100), collected_on=date(2026, 2, 10))
    repeat = make_sample(make_cells(CLDN, 100, 0, 0, 0), collected_on=date(2026, 2, 24))

    for judged in (verdict(profile(first, repeat), CLDN), verdict(profile(repeat, first), CLDN)):
        assert (judged.positive, judged.discordant) == (False, True)


def test_of_two_samples_of_one_kind_and_day_the_lower_decides() -> None:
    """Nothing else tells them apart, so the cautious one counts."""
    high = make_sample(make_cells(CLDN, 0, 0, 0, 100))
    low = make_sample(make_cells(CLDN, 100, 0, 0, 0))

    assert not verdict(profile(high, low), CLDN).positive


@pytest.mark.parametrize(
    ("samples", "biopsies_taken", "expected"),
    [
        # One repeat is allowed.
        ([make_sample()], 1, ProfileOutcome.REPEAT_BIOPSY),
        ([make_sample()], 2, ProfileOutcome.INSUFFICIENT),
        ([make_sample()], 0, ProfileOutcome.REPEAT_BIOPSY),
        ([make_sample(), make_sample(sample=CTDNA)], 1, ProfileOutcome.REPEAT_BIOPSY),
        ([make_sample(), make_sample(sample=CTDNA)], 2, ProfileOutcome.INSUFFICIENT),
        ([make_sample(), make_sample(call(CLDN, True), sample=CTDNA)], 1, ProfileOutcome.COMPLETE),
        ([make_sample(), make_sample(make_cells(CLDN, 0, 0, 0, 100), sample=CTC)], 2, ProfileOutcome.COMPLETE),
    ],
)
def test_without_any_adequate_sample_the_biopsy_is_repeated_while_it_may_be(
    samples: list[SampleResult], biopsies_taken: int, expected: ProfileOutcome
) -> None:
    """An adequate liquid sample saves a biopsy; without one it is repeated, and then the profile is insufficient."""
    judged = profile(*samples, biopsies_taken=biopsies_taken)

    assert expected is judged.outcome
    assert (judged.verdicts == ()) == (expected is not ProfileOutcome.COMPLETE)
    assert judged.reason


def test_a_kind_of_sample_that_the_protocol_does_not_accept_does_not_count() -> None:
    """A protocol without ctDNA asks for a biopsy although ctDNA was reported."""
    tissue_only = PROTOCOL.samples.model_copy(update={"preference": (TISSUE,)})
    protocol = PROTOCOL.model_copy(update={"samples": tissue_only})

    judged = profile_antigens(protocol, make_report(make_sample(call(CLDN, True), sample=CTDNA)), 1)

    assert ProfileOutcome.REPEAT_BIOPSY is judged.outcome


def test_percentages_add_up_as_written() -> None:
    """The sum is exact in decimals."""
    assert Decimal("40.0") == percent_at_or_above((60, 0, 14.7, 25.3), 2)
    assert Decimal(100) == percent_at_or_above((0, 10, 20, 70), 1)


@st.composite
def cells(draw: st.DrawFn, antigen: Antigen) -> AntigenResult:
    """Draw percentages that add up to 100."""
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=3, max_size=3)))
    zero, one, two = cuts[0], cuts[1] - cuts[0], cuts[2] - cuts[1]
    return make_cells(antigen, zero, one, two, 100 - cuts[2])


@st.composite
def sample_results(draw: st.DrawFn) -> SampleResult:
    """Draw a sample of any kind, adequate or not, with any antigens."""
    kind = draw(st.sampled_from(SampleType))
    antigens = draw(st.lists(st.sampled_from([CLDN, Antigen.HER2, Antigen.TROP2]), unique=True))
    results = [call(antigen, draw(st.booleans())) if kind is CTDNA else draw(cells(antigen)) for antigen in antigens]
    collected_on = draw(st.sampled_from([date(2025, 11, 1), date(2026, 2, 1), date(2026, 2, 20)]))
    return make_sample(*results, sample=kind, collected_on=collected_on)


SAMPLES = st.lists(sample_results(), min_size=1, max_size=5)


@given(data=st.data(), samples=SAMPLES)
def test_the_order_of_samples_has_no_influence(data: st.DataObject, samples: list[SampleResult]) -> None:
    """A report with its samples in another order gives the same profile, reasons included."""
    shuffled = data.draw(st.permutations(samples))

    assert profile(*samples) == profile(*shuffled)


@given(samples=SAMPLES, biopsies_taken=st.integers(0, 3))
def test_a_positive_antigen_was_found_in_an_adequate_sample(samples: list[SampleResult], biopsies_taken: int) -> None:
    """Positive and a ratio of 1 or more are the same, and a sample of the kind named reports the antigen."""
    judged = profile(*samples, biopsies_taken=biopsies_taken)

    for one in judged.verdicts:
        assert one.positive == (one.ratio >= 1)
        if one.positive:
            assert any(
                one.antigen in {result.antigen for result in sample.antigens} and sample.sample is one.sample
                for sample in samples
            )
