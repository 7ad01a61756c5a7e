"""Event histories: read without code, folded to states, replayed."""
