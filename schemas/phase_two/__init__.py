"""Phase 2 expansion in Simon's two stages."""
