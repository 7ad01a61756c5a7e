"""The bank of cryopreserved products: units, what is asked of them, and what is reserved."""

from datetime import date
from enum import StrEnum

from pydantic import Field

from schemas.base import Frozen
from schemas.screening.panel import Antigen


class QualityStatus(StrEnum):
    """Quality control's disposition of a unit."""

    QUARANTINED = "quarantined"
    RELEASED = "released"
    REJECTED = "rejected"


class Unit(Frozen):
    """One cryopreserved unit: a bag for one infusion."""

    unit_id: str = Field(pattern=r"^[A-Z0-9][A-Z0-9-]{2,39}$")
    lot: str = Field(pattern=r"^[A-Z0-9][A-Z0-9-]{1,39}$")
    donor: str = Field(pattern=r"^[A-Z0-9][A-Z0-9-]{1,39}$", description="A pseudonym.")
    antigens: tuple[Antigen, ...] = Field(min_length=1, max_length=2)
    million_cells: float = Field(gt=0, le=1e6, description="Viable CAR-positive cells, millions.")
    quality: QualityStatus
    expires_on: date

    def target(self) -> frozenset[Antigen]:
        """The antigens that the product binds, without order."""
        return frozenset(self.antigens)


class UnitRequest(Frozen):
    """What a participant needs: units for all planned infusions, unexpired through the last one."""

    target: tuple[Antigen, ...]
    million_cells: float = Field(gt=0)
    count: int = Field(ge=1)
    last_infusion_on: date


class UnitMatch(Frozen):
    """The units chosen, in the order of infusion, or none with the reason."""

    units: tuple[Unit, ...] = ()
    reason: str


class FittingUnits(Frozen):
    """How many free units of the bank fit a request."""

    count: int = Field(ge=0)


class RejectedRow(Frozen):
    """A row of a bank file that was not loaded."""

    line: int
    field: str
    value: str
    rule: str


class LoadResult(Frozen):
    """Good rows load; bad rows are listed."""

    loaded: tuple[str, ...]
    rejected: tuple[RejectedRow, ...]
