"""Outcomes of a participant for the dose decision, and final states."""
