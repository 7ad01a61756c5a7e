"""Grades computed from observations: ASTCT, acute GVHD, infusion reaction."""
