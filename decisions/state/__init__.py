"""States as folds over facts."""
