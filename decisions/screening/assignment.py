"""Which arm and target a participant is assigned to (NCT07510828, Antigen selection workflow, step 3)."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from schemas.base import Frozen
from schemas.protocol import Arm, ArmKind, Protocol
from schemas.screening.panel import Antigen, AntigenProfile
from schemas.state.participant import Assignment, Target


class AssignmentChoice(Frozen):
    """The arm and target, or a screen failure, and why."""

    choice: Assignment | None
    why: str
    outcome: Literal["assigned", "screen_failure"]


class Offer(NamedTuple):
    """A target that an open arm has a product for, with all its antigens above threshold."""

    arm: Arm
    target: Target


class Candidates(Frozen):
    """What a choice is made from: the protocol, ratios of positive antigens, and the arms that gave no slot."""

    protocol: Protocol
    ratios: dict[Antigen, float]
    refused_arms: tuple[str, ...]

    def arms(self, kind: ArmKind) -> list[Arm]:
        """Arms of a kind, open or not, in the protocol's order."""
        return [arm for arm in self.protocol.arms if arm.kind is kind]

    def open_arms(self, kind: ArmKind) -> list[Arm]:
        """Arms of a kind that have not refused the participant."""
        return [arm for arm in self.arms(kind) if arm.id not in self.refused_arms]

    def offers(self, kind: ArmKind) -> list[Offer]:
        """Targets of open arms whose antigens are all above threshold."""
        return [
            Offer(arm, target)
            for arm in self.open_arms(kind)
            for target in arm.targets
            if all(antigen in self.ratios for antigen in target)
        ]


def assign(
    protocol: Protocol, profile: AntigenProfile, high_heterogeneity_risk: bool, refused_arms: Sequence[str]
) -> AssignmentChoice:
    """
    Choose the arm and target.

    Two or more antigens above threshold lead to the dual arm, one to the single arm. A judged risk of heterogeneity
    cannot replace the second antigen: both must be above threshold (trial record, Eligibility, inclusion 4).
    `refused_arms` gave out no slot to this participant and are not offered again.
    """
    ratios = {verdict.antigen: verdict.ratio for verdict in profile.positives()}
    candidates = Candidates(protocol=protocol, ratios=ratios, refused_arms=tuple(refused_arms))
    if not ratios:
        return _screen_failure("no antigen is above its threshold")
    if len(ratios) == 1:
        return _assign_single(candidates, _why_one_positive(ratios, high_heterogeneity_risk))
    return _assign_dual(candidates)


def _why_one_positive(ratios: dict[Antigen, float], high_heterogeneity_risk: bool) -> str:
    why = f"one antigen above threshold, {next(iter(ratios))}"
    if high_heterogeneity_risk:
        why += (
            "; a high risk of antigen heterogeneity was judged, but a dual target needs both antigens above threshold"
            " (trial record, Eligibility, inclusion 4)"
        )
    return why


def _assign_dual(candidates: Candidates) -> AssignmentChoice:
    offers = candidates.offers(ArmKind.DUAL)
    if offers:
        best = min(offers, key=lambda offer: _rank(candidates, offer))
        return _assigned(
            candidates,
            best,
            f"{len(candidates.ratios)} antigens above threshold; the pair whose weaker antigen is furthest above it",
        )
    why = _why_no_dual(candidates)
    if candidates.protocol.assignment.fallback_to_single:
        return _assign_single(candidates, f"{why}; the protocol falls back to a single target")
    return _screen_failure(f"{why}; the protocol does not fall back to a single target")


def _why_no_dual(candidates: Candidates) -> str:
    if not candidates.open_arms(ArmKind.DUAL):
        return "no open arm for a dual target"
    positive = ", ".join(candidates.ratios)
    return f"no dual target among the antigens above threshold ({positive})"


def _assign_single(candidates: Candidates, why: str) -> AssignmentChoice:
    if not candidates.open_arms(ArmKind.SINGLE):
        return _screen_failure(f"no open arm: {why}")
    offers = candidates.offers(ArmKind.SINGLE)
    if not offers:
        return _screen_failure(f"no single target among the antigens above threshold: {why}")
    return _assigned(candidates, min(offers, key=lambda offer: _rank(candidates, offer)), f"{why}; dominant antigen")


def _rank(candidates: Candidates, offer: Offer) -> tuple[list[float], list[int]]:
    """Rank the highest lower ratio first, then the highest other ratio, then the panel's order."""
    panel = [entry.antigen for entry in candidates.protocol.panel]
    ratios = sorted(candidates.ratios[antigen] for antigen in offer.target)
    return [-ratio for ratio in ratios], sorted(panel.index(antigen) for antigen in offer.target)


def _assigned(candidates: Candidates, offer: Offer, why: str) -> AssignmentChoice:
    shown = ", ".join(f"{antigen} {candidates.ratios[antigen]:.2f} times its threshold" for antigen in offer.target)
    choice = Assignment(arm=offer.arm.id, arm_kind=offer.arm.kind, target=offer.target)
    return AssignmentChoice(choice=choice, why=f"{why}: {shown}", outcome="assigned")


def _screen_failure(why: str) -> AssignmentChoice:
    return AssignmentChoice(choice=None, why=why, outcome="screen_failure")
