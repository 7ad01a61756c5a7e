"""The product bank."""
