"""Checks of commands: what is malformed, what is refused, what must be signed."""
