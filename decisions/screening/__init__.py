"""Screening: antigen profile, eligibility, laboratory cut-offs, assignment to an arm and target."""
