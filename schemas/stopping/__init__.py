"""Stopping rules as data."""
