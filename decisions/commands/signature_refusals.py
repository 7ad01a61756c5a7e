"""Refusals about electronic signatures (21 CFR 11.50, 11.70, 11.100)."""

from collections.abc import Collection

from decisions.commands.refusals import invalid_input
from schemas.base import Role
from schemas.commands.commands import Signature
from schemas.problem import Problem, ProblemType
from schemas.safety.summary import ReportedEvent


def unknown_meaning(signature: Signature, meanings: Collection[str]) -> Problem:
    """The protocol gives the signature no such meaning; `meanings` are those that it gives."""
    return invalid_input(
        "envelope.signature.meaning",
        signature.meaning,
        "is no meaning that the protocol gives to this signature",
        " or ".join(meanings),
    )


def signature_required(content: str) -> Problem:
    """The command is not signed; `content` names what the signature must cover."""
    return Problem(
        type=ProblemType.SIGNATURE_REQUIRED,
        field="envelope.signature",
        value="(none)",
        rule="this command is to be signed",
        expected=f"a signature on the hash of {content}",
    )


def not_delegated(person: str, role: Role, delegated: Collection[str]) -> Problem:
    """The study has not delegated the role to the person; `delegated` are those to whom it has."""
    return Problem(
        type=ProblemType.NOT_DELEGATED,
        field="envelope.person",
        value=person,
        rule=f"the role {role} is not delegated to this person",
        expected=" or ".join(sorted(delegated)) or "somebody to whom the study has delegated the role",
    )


def content_changed(signature: Signature, content: str) -> Problem:
    """What was signed is not what the workflow holds now."""
    return Problem(
        type=ProblemType.PACKET_CHANGED,
        field="envelope.signature.signed_sha256",
        value=signature.signed_sha256,
        rule=f"is not the hash of {content} as it stands now",
        expected="the hash of what is read anew",
    )


def open_candidate(cohort: int, subject: str, event: ReportedEvent) -> Problem:
    """An event of a participant of the arm may still turn out to be dose-limiting."""
    return Problem(
        type=ProblemType.OPEN_CANDIDATE,
        field="cohort",
        value=str(cohort),
        rule=f"{subject} {event.event_id} ({event.term}) may still be a DLT: {event.dlt}",
        expected="a decision after it was judged",
    )
