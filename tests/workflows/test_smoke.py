"""One participant from consent to the end of study."""

from protocols.loader import LoadedProtocol
from schemas.dlt.outcome import Disposition
from schemas.screening.panel import Antigen
from schemas.state.participant import ParticipantState
from simulation.people import VirtualParticipant
from simulation.site import VirtualSite
from simulation.trial import fill_bank, start_study
from simulation.world import World


async def nobody(state: ParticipantState) -> bool:
    """No participant has a DLT."""
    return False


async def test_a_participant_completes_the_schedule(world: World, protocol: LoadedProtocol) -> None:
    """An uneventful participant goes from consent to the end of study and is evaluable without a DLT."""
    await fill_bank(world.pool, protocol, [(Antigen.MESOTHELIN,)], units=3)
    await start_study(world, protocol)
    person = VirtualParticipant(subject="CN01-001", age_years=50, antigens=(Antigen.MESOTHELIN,))
    site = VirtualSite(world, protocol.protocol, person, nobody)
    await site.enroll()
    await site.live()

    state = await world.participant_state(person.subject)

    assert state.disposition is Disposition.COMPLETED
    assert state.dlt == "no_dlt"
    assert len(state.infusions) == len(protocol.protocol.infusions.days)
    assert state.skipped == ()
