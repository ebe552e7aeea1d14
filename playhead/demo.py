"""What the demo does once telemetry is in a lake: ledger, objectives, economics, and the answer in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from metrics.lake import Lake

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
    economics(lake, quarter, ledger_residual=counted.residual)
    say("metric tree")
    found = judged.verdict
    return "\n".join(
        [
            "",
            found.sentence,
            found.detail,
            "",
            tree_text(lake),
            "",
            f"ledger: {counted.sessions_in:,} sessions in, {counted.counted:,} counted, "
            f"residual {counted.residual}",
            f"report: {lake.artefact('report.html')}",
            f"rules:  {lake.artefact('rules.yaml')}",
        ]
    )
