"""
Electronic signatures under decisions and under the lifting of holds (21 CFR 11.50, 11.70, 11.100).

A signature has a meaning that the protocol allows, comes from a person to whom the study has delegated the role, and
names the content that was read by its hash.
"""

from collections.abc import Collection

from decisions.commands import signature_refusals as refusals
from schemas.commands.commands import Envelope
from schemas.problem import Problem
from schemas.safety.summary import OPEN_DLT
from schemas.state.arm import ArmState


def unknown_meaning(meanings: Collection[str], envelope: Envelope) -> Problem | None:
    """Return the refusal of a signature with a meaning that the protocol does not allow; none without a signature."""
    signature = envelope.signature
    if signature is None or signature.meaning in meanings:
        return None
    return refusals.unknown_meaning(signature, meanings)


def unsigned(envelope: Envelope, delegated: Collection[str], sha256: str, what: str) -> Problem | None:
    """
    Return the refusal of a missing or unfit signature under `what`, or none.

    `sha256` is the hash of `what` now (64 hex digits), `delegated` are the persons who may sign.
    """
    signature = envelope.signature
    if signature is None:
        return refusals.signature_required(what)
    if envelope.person not in delegated:
        return refusals.not_delegated(envelope.person, envelope.role, delegated)
    return None if signature.signed_sha256 == sha256 else refusals.content_changed(signature, what)


def open_candidate(state: ArmState) -> Problem | None:
    """Return the refusal of a decision while an event of a participant of the arm may still be dose-limiting."""
    for subject, summary in sorted(state.summaries.items()):
        for event in summary.events:
            if event.dlt in OPEN_DLT:
                return refusals.open_candidate(state.cohort, subject, event)
    return None
