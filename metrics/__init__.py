"""The language: telemetry tables, lake, catalogue of metrics, statistics. Knows no sibling package."""
