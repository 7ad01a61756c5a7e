"""The antigen profile from all samples (NCT07510828, Antigen selection workflow, steps 1 and 2)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from schemas.base import Frozen
from schemas.commands.answers import PanelReported
from schemas.protocol import PanelEntry, Protocol, Samples, Threshold
from schemas.screening.panel import (
    AntigenProfile,
    AntigenResult,
    AntigenVerdict,
    ProfileOutcome,
    SampleResult,
    SampleType,
)


class Reading(Frozen):
    """The result of one adequate sample for one antigen."""

    sample: SampleType
    collected_on: date
    positive: bool
    ratio: float
    words: str


def profile_antigens(protocol: Protocol, report: PanelReported, biopsies_taken: int) -> AntigenProfile:
    """
    Judge every antigen of the panel by the most preferred adequate sample that reports it.

    The order in which the laboratory lists the samples has no influence. `biopsies_taken` counts the first one too.
    Thresholds: docs/domain.md, section 6.
    """
    adequate = _adequate_samples(protocol.samples, report)
    if not adequate:
        return _without_adequate_sample(protocol.samples, biopsies_taken)
    verdicts = tuple(_judge_antigen(entry, adequate) for entry in protocol.panel)
    positives = ", ".join(verdict.antigen for verdict in verdicts if verdict.positive)
    return AntigenProfile(
        outcome=ProfileOutcome.COMPLETE, verdicts=verdicts, reason=f"above threshold: {positives or 'none'}"
    )


def _adequate_samples(rules: Samples, report: PanelReported) -> list[SampleResult]:
    """Return the samples that count, the most preferred kind first and within a kind the latest first."""
    adequate = [sample for sample in report.samples if _counts(rules, sample, report.reported_on)]
    return sorted(
        adequate, key=lambda sample: (rules.preference.index(sample.sample), -sample.collected_on.toordinal())
    )


def _counts(rules: Samples, sample: SampleResult, reported_on: date) -> bool:
    is_accepted_kind = sample.sample in rules.preference
    is_old_tissue = (
        sample.sample is SampleType.TISSUE and (reported_on - sample.collected_on).days > rules.tissue_max_age_days
    )
    return sample.adequate and is_accepted_kind and not is_old_tissue


def _without_adequate_sample(rules: Samples, biopsies_taken: int) -> AntigenProfile:
    repeat_is_left = biopsies_taken <= rules.max_repeat_biopsies
    outcome = ProfileOutcome.REPEAT_BIOPSY if repeat_is_left else ProfileOutcome.INSUFFICIENT
    reason = (
        f"no adequate tissue (at most {rules.tissue_max_age_days} days old) or liquid sample; "
        f"{biopsies_taken} biopsies taken, {rules.max_repeat_biopsies} repeats allowed"
    )
    return AntigenProfile(outcome=outcome, reason=reason)


def _judge_antigen(entry: PanelEntry, adequate: Sequence[SampleResult]) -> AntigenVerdict:
    readings = _readings(entry, adequate)
    if not readings:
        reason = "not reported in any adequate sample"
        return AntigenVerdict(antigen=entry.antigen, positive=False, ratio=0, sample=adequate[0].sample, reason=reason)
    decisive, *others = readings
    dissenting = [other for other in others if other.positive is not decisive.positive]
    return AntigenVerdict(
        antigen=entry.antigen,
        positive=decisive.positive,
        ratio=decisive.ratio,
        sample=decisive.sample,
        discordant=bool(dissenting),
        reason=_reason(decisive, dissenting),
    )


def _readings(entry: PanelEntry, adequate: Sequence[SampleResult]) -> list[Reading]:
    """Return the results of the samples, the decisive one first; of two from one day the lower decides."""
    kinds = list(dict.fromkeys(sample.sample for sample in adequate))
    found = [
        _reading(sample, result, entry.threshold)
        for sample in adequate
        for result in sample.antigens
        if result.antigen is entry.antigen
    ]
    return sorted(
        found,
        key=lambda one: (kinds.index(one.sample), -one.collected_on.toordinal(), one.ratio, one.words),
    )


def _reading(sample: SampleResult, result: AntigenResult, threshold: Threshold) -> Reading:
    origin = f"{sample.sample} of {sample.collected_on}"
    if result.percent_by_intensity is None:
        detected = bool(result.detected)
        words = f"{origin}: {'detected' if detected else 'not detected'}"
        return _reading_of(sample, detected, float(detected), words)
    percent = percent_at_or_above(result.percent_by_intensity, threshold.minimum_intensity)
    limit = Decimal(str(threshold.percent_cells))
    words = (
        f"{origin}: {percent.normalize():f}% of cells at {threshold.minimum_intensity}+ or more, "
        f"threshold {threshold.percent_cells:g}%"
    )
    return _reading_of(sample, percent >= limit, float(percent / limit), words)


def _reading_of(sample: SampleResult, positive: bool, ratio: float, words: str) -> Reading:
    return Reading(sample=sample.sample, collected_on=sample.collected_on, positive=positive, ratio=ratio, words=words)


def percent_at_or_above(percent_by_intensity: Sequence[float], minimum_intensity: int) -> Decimal:
    """
    Add up the percentages (0-100) of cells at an intensity (1-3) or more.

    Decimal, as the laboratory wrote them: in binary 10.1 + 29.9 could miss a threshold of 40 by rounding.
    """
    return sum((Decimal(str(percent)) for percent in percent_by_intensity[minimum_intensity:]), Decimal(0))


def _reason(decisive: Reading, dissenting: Sequence[Reading]) -> str:
    words = _in_words(decisive)
    return f"{words}; discordant: {'; '.join(_in_words(other) for other in dissenting)}" if dissenting else words


def _in_words(reading: Reading) -> str:
    return f"{reading.words}: {'positive' if reading.positive else 'negative'}"
