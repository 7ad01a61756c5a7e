"""The trial's vocabulary: pydantic models of commands, facts, results and states, in the field's terms."""
