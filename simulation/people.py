"""Virtual participants: who they are and how they will answer, drawn from a seed."""

import random
from collections.abc import Sequence

from pydantic import Field

from schemas.base import Frozen
from schemas.screening.panel import Antigen


class VirtualParticipant(Frozen):
    """What a virtual participant brings; the trial finds out only by asking."""

    subject: str
    age_years: int
    antigens: tuple[Antigen, ...]
    first_biopsy_adequate: bool = True
    form_changes: tuple[tuple[str, object], ...] = ()
    withdraws_at: str | None = None
    late_steps: tuple[str, ...] = ()
    weight: float = 1.0
    story: str = ""
    tumour_course: tuple[float, ...] = Field(
        default=(), description="The lesions' size at each assessment, as a fraction of the baseline; else not told."
    )


def draw_population(
    seed: int, site_ids: Sequence[str], targets: Sequence[tuple[Antigen, ...]], stories: Sequence[dict[str, object]]
) -> list[VirtualParticipant]:
    """
    Draw one participant for each story, the same for the same seed.

    A story fixes what must happen ('dual', a withdrawal, a screen failure); everything else is drawn.
    """
    chance = random.Random(seed)
    people = []
    for number, story in enumerate(stories, start=1):
        fixed = dict(story)
        size = 2 if fixed.pop("dual", False) else 1
        antigens = chance.choice([target for target in targets if len(target) == size])
        site = site_ids[(number - 1) % len(site_ids)]
        drawn: dict[str, object] = {
            "subject": f"{site}-{number:03d}",
            "age_years": chance.randint(24, 74),
            "antigens": antigens,
            "weight": chance.uniform(0.9, 1.1),
        }
        people.append(VirtualParticipant.model_validate(drawn | fixed))
    return people
