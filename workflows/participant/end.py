"""The end of a participation: what is open is closed, what is owed stays owed, and a named final state."""

from decisions.dlt.status import open_events
from decisions.schedule.tasks import OUTLIVES_PARTICIPATION
from schemas import messages as m
from schemas import names
from schemas.dlt.outcome import Disposition
from schemas.facts import ParticipationEnded
from workflows.journal import system
from workflows.participant import dlt, placement, product
from workflows.participant.arm_reports import ArmReports
from workflows.participant.infusions import report_first_dose
from workflows.participant.schedule import Schedule


async def end_participation(
    schedule: Schedule, reports: ArmReports, disposition: Disposition, reason: str
) -> m.ParticipantResult:
    """
    Close open tasks, return units to the bank, report to the arm; then record the final state.

    What is owed of an adverse event outlives the participation: reports to the sponsor and the authority, queries, and
    the judgement of a possible DLT. Their tasks stay open, and the final state waits until all are answered or no
    longer asked for; an escalated one stays on the worklist. Meanwhile events can be reported and amended.
    """
    is_resumed = schedule.marks.ending is not None
    schedule.mark(ending=disposition, ending_reason=reason)
    for task in list(schedule.state.tasks.values()):
        if task.kind not in OUTLIVES_PARTICIPATION:
            schedule.tasks.cancel(task, reason)
    report_first_dose(schedule)
    await product.book_infusions(schedule)
    await product.give_back(schedule, reason)
    reports.report_response(over=True)
    if schedule.state.slot is not None and schedule.state.dlt is None:
        await schedule.wait(lambda: not open_events(schedule.state), ending=True)
        if schedule.state.dlt is None:
            dlt.judge(schedule, window_complete=dlt.window_is_complete(schedule))
    elif schedule.state.assignment is not None and schedule.state.slot is None and not is_resumed:
        placement.give_slot_back(schedule, reason)
    await schedule.wait(lambda: not _owes_reports(schedule), ending=True)
    return await _record_end(schedule, disposition, reason)


async def _record_end(schedule: Schedule, disposition: Disposition, reason: str) -> m.ParticipantResult:
    subject = schedule.state.subject
    schedule.journal.record(ParticipationEnded(disposition=disposition, **system(reason)))
    done = m.SubjectDone(subject=subject, disposition=disposition, reason=reason)
    schedule.signals.add(names.study_id(schedule.state.study), "report_subject_done", done)
    await schedule.drain()
    return m.ParticipantResult(subject=subject, disposition=disposition, reason=reason)


def _owes_reports(schedule: Schedule) -> bool:
    return any(task.kind in OUTLIVES_PARTICIPATION for task in schedule.state.tasks.values())
