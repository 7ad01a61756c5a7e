"""The `trial` command."""
