"""The committee's decision through the `trial` command, while nothing is due."""

from pathlib import Path
from typing import Any

from cli.exit_codes import Exit
from protocols.loader import LoadedProtocol
from tests.cli.trial_command import (
    COMMITTEE,
    COORDINATOR,
    Trial,
    delegate,
    finds_refusals,
    screen,
    signed,
    stock,
    until,
)


async def test_the_committee_may_not_decide_while_a_window_is_open(
    participant: Trial, protocol: LoadedProtocol, tmp_path: Path
) -> None:
    """Before anybody is dosed no decision is due; once a slot is given, the participant's window must close first."""
    decide = ("arm", "decide", "single-target", "--action", "escalate", "--cohort")
    await delegate(participant, "src-chair", "committee")
    nobody = await signed(participant)
    (await participant(*decide, "1", *nobody, *COMMITTEE)).refuses(
        Exit.REFUSED, "NoDecisionDue", "cohort = 1", "0 of 3 evaluable"
    )
    await stock(participant, tmp_path)
    await screen(participant, protocol)

    def pending(arm: dict[str, Any]) -> bool:
        return bool(arm["tallies"][0]["pending"] == 1)

    arm = await until(lambda: participant.ok("arm", "status", "single-target"), pending)
    (await participant(*decide, "1", *COMMITTEE)).refuses(Exit.REFUSED, "SignatureRequired", "the packet")
    (await participant(*decide, "1", *nobody, *COMMITTEE)).refuses(Exit.REFUSED, "PacketChanged", "as it stands now")
    seen = await signed(participant)
    (await participant(*decide, "1", *seen, *COMMITTEE)).refuses(Exit.REFUSED, "WindowOpen", "cohort = 1", "pending")
    (await participant(*decide, "2", *seen, *COMMITTEE)).refuses(
        Exit.REFUSED, "NoDecisionDue", "cohort = 2", "cohort 1"
    )
    (await participant(*decide, "1", *COORDINATOR)).refuses(Exit.REFUSED, "WrongRole", "coordinator", "committee")
    (await participant(*decide, "1", "--level", "0", *COMMITTEE)).refuses(Exit.BAD_INPUT, "level = 0", "at least 1")
    after = await participant.ok("arm", "status", "single-target")
    assert (after["cohort"], after["decisions"], after["tallies"]) == (1, [], arm["tallies"])
    refused = ("NoDecisionDue", "SignatureRequired", "PacketChanged", "WindowOpen", "NoDecisionDue", "WrongRole")
    await finds_refusals(participant, "single-target", *refused)
    assert "Pending" in (await participant("arm", "status")).out
