"""The protocol definitions, as data, and their loader."""
