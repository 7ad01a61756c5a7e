"""Tasks, their times, and deviations from visit windows."""
