"""I/O: the bank, the worklist with its outbox, the read model, notifications. Each activity is idempotent."""
