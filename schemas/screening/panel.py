"""Antigens, samples and what a laboratory reports of them (NCT07510828, Antigen selection workflow)."""

from datetime import date
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from schemas.base import Frozen


class Antigen(StrEnum):
    """The record's example panel, in its order."""

    MESOTHELIN = "mesothelin"
    TROP2 = "TROP2"
    HER2 = "HER2"
    MUC1 = "MUC1"
    CLDN18_2 = "CLDN18.2"
    B7_H3 = "B7-H3"
    AXL = "AXL"
    GPC3 = "GPC3"
    CLDN6 = "CLDN6"
    EGFR = "EGFR"


class SampleType(StrEnum):
    """Tissue is preferred; a liquid biopsy gives circulating tumour cells (CTC) or DNA (ctDNA)."""

    TISSUE = "tissue"
    CTC = "CTC"
    CTDNA = "ctDNA"


ALL_CELLS = 100.0
ROUNDING = 0.5
"""Percentages are reported rounded; together they may miss 100 by this much."""


class AntigenResult(Frozen):
    """
    One antigen in one sample.

    Cell-based assays (tissue, CTC) give the percentage of tumour cells at each staining intensity 0, 1+, 2+, 3+;
    ctDNA gives only a call.
    """

    antigen: Antigen
    percent_by_intensity: tuple[float, float, float, float] | None = Field(
        default=None, description="Percent of tumour cells at 0, 1+, 2+, 3+; each 0-100, together 100."
    )
    detected: bool | None = Field(default=None, description="The ctDNA assay's call.")

    @model_validator(mode="after")
    def _one_kind_of_evidence(self) -> Self:
        if (self.percent_by_intensity is None) == (self.detected is None):
            raise ValueError("give either percent_by_intensity (tissue, CTC) or detected (ctDNA)")
        cells = self.percent_by_intensity
        if cells is not None:
            if any(not 0 <= percent <= ALL_CELLS for percent in cells):
                raise ValueError(f"percentages must be 0-100, got {list(cells)}")
            if abs(sum(cells) - ALL_CELLS) > ROUNDING:
                raise ValueError(f"percentages at 0, 1+, 2+, 3+ must add up to 100, got {sum(cells):g}")
        return self


class SampleResult(Frozen):
    """A laboratory's report on one sample; an inadequate sample has no antigen results."""

    sample: SampleType
    collected_on: date
    adequate: bool
    antigens: tuple[AntigenResult, ...] = ()

    @model_validator(mode="after")
    def _results_fit_the_sample(self) -> Self:
        if not self.adequate and self.antigens:
            raise ValueError("an inadequate sample cannot carry antigen results")
        if self.adequate and not self.antigens:
            raise ValueError("an adequate sample needs its antigen results")
        if len({result.antigen for result in self.antigens}) != len(self.antigens):
            raise ValueError("an antigen is reported twice")
        for result in self.antigens:
            if (result.detected is not None) != (self.sample is SampleType.CTDNA):
                raise ValueError(f"{result.antigen}: {self.sample} needs {_evidence(self.sample)}")
        return self


def _evidence(sample: SampleType) -> str:
    return "detected" if sample is SampleType.CTDNA else "percent_by_intensity"


class AntigenVerdict(Frozen):
    """Whether an antigen counts as positive, from which sample, and how far above its threshold it is."""

    antigen: Antigen
    positive: bool
    ratio: float = Field(description="Percent of cells at or above the intensity, over the threshold's percentage.")
    sample: SampleType
    discordant: bool = Field(default=False, description="A less preferred sample has the opposite result.")
    reason: str


class ProfileOutcome(StrEnum):
    """What the samples together allow."""

    COMPLETE = "complete"
    REPEAT_BIOPSY = "repeat_biopsy"
    INSUFFICIENT = "insufficient"


class AntigenProfile(Frozen):
    """The judged panel, in the panel's order; empty unless complete."""

    outcome: ProfileOutcome
    verdicts: tuple[AntigenVerdict, ...] = ()
    reason: str

    def positives(self) -> tuple[AntigenVerdict, ...]:
        """Antigens above threshold, the furthest above first; ties keep the panel's order."""
        return tuple(sorted((v for v in self.verdicts if v.positive), key=lambda v: -v.ratio))
