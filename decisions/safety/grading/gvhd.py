"""
The overall grade of acute GVHD from the stages of its organs (docs/domain.md, section 1).

Source: MAGIC, Harris AC et al., Biol Blood Marrow Transplant 2016;22:4-10. It is not the highest stage: which organ is
involved decides as much as how badly.
"""

from collections.abc import Iterator

from schemas.safety.adverse_events import FATAL
from schemas.safety.toxicity import ComputedGrade, GradedFinding, GvhdStages

_SKIN = (0, 1, 1, 2, 4)
"""The overall grade that each stage of the organ gives alone, from stage 0 on; so below."""
_LIVER = (0, 2, 3, 3, 4)
_LOWER_GI = (0, 2, 3, 3, 4)
_UPPER_GI = (0, 2)


def grade_gvhd(stages: GvhdStages) -> ComputedGrade:
    """
    Grade acute GVHD, 0-4 for MAGIC's 0 and I-IV, by the organ that gives the highest grade (Harris 2016).

    Skin alone at stage 1-2 is I; skin 3, or liver, lower or upper gastrointestinal tract 1 is II; liver or lower tract
    2-3 is III; skin, liver or lower tract 4 is IV. MAGIC has no grade for death: that is CTCAE grade 5.
    """
    return ComputedGrade.worst(_findings(stages))


def _findings(stages: GvhdStages) -> Iterator[GradedFinding]:
    yield GradedFinding(grade=_SKIN[stages.skin], finding=f"skin stage {stages.skin}")
    yield GradedFinding(grade=_LIVER[stages.liver], finding=f"liver stage {stages.liver}")
    yield GradedFinding(grade=_LOWER_GI[stages.lower_gi], finding=f"lower GI stage {stages.lower_gi}")
    yield GradedFinding(grade=_UPPER_GI[stages.upper_gi], finding=f"upper GI stage {stages.upper_gi}")
    if stages.death_due_to_gvhd:
        yield GradedFinding(grade=FATAL, finding="death due to GVHD")
