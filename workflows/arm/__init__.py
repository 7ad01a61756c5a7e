"""An arm: slots, dose escalation, the committee, Phase 2."""
