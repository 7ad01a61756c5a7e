"""
Electronic signatures under decisions and under the lifting of holds (21 CFR 11.50, 11.70, 11.100).

A signature has a meaning that the protocol knows, comes from somebody to whom the study has delegated the role, and
names by its hash exactly what was read.
"""

from collections.abc import Collection

from schemas.commands.commands import Envelope
from schemas.problem import Problem, ProblemType
from schemas.safety.summary import OPEN_DLT
from schemas.state.arm import ArmState


def unknown_meaning(meanings: Collection[str], envelope: Envelope) -> Problem | None:
    """A signature that is given has a meaning of the protocol."""
    signature = envelope.signature
    if signature is None or signature.meaning in meanings:
        return None
    return Problem(
        type=ProblemType.INVALID_INPUT,
        field="envelope.signature.meaning",
        value=signature.meaning,
        rule="is no meaning that the protocol gives to this signature",
        expected=" or ".join(meanings),
    )


def unsigned(envelope: Envelope, delegated: Collection[str], sha256: str, what: str) -> Problem | None:
    """Say what is wrong with a signature; `what` is signed, `sha256` its hash now, by one of the `delegated`."""
    signature = envelope.signature
    if signature is None:
        return Problem(
            type=ProblemType.SIGNATURE_REQUIRED,
            field="envelope.signature",
            value="(none)",
            rule="this command is to be signed",
            expected=f"a signature on the hash of {what}",
        )
    if envelope.person not in delegated:
        return Problem(
            type=ProblemType.NOT_DELEGATED,
            field="envelope.person",
            value=envelope.person,
            rule=f"the role {envelope.role} is not delegated to this person",
            expected=" or ".join(sorted(delegated)) or "somebody to whom the study has delegated the role",
        )
    if signature.signed_sha256 != sha256:
        return Problem(
            type=ProblemType.PACKET_CHANGED,
            field="envelope.signature.signed_sha256",
            value=signature.signed_sha256,
            rule=f"is not the hash of {what} as it stands now",
            expected="the hash of what is read anew",
        )
    return None


def open_candidate(state: ArmState) -> Problem | None:
    """Nothing is decided while an event of any participant of the arm may still turn out to be a DLT."""
    for subject, summary in sorted(state.summaries.items()):
        for event in summary.events:
            if event.dlt in OPEN_DLT:
                return Problem(
                    type=ProblemType.OPEN_CANDIDATE,
                    field="cohort",
                    value=str(state.cohort),
                    rule=f"{subject} {event.event_id} ({event.term}) may still be a DLT: {event.dlt}",
                    expected="a decision after it was judged",
                )
    return None
