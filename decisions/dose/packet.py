"""
The safety review committee's packet for a cohort, and the hash that a decision signs (docs/domain.md, section 4).

Pure and without a clock: the same data give the same packet and the same hash, whoever builds it and whenever.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date

from decisions.dose.escalation import tally
from decisions.dose.reopening import recommend_now
from decisions.hashing import content_sha256
from schemas.dose.packet import (
    Hypothetical,
    PacketContext,
    PacketLevel,
    PacketWithHash,
    ParticipantEvent,
    SafetyPacket,
    WhatIf,
)
from schemas.protocol import Arm, Escalation, ProtocolReference
from schemas.safety.summary import EventDlt, ReportedEvent, SafetySummary
from schemas.state.arm import ArmState, ArmStatus, SlotRecord, SlotState

_CHANGES: dict[WhatIf, tuple[tuple[SlotState, ...], SlotState]] = {
    # Whose window is open is the likelier to have a DLT; a clean window counts when it turns out not to be clean.
    WhatIf.ONE_MORE_DLT: ((SlotState.DOSED, SlotState.NO_DLT), SlotState.DLT),
    WhatIf.ONE_DLT_FEWER: ((SlotState.DLT,), SlotState.NO_DLT),
    # A participant with a DLT is never replaced (docs/domain.md, section 3).
    WhatIf.ONE_NOT_EVALUABLE: ((SlotState.NO_DLT, SlotState.DOSED), SlotState.NOT_EVALUABLE),
}


def build_packet(
    rules: Escalation,
    arm: Arm,
    state: ArmState,
    summaries: Mapping[str, SafetySummary],
    context: PacketContext,
) -> SafetyPacket:
    """
    Build the packet for the arm's current cohort and dose level (docs/domain.md, section 4).

    `summaries` are by subject; their order does not matter, and those of people never dosed in the arm are left out.
    The recommendation is the rule's on the present counts; while an earlier decision is under review, it is the one for
    the review.
    """
    participants = _dosed(state, summaries)
    known = {participant.subject for participant in participants}
    return SafetyPacket(
        study=state.study,
        arm=arm.id,
        cohort=state.cohort,
        level=state.level,
        phase=context.phase,
        protocol=context.protocol,
        rules=rules,
        dlt_window_days=context.dlt_window_days,
        planned_infusions=context.planned_infusions,
        data_until=_data_until(participants),
        recommendation=recommend_now(rules, arm, state),
        what_would_change_it=what_would_change_it(rules, arm, state),
        levels=tuple(_level(state, dose.level, dose.million_cells) for dose in arm.dose_levels),
        participants=participants,
        awaited=tuple(sorted({slot.subject for slot in state.slots if _is_dosed(slot)} - known)),
        dose_limiting=_events(participants, lambda event: event.dlt is not EventDlt.NONE),
        severe_events=_events(participants, lambda event: event.severe),
        decisions=state.decisions,
        holds=state.holds,
        fired=context.fired,
        reopened=context.reopened,
    )


def present_packet(
    rules: Escalation,
    arm: Arm,
    state: ArmState,
    *,
    protocol: ProtocolReference,
    dlt_window_days: int,
    planned_infusions: int | None,
) -> PacketWithHash:
    """
    Build the packet of an arm as it is, with its hash.

    The workflow checks a decision's signature against it, and whoever shows the packet builds it by the same function.
    """
    context = PacketContext(
        protocol=protocol,
        phase="Phase 2" if state.status is ArmStatus.EXPANSION else "Phase 1",
        dlt_window_days=dlt_window_days,
        planned_infusions=planned_infusions,
        fired=state.fired,
        reopened=state.reopened,
    )
    packet = build_packet(rules, arm, state, state.summaries, context)
    return PacketWithHash(packet=packet, sha256=packet_sha256(packet))


def packet_sha256(packet: SafetyPacket) -> str:
    """
    Return the packet's hash: what the committee's electronic signature names (21 CFR 11.70).

    SHA-256 over its JSON in UTF-8 with sorted keys, no white space, and nothing for what is none; 64 hex digits.
    """
    return content_sha256(packet)


def what_would_change_it(rules: Escalation, arm: Arm, state: ArmState) -> tuple[Hypothetical, ...]:
    """
    Return what the rule would recommend if one participant's outcome at the current level were another.

    One more DLT (of a participant still in the window, else of one without a DLT), one DLT fewer, and one participant
    not evaluable; a change that nobody at the level could bring about is left out (docs/domain.md, section 4).
    """
    now = recommend_now(rules, arm, state)
    found = []
    for change in WhatIf:
        changed = _changed(state, *_CHANGES[change])
        if changed is not None:
            then = recommend_now(rules, arm, changed)
            found.append(
                Hypothetical(
                    change=change,
                    tally=tally(changed, state.level),
                    action=then.action,
                    level=then.level,
                    why=then.why,
                    differs=(then.action, then.level) != (now.action, now.level),
                )
            )
    return tuple(found)


def _changed(state: ArmState, candidates: tuple[SlotState, ...], becomes: SlotState) -> ArmState | None:
    here = [slot for slot in state.slots if slot.level == state.level]
    # Counts are by level, so whose outcome it is does not matter.
    chosen = next((slot for wanted in candidates for slot in here if slot.state is wanted), None)
    if chosen is None:
        return None
    slots = tuple(slot.model_copy(update={"state": becomes}) if slot is chosen else slot for slot in state.slots)
    return state.model_copy(update={"slots": slots})


def _dosed(state: ArmState, summaries: Mapping[str, SafetySummary]) -> tuple[SafetySummary, ...]:
    # The summary may report the first dose before the arm has received the dose itself.
    subjects = {
        slot.subject
        for slot in state.slots
        if slot.subject in summaries and (_is_dosed(slot) or summaries[slot.subject].infusions)
    }

    def place(participant: SafetySummary) -> tuple[bool, int, date, str]:
        day_zero = participant.day_zero or date.max
        return participant.cohort != state.cohort, participant.cohort, day_zero, participant.subject

    return tuple(sorted((summaries[subject] for subject in subjects), key=place))


def _is_dosed(slot: SlotRecord) -> bool:
    return slot.first_infused_on is not None or slot.state in (SlotState.DOSED, SlotState.DLT, SlotState.NO_DLT)


def _level(state: ArmState, level: int, million_cells: float) -> PacketLevel:
    slots = tuple(
        slot
        for slot in state.slots
        if slot.level == level and (_is_dosed(slot) or slot.state is not SlotState.NOT_EVALUABLE)
    )
    return PacketLevel(level=level, million_cells=million_cells, tally=tally(state, level), slots=slots)


def _data_until(participants: Iterable[SafetySummary]) -> date | None:
    seen = (participant.follow_up_until for participant in participants)
    return max((day for day in seen if day is not None), default=None)


def _events(
    participants: Iterable[SafetySummary], wanted: Callable[[ReportedEvent], bool]
) -> tuple[ParticipantEvent, ...]:
    return tuple(
        ParticipantEvent(
            subject=participant.subject,
            cohort=participant.cohort,
            level=participant.level,
            day=None if participant.day_zero is None else (event.onset_on - participant.day_zero).days,
            event=event,
        )
        for participant in participants
        for event in sorted(participant.events, key=lambda event: (event.onset_on, event.event_id))
        if wanted(event)
    )
