"""What pages ask of a lake, cached by (lake version, question); never keyed on a frame.

A cached answer is a small frame: rolled up by the lake's own engine, a row a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import streamlit as st

from alerts.counts import Minutes, MinutesBy, minutes_by, minutes_of
from alerts.evaluate import Evaluation, Fired, columns_of, evaluate_minutes, fired, kept_by
from alerts.evaluation import Attained
from alerts.policy import BurnPolicy, Policy, load_policies
from alerts.seasonal import attained
from alerts.slo import CountRatio, Objective, RawRatio, load
from dashboards import kept
from dashboards.answers import Answers
from dashboards.artefacts import read
from dashboards.context import FILTERS, Period, Span, Where, span_of
from dashboards.window import Window
from metrics import held
from metrics.catalog import get_metric
from metrics.cube import told
from metrics.errors import InputError
from metrics.experiment import HEADLINE, compare
from metrics.lake import Lake
from metrics.ledger import Ledger
from metrics.metric import Metric
from metrics.period import DAY_MS
from metrics.plan import Cut, check_dimensions
from metrics.plan import Source as Rows
from metrics.query import measure, survival
from metrics.tree import explain

__all__ = ["MINUTE_DIMENSIONS", "Source", "minutes_in", "objectives", "policies", "ratios_attained"]

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
# Of a longer lake a period's minutes are read from the files of its days, so that memory is bounded.
_MOST_MINUTES = 200 * 1440
MINUTE_DIMENSIONS = frozenset({"region", "device", "cdn"})


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
        return _within_reach(self, names, period, where, by)

    def survival(self, name: str, period: Period, where: Where) -> pl.DataFrame:
        """:func:`metrics.query.survival` over a period; with intervals of the whole, which cubes tell, and no slice."""
        return _survived(self, name, where, period.start_ts_ms, period.end_ts_ms)

    def cubes(self) -> Rows:
        """The lake, its cubes held in memory from one question to the next."""
        return held.source_of(Lake.open(Path(self.path)))

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
        return _evaluations(self, _minute_slice(where), end_ts_ms)

    def alerts(self, where: Where, period: Period) -> list[Fired]:
        """Every objective's alerts in the period; far cheaper than all of :meth:`evaluations`."""
        return _alerts(self, _minute_slice(where), period)

    def kept(self, period: Period, where: Where, by: str = "region") -> pl.DataFrame:
        """Which objectives were kept, by ``by``; empty where no minutes were counted."""
        return _kept(self, _minute_slice(where), period.start_ts_ms, period.end_ts_ms, by)

    def hold(self, names: tuple[str, ...], by: tuple[str, ...], *, intervals: bool = False) -> None:
        """Have what cubes tell by the day of those of ``names`` that can be cut ``by`` dimensions in memory."""
        told = [get_metric(name) for name in names if _can_cut(name, list(by))]
        held.hold(Lake.open(Path(self.path)), told, Cut(by, grain_ms=DAY_MS, replicates=intervals))

    def hold_minutes(self) -> None:
        """Have the minutes that alerts are told from in memory."""
        if _span_minutes(self) <= _MOST_MINUTES:
            for name in sorted(MINUTE_DIMENSIONS):
                _minutes_by(self, name)

    def rows(self) -> dict[str, int]:
        """Rows of each table."""
        return _rows(self)

    def artefact(self, name: str) -> Any:
        """A JSON artefact of the lake, without what its reader may not see; null where there is none to be read."""
        if name in _FINANCE_FILES and not self.sees_finance:
            return None
        file = self.file(name)
        try:
            told = file.stat()
        except OSError:
            return None
        return _document(str(file), self.sees_finance, told.st_mtime_ns, told.st_size)

    def file(self, name: str) -> Path:
        """Where an artefact would be. Raises for what the reader may not have."""
        if not self.sees_finance and name in _FINANCE_FILES:
            raise InputError("The report needs the role finance", mend="Ask whoever runs this server")
        return Path(self.path) / "artefacts" / name


MOST_SESSIONS = 20_000_000
"""Of a lake of more than that no page reads what grows with the audience."""
_FINANCE_FILES = frozenset({"economics.json", "charges.parquet", "report.html", "report.pdf", "report.xlsx"})


def is_finance(metric: Metric) -> bool:
    """Whether a metric is in money."""
    return "USD" in metric.unit


def blanked(measured: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """``measured`` with no figure of the metrics ``names``: their rows stand, and tell nothing of money."""
    money = [name for name in ("value", "low", "high", "numerator") if name in measured.columns]
    return measured.with_columns(pl.when(~pl.col("metric").is_in(names)).then(pl.col(money)))


def without_money(found: Any) -> Any:
    """A JSON document less every entry that has a unit in money.

    >>> without_money({"effects": [{"unit": "USD/h", "effect": 1}, {"unit": "h", "effect": 2}]})
    {'effects': [{'unit': 'h', 'effect': 2}]}
    """
    if isinstance(found, dict):
        return {
            name: without_money(value)
            for name, value in found.items()
            if not _is_money(value) and "usd" not in name.casefold()
        }
    if isinstance(found, list):
        return [without_money(value) for value in found if not _is_money(value)]
    return found


def _is_money(value: Any) -> bool:
    return isinstance(value, dict) and "usd" in str(value.get("unit", "")).casefold()


@lru_cache(maxsize=32)
def _document(file: str, sees_finance: bool, mtime_ns: int, size: int) -> Any:
    """A JSON file as it was written last: read once, not at every run of a page."""
    found = read(Path(file))
    return found if sees_finance else without_money(found)


def objectives() -> list[Objective]:
    """The contract's objectives that count events on the event clock."""
    return [objective for objective in _shipped() if isinstance(objective.indicator, CountRatio)]


@cache
def _shipped() -> tuple[Objective, ...]:
    # Files of the package: they do not change while the server runs, and a page asks several times.
    return tuple(load())


@cache
def policies() -> dict[str, Policy]:
    """The shipped policies, read once."""
    return dict(load_policies())


def ratios_attained(measured: pl.DataFrame) -> list[Attained]:
    """The contract's objectives that are ratios of the catalogue, as far as ``measured`` has these.

    ``measured``: :func:`metrics.query.measure` without dimensions and grain.
    """
    rows = {name: parts for name, *parts in measured.select("metric", "numerator", "denominator").rows()}
    return [
        attained(objective, *rows[objective.indicator.metric])
        for objective in _shipped()
        if isinstance(objective.indicator, RawRatio) and objective.indicator.metric in rows
    ]


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
        return measure(
            source.cubes(),
            names,
            by=by,
            where=dict(where),
            start_ts_ms=start_ts_ms,
            end_ts_ms=end_ts_ms,
            grain=grain,
            intervals=intervals,
        )

    cut = (source.path, source.version, by, where, start_ts_ms, end_ts_ms, grain, intervals)
    return _ANSWERS.of(cut, names, ask)


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
    names = [name for name in HEADLINE if _can_cut(name, [dimension for dimension, _ in where])]
    if where:
        names = list(_within_reach(source, tuple(names), None, (*where, *arms), ("arm",)))
        return compare(source.cubes(), names, experiment=experiment, where=dict(where))
    return kept.compared(lake, source.cubes(), experiment)


@st.cache_data(show_spinner=False, max_entries=128)
def _within_reach(
    source: Source, names: tuple[str, ...], period: Period | None, where: Where, by: tuple[str, ...]
) -> tuple[str, ...]:
    if source.rows().get("playback_session", 0) <= MOST_SESSIONS:
        return names
    start, end = (period.start_ts_ms, period.end_ts_ms) if period else (None, None)
    cut = Cut(by, where, start, end)
    known = told(Lake.open(Path(source.path)), [get_metric(name) for name in names], cut)
    return tuple(metric.name for metric in known)


def _can_cut(name: str, dimensions: list[str]) -> bool:
    try:
        check_dimensions([get_metric(name)], dimensions)
    except InputError:
        return False
    return True


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


@st.cache_data(show_spinner=False, max_entries=4)
def _span(source: Source) -> Span | None:
    return span_of(Lake.open(Path(source.path)), source.cubes())


@st.cache_data(show_spinner=False, max_entries=4)
def _options(source: Source) -> dict[str, list[str]]:
    lake = source.cubes()
    counts = {name: measure(lake, ["attempts"], by=[name]).drop_nulls(name) for name in FILTERS}
    return {
        name: found.sort("n", name, descending=[True, False])[name].to_list()
        for name, found in counts.items()
    }


@st.cache_data(show_spinner=False, max_entries=32)
def _evaluations(source: Source, where: Where, end_ts_ms: int | None) -> list[Evaluation]:
    try:
        minutes = minutes_in(source, where, 0, end_ts_ms)
        return evaluate_minutes(
            objectives(),
            minutes,
            lambda span: _slices(source, where, *span),
            _minutes(source, where, 0, end_ts_ms),
            policies=policies(),
        )
    except InputError:
        return []


def _slices(source: Source, where: Where, start_ts_ms: int, end_ts_ms: int) -> pl.DataFrame:
    """Sums of a slice's minutes by region, device and CDN; the end is that of a day, or of what the lake holds."""
    first_day = -(-start_ts_ms // DAY_MS) * DAY_MS
    whole = _in_slice(_days(source), where).filter(
        (pl.col("ts_ms") >= first_day) & (pl.col("ts_ms") < end_ts_ms)
    )
    parts = [whole]
    if start_ts_ms < first_day:
        parts.append(
            _added_up(_minutes(source, where, start_ts_ms, min(first_day, end_ts_ms)), *whole.columns[:4])
        )
    return pl.concat(parts, how="diagonal").drop("ts_ms")


@st.cache_data(show_spinner=False, max_entries=64)
def _alerts(source: Source, where: Where, period: Period) -> list[Fired]:
    # An alert looks back no further than its longest window.
    past = max(
        pair.long_ms
        for policy in policies().values()
        if isinstance(policy, BurnPolicy)
        for pairs in policy.severities.values()
        for pair in pairs
    )
    try:
        minutes = minutes_in(source, where, period.start_ts_ms - past, period.end_ts_ms)
        return fired(objectives(), minutes, policies=policies())
    except InputError:
        return []


def minutes_in(source: Source, where: Where, start_ts_ms: int, end_ts_ms: int | None) -> Minutes:
    """A slice's minutes; where it is cut by one dimension or none, out of memory. Raises where there are none."""
    where = _minute_slice(where)
    if len(where) > 1 or _span_minutes(source) > _MOST_MINUTES:
        rows = _minutes(source, where, start_ts_ms, end_ts_ms)
        return minutes_of(rows, columns_of(objectives()), end_ts_ms)
    name, values = where[0] if where else ("cdn", None)  # all are the same by any; these are few
    held = _minutes_by(source, name).minutes(values, start_ts_ms, end_ts_ms or 2**62)
    if held is None:
        raise InputError("no minute counts in that period", mend="give a period that the lake has counts of")
    return held


def _span_minutes(source: Source) -> int:
    span = source.span()
    return 0 if span is None else ((span.last - span.first).days + 1) * 1440


@st.cache_resource(show_spinner=False, max_entries=6)
def _minutes_by(source: Source, name: str) -> MinutesBy:
    """Every minute by one dimension: 100 MB for the three dimensions of a demo's quarter, 220 MB at most of such."""
    return minutes_by(Lake.open(Path(source.path)).scan("minute_count"), columns_of(objectives()), name)


@st.cache_data(show_spinner=False, max_entries=64)
def _kept(source: Source, where: Where, start_ts_ms: int, end_ts_ms: int, by: str) -> pl.DataFrame:
    days = _in_slice(_days(source), where).filter(pl.col("ts_ms") >= start_ts_ms)
    try:
        return kept_by(objectives(), days, by, start_ts_ms=start_ts_ms, end_ts_ms=end_ts_ms)
    except InputError:
        return pl.DataFrame()


@st.cache_data(show_spinner=False, max_entries=4)
def _rows(source: Source) -> dict[str, int]:
    lake = Lake.open(Path(source.path))
    return {name: lake.snapshot(name).rows for name in lake.tables()}


@st.cache_resource(show_spinner=False, max_entries=4)
def _days(source: Source) -> pl.DataFrame:
    """Minute counts added up by the day and slice: what a ratio of sums over whole days needs."""
    minutes = Lake.open(Path(source.path)).scan("minute_count")
    day = pl.col("ts_ms") - pl.col("ts_ms") % DAY_MS
    return _added_up(minutes.with_columns(ts_ms=day), "ts_ms", *sorted(MINUTE_DIMENSIONS))


def _added_up(minutes: pl.LazyFrame, *keys: str) -> pl.DataFrame:
    counts = [
        name for name, kind in minutes.collect_schema().items() if kind.is_integer() and name not in keys
    ]
    return minutes.group_by(keys).agg(pl.col(counts).sum()).collect()


def _minutes(source: Source, where: Where, start_ts_ms: int, end_ts_ms: int | None) -> pl.LazyFrame:
    """Rows of minutes in a slice and period; files are by their day, so that no other's are opened."""
    first, last = (
        pl.Series([ts_ms]).cast(pl.Datetime("ms")).dt.strftime("day=%Y-%m-%d").item()
        for ts_ms in (start_ts_ms, 2**47 if end_ts_ms is None else end_ts_ms)
    )
    files = [file for file in _minute_files(source) if first <= Path(file).parent.name <= last]
    minutes = _in_slice(Lake.open(Path(source.path)).scan("minute_count", files), where)
    minutes = minutes.filter(pl.col("ts_ms") >= start_ts_ms)
    return minutes if end_ts_ms is None else minutes.filter(pl.col("ts_ms") < end_ts_ms)


@st.cache_data(show_spinner=False, max_entries=4)
def _minute_files(source: Source) -> tuple[str, ...]:
    return Lake.open(Path(source.path)).snapshot("minute_count").files


def _in_slice(minutes: Frame, where: Where) -> Frame:
    for name, values in where:
        minutes = minutes.filter(pl.col(name).is_in(values))
    return minutes


def _minute_slice(where: Where) -> Where:
    return tuple((name, values) for name, values in where if name in MINUTE_DIMENSIONS)
