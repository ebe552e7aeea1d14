"""Targets for coverage-guided fuzzing, and what it found, run as plain tests."""
