"""Phase 2: Simon's two-stage design and the places of an expansion."""
