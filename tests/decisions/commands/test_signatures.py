"""Electronic signatures: 21 CFR 11.50, 11.70, 11.100."""

from datetime import UTC, date, datetime

import pytest

from decisions.commands.signatures import open_candidate, unknown_meaning, unsigned
from schemas.base import Role
from schemas.commands.commands import Envelope, Signature
from schemas.problem import ProblemType
from schemas.safety.adverse_events import EventCategory
from schemas.safety.summary import EventDlt, ReportedEvent, SafetySummary
from schemas.screening.panel import Antigen
from schemas.state.arm import ArmState

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HASH = "a" * 64


def signed_by(person: str, sha256: str | None = HASH, meaning: str = "approval") -> Envelope:
    """Make the envelope of a command; without a hash it is not signed."""
    signature = None if sha256 is None else Signature(meaning=meaning, signed_sha256=sha256)
    return Envelope(person=person, role=Role.COMMITTEE, time=NOW, signature=signature)


@pytest.mark.parametrize(
    ("envelope", "field", "problem"),
    [
        (signed_by("src-chair"), None, None),
        (signed_by("src-chair", None), "envelope.signature", ProblemType.SIGNATURE_REQUIRED),
        (signed_by("src-guest", None), "envelope.signature", ProblemType.SIGNATURE_REQUIRED),
        (signed_by("src-guest"), "envelope.person", ProblemType.NOT_DELEGATED),
        (signed_by("src-guest", "b" * 64), "envelope.person", ProblemType.NOT_DELEGATED),
        (signed_by("src-chair", "b" * 64), "envelope.signature.signed_sha256", ProblemType.PACKET_CHANGED),
        (signed_by("src-chair", HASH.upper()), "envelope.signature.signed_sha256", ProblemType.PACKET_CHANGED),
    ],
)
def test_a_signature_is_given_by_a_delegated_person_on_what_stands_now(
    envelope: Envelope, field: str | None, problem: ProblemType | None
) -> None:
    """It is missing, not delegated, or on another hash; the refusal never tells the hash to be signed."""
    found = unsigned(envelope, ("src-chair", "src-member"), HASH, "the packet of single-target")

    assert (found and found.field, found and found.type) == (field, problem)
    assert found is None or HASH not in found.message()


@pytest.mark.parametrize(
    ("envelope", "known"),
    [
        (signed_by("src-chair"), True),
        (signed_by("src-chair", None), True),
        (signed_by("src-chair", meaning="authorship"), False),
        (signed_by("src-chair", meaning="Approval"), False),
    ],
)
def test_a_meaning_is_one_of_the_protocol_s(envelope: Envelope, known: bool) -> None:
    """A strange meaning is malformed; no signature at all is another matter."""
    found = unknown_meaning(("approval", "review"), envelope)

    assert (found is None) is known
    assert found is None or (found.type, found.expected) == (ProblemType.INVALID_INPUT, "approval or review")


@pytest.mark.parametrize(
    ("envelope", "delegated", "words"),
    [
        (
            signed_by("src-chair", None),
            ("src-chair",),
            (
                "envelope.signature = (none): this command is to be signed; "
                "expected a signature on the hash of the packet of single-target"
            ),
        ),
        (
            signed_by("src-guest"),
            ("src-member", "src-chair"),
            (
                "envelope.person = src-guest: the role committee is not delegated to this person; "
                "expected src-chair or src-member"
            ),
        ),
        (
            signed_by("src-guest"),
            (),
            (
                "envelope.person = src-guest: the role committee is not delegated to this person; "
                "expected somebody to whom the study has delegated the role"
            ),
        ),
        (
            signed_by("src-chair", "b" * 64),
            ("src-chair",),
            (
                f"envelope.signature.signed_sha256 = {'b' * 64}: is not the hash of the packet of single-target as it "
                "stands now; expected the hash of what is read anew"
            ),
        ),
    ],
)
def test_a_refusal_says_what_would_be_right(envelope: Envelope, delegated: tuple[str, ...], words: str) -> None:
    """Field, value, rule and what is expected, in the words that stand in the history."""
    found = unsigned(envelope, delegated, HASH, "the packet of single-target")

    assert found is not None
    assert found.message() == words


def test_a_strange_meaning_is_refused_in_words() -> None:
    """The meanings of the protocol are named."""
    found = unknown_meaning(("approval", "review"), signed_by("src-chair", meaning="authorship"))

    assert found is not None
    assert found.message() == (
        "envelope.signature.meaning = authorship: is no meaning that the protocol gives to this signature; "
        "expected approval or review"
    )


def knowing_of(*standings: EventDlt) -> ArmState:
    """Make an arm that knows of an event of each participant."""
    summaries = {}
    for number, dlt in enumerate(standings, start=1):
        event = ReportedEvent(
            event_id="AE-007",
            version=1,
            term="Pneumonitis",
            category=EventCategory.ORGAN,
            grade=3,
            onset_on=date(2026, 3, 1),
            related=True,
            serious=False,
            dlt=dlt,
        )
        subject = f"CN01-{number:03d}"
        summaries[subject] = SafetySummary(
            subject=subject, target=(Antigen.MESOTHELIN,), cohort=1, level=1, million_cells=100, events=(event,)
        )
    return ArmState(study="nk-01", arm="single-target", level=1, summaries=summaries)


@pytest.mark.parametrize(
    ("standings", "blocked"),
    [
        ((), None),
        ((EventDlt.NONE, EventDlt.CONFIRMED, EventDlt.REJECTED), None),
        ((EventDlt.REJECTED, EventDlt.CANDIDATE), "CN01-002 AE-007 (Pneumonitis) may still be a DLT: candidate"),
        ((EventDlt.PENDING, EventDlt.CANDIDATE), "CN01-001 AE-007 (Pneumonitis) may still be a DLT: pending"),
    ],
)
def test_an_open_event_of_anybody_blocks_a_decision(standings: tuple[EventDlt, ...], blocked: str | None) -> None:
    """Its duration runs or nobody has judged it; the first is named."""
    found = open_candidate(knowing_of(*standings))

    assert (found and found.rule) == blocked
    assert found is None or found.type is ProblemType.OPEN_CANDIDATE
    assert found is None or found.message() == f"cohort = 1: {blocked}; expected a decision after it was judged"
