"""The scorecard as rows of a page, from the card that ``playhead scorecard`` keeps beside the lake."""

from __future__ import annotations

from typing import Any

import polars as pl

from metrics.scorecard import COLUMNS, scorecard, shipped, shown

__all__ = ["card_frame", "card_rows"]


def card_frame(artefact: Any) -> pl.DataFrame:
    """The card, columns :data:`metrics.scorecard.COLUMNS`: as kept in ``scorecard.json``, else what was measured
    on made cases."""
    if isinstance(artefact, dict) and artefact.get("scores"):
        return pl.DataFrame(artefact["scores"], schema=COLUMNS)
    return scorecard(shipped())


def card_rows(card: pl.DataFrame, estimator: str | None = None) -> list[dict[str, str]]:
    """Rows for a table of a page, figures as people read them: of one estimator, or of all."""
    rows = []
    for row in (card if estimator is None else card.filter(pl.col("estimator") == estimator)).iter_rows(
        named=True
    ):
        unit, ends = row["unit"], (row["low"], row["high"])
        rows.append(
            {
                "estimator": row["estimator"],
                "cases": row["case_set"],
                "measure": row["measure"].replace("_", " "),
                "value": shown(row["value"], unit),
                "90 % interval": "" if None in ends else " to ".join(shown(end, unit) for end in ends),
                "n": f"{row['cases_count']:,}",
                "peer": row["peer"] or "",
                "peer's": "" if row["peer_value"] is None else shown(row["peer_value"], unit),
            }
        )
    return rows
