"""Dose decisions: 3+3 escalation, the committee's packet, reopened decisions."""
