"""Which units of the bank a participant gets (docs/domain.md, section 7: hard gates, then first expiry first)."""

from collections import Counter
from collections.abc import Sequence

from schemas.product.bank import QualityStatus, Unit, UnitMatch, UnitRequest

FITS = "fit"


def match_units(request: UnitRequest, units: Sequence[Unit]) -> UnitMatch:
    """
    Choose units for all planned infusions, the first to expire first, or none with the gates that failed.

    A unit fits when it binds exactly the target, is released, holds at least the dose (million viable CAR-positive
    cells), and does not expire before the last planned infusion; expiry on that very day is still in time.
    """
    distinct = {unit.unit_id: unit for unit in units}.values()
    fitting = sorted(
        (unit for unit in distinct if _first_failed_gate(request, unit) == FITS),
        key=lambda unit: (unit.expires_on, unit.unit_id),
    )
    chosen = tuple(fitting[: request.count])
    if len(chosen) < request.count:
        return UnitMatch(reason=_why_not(request, Counter(_first_failed_gate(request, unit) for unit in distinct)))
    return UnitMatch(units=chosen, reason=f"{len(fitting)} units fit, {request.count} needed; first expiry first")


def count_fitting(request: UnitRequest, units: Sequence[Unit]) -> int:
    """Count the units that fit, whatever number is asked for."""
    distinct = {unit.unit_id: unit for unit in units}.values()
    return sum(_first_failed_gate(request, unit) == FITS for unit in distinct)


def _first_failed_gate(request: UnitRequest, unit: Unit) -> str:
    if unit.target() != frozenset(request.target):
        return "other antigens"
    if unit.quality is not QualityStatus.RELEASED:
        return "not released"
    if unit.million_cells < request.million_cells:
        return "too few cells"
    if unit.expires_on < request.last_infusion_on:
        return "expiring too early"
    return FITS


def _why_not(request: UnitRequest, counts: Counter[str]) -> str:
    target = "+".join(request.target)
    return (
        f"{counts[FITS]} of {counts.total()} units fit, {request.count} needed of {target} with "
        f"{request.million_cells:g} million cells through {request.last_infusion_on}; each at its first failed gate: "
        f"{counts['other antigens']} other antigens, {counts['not released']} not released, "
        f"{counts['too few cells']} too few cells, {counts['expiring too early']} expiring too early"
    )
