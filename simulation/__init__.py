"""Virtual sites, participants and a committee. They use the same doors as people do."""
