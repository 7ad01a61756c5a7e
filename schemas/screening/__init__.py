"""Screening: antigens, samples, eligibility."""
