"""Dose-limiting toxicities: criteria, status of each event, outcome of each participant."""
