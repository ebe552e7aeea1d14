"""Published results on recommendation beside what the emulated service gives, each world lived through on one seed.

A section of ``docs/validation.md``. Two levels are anchored to published figures (hours a day, churn a month, on day
0); nothing else is fitted, and every figure of the table comes out of the run. Intervals are 90 %, by a delete-a-group
jackknife over the members' groups; the pairing is kept group by group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy import stats

from synthetic.arrays import Floats
from synthetic.paired import live_through
from synthetic.scenario import ExperimentSpec, load_scenario
from synthetic.switches import FACTUAL, SWITCHES
from synthetic.viewer import BrowseParameters
from synthetic.warmup import settle_in
from synthetic.world import World, make_world

__all__ = ["Difference", "difference", "live_through_all", "rows"]

MEMBERS, DAYS = 1_500, 21
WORLDS = (
    "unified",
    "siloed",
    "factors",
    "popularity",
    "no_first_week_diversity",
    "default_artwork",
    "keyword_search",
)
CONFIDENCE = 0.9


@dataclass(frozen=True)
class Difference:
    """A ratio of sums in two worlds, and the second over the first less 1, with its interval."""

    first: float
    second: float
    relative: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.relative:+.1%} ({self.low:+.1%} to {self.high:+.1%})"


def difference(first: pl.DataFrame, second: pl.DataFrame, over: str, under: str) -> Difference:
    """Of ``over / under`` in two frames of sums by ``replicate``, as ``paired.live_through`` gives them."""
    parts = []
    for frame in (first, second):
        by = frame.group_by("replicate").agg(pl.col(over, under).sum().cast(pl.Float64)).sort("replicate")
        parts.append((by[over].to_numpy(), by[under].to_numpy()))

    def ratio(part: tuple[Floats, Floats], without: int | None = None) -> float:
        keep = np.arange(part[0].size) != (-1 if without is None else without)
        return float(part[0][keep].sum() / part[1][keep].sum())

    def relative(without: int | None = None) -> float:
        return ratio(parts[1], without) / ratio(parts[0], without) - 1

    groups = parts[0][0].size
    left_out = np.array([relative(group) for group in range(groups)])
    error = np.sqrt((groups - 1) / groups * ((left_out - left_out.mean()) ** 2).sum())
    margin = float(stats.t.ppf((1 + CONFIDENCE) / 2, groups - 1) * error)
    whole = relative()
    return Difference(ratio(parts[0]), ratio(parts[1]), whole, whole - margin, whole + margin)


def live_through_all(members: int = MEMBERS, days: int = DAYS) -> dict[str, pl.DataFrame]:
    """Sums of each of ``WORLDS``, and of ``no exposure``: the first without the bonus of standing high on the page."""
    spec = ExperimentSpec(name="known", switch="siloed", share=0.5, from_day=0, to_day=days)
    # Keyword answers are laid ready for whoever asks for them in an experiment.
    asks = spec.model_copy(update={"switch": "keyword_search"})
    scenario = load_scenario(None, panel=members, days=days).model_copy(update={"experiment": (asks,)})
    whole = make_world(scenario)
    world: World = replace(whole, scenario=scenario.model_copy(update={"experiment": ()}))
    settled = settle_in(world)
    lived = {}
    for name in WORLDS:
        switches = FACTUAL if name == "unified" else replace(FACTUAL, **SWITCHES[name])
        lived[name] = live_through(world, settled, switches, spec)
    return lived


def rows(lived: Mapping[str, pl.DataFrame]) -> Iterator[tuple[str, str, str]]:
    """What, published, and here."""
    unified = lived["unified"]
    hours = ("playing_ms", "member_days")

    def against(name: str, over: str, under: str) -> str:
        return str(difference(unified, lived[name], over, under))

    def gain(name: str, over: str, under: str) -> str:
        return str(difference(lived[name], unified, over, under))

    own = difference(unified, unified, "rec_playing_ms", "playing_ms").first
    yield "hours a member and day (anchored)", "1.67", f"{_hours(unified):.2f}"
    yield "hours that recommendations bring", "80 %", f"{own:.1%}"
    yield "matrix factorisation instead of production, hours", "−4 %", against("factors", *hours)
    yield "popularity instead of production, hours", "−12 %", against("popularity", *hours)
    yield "the same, plays from titles looked at", "", against("popularity", "home_plays", "home_looks")
    yield (
        "unified over siloed: plays a look, home",
        "+10 % (offline)",
        gain("siloed", "home_plays", "home_looks"),
    )
    yield "unified over siloed: plays a search", "+7 % (offline)", gain("siloed", "search_plays", "searches")
    yield "unified over siloed: hours", "", gain("siloed", *hours)
    yield "unified over siloed: time to find", "", gain("siloed", "found_ms", "plays")
    yield (
        "pictures chosen for the member: plays a look",
        "",
        gain("default_artwork", "home_plays", "home_looks"),
    )
    yield (
        "semantic over keyword search: plays a search",
        "",
        gain("keyword_search", "search_plays", "searches"),
    )
    yield "semantic over keyword search: time to find", "", gain("keyword_search", "found_ms", "plays")
    yield "genres in proportion in the first week: hours", "", gain("no_first_week_diversity", *hours)
    lost = unified.select(pl.col("lost_ms", "visits", "plays").sum().cast(pl.Float64)).row(0)
    gave_up_s = lost[0] / max(lost[1] - lost[2], 1.0) / 1000
    p = BrowseParameters()
    budget = f"{p.budget_min_ms / 1000:.0f}–{p.budget_max_ms / 1000:.0f} s of browsing"
    yield "time until a visit is given up, mean", budget, f"{gave_up_s:.0f} s"


def _hours(frame: pl.DataFrame) -> float:
    playing, days = frame.select(pl.col("playing_ms", "member_days").sum().cast(pl.Float64)).row(0)
    return float(playing / 3_600_000 / days)
