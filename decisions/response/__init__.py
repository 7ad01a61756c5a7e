"""Tumour response by RECIST 1.1."""
