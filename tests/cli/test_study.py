"""The study through the `trial` command: started once, held and lifted, and what was never started."""

import pytest

from cli.exit_codes import Exit
from protocols.loader import default_protocol_path
from tests.cli.trial_command import BIOPSY, CONSENT, COORDINATOR, OPERATIONS, Trial, delegate, finds_refusals, until


async def test_a_study_is_started_once(study: Trial) -> None:
    name = study.environment["TRIAL_STUDY"]
    again = await study("study", "start", "--protocol", str(default_protocol_path()), *OPERATIONS)
    again.refuses(Exit.BAD_INPUT, f"study = {name}", "was started before")
    state = await study.ok("study", "status")
    assert (state["study"], set(state["arms"])) == (name, {"single-target", "dual-target"})
    assert "single-target" in (await study("study", "status")).out


STUDY_COMMANDS = (
    ("study", "status"),
    ("worklist",),
    ("participant", "list"),
    ("participant", "status", "CN01-001"),
    ("participant", "timeline", "CN01-001"),
    ("participant", "enroll", "CN01-001", *CONSENT, *COORDINATOR),
    ("task", "show", "CN01-001:01-biopsy-1"),
    ("arm", "status"),
    ("arm", "packet", "single-target"),
    ("safety", "clocks"),
)


@pytest.mark.parametrize("words", STUDY_COMMANDS, ids=" ".join)
async def test_a_study_that_nobody_started_is_unknown(trial: Trial, a_study: str, words: tuple[str, ...]) -> None:
    """The message names it and the studies that there are, and the exit code is the one for 'unknown'."""
    name = trial.environment["TRIAL_STUDY"]
    (await trial(*words)).refuses(Exit.UNKNOWN, name, "was never started", "expected", "study-")


@pytest.fixture
async def a_study(trial: Trial) -> str:
    """Some other study, which was started."""
    name = f"{trial.environment['TRIAL_STUDY']}-other"
    await trial.ok("study", "start", "--protocol", str(default_protocol_path()), "--study", name, *OPERATIONS)
    return name


async def test_an_unknown_arm_subject_or_task_is_named(participant: Trial) -> None:
    arm = await participant("arm", "status", "triple-target")
    arm.refuses(Exit.UNKNOWN, "arm = triple-target", "dual-target or single-target")
    hold = ("study", "hold", "--arm", "triple-target", "--reason", "a death", *OPERATIONS)
    (await participant(*hold)).refuses(Exit.UNKNOWN, "arm = triple-target", "is not an arm", "single-target")
    subject = await participant("participant", "status", "CN01-999")
    subject.refuses(Exit.UNKNOWN, "participant = CN01-999", "expected CN01-001")
    refused = await participant("task", "complete", "CN01-001:77-surgery", *BIOPSY, *COORDINATOR)
    refused.refuses(Exit.UNKNOWN, "task_id = CN01-001:77-surgery", "no such task", "CN01-001:01-biopsy-1")


async def test_who_acts_must_be_named(study: Trial) -> None:
    """The message names the flag and the variable; nothing is enrolled."""
    enroll = ("participant", "enroll", "CN01-001", *CONSENT)
    (await study(*enroll)).refuses(Exit.BAD_INPUT, "--as", "TRIAL_PERSON")
    (await study(*enroll, "--as", "coord-01")).refuses(Exit.BAD_INPUT, "--role", "TRIAL_ROLE", "coordinator")
    refused = await study(*enroll, "--as", "Dr Jane Smith", "--role", "coordinator")
    refused.refuses(Exit.BAD_INPUT, "--as = Dr Jane Smith", "never a name")
    (await study(*enroll, "--as", "coord-01", "--role", "visitor")).refuses(Exit.BAD_INPUT, "--role = visitor")
    assert (await study.ok("study", "status"))["active"] == []


async def test_the_environment_can_say_who_acts(study: Trial) -> None:
    signed = {"TRIAL_PERSON": "coord-07", "TRIAL_ROLE": "coordinator"}
    await Trial(study.environment | signed).ok("participant", "enroll", "CN01-007", *CONSENT)
    facts = await until(
        lambda: study.ok("audit", "facts", "CN01-007"),
        lambda facts: facts and facts[0]["kind"] == "participant_enrolled",
    )
    assert (facts[0]["who"], facts[0]["role"]) == ("coord-07", "coordinator")


async def test_a_held_study_enrols_nobody_until_it_is_lifted(study: Trial) -> None:
    """A hold needs a reason and trial operations; lifting it twice is refused, and the auditor finds all of it."""
    enroll = ("participant", "enroll", "CN01-001", *CONSENT, *COORDINATOR)
    (await study("study", "hold", *OPERATIONS)).refuses(Exit.BAD_INPUT, "--reason")
    (await study("study", "hold", "--reason", "why not", *COORDINATOR)).refuses(Exit.REFUSED, "WrongRole", "operations")
    await study.ok("study", "hold", "--reason", "a death in the study", *OPERATIONS)
    (await study(*enroll)).refuses(Exit.REFUSED, "OnHold", "study")
    state = await study.ok("study", "status")
    assert state["holds"] == ["study"]
    lift = ("study", "lift", "--reason", "unrelated, says the committee", *OPERATIONS)
    (await study(*lift)).refuses(Exit.REFUSED, "SignatureRequired", "the hash of the hold on study")
    hashed = ("--sign", "--hold-sha256", state["hold_sha256"]["study"])
    (await study(*lift, *hashed)).refuses(Exit.REFUSED, "NotDelegated", "envelope.person = ops-01")
    await delegate(study, "ops-01", "operations")
    await study.ok(*lift, *hashed)
    (await study(*lift, *hashed)).refuses(Exit.REFUSED, "NothingToLift", "is not held")
    await study.ok(*enroll)
    refused = ("WrongRole", "OnHold", "SignatureRequired", "NotDelegated", "NothingToLift")
    await finds_refusals(study, "study", *refused)
