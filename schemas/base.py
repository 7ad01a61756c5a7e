"""What every model of the vocabulary shares."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """A value: immutable, and closed to fields that its definition does not name."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Role(StrEnum):
    """Who may act; delegation beyond the role is the site's own record (ICH E6(R3) 4.2)."""

    COORDINATOR = "coordinator"
    INVESTIGATOR = "investigator"
    LABORATORY = "laboratory"
    PHARMACIST = "pharmacist"
    OPERATIONS = "operations"
    COMMITTEE = "committee"
    SYSTEM = "system"


PersonId = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9._-]{1,63}$",
        description="A user id such as 'coord-01', never a name or an e-mail address: it is kept unencrypted.",
    ),
]
ArmId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")]
StudyId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")]
SiteId = Annotated[str, Field(pattern=r"^[A-Z]{2}[0-9]{2}$", description="Country and number, such as 'CN01'.")]
SubjectId = Annotated[
    str,
    Field(
        pattern=r"^[A-Z]{2}[0-9]{2}-[0-9]{3,4}$",
        description="A pseudonym: the site and a running number, such as 'CN01-001'. Never initials or a birth date.",
    ),
]


def site_of(subject: str) -> str:
    """Return the site in a subject id."""
    return subject.split("-", maxsplit=1)[0]
