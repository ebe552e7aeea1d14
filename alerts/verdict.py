"""The verdict: in one sentence, where the promise to viewers is kept and where it breaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from alerts.evaluation import Attained
from alerts.slo import RawRatio

__all__ = ["Verdict", "verdict"]


@dataclass(frozen=True)
class Verdict:
    """``kept`` of ``judged`` slices keep every objective of the contract; the sentences say it."""

    sentence: str
    detail: str
    kept: int
    judged: int


def verdict(kept: pl.DataFrame, by: str = "region", *, unsliced: Iterable[Attained] = ()) -> Verdict:
    """The verdict on :func:`alerts.evaluate.kept_by`'s rows: a row an objective and value of ``by``.

    A slice keeps the promise when it keeps every objective of the contract that it has traffic for. The
    detail names, for each broken objective, where it breaks, worst first by budget overspent; then the
    broken ones of ``unsliced``, of which those count that are judged for all slices together and no minute
    counts: a ratio of the catalogue.
    """
    if kept.is_empty():
        return Verdict("There is nothing to judge yet.", "No minute of traffic has been counted.", 0, 0)
    judged = kept.filter(pl.col("in_contract") & pl.col("kept").is_not_null())
    whole = judged.group_by(by).agg(pl.col("kept").all())
    count, good = whole.height, int(whole["kept"].sum())
    if not count:
        return Verdict("There is nothing to judge yet.", "No objective of the contract has traffic.", 0, 0)
    broken = judged.filter(~pl.col("kept")).sort("budget_left")
    together = [
        f"{one.objective.title}: {one.attained:.1%} where {float(one.objective.target):.1%} is promised"
        for one in unsliced
        if isinstance(one.objective.indicator, RawRatio) and one.objective.in_contract and one.kept is False
    ]
    if count == 1:
        # One slice is all of it, so what is judged for all of it is judged for the slice.
        good = good if not together else 0
        place = f" in {whole[by][0]}" if whole[by][0] is not None else ""
        sentence = f"The promise is {'kept' if good else 'broken'}{place}."
    elif good == count:
        sentence = f"The promise is kept in all {count} {by}s" + (
            ", but not over all of them." if together else "."
        )
    else:
        sentence = f"The promise is kept in {good} of {count} {by}s."
    parts = [
        _where(objective, rows, by) for (objective,), rows in broken.group_by("title", maintain_order=True)
    ]
    parts += together
    return Verdict(sentence, ("; ".join(parts) + ".") if parts else "Every objective is kept.", good, count)


def _where(title: object, rows: pl.DataFrame, by: str) -> str:
    worst = rows.row(0, named=True)
    places = [str(value) for value in rows[by].to_list() if value is not None]
    missed = f"{1 - worst['attained']:.2%} bad"
    if not places:
        return f"{title}: {missed}"
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return f"{title}: broken in {places[0]}{more} (worst {missed})"
