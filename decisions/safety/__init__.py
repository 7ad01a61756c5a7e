"""Adverse events: versions, amendments, reporting clocks, and the summary that arm and study receive."""
