"""States: what the facts add up to, by owner. Built only by the folds in `decisions/state`."""
