"""The typed client of the workflows, and how payloads are written."""
