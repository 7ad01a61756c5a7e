"""Stopping rules and holds."""
