"""What people send to a study's workflow: unusable, refused, or in order."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from decisions.commands.study_checks import (
    malformed_delegation,
    malformed_enrolment,
    malformed_hold,
    malformed_lift,
    refused_delegation,
    refused_enrolment,
    refused_hold,
    refused_lift,
)
from decisions.stopping.holds import hold_sha256
from schemas.base import Role
from schemas.commands.commands import ChangeDelegation, Enroll, Envelope, Hold, LiftHold, Signature
from schemas.dlt.outcome import Disposition
from schemas.problem import Problem, ProblemType
from schemas.protocol import ProtocolReference, SignatureRules
from schemas.state.study import HoldRecord, StudyArm, StudyState

NOW = datetime(2026, 4, 15, 10, tzinfo=UTC)
"""At 10:00 UTC the 16th begins at UTC+14."""
HELD = HoldRecord(scope="study", placed_by="operations-01", placed_at=NOW, why="a death")
STATE = StudyState(
    study="nk-01",
    protocol=ProtocolReference(id="example", version="1.0", sha256="0" * 64),
    arms={"single": StudyArm(arm="single"), "dual": StudyArm(arm="dual")},
    active=("CN01-001",),
    ended={"CN01-002": Disposition.SCREEN_FAILURE},
    delegations={"chair": (Role.COMMITTEE,), "lead": (Role.OPERATIONS,)},
)
ON_HOLD = STATE.model_copy(update={"holds": ("study", "dual"), "hold_records": {"study": HELD}})
RULES = SignatureRules(decision_meanings=("approval",), lift_hold_meanings=("approval", "review"))


def sent(role: Role = Role.OPERATIONS, site: str | None = None, **changes: object) -> Envelope:
    """Make an envelope with a reason, sent now."""
    fields = {"person": "lead", "role": role, "site": site, "time": NOW, "reason": "as agreed by telephone"}
    return Envelope.model_validate(fields | changes)


def enrolment(subject: str = "CN01-003", envelope: Envelope | None = None, consent: date | None = None) -> Enroll:
    """Make an enrolment by the site's coordinator, on the day of the consent."""
    return Enroll(
        envelope=envelope or sent(Role.COORDINATOR, "CN01"),
        subject=subject,
        consent_signed_on=consent or NOW.date(),
        consent_version="1.0",
        age_years=50,
    )


def words(problem: Problem | None) -> str | None:
    """Return a refusal in words."""
    return None if problem is None else problem.message()


@pytest.mark.parametrize(
    ("envelope", "consent", "field"),
    [
        (None, date(2026, 4, 16), None),
        (None, date(2026, 4, 17), "consent_signed_on"),
        (sent(Role.COORDINATOR, time=NOW + timedelta(minutes=5)), None, None),
        (sent(Role.COORDINATOR, time=NOW + timedelta(minutes=6)), date(2026, 4, 17), "envelope.time"),
    ],
)
def test_nobody_is_enrolled_tomorrow(envelope: Envelope | None, consent: date | None, field: str | None) -> None:
    """Neither the sender's clock nor the day of the consent lies ahead, wherever on Earth the site is."""
    found = malformed_enrolment(enrolment(envelope=envelope, consent=consent), NOW)

    assert (found and found.field) == field
    assert found is None or found.type is ProblemType.DATE_IN_FUTURE


@pytest.mark.parametrize(
    ("envelope", "problem", "expected"),
    [
        (sent(Role.COORDINATOR, "CN01"), None, None),
        (sent(Role.INVESTIGATOR, "CN01"), None, None),
        (sent(Role.OPERATIONS), None, None),
        (sent(Role.COMMITTEE), ProblemType.WRONG_ROLE, "coordinator"),
        (sent(Role.COORDINATOR, "CN02"), ProblemType.WRONG_ROLE, "CN01"),
    ],
)
def test_the_own_site_or_trial_operations_enrol(
    envelope: Envelope, problem: ProblemType | None, expected: str | None
) -> None:
    """A coordinator is named as who should have; a person of another site sees the subject's."""
    found = refused_enrolment(STATE, enrolment(envelope=envelope), ())

    assert (found and found.type, found and found.expected) == (problem, expected)


TAKEN = "subject = {}: is enrolled already in nk-01; expected a subject id that was never used"


@pytest.mark.parametrize("subject", ["CN01-001", "CN01-002", "CN01-009"])
def test_a_subject_id_is_used_once(subject: str) -> None:
    """On study, ended, or with an enrolment that has begun and is not recorded yet; also while the study is held."""
    for state in (STATE, ON_HOLD):
        assert words(refused_enrolment(state, enrolment(subject), {"CN01-009"})) == TAKEN.format(subject)


def test_nobody_is_enrolled_while_the_study_is_held() -> None:
    """A hold on an arm alone lets people be enrolled: they are assigned later."""
    arm_only = STATE.model_copy(update={"holds": ("dual",)})

    assert refused_enrolment(arm_only, enrolment(), ()) is None
    assert words(refused_enrolment(ON_HOLD, enrolment(), ())) == (
        "study = nk-01: the study is held: no participant is enrolled; expected the hold to be lifted first"
    )


@pytest.mark.parametrize(
    ("envelope", "arm", "problem"),
    [
        (sent(), None, None),
        (sent(), "dual", None),
        (sent(), "triple", ProblemType.UNKNOWN_ARM),
        (sent(reason=" "), "triple", ProblemType.REASON_REQUIRED),
        (sent(time=NOW + timedelta(hours=1), reason=None), "dual", ProblemType.DATE_IN_FUTURE),
    ],
)
def test_a_hold_names_an_arm_and_a_reason(envelope: Envelope, arm: str | None, problem: ProblemType | None) -> None:
    """Without an arm it is the whole study's; a lift is checked in the same way, signed or not."""
    for found in (
        malformed_hold(STATE, Hold(envelope=envelope, arm=arm), NOW),
        malformed_hold(STATE, LiftHold(envelope=envelope, arm=arm), NOW),
        malformed_lift(STATE, None, LiftHold(envelope=envelope, arm=arm), NOW),
        malformed_lift(STATE, RULES, LiftHold(envelope=envelope, arm=arm), NOW),
    ):
        assert (found and found.type) == problem


def test_an_unknown_arm_is_answered_with_those_that_there_are() -> None:
    """In the order of the protocol."""
    found = malformed_hold(STATE, Hold(envelope=sent(), arm="triple"), NOW)

    assert words(found) == "arm = triple: is not an arm of this study; expected single or dual"


@pytest.mark.parametrize(
    ("rules", "meaning", "refused"),
    [(RULES, "review", False), (RULES, "authorship", True), (None, "authorship", False)],
)
def test_a_lift_is_signed_with_a_meaning_of_the_protocol(
    rules: SignatureRules | None, meaning: str, refused: bool
) -> None:
    """Without rules for signatures nobody asks."""
    signed = sent(signature=Signature(meaning=meaning, signed_sha256="a" * 64))

    found = malformed_lift(STATE, rules, LiftHold(envelope=signed), NOW)

    assert (found is not None) is refused
    assert found is None or found.expected == "approval or review"


@pytest.mark.parametrize("role", list(Role))
def test_trial_operations_and_the_committee_hold(role: Role) -> None:
    """Anybody else is refused, and trial operations are named."""
    found = refused_hold(Hold(envelope=sent(role)))

    assert (found is None) is (role in {Role.OPERATIONS, Role.COMMITTEE})
    assert found is None or (found.type, found.expected) == (ProblemType.WRONG_ROLE, "operations")
    assert refused_lift(ON_HOLD, None, LiftHold(envelope=sent(role))) == found


@pytest.mark.parametrize(
    ("state", "arm", "refusal"),
    [
        (STATE, None, "arm = study: is not held; expected no hold is in force"),
        (ON_HOLD, "single", "arm = single: is not held; expected study or dual"),
        (ON_HOLD, "dual", None),
        (ON_HOLD, None, None),
    ],
)
def test_only_a_hold_in_force_is_lifted(state: StudyState, arm: str | None, refusal: str | None) -> None:
    """Those that are in force are named, before the role is looked at."""
    for role in (Role.OPERATIONS, Role.COORDINATOR) if refusal else (Role.OPERATIONS,):
        assert words(refused_lift(state, None, LiftHold(envelope=sent(role), arm=arm))) == refusal


@pytest.mark.parametrize(
    ("changes", "arm", "problem"),
    [
        ({"signature": Signature(meaning="approval", signed_sha256=hold_sha256(HELD))}, None, None),
        ({"signature": Signature(meaning="approval", signed_sha256="b" * 64)}, None, ProblemType.PACKET_CHANGED),
        ({}, None, ProblemType.SIGNATURE_REQUIRED),
        # A hold without a record has nothing to be signed.
        ({}, "dual", None),
        (
            {"person": "chair", "signature": Signature(meaning="approval", signed_sha256=hold_sha256(HELD))},
            None,
            ProblemType.NOT_DELEGATED,
        ),
    ],
)
def test_a_lift_signs_the_record_of_the_hold(
    changes: dict[str, Any], arm: str | None, problem: ProblemType | None
) -> None:
    """By a person to whom the role is delegated: the chair signs for the committee, not for trial operations."""
    found = refused_lift(ON_HOLD, RULES, LiftHold(envelope=sent(**changes), arm=arm))

    assert (found and found.type) == problem


def test_a_signature_is_asked_for_by_the_hold_s_scope() -> None:
    """Who lifts reads on which hold the signature is missing."""
    found = refused_lift(ON_HOLD, RULES, LiftHold(envelope=sent()))

    assert found is not None
    assert found.expected == "a signature on the hash of the hold on study"


def delegation(envelope: Envelope) -> ChangeDelegation:
    """Delegate the committee's role to its chair."""
    return ChangeDelegation(envelope=envelope, person="src-chair", role=Role.COMMITTEE, delegated=True)


@pytest.mark.parametrize(
    ("envelope", "problem"),
    [
        (sent(), None),
        (sent(reason=None), ProblemType.REASON_REQUIRED),
        (sent(time=NOW + timedelta(minutes=6), reason=None), ProblemType.DATE_IN_FUTURE),
    ],
)
def test_a_delegation_has_a_reason(envelope: Envelope, problem: ProblemType | None) -> None:
    """And a time that is not ahead."""
    found = malformed_delegation(delegation(envelope), NOW)

    assert (found and found.type) == problem


@pytest.mark.parametrize("role", list(Role))
def test_trial_operations_delegate(role: Role) -> None:
    """Nobody else does."""
    found = refused_delegation(delegation(sent(role)))

    assert (found is None) is (role is Role.OPERATIONS)
    assert found is None or (found.field, found.expected) == ("envelope.role", "operations")
