"""Treatment: checks before each step, cytokine support, further cycles."""
