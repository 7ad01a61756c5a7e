"""The grade of an infusion related reaction from what it took (CTCAE 5.0; docs/domain.md, section 1)."""

from schemas.safety.adverse_events import FATAL
from schemas.safety.toxicity import ComputedGrade, GradedFinding, InfusionReactionObservation


def grade_infusion_reaction(reaction: InfusionReactionObservation) -> ComputedGrade:
    """
    Grade an infusion related reaction, 1-5, by the worst criterion that is met (CTCAE 5.0).

    A reaction that meets none is mild and transient: grade 1. There is no grade 0, since a reaction was observed.
    """
    criteria = (
        (True, 1, "mild, transient reaction without interruption or intervention"),
        (reaction.interruption_indicated, 2, "interruption indicated"),
        (reaction.symptomatic_treatment_indicated, 2, "symptomatic treatment indicated"),
        (reaction.prophylaxis_indicated, 2, "prophylactic medication indicated"),
        (reaction.prolonged, 3, "prolonged, without rapid response"),
        (reaction.recurred_after_improvement, 3, "symptoms recurred after improvement"),
        (reaction.hospitalisation_indicated, 3, "hospitalisation indicated"),
        (reaction.life_threatening, 4, "life-threatening consequences"),
        (reaction.death_due_to_reaction, FATAL, "death due to the reaction"),
    )
    return ComputedGrade.worst(GradedFinding(grade=grade, finding=finding) for met, grade, finding in criteria if met)
