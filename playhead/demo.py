"""What the demo does once telemetry is in a lake: ledger, objectives, economics, and the answer in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from metrics.lake import Lake

if TYPE_CHECKING:
    from alerts.evaluation import Evaluation

__all__ = ["answer"]

Say = Callable[[str], None]


def answer(lake: Lake, start: date, say: Say) -> str:
    """Compute everything that the dashboard and the report read; the verdict and the metric tree as text."""
    from metrics.ledger import ledger
    from playhead.economics import economics
    from playhead.objectives import judge
    from playhead.tree_text import tree_text

    say("ledger: every session counted or excluded")
    counted = ledger(lake)
    say("objectives: budgets, episodes, rules")
    judged = judge(lake)
    quarter = f"{start.year}Q{(start.month + 2) // 3}"
    say(f"economics of {quarter}: charges, unit costs, break-even, report")
    economics(lake, quarter, ledger_residual=counted.residual, is_first=True)
    say("metric tree")
    found = judged.verdict
    return "\n".join(
        [
            "",
            found.sentence,
            found.detail,
            *_judged_over(judged.evaluations),
            "",
            "The whole lake:",
            tree_text(lake),
            "",
            f"ledger: {counted.sessions_in:,} sessions in, {counted.counted:,} counted, "
            f"residual {counted.residual}",
            f"report: {lake.artefact('report.html')}",
            f"rules:  {lake.artefact('rules.yaml')}",
        ]
    )


def _judged_over(evaluations: list[Evaluation]) -> list[str]:
    """A verdict without its period cannot be compared with the tree, which is of the whole lake."""
    if not evaluations:
        return []
    first, last = min(e.start_ts_ms for e in evaluations), min(e.end_ts_ms for e in evaluations)
    start, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (first, last - 1))
    return [f"Objectives are judged over their own window, here {start:%Y-%m-%d} to {end:%Y-%m-%d} UTC."]
