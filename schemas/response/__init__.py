"""Tumour measurements and responses by RECIST 1.1."""
