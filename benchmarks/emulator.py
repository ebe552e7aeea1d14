"""How many sessions a second the whole emulated service gives, from demand to telemetry tables."""

from __future__ import annotations

from benchmarks.harness import Row, race, rate
from synthetic import emulator
from synthetic.scenario import load_scenario

__all__ = ["rows"]


def rows() -> list[Row]:
    """A week of the shipped scenario at its own panel, in memory, counterfactual worlds included."""
    scenario = load_scenario(None, days=7)
    sessions = 0

    def run() -> None:
        nonlocal sessions
        sessions = sum(batch.sessions for batch in emulator.run(scenario))

    def show(seconds: float) -> str:
        return rate(sessions, "sessions")(seconds)

    return race("emulated service on two threads, a week", run, {}, show, rounds=3)
