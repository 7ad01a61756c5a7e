"""Matching of banked units to a participant."""
