"""``python -m benchmarks.known_results``: published results on recommendation beside worlds lived through on one seed.

Writes the measured part of ``docs/discovery.md``: the table of results, what one model for all surfaces costs when
training or signals lag, and what it costs when one surface's log breaks. Two levels are fitted, hours a day and churn a
month, on day 0; three assumptions about members are fitted to three of the results (``FITTED``); every other figure
comes out of the run. Intervals are 90 %, by a delete-a-group jackknife over the
members' groups that leaves a group out of both worlds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
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
    settled_world,
)
from synthetic.control_plane.model import RecommendParameters
from synthetic.viewer import BrowseParameters

__all__ = ["Worlds", "coupling", "results", "staleness"]

PAGE = Path(__file__).parent.parent / "docs" / "discovery.md"
MEMBERS, DAYS = 3_000, 21
DENSE_MEMBERS, DENSE_DAYS = 5_000, 14
SIMPLER = {"factors": "matrix factorisation", "popularity": "popularity"}
BROKEN = (7, 10)
HOURS = ("playing_ms", "member_days")
HOME = ("home_plays", "home_looks")
AFTER_SEARCH = ("home_plays_after_search", "home_looks_after_search")
SEARCH = ("search_plays", "searches")

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

    def __init__(self, members: int, days: int) -> None:
        self.days = days
        self.world, self.settled = settled_world(members, days)
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


def results(worlds: Worlds) -> Iterator[Row]:
    """Rows of (result, published, here, fitted or predicted, recovered).

    Recovered: the published figure is within the interval; the sign alone: it is not, but the interval is on its side
    of 0.
    """
    own = worlds()

    def compared(what: str, published: float | None, shown: str, found: Difference) -> Row:
        return _row(what, shown, str(found), "" if published is None else _recovered(published, found))

    hours = difference(own, own, *HOURS).first / 3_600_000
    yield "hours a member and day", "1.67", f"{hours:.2f}", "fitted, on day 0", ""
    share = difference(own, own, "rec_playing_ms", "playing_ms").first
    yield _row("hours that recommendations bring", "80 %", f"{share:.1%}", "")
    for name, published, shown in (("factors", -0.04, "−4 %"), ("popularity", -0.12, "−12 %")):
        what = {"factors": "matrix factorisation", "popularity": "popularity"}[
            name
        ] + " for production, hours"
        yield compared(what, published, shown, difference(own, worlds(name), *HOURS))
    yield from _by_popularity(own, worlds("popularity"))
    yield compared(
        "signals at once, not the next morning: plays a look, home", 0.06, "+6 % (offline)",
        difference(worlds(choices=LAGS["weekly training, signals the next morning"]), own, *HOME),
    )  # fmt: skip
    siloed = worlds("siloed")
    yield compared(
        "unified over siloed: plays a look, home", 0.10, "+10 % (offline)", difference(siloed, own, *HOME)
    )
    yield compared(
        "unified over siloed: plays a search", 0.07, "+7 % (offline)", difference(siloed, own, *SEARCH)
    )
    yield compared(
        "unified over siloed: one over the rank of the title wanted", 0.07, "+7 % (offline)",
        difference(siloed, own, "search_rank", "searches"),
    )  # fmt: skip
    yield compared("unified over siloed: hours", None, "", difference(siloed, own, *HOURS))
    yield compared(
        "unified over siloed: time to find", None, "", difference(siloed, own, "found_ms", "finds")
    )
    plain = worlds("default_artwork")
    yield compared("pictures chosen for the member: plays a look", None, "", difference(plain, own, *HOME))
    p = BrowseParameters()
    budget = f"{p.budget_min_ms / 1000:.0f}–{p.budget_max_ms / 1000:.0f} s"
    lost = difference(own, own, "lost_ms", "lost").first / 1_000
    yield (
        "time until a visit is given up, mean",
        "60–90 s",
        f"{lost:.0f} s",
        f"follows from a budget of {budget}",
        "",
    )
    find = median_s(own)
    yield _row("time to find a new title, median", "60–90 s", f"{find:.0f} s", "")
    for bonus in (p.home_bonus, 0.0):
        effect = exposure_effect(worlds.world, worlds.settled, bonus)
        yield (
            f"outcomes that turn with the order of a page all looked at, bonus {bonus:g}",
            "" if bonus else "0", f"{effect:.2%}" if effect else "0, to the bit", "predicted",
            "" if bonus else "yes" if effect == 0 else "no",
        )  # fmt: skip


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


def _by_popularity(own: pl.DataFrame, popularity: pl.DataFrame) -> Iterator[Row]:
    names = [
        f"titles up to {BANDS[0]:,}",
        *(f"{a + 1:,} to {b:,}" for a, b in pairwise(BANDS)),
    ]
    names.append(f"beyond {BANDS[-1]:,}")
    gains = [difference(popularity, own, f"band_{number}_ms", "member_days") for number in range(len(names))]
    whole = difference(popularity, own, *HOURS).first
    most = int(np.argmax([gain.second - gain.first for gain in gains]))
    told = "largest at mid-popularity"
    for number, (name, gain) in enumerate(zip(names, gains, strict=True)):
        verdict = ("yes" if most not in (0, len(gains) - 1) else "no") if number == most else ""
        points = (gain.second - gain.first) / whole
        yield (
            f"gain over popularity, {name} by demand", told if number == most else "",
            f"{points:+.1%} of all hours; {gain}", "predicted", verdict,
        )  # fmt: skip


def staleness(worlds: Worlds) -> Iterator[tuple[str, ...]]:
    """Rows of (how it is run; plays a look on the home page and hours, unified then siloed, each against its own weekly
    training with signals at once; unified over siloed, plays a look)."""
    for name, choices in LAGS.items():
        row = [name]
        for measure in (HOME, HOURS):
            for switch in ("unified", "siloed"):
                found = difference(worlds(switch), worlds(switch, choices), *measure)
                row.append("0" if choices is _P else str(found))
        row.append(str(difference(worlds("siloed", choices), worlds("unified", choices), *HOME)))
        yield tuple(row)


def coupling(worlds: Worlds) -> Iterator[tuple[str, ...]]:
    """Rows of (days; plays a look on the home page, unified then siloed; the same at visits after a search of the day;
    plays a search), each of the world whose search log calls titles by others' ids on the days ``BROKEN`` against the
    sound one."""
    first, end = BROKEN
    weeks = (end + 6) // 7 * 7
    for name, low, high in (
        (f"{first} to {end - 1}: the log is broken", first, end),
        (f"{end} to {weeks - 1}: mended, not yet trained on", end, weeks),
        (f"{weeks} to {worlds.days - 1}: trained on", weeks, worlds.days),
    ):
        if low >= min(high, worlds.days):
            continue
        row = [name]
        for measure in (HOME, AFTER_SEARCH, SEARCH):
            for switch in ("unified", "siloed"):
                sound, broken = (
                    frame.filter(pl.col("day").is_between(low, high, closed="left"))
                    for frame in (worlds(switch), worlds(switch, broken=BROKEN))
                )
                same = sound.select(list(measure)).equals(broken.select(list(measure)))
                row.append("0, to the bit" if same else str(difference(sound, broken, *measure)))
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
    given = parser.parse_args()
    worlds = Worlds(given.members, given.days)
    lines = [
        f"{given.members:,} members, {given.days} days, without delivery; 90 % intervals over members. Written by",
        "`python -m benchmarks.known_results`.",
    ]
    for title, header, rows in _parts(worlds, given.dense):
        lines += ["", title, *_table(header, list(rows))]
        _write(lines)


def _parts(worlds: Worlds, dense: int) -> Iterator[tuple[str, Sequence[str], Iterator[Sequence[str]]]]:
    yield (
        "Published results:",
        ("result", "published", "here", "fitted or predicted", "recovered"),
        results(worlds),
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
            denser(Worlds(dense, DENSE_DAYS)),
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
