"""What pages ask of a lake, cached by (lake version, question); never keyed on a frame.

A cached answer is a small frame: rolled up by the lake's own engine, a row a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from alerts.evaluate import Evaluation, Fired
from dashboards import kept
from dashboards.answers import Answers
from dashboards.context import FILTERS, Period, Span, Where, span_of
from dashboards.metric_traits import are_shares, beside, can_cut, is_by_row
from dashboards.minute_queries import alerts_in, evaluations, hold_minutes, kept_in, minute_slice
from dashboards.money import FINANCE_FILES, blanked, document, is_finance
from dashboards.window import Window, days_of
from metrics import held
from metrics.catalog import get_metric
from metrics.cube import folder_of, told
from metrics.errors import InputError
from metrics.experiment import HEADLINE, compare
from metrics.lake import Lake
from metrics.ledger import Ledger
from metrics.period import DAY_MS, grain_ms
from metrics.plan import Cut
from metrics.plan import Source as Rows
from metrics.query import measure, survival
from metrics.sample import TABLES as SAMPLED
from metrics.sample import every_of, some_rows
from metrics.tree import explain

__all__ = ["MOST_SESSIONS", "Source"]


@dataclass(frozen=True)
class Source:
    """A lake at one version and what its reader may see: the key of every cache, and the door to its figures.

    What is in money is answered to readers with the role finance alone: nobody else's page holds it.
    """

    path: str
    version: str
    sees_finance: bool = True

    def measure(
        self,
        names: tuple[str, ...],
        period: Period | Window,
        *,
        where: Where = (),
        by: tuple[str, ...] = (),
        grain: str | None = None,
        intervals: bool = False,
    ) -> pl.DataFrame:
        """:func:`metrics.query.measure` over a period; a figure in money is null to whom it is not shown."""
        found = _measured(self, names, by, where, period.start_ts_ms, period.end_ts_ms, grain, intervals)
        hidden = [name for name in names if not self.may_see(name)]
        return blanked(found, hidden) if hidden else found

    def bounds(
        self, names: tuple[str, ...], period: Period, where: Where
    ) -> dict[str, tuple[float | None, float | None]]:
        """90 % intervals, of those of ``names`` that cubes tell: of a finer slice they would take every row.

        A cube by jackknife group knows region and device; one of quantiles, and of what is spread over titles, neither.
        """
        cut = {name for name, _ in where}
        told = tuple(
            name for name in names
            if cut <= ({"region", "device"} if get_metric(name).kind in ("ratio", "total", "incremental") else set())
        )  # fmt: skip
        if not told:
            return {}
        measured = self.measure(told, period, where=where, intervals=True)
        return {name: (low, high) for name, low, high in measured.select("metric", "low", "high").iter_rows()}

    def may_see(self, metric: str) -> bool:
        """Whether this reader may see ``metric``."""
        return self.sees_finance or not is_finance(get_metric(metric))

    def contributions(self, metric: str, period: Period, versus: Period, where: Where) -> pl.DataFrame:
        """What moved ``metric``, by region and part; empty where a period has no data, or its reader may not see it."""
        if not self.may_see(metric):
            return pl.DataFrame()
        return _contributions(self, metric, period, versus, where)

    def within_reach(
        self, names: tuple[str, ...], period: Period | None, where: Where, by: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        """Those of ``names`` that a page can ask for: of millions of sessions a day, what no cube tells is not read."""
        span = (period.start_ts_ms, period.end_ts_ms) if period else (None, None)
        return _within_reach(self, names, span, where, by, None)

    def sampled(
        self, names: Sequence[str], period: Period | Window, where: Where, by: tuple[str, ...] = ()
    ) -> int:
        """Of how manieth row :meth:`measure` tells any of ``names``: 1 where of all."""
        span = (period.start_ts_ms, period.end_ts_ms)
        if not _of_some(self, tuple(names), span, where, by, None):
            return 1
        tables = {part.table for name in names for part in get_metric(name).parts}
        return max((_every(self, table) for table in tables), default=1)

    def survival(self, name: str, period: Period, where: Where) -> pl.DataFrame:
        """:func:`metrics.query.survival` over a period; with intervals of the whole, which cubes tell, and no slice."""
        return _survived(self, name, where, period.start_ts_ms, period.end_ts_ms)

    def cubes(self) -> Rows:
        """The lake, its cubes held in memory from one question to the next."""
        return held.source_of(Lake.open(Path(self.path)))

    def is_prepared(self) -> bool:
        """Whether cubes are made of the lake's sessions as they are now."""
        return folder_of(Lake.open(Path(self.path)), "playback_session").exists()

    def of_some(self, window: Window) -> Rows:
        """What cubes tell; else sessions and requests of the window's days, of a large lake a sample of each day."""
        lake = Lake.open(Path(self.path))
        cubes = held.source_of(lake, self.every())
        days = Window(
            window.start_ts_ms, window.end_ts_ms + DAY_MS
        )  # a session is filed by the day of its end

        def scan(table: str) -> pl.LazyFrame:
            if table not in SAMPLED:
                return lake.scan(table)
            return some_rows(lake, table, days_of(lake.snapshot(table).files, days))[0]

        return Rows(scan, cubes.ready, cubes.counted_arms)

    def arms(self) -> pl.DataFrame:
        """:func:`metrics.arms.arms_of` the lake's members: no row where nobody is in an experiment."""
        return _arms(self)

    def compare(self, experiment: str, where: Where) -> pl.DataFrame:
        """:func:`metrics.experiment.compare` over all of it, of the metrics that the slice can be cut by."""
        return _compared(self, experiment, where)

    def ledger(self) -> Ledger:
        """Sessions in, counted, excluded by reason."""
        return _ledger(self)

    def span(self) -> Span | None:
        """The days with sessions; null for a lake without any."""
        return _span(self)

    def options(self) -> dict[str, list[str]]:
        """The values of each dimension that can be filtered by, most sessions first."""
        return _options(self)

    def sessions(self, period: Period, where: Where) -> tuple[int, int]:
        """Sessions in the panel and in the census (weighted)."""
        found = self.measure(("attempts",), period, where=where)
        return (int(found["n"][0]), int(found["numerator"][0])) if found.height else (0, 0)

    def evaluations(self, where: Where, end_ts_ms: int | None = None) -> list[Evaluation]:
        """Every objective that counts events, over the lake's minutes; empty where there are none."""
        return evaluations(self, minute_slice(where), end_ts_ms)

    def alerts(self, where: Where, period: Period) -> list[Fired]:
        """Every objective's alerts in the period; far cheaper than all of :meth:`evaluations`."""
        return alerts_in(self, minute_slice(where), period)

    def kept(self, period: Period, where: Where, by: str = "region") -> pl.DataFrame:
        """Which objectives were kept, by ``by``; empty where no minutes were counted."""
        return kept_in(self, minute_slice(where), period.start_ts_ms, period.end_ts_ms, by)

    def hold(self, names: tuple[str, ...], by: tuple[str, ...], *, intervals: bool = False) -> None:
        """Have what cubes tell by the day of those of ``names`` that can be cut ``by`` dimensions in memory."""
        told = [get_metric(name) for name in names if can_cut(name, list(by))]
        held.hold(Lake.open(Path(self.path)), told, Cut(by, grain_ms=DAY_MS, replicates=intervals))

    def hold_fine(self, names: tuple[str, ...]) -> None:
        """Have those of ``names`` that are quantiles in memory by every dimension that pages filter by."""
        held.hold_fine(Lake.open(Path(self.path)), [get_metric(name) for name in names], self.every())

    def every(self) -> int:
        """Of how manieth session is told what no sum tells: 1 where of all."""
        if self.rows().get("playback_session", 0) <= MOST_SESSIONS:
            return 1
        return _every(self, "playback_session")

    def hold_minutes(self) -> None:
        """Have the minutes that alerts are told from in memory."""
        hold_minutes(self)

    def rows(self) -> dict[str, int]:
        """Rows of each table."""
        return _rows(self)

    def artefact(self, name: str) -> Any:
        """A JSON artefact of the lake, without what its reader may not see; null where there is none to be read."""
        if name in FINANCE_FILES and not self.sees_finance:
            return None
        file = self.file(name)
        try:
            told = file.stat()
        except OSError:
            return None
        return document(str(file), self.sees_finance, told.st_mtime_ns, told.st_size)

    def file(self, name: str) -> Path:
        """Where an artefact would be. Raises for what the reader may not have."""
        if not self.sees_finance and name in FINANCE_FILES:
            raise InputError("The report needs the role finance", mend="Ask whoever runs this server")
        return Path(self.path) / "artefacts" / name


MOST_SESSIONS = 20_000_000
"""Of a lake of more than that no page reads what grows with the audience."""
_ANSWERS = Answers(64 * 2**20)


def _measured(
    source: Source,
    names: tuple[str, ...],
    by: tuple[str, ...],
    where: Where,
    start_ts_ms: int,
    end_ts_ms: int,
    grain: str | None,
    intervals: bool,
) -> pl.DataFrame:
    def ask(names: Sequence[str]) -> pl.DataFrame:
        if not (by or where or grain) and any(get_metric(name).within for name in names):
            lake = Lake.open(Path(source.path))
            found = kept.measured(lake, source.cubes(), names, start_ts_ms, end_ts_ms, intervals=intervals)
            return pl.concat([found.filter(pl.col("metric") == name) for name in names])
        # What cubes tell they tell beside a sample too: of shares alone it need not be known what they tell.
        is_of_some = source.every() > 1 and (
            are_shares(names) or _of_some(source, tuple(names), (start_ts_ms, end_ts_ms), where, by, grain)
        )
        # Where rows are read a sketch is long to make, and another quantile of it is a moment's work: soon asked for.
        if by and not grain and (near_by := [other for name in names for other in beside(name)]):
            lake, cut = Lake.open(Path(source.path)), Cut(by, where, start_ts_ms, end_ts_ms)
            near = [get_metric(name) for name in near_by]
            if not held.tells(lake, near, cut, source.every() if is_of_some else 1):
                names = [*names, *(name for name in dict.fromkeys(near_by) if name not in names)]
        return measure(
            source.of_some(Window(start_ts_ms, end_ts_ms)) if is_of_some else source.cubes(),
            names,
            by=by,
            where=dict(where),
            start_ts_ms=start_ts_ms,
            end_ts_ms=end_ts_ms,
            grain=grain,
            intervals=intervals,
        )

    def cut(where: Where) -> tuple[object, ...]:
        return source.path, source.version, by, where, start_ts_ms, end_ts_ms, grain, intervals

    def narrowed(names: Sequence[str]) -> pl.DataFrame:
        """Of a table that was answered without the slice, the rows that are in it; asked is what is not so."""
        whole = {
            name: frame
            for name in names
            if is_by_row(name) and (frame := _ANSWERS.known(cut(()), name)) is not None
        }
        found = [
            frame.filter(*(pl.col(dimension).is_in(values, nulls_equal=True) for dimension, values in where))
            for frame in whole.values()
        ]
        rest = [name for name in names if name not in whole]
        return pl.concat([*found, *([ask(rest)] if rest else [])])

    is_narrower = where and not intervals and {name for name, _ in where} <= {*by}
    return _ANSWERS.of(cut(where), names, narrowed if is_narrower else ask)


@st.cache_data(show_spinner=False, max_entries=32)
def _survived(source: Source, name: str, where: Where, start_ts_ms: int, end_ts_ms: int) -> pl.DataFrame:
    return survival(
        source.cubes(),
        name,
        where=dict(where),
        start_ts_ms=start_ts_ms,
        end_ts_ms=end_ts_ms,
        intervals=not where,
    )


@st.cache_data(show_spinner=False, max_entries=4)
def _arms(source: Source) -> pl.DataFrame:
    return source.cubes().arms()


@st.cache_data(show_spinner=False, max_entries=32)
def _compared(source: Source, experiment: str, where: Where) -> pl.DataFrame:
    lake, arms = Lake.open(Path(source.path)), (("experiment", (experiment,)),)
    names = [name for name in HEADLINE if can_cut(name, [dimension for dimension, _ in where])]
    if where:
        names = list(_within_reach(source, tuple(names), (None, None), (*where, *arms), ("arm",), None))
        return compare(source.cubes(), names, experiment=experiment, where=dict(where))
    return kept.compared(lake, source.cubes(), experiment)


def _within_reach(
    source: Source,
    names: tuple[str, ...],
    span: tuple[int | None, int | None],
    where: Where,
    by: tuple[str, ...],
    grain: str | None,
) -> tuple[str, ...]:
    if source.rows().get("playback_session", 0) <= MOST_SESSIONS:
        return names
    return _told(source, names, Cut(by, where, *span, grain_ms(grain) if grain else None))


@st.cache_data(show_spinner=False, max_entries=128)
def _told(source: Source, names: tuple[str, ...], cut: Cut) -> tuple[str, ...]:
    known = told(Lake.open(Path(source.path)), [get_metric(name) for name in names], cut)
    return tuple(metric.name for metric in known)


def _of_some(
    source: Source,
    names: tuple[str, ...],
    span: tuple[int, int],
    where: Where,
    by: tuple[str, ...],
    grain: str | None,
) -> bool:
    """Whether a sample tells what no cube does: a ratio or a quantile of it is one of the whole, nearly; no sum is."""
    untold = {*names} - {*_within_reach(source, names, span, where, by, grain)}
    return bool(untold) and are_shares(untold)


@st.cache_data(show_spinner=False, max_entries=64)
def _contributions(source: Source, metric: str, period: Period, versus: Period, where: Where) -> pl.DataFrame:
    now, then = ((p.start_ts_ms, p.end_ts_ms) for p in (period, versus))
    try:
        return explain(source.cubes(), metric, now, then, ("region",), dict(where)).frame()
    except InputError:
        return pl.DataFrame()


@st.cache_data(show_spinner=False, max_entries=4)
def _ledger(source: Source) -> Ledger:
    return kept.counted(Lake.open(Path(source.path)))


@lru_cache(maxsize=4)
def _span(source: Source) -> Span | None:
    return span_of(Lake.open(Path(source.path)), source.cubes())


@lru_cache(maxsize=4)
def _options(source: Source) -> dict[str, list[str]]:
    lake = source.cubes()
    counts = {name: measure(lake, ["attempts"], by=[name]).drop_nulls(name) for name in FILTERS}
    return {
        name: found.sort("n", name, descending=[True, False])[name].to_list()
        for name, found in counts.items()
    }


@lru_cache(maxsize=4)
def _rows(source: Source) -> dict[str, int]:
    lake = Lake.open(Path(source.path))
    return {name: lake.snapshot(name).rows for name in lake.tables()}


@st.cache_data(show_spinner=False, max_entries=16)
def _every(source: Source, table: str) -> int:
    return every_of(Lake.open(Path(source.path)), table)
