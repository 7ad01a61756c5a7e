"""Participants through the `trial` command: enrolled once, adverse events, an early end."""

import asyncio
from collections.abc import Awaitable

from cli.exit_codes import Exit
from tests.cli.trial_command import (
    CONSENT,
    COORDINATOR,
    INVESTIGATOR,
    TODAY,
    TOMORROW,
    Finished,
    Trial,
    finds_refusals,
    until,
)


async def test_a_subject_is_enrolled_once_even_at_the_same_moment(study: Trial) -> None:
    """Two coordinators send the same subject at once, each from a process: one succeeds, the other refusal is found."""
    enroll = ("participant", "enroll", "CN01-001", *CONSENT, *COORDINATOR)
    both = await asyncio.gather(study.process(*enroll), study.process(*enroll))
    assert sorted(each.code for each in both) == [Exit.OK, Exit.REFUSED]
    (await study(*enroll)).refuses(Exit.REFUSED, "subject = CN01-001", "is enrolled already")
    await finds_refusals(study, "study", "SubjectAlreadyEnrolled", "SubjectAlreadyEnrolled")
    assert (await study.ok("study", "status"))["active"] == ["CN01-001"]


async def test_an_enrolment_that_is_malformed_says_what_is_wrong(study: Trial) -> None:
    def enroll(subject: str, consent: str, age: str) -> Awaitable[Finished]:
        words = ("--consent-date", consent, "--consent-version", "1.0", "--age", age)
        return study("participant", "enroll", subject, *words, *COORDINATOR)

    (await enroll("Jane", TODAY, "55")).refuses(Exit.BAD_INPUT, "subject = Jane", "pseudonym")
    (await enroll("CN01-001", TODAY, "555")).refuses(Exit.BAD_INPUT, "age_years = 555", "at most 120")
    (await enroll("CN01-001", "yesterday", "55")).refuses(Exit.BAD_INPUT, "consent_signed_on = yesterday", "2026-11-24")
    (await enroll("CN01-001", TOMORROW, "55")).refuses(
        Exit.BAD_INPUT, "DateInFuture", f"consent_signed_on = {TOMORROW}"
    )
    assert (await study.ok("participant", "list")) == []


async def test_an_adverse_event_and_a_withdrawal(participant: Trial) -> None:
    """Both are checked, then recorded with who and why; afterwards nothing more can be sent."""
    report = ("ae", "report", "CN01-001", "--term", "Nausea", "--onset")
    (await participant(*report, TOMORROW, "--grade", "2", "--related", *INVESTIGATOR)).refuses(
        Exit.BAD_INPUT, "DateInFuture", f"event.onset_on = {TOMORROW}"
    )
    (await participant(*report, TODAY, "--grade", "6", "--related", *INVESTIGATOR)).refuses(
        Exit.BAD_INPUT, "event.grade = 6", "at most 5"
    )
    (await participant(*report, TODAY, "--grade", "3", "--not-related", "--dlt", *INVESTIGATOR)).refuses(
        Exit.BAD_INPUT, "related by definition"
    )
    await participant.ok(*report, TODAY, "--grade", "2", "--not-related", *INVESTIGATOR)
    state = await participant.state("CN01-001")
    assert [event["term"] for event in state["adverse_events"]] == ["Nausea"]
    withdraw = ("withdraw", "CN01-001", "--on", TODAY, *INVESTIGATOR)
    refused = await participant(*withdraw, "--kind", "moved_away", "--reason", "moved")
    refused.refuses(Exit.BAD_INPUT, "reason = moved_away", "lost_to_follow_up")
    (await participant(*withdraw, "--kind", "death")).refuses(Exit.BAD_INPUT, "--reason")
    await participant.ok(*withdraw, "--kind", "withdrawal_by_subject", "--reason", "consent withdrawn in writing")
    ended = await until(lambda: participant.state("CN01-001"), lambda state: state["stage"] == "ended")
    assert ended["disposition"] == "withdrawn"
    timeline = await participant("participant", "timeline", "CN01-001")
    assert "consent withdrawn in writing" in timeline.out
    listed = await until(lambda: participant.ok("participant", "list"), lambda rows: "ended" in rows[0]["stage"])
    assert listed == [{"subject": "CN01-001", "stage": "ended: withdrawn"}]
    assert (await participant(*withdraw, "--kind", "death", "--reason", "late")).code in (Exit.REFUSED, Exit.UNKNOWN)
