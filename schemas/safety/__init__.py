"""Adverse events, observed toxicities, reports with a clock, safety summaries."""
