"""The verdict: in one sentence, where the promise to viewers is kept and where it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

__all__ = ["Verdict", "verdict"]


@dataclass(frozen=True)
class Verdict:
    """``kept`` of ``judged`` slices keep every objective of the contract; the sentences say it."""

    sentence: str
    detail: str
    kept: int
    judged: int


def verdict(
    kept: pl.DataFrame, by: str = "region", *, unsliced: Sequence[tuple[str, float, float]] = ()
) -> Verdict:
    """The verdict on :func:`alerts.evaluate.kept_by`'s rows: a row an objective and value of ``by``.

    A slice keeps the promise when it keeps every objective of the contract that it has traffic for. The
    detail names, for each broken objective, where it breaks, worst first by budget overspent. ``unsliced``:
    (title, attained, target) of broken objectives that are known for the whole service alone.
    """
    if kept.is_empty():
        return Verdict("There is nothing to judge yet.", "No minute of traffic has been counted.", 0, 0)
    judged = kept.filter(pl.col("in_contract") & pl.col("kept").is_not_null())
    whole = judged.group_by(by).agg(pl.col("kept").all())
    count, good = whole.height, int(whole["kept"].sum())
    if not count:
        return Verdict("There is nothing to judge yet.", "No objective of the contract has traffic.", 0, 0)
    broken = judged.filter(~pl.col("kept")).sort("budget_left")
    if count == 1:
        place = f" in {whole[by][0]}" if whole[by][0] is not None else ""
        sentence = f"The promise is {'kept' if good else 'broken'}{place}."
    else:
        sentence = f"The promise is kept in {'all' if good == count else f'{good} of'} {count} {by}s."
    parts = [
        _where(objective, rows, by) for (objective,), rows in broken.group_by("title", maintain_order=True)
    ]
    parts += [
        f"{title}: {attained:.1%} where {target:.1%} is promised" for title, attained, target in unsliced
    ]
    return Verdict(sentence, ("; ".join(parts) + ".") if parts else "Every objective is kept.", good, count)


def _where(title: object, rows: pl.DataFrame, by: str) -> str:
    worst = rows.row(0, named=True)
    places = [str(value) for value in rows[by].to_list() if value is not None]
    missed = f"{1 - worst['attained']:.2%} bad"
    if not places:
        return f"{title}: {missed}"
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return f"{title}: broken in {places[0]}{more} (worst {missed})"
