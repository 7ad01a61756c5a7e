"""The trial's rules as pure functions of facts and protocol: no clock, no I/O."""
