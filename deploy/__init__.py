"""How the trial runs: the Temporal server, Postgres, the embedded stack and the settings of a connection."""
