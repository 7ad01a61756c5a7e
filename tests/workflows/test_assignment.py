"""Assignment: which arm and which target follow from the antigen panel."""

from protocols.loader import LoadedProtocol
from schemas.protocol import ArmKind
from schemas.screening.panel import Antigen, AntigenResult, SampleResult, SampleType
from schemas.state.participant import Assignment
from simulation.world import World
from tests.workflows.stories import DUAL, MESOTHELIN, SINGLE, Case, one


def stained(case: Case, percent_at_3: dict[Antigen, float]) -> SampleResult:
    """Return a tissue sample in which these antigens stain at 3+ in so many percent of cells, and the others do not."""
    shown = [percent_at_3.get(entry.antigen, 0.0) for entry in case.protocol.panel]
    results = tuple(
        AntigenResult(antigen=entry.antigen, percent_by_intensity=(100.0 - percent, 0.0, 0.0, percent))
        for entry, percent in zip(case.protocol.panel, shown, strict=True)
    )
    return SampleResult(sample=SampleType.TISSUE, collected_on=case.today, adequate=True, antigens=results)


async def test_two_positive_antigens_lead_to_the_dual_arm_with_the_stronger_pair(
    world: World, protocol: LoadedProtocol
) -> None:
    """Of two pairs with a product, the one whose weaker antigen is furthest above its threshold is chosen."""
    case = await one(world, protocol)
    cells = {Antigen.MESOTHELIN: 80.0, Antigen.TROP2: 55.0, Antigen.MUC1: 70.0}
    case.changes["antigen-panel"] = lambda _task, _now: {"samples": (stained(case, cells),)}

    fact = await case.reach_fact("assigned")

    state = await case.state()
    assert state.assignment == Assignment(arm=DUAL, arm_kind=ArmKind.DUAL, target=(Antigen.MESOTHELIN, Antigen.MUC1))
    assert "3 antigens above threshold" in fact["why"]


async def test_a_risk_of_heterogeneity_does_not_replace_the_second_antigen(
    world: World, protocol: LoadedProtocol
) -> None:
    """With one positive antigen and a high risk of heterogeneity, the single arm is chosen, and the reason is kept."""
    case = await one(world, protocol)
    case.change(
        "antigen-panel", high_heterogeneity_risk=True, heterogeneity_rationale="two clones differ on the earlier biopsy"
    )

    fact = await case.reach_fact("assigned")

    state = await case.state()
    assert state.assignment == Assignment(arm=SINGLE, arm_kind=ArmKind.SINGLE, target=MESOTHELIN)
    assert "high risk of antigen heterogeneity" in fact["why"]
    assert state.panel is not None
    assert state.panel.heterogeneity_rationale == "two clones differ on the earlier biopsy"
