"""Real telemetry in: each module turns one source into contract tables."""
