"""The committee's packet as a page and as a PDF."""
