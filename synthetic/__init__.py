"""Who watches, and the service they watch. Writes telemetry; never reads a metric."""
