"""Virtual sites, participants and a committee. They use the same client as people do."""
