"""``python -m benchmarks.known_results``: published results on recommendation beside worlds lived through on one seed.

Writes the measured part of ``docs/discovery.md``: the table of results, what simpler models lose week by week, what one
model for all surfaces costs when training or signals lag, and what it costs when one surface's log breaks. Two levels
are fitted, hours a day and churn a month, on day 0; three assumptions about members are fitted to three of the results
(``FITTED``), in other worlds than those reported; every other figure comes out of the run. Intervals are 90 %: over
worlds of different seeds by Student's t; of one world, by a delete-a-group jackknife over the members' groups that
leaves a group out of both.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.worlds import (
    BANDS,
    Difference,
    Setting,
    difference,
    exposure_effect,
    live,
    median_s,
    pooled,
    settled_world,
)
from synthetic.control_plane.model import RecommendParameters
from synthetic.viewer import BrowseParameters

__all__ = ["Worlds", "between", "by_week", "coupling", "results", "staleness"]

PAGE = Path(__file__).parent.parent / "docs" / "discovery.md"
SEEDS = (21, 22, 23, 24, 25, 26)
"""Worlds that are reported; the assumptions were fitted in those of seeds 11 to 16."""
MEMBERS, DAYS = 3_000, 21
DENSE_MEMBERS, DENSE_DAYS = 5_000, 14
SIMPLER = {"factors": "matrix factorisation", "popularity": "popularity"}
BROKEN = (7, 10)
HOURS = ("playing_ms", "member_days")
HOME = ("home_plays", "home_looks")
AFTER_SEARCH = ("home_plays_after_search", "home_looks_after_search")
SEARCH = ("search_plays", "searches")
RANK = ("search_rank", "searches")

_P = RecommendParameters()
LAGS = {
    "weekly training, signals at once": _P,
    "daily training, signals at once": replace(_P, retrain_days=1),
    "trained once in three weeks, signals at once": replace(_P, retrain_days=28, horizon_days=27),
    "weekly training, signals the next morning": replace(_P, signal_lag_days=1),
    "weekly training, no signal before it": replace(_P, signal_lag_days=7),
    "trained once, no signal after it": replace(_P, retrain_days=28, horizon_days=27, signal_lag_days=28),
}
"""How the service is run, production first."""


class Worlds:
    """Worlds of the same members on one seed, each lived through when it is first asked for."""

    def __init__(self, members: int, days: int, seed: int) -> None:
        self.days = days
        self.world, self.settled = settled_world(members, days, seed)
        self._lived: dict[Setting, pl.DataFrame] = {}

    def __call__(
        self, switch: str = "unified", choices: RecommendParameters = _P, broken: tuple[int, int] = (0, 0)
    ) -> pl.DataFrame:
        setting = Setting(switch, choices, broken)
        if setting not in self._lived:
            self._lived[setting] = live(self.world, self.settled, setting, self.days)
        return self._lived[setting]


FITTED = {
    "hours that recommendations bring": "fitted: who gives up and searches",
    "popularity for production, hours": "fitted: how far taste parts members",
    "time to find a new title, median": "fitted: titles good enough",
}
"""Results that assumptions of :mod:`synthetic.viewer` and :mod:`synthetic.titles` are fitted to, and which."""

Row = tuple[str, str, str, str, str]


Lived = Callable[[Worlds], pl.DataFrame]


def lived(
    switch: str = "unified",
    choices: RecommendParameters = _P,
    *,
    broken: tuple[int, int] = (0, 0),
    days: tuple[int, int] = (0, 1_000),
) -> Lived:
    """What a world comes to where the service is run so, over the days from and to."""
    return lambda worlds: worlds(switch, choices, broken).filter(
        pl.col("day").is_between(*days, closed="left")
    )


def between(worlds: Sequence[Worlds], first: Lived, second: Lived, measure: tuple[str, str]) -> Difference:
    """Of ``second`` over ``first``, in the mean over ``worlds``."""
    return pooled([difference(first(each), second(each), *measure) for each in worlds])


def results(worlds: Sequence[Worlds]) -> Iterator[Row]:
    """Rows of (result, published, here, fitted or predicted, recovered).

    Recovered: the published figure is within the interval; the sign alone: it is not, but the interval is on its side
    of 0.
    """

    def compared(what: str, published: float | None, shown: str, found: Difference) -> Row:
        return _row(what, shown, str(found), "" if published is None else _recovered(published, found))

    own, siloed = lived(), lived("siloed")
    hours = between(worlds, own, own, HOURS).first / 3_600_000
    yield "hours a member and day", "1.67", f"{hours:.2f}", "fitted, on day 0", ""
    share = between(worlds, own, own, ("rec_playing_ms", "playing_ms")).first
    yield _row("hours that recommendations bring", "80 %", f"{share:.1%}", "")
    for name, published, shown in (("factors", -0.04, "−4 %"), ("popularity", -0.12, "−12 %")):
        yield compared(
            f"{SIMPLER[name]} for production, hours",
            published,
            shown,
            between(worlds, own, lived(name), HOURS),
        )
    yield from _by_popularity(worlds)
    next_morning = lived(choices=LAGS["weekly training, signals the next morning"])
    compared_with: tuple[tuple[str, float | None, str, Lived, tuple[str, str]], ...] = (
        ("signals at once, not the next morning: plays a look, home", 0.06, "+6 % (offline)", next_morning, HOME),
        ("unified over siloed: plays a look, home", 0.10, "+10 % (offline)", siloed, HOME),
        ("unified over siloed: plays a search", 0.07, "+7 % (offline)", siloed, SEARCH),
        ("unified over siloed: one over the rank of the title wanted", 0.07, "+7 % (offline)", siloed, RANK),
        ("unified over siloed: hours", None, "", siloed, HOURS),
        ("unified over siloed: time to find", None, "", siloed, ("found_ms", "finds")),
        ("pictures chosen for the member: plays a look", None, "", lived("default_artwork"), HOME),
    )  # fmt: skip
    for what, expected, told, first, measure in compared_with:
        yield compared(what, expected, told, between(worlds, first, own, measure))
    p = BrowseParameters()
    budget = f"{p.budget_min_ms / 1000:.0f}–{p.budget_max_ms / 1000:.0f} s"
    lost = between(worlds, own, own, ("lost_ms", "lost")).first / 1_000
    yield (
        "time until a visit is given up, mean",
        "60–90 s",
        f"{lost:.0f} s",
        f"follows from a budget of {budget}",
        "",
    )
    find = np.mean([median_s(each()) for each in worlds])
    yield _row("time to find a new title, median", "60–90 s", f"{find:.0f} s", "")
    for bonus in (p.home_bonus, 0.0):
        effect = np.mean([exposure_effect(each.world, each.settled, bonus) for each in worlds])
        yield (
            f"outcomes that turn with the order of a page all looked at, bonus {bonus:g}",
            "" if bonus else "0", f"{effect:.2%}" if effect else "0, to the bit", "predicted",
            "" if bonus else "yes" if effect == 0 else "no",
        )  # fmt: skip


def by_week(worlds: Sequence[Worlds]) -> Iterator[tuple[str, ...]]:
    """Rows of (week since it was replaced; hours with each of ``SIMPLER``)."""
    for week in range(worlds[0].days // 7):
        days = (7 * week, 7 * week + 7)
        losses = [between(worlds, lived(days=days), lived(name, days=days), HOURS) for name in SIMPLER]
        yield str(week + 1), *map(str, losses)


def _row(what: str, published: str, here: str, recovered: str) -> Row:
    """What an assumption was fitted to is not recovered, whatever it is."""
    if what in FITTED:
        return what, published, here, FITTED[what], ""
    return what, published, here, "predicted", recovered


def denser(worlds: Worlds) -> Iterator[tuple[str, str]]:
    """Rows of (simpler model, hours)."""
    for name, called in SIMPLER.items():
        yield called, str(difference(worlds(), worlds(name), *HOURS))


def _recovered(published: float, found: Difference) -> str:
    if found.low <= published <= found.high:
        return "yes"
    return "the sign alone" if found.low * published > 0 and found.high * published > 0 else "no"


def _by_popularity(worlds: Sequence[Worlds]) -> Iterator[Row]:
    names = [
        f"titles up to {BANDS[0]:,}",
        *(f"{a + 1:,} to {b:,}" for a, b in pairwise(BANDS)),
    ]
    names.append(f"beyond {BANDS[-1]:,}")

    popularity, own = lived("popularity"), lived()
    gains = [
        between(worlds, popularity, own, (f"band_{number}_ms", "member_days")) for number in range(len(names))
    ]
    whole = between(worlds, popularity, own, HOURS).first
    most = int(np.argmax([gain.second - gain.first for gain in gains]))
    told = "largest at mid-popularity"
    for number, (name, gain) in enumerate(zip(names, gains, strict=True)):
        verdict = ("yes" if most not in (0, len(gains) - 1) else "no") if number == most else ""
        points = (gain.second - gain.first) / whole
        yield (
            f"gain over popularity, {name} by demand", told if number == most else "",
            f"{points:+.1%} of all hours; {gain}", "predicted", verdict,
        )  # fmt: skip


def staleness(worlds: Sequence[Worlds]) -> Iterator[tuple[str, ...]]:
    """Rows of (how it is run; plays a look on the home page and hours, unified then siloed, each against its own weekly
    training with signals at once; unified over siloed, plays a look)."""
    for name, choices in LAGS.items():
        row = [name]
        for measure in (HOME, HOURS):
            for switch in ("unified", "siloed"):
                found = between(worlds, lived(switch), lived(switch, choices), measure)
                row.append("0" if choices is _P else str(found))
        row.append(str(between(worlds, lived("siloed", choices), lived("unified", choices), HOME)))
        yield tuple(row)


def coupling(worlds: Sequence[Worlds]) -> Iterator[tuple[str, ...]]:
    """Rows of (days; plays a look on the home page, unified then siloed; the same at visits after a search of the day;
    plays a search), each of the world whose search log calls titles by others' ids on the days ``BROKEN`` against the
    sound one."""
    first, end = BROKEN
    weeks, last = (end + 6) // 7 * 7, worlds[0].days
    for name, low, high in (
        (f"{first} to {end - 1}: the log is broken", first, end),
        (f"{end} to {weeks - 1}: mended, not yet trained on", end, weeks),
        (f"{weeks} to {last - 1}: trained on", weeks, last),
    ):
        if low >= min(high, last):
            continue
        row = [name]
        for measure in (HOME, AFTER_SEARCH, SEARCH):
            for switch in ("unified", "siloed"):
                sound = lived(switch, days=(low, high))
                broken = lived(switch, broken=BROKEN, days=(low, high))
                columns = list(measure)
                same = all(
                    sound(each).select(columns).equals(broken(each).select(columns)) for each in worlds
                )
                row.append("0, to the bit" if same else str(between(worlds, sound, broken, measure)))
        yield tuple(row)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    align = ["---", *("---:" for _ in header[1:])]
    return ["", *("| " + " | ".join(row) + " |" for row in (header, align, *rows)), ""]


def main() -> None:
    """Live through all the worlds and write what came out into the page, between its two marks, part by part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=MEMBERS)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument(
        "--dense", type=int, default=DENSE_MEMBERS, help="members of the last table; 0: without it"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    given = parser.parse_args()
    lines = [
        f"{given.members:,} members, {given.days} days, without delivery, in {len(given.seeds)} worlds of different",
        "seeds that the fit has not seen; 90 % intervals over worlds. Written by `python -m benchmarks.known_results`.",
    ]
    worlds = [Worlds(given.members, given.days, seed) for seed in given.seeds]
    for title, header, rows in _parts(worlds, given.dense):
        lines += ["", title, *_table(header, list(rows))]
        _write(lines)


def _parts(
    worlds: Sequence[Worlds], dense: int
) -> Iterator[tuple[str, Sequence[str], Iterator[Sequence[str]]]]:
    yield (
        "Published results:",
        ("result", "published", "here", "fitted or predicted", "recovered"),
        results(worlds),
    )
    yield (
        "Hours with a simpler model in place of production, week by week, as it learns from what it brings about:",
        ("week", *SIMPLER.values()),
        by_week(worlds),
    )
    home = ("plays a look at home: unified", "siloed")
    yield (
        "A log of searches that calls each title by another's id for three days, against a sound one:",
        ("days", *home, "after a search that day: unified", "siloed", "plays a search: unified", "siloed"),
        coupling(worlds),
    )
    yield (
        "Training and signals that lag, each against the same model trained weekly and told at once:",
        ("how it is run", *home, "hours: unified", "siloed", "unified over siloed, plays a look"),
        staleness(worlds),
    )
    if dense:
        yield (
            f"What simpler models lose where more is logged, {dense:,} members, {DENSE_DAYS} days:",
            ("in place of production", "hours"),
            denser(Worlds(dense, DENSE_DAYS, SEEDS[0])),
        )


def _write(lines: Sequence[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    begin, end = "<!-- measured -->\n", "<!-- end of measured -->\n"
    before, rest = text.split(begin)
    PAGE.write_text(
        before + begin + "\n".join(lines).rstrip() + "\n" + end + rest.split(end)[1], encoding="utf-8"
    )
    print(f"written to {PAGE}", flush=True)


if __name__ == "__main__":
    main()
