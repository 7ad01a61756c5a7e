"""Orchestration that reads like the protocol's schedule of activities."""
