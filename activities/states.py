"""
States of participants, arms and the study, folded from the read model: now, or as of a moment or a fact's number.

They need neither a worker nor a Temporal server, and include workflows that have ended.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from activities import read_model
from activities.database import Database
from decisions.dose.packet import present_packet
from decisions.state import folding
from decisions.state.folding import AsOf
from decisions.stopping.holds import hold_sha256
from schemas import names
from schemas.dose.packet import PacketWithHash
from schemas.protocol import Protocol, ProtocolReference
from schemas.state.arm import ArmState
from schemas.state.participant import ParticipantState
from schemas.state.study import HoldWithHash, StudyState

State = TypeVar("State")


class UnknownOwnerError(Exception):
    """The read model has no fact of such a study, arm or subject."""


class FactsMissingError(Exception):
    """The read model lacks facts of a workflow, or has altered ones: no state can be folded from the rest."""


async def participant_state(pool: Database, study: str, subject: str, as_of: AsOf = None) -> ParticipantState:
    """Return a participant's state."""
    workflow_id = names.participant_id(study, subject)
    return _folded(folding.participant, workflow_id, await _facts(pool, workflow_id, as_of))


async def participant_states(pool: Database, study: str) -> dict[str, ParticipantState]:
    """Return the present states of all participants who were ever enrolled, by subject."""
    facts = await read_model.facts_of_all(pool, study, "participant")
    return {
        subject: _folded(folding.participant, names.participant_id(study, subject), theirs)
        for subject, theirs in facts.items()
    }


async def arm_state(pool: Database, study: str, arm: str, as_of: AsOf = None) -> ArmState:
    """Return an arm's state."""
    workflow_id = names.arm_id(study, arm)
    return _folded(folding.arm, workflow_id, await _facts(pool, workflow_id, as_of))


async def study_state(pool: Database, study: str, as_of: AsOf = None) -> StudyState:
    """Return the study's state."""
    workflow_id = names.study_id(study)
    return _folded(folding.study, workflow_id, await _facts(pool, workflow_id, as_of))


async def protocol_of(pool: Database, reference: ProtocolReference) -> Protocol:
    """
    Return a registered protocol.

    Raises:
        UnknownOwnerError: no protocol with this hash was registered.
    """
    content = await read_model.protocol_content(pool, reference.sha256)
    if content is None:
        raise UnknownOwnerError(f"protocol {reference.id} {reference.version} is not registered")
    return Protocol.model_validate(content)


async def packet(pool: Database, study: str, arm: str, as_of: AsOf = None) -> PacketWithHash:
    """Return what an arm's committee reads, and the hash that it signs."""
    reference = (await study_state(pool, study)).protocol
    protocol = await protocol_of(pool, reference)
    return present_packet(
        protocol.escalation,
        protocol.arm(arm),
        await arm_state(pool, study, arm, as_of),
        protocol=reference,
        dlt_window_days=protocol.dlt.window_days,
        planned_infusions=len(protocol.infusions.days),
    )


async def hold_record(pool: Database, study: str, scope: str) -> HoldWithHash | None:
    """Return a hold in force ('study' or the arm), and the hash that its lifting signs."""
    hold = (await study_state(pool, study)).hold_records.get(scope)
    return None if hold is None else HoldWithHash(hold=hold, sha256=hold_sha256(hold))


async def _facts(pool: Database, workflow_id: str, as_of: AsOf) -> folding.Facts:
    rows = await read_model.fact_rows(pool, workflow_id)
    if not rows:
        raise UnknownOwnerError(f"{workflow_id.replace('/', ' ')}: not known to this database")
    if [row["sequence"] for row in rows] != list(range(1, len(rows) + 1)):
        raise FactsMissingError(f"{workflow_id}: the read model lacks facts; run `trial audit rebuild`")
    return folding.up_to([read_model.fact_of_row(row) for row in rows], as_of, datetime.now(UTC))


def _folded(fold: Callable[[folding.Facts], State], workflow_id: str, facts: folding.Facts) -> State:
    try:
        return fold(facts)
    except (ValueError, LookupError, TypeError, AssertionError) as error:
        raise FactsMissingError(
            f"{workflow_id}: the facts in the read model do not add up ({type(error).__name__}); "
            "run `trial audit rebuild`"
        ) from error
