"""Stopping rules that fired and decisions that were reopened, on the screen."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.tables import table

if TYPE_CHECKING:
    from schemas.safety.summary import Finding, FiredRule


def show_fired(fired: "Sequence[FiredRule]") -> None:
    """Show the stopping rules that have fired, if any has."""
    if fired:
        rows = [(rule.rule, rule.fired_on, rule.arm or "study", rule.why) for rule in fired]
        table("Stopping rules that fired", ("Rule", "On", "Of", "Why"), rows)


def show_reopened(findings: "Sequence[Finding]") -> None:
    """Show what put earlier decisions in question, if anything did."""
    if findings:
        rows = [(found.cohort, found.about, found.known_then, found.known_now) for found in findings]
        table("Reopened decisions", ("Cohort", "About", "Known then", "Known now"), rows)
