"""What pages ask when they are first opened, answered while a reader is still on the one before.

Answers go where pages look for them, into the caches of :mod:`dashboards.queries` and :mod:`dashboards.economics`; a
page that asks something else computes it, as ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import product

import polars as pl
from streamlit.runtime.scriptrunner import add_script_run_ctx

from dashboards import incident_detail
from dashboards.charts import LIGHT, trend
from dashboards.charts.style import axis_of
from dashboards.context import FILTERS, PRESETS, Filters, Span, Where, period_of
from dashboards.delivery_queries import hours_of_day, nights, recent, steering, worst_fills
from dashboards.economics import CURVE, break_even, given_of, loaded, members_of, pay_back
from dashboards.incidents_told import first_of, told_of
from dashboards.minute_queries import MINUTE_DIMENSIONS
from dashboards.objective_history import backtested, incidents_spent
from dashboards.queries import MOST_SESSIONS, Source
from dashboards.questions import BESIDE, DISCOVERY, FIND, PLACE, PRICE, TILES
from dashboards.segments import HEADLINE
from dashboards.session_queries import session_sample
from dashboards.tree import tree_metrics
from dashboards.window import Window
from metrics.catalog import METRICS
from metrics.errors import PlayheadError
from metrics.tree import NORTH_STAR, TREE

__all__ = ["warm"]

# What the first pages show, by what their filters and tables cut it: held in memory, whatever is asked of it then.
_HELD = tuple(
    dict.fromkeys((*TILES, *BESIDE, *HEADLINE, *(edge.child for edge in TREE[NORTH_STAR]), "attempts"))
)
_HELD_BY = (
    (), *((name,) for name in FILTERS), PLACE, ("region", "device"), (*PLACE, "device"), ("codec", "cdn"), ("site",),
)  # fmt: skip
_MOST_VALUES = 24
"""Of so many values of filters, a tenth of a second's work each, Overview is answered before somebody clicks on one."""
_MOST_HELD = 8_000_000
"""Sessions of which a sketch is held for every question: 120 MB of it, and five times that while it is made."""
_BEGUN: set[Source] = set()
_LOCK = threading.Lock()


def warm(source: Source, filters: Filters) -> None:
    """Begin to answer what pages will ask of this lake by the filters it is opened with; once a version of the lake."""
    if _is_begun(source):
        return
    thread = threading.Thread(target=_answer, args=(source, filters), daemon=True, name="warm")
    add_script_run_ctx(thread)
    thread.start()


def _is_begun(source: Source) -> bool:
    with _LOCK:
        is_done = source in _BEGUN
        _BEGUN.add(source)
    return is_done


def _answer(source: Source, filters: Filters) -> None:
    # Where questions take minutes until cubes tell them, they are not asked before somebody wants to know.
    is_soon = source.is_prepared() or source.rows().get("playback_session", 0) <= MOST_SESSIONS
    asks = (*_held(source, filters), *(_read(source, filters) if is_soon else ()))
    span = source.span() if source.is_prepared() else None
    for ask in (*asks, *(_next(source, filters, span) if span else ())):
        # What cannot be answered is said by the page that asks; here nobody would read it.
        with suppress(PlayheadError):
            ask()


def _held(source: Source, filters: Filters) -> Iterator[Callable[[], object]]:
    """What costs the same however many sessions there are: by cubes, by minutes, and by no rows at all."""
    period, where = filters.period, filters.where
    yield source.hold_minutes
    for by in _HELD_BY:
        yield partial(source.hold, _HELD, by)
        if set(by) <= {"region", "device"}:
            yield partial(source.hold, _HELD, by, intervals=True)
    yield _trend_drawn
    yield lambda: _judged(source, where, period.end_ts_ms)
    if all(name in MINUTE_DIMENSIONS for name, _ in where):
        yield lambda: source.alerts(where, period)
    if source.sees_finance:
        found = source.artefact("economics.json") or {}
        given, at = given_of(found, "given"), members_of(found) * 1e6
        for policy in ("lean", "dense"):
            yield partial(break_even, policy, given, None, at)
        yield lambda: break_even("lean", given, None, at, CURVE)
        for delivery in ("third_party", "own"):
            yield partial(pay_back, delivery, given + given_of(found, "given_encoding"), None, at)
        yield lambda: loaded(65e6, at, "lean")
    yield _search_ready


def _read(source: Source, filters: Filters) -> Iterator[Callable[[], object]]:
    """What rows are read for, or may be."""
    period, versus, where = filters.period, filters.versus, filters.where
    yield lambda: _incident_first(source, filters)
    if source.rows().get("playback_session", 0) // source.every() <= _MOST_HELD:
        yield lambda: source.hold_fine(_HELD)
    for names in DISCOVERY.values():
        told = tuple(name for name in names if filters.tells(name))
        by_day = tuple(name for name in told if METRICS[name].kind in ("ratio", "quantile"))
        if told:
            yield partial(source.measure, told, period, where=where)
            yield partial(source.bounds, told, period, where)
            if versus:
                yield partial(source.measure, told, versus, where=where)
        if by_day:
            for span in filter(None, (period, versus)):
                yield partial(source.measure, by_day, span, where=where, grain="1d")
    if filters.tells(FIND):
        for span in filter(None, (period, versus)):
            yield partial(source.survival, FIND, span, where)
    window = Window(period.start_ts_ms, period.end_ts_ms)
    yield lambda: hours_of_day(source, recent(window), where, "region")
    for answer in (nights, worst_fills, steering):
        yield partial(answer, source, window, where)
    # Bills are spread over any period, so no cube tells them.
    for span, by, grain in product(filter(None, (period, versus)), ((), ("tier",)), (None, "1d")):
        yield partial(source.measure, (PRICE,), span, where=where, by=by, grain=grain)
    yield lambda: session_sample(source, window, where)
    yield source.ledger
    for experiment in source.arms()["experiment"].unique(maintain_order=True).head(1):
        yield partial(source.compare, experiment, where)


def _next(source: Source, filters: Filters, span: Span) -> Iterator[Callable[[], object]]:
    """What Overview asks after a first click: of the periods that have a button, then of one value of a filter."""
    periods = [period_of(preset, (), span) for preset in PRESETS if preset != "dates"]
    nexts = [Filters.of(period, {}, span) for period in dict.fromkeys(periods)]
    options = source.options()
    minutely = [name for name in FILTERS if name in MINUTE_DIMENSIONS and len(options[name]) > 1]
    values = [(name, value) for name in minutely for value in options[name]]
    nexts += [Filters.of(filters.period, {name: [value]}, span) for name, value in values[:_MOST_VALUES]]
    for one in nexts:
        yield from _overview(source, one)


def _overview(source: Source, filters: Filters) -> Iterator[Callable[[], object]]:
    """All that the first page asks."""
    period, versus, where = filters.period, filters.versus, filters.where
    shown = tuple(name for name in TILES if filters.tells(name))
    asked = tuple(dict.fromkeys((*shown, *BESIDE, *tree_metrics(filters))))
    for span in filter(None, (period, versus)):
        yield partial(source.measure, asked, span, where=where)
        if all(filters.tells(name, *PLACE) for name in HEADLINE):
            names = HEADLINE if {name for name, _ in where} <= {*PLACE} else HEADLINE[:2]
            yield partial(source.measure, names, span, where=where, by=PLACE)
    yield partial(source.measure, shown, filters.whole, where=where, grain="1d")
    yield partial(source.bounds, shown, period, where)
    yield partial(source.kept, period, where)
    yield partial(source.alerts, where, period)
    yield partial(source.sessions, period, where)
    if versus and filters.tells(NORTH_STAR):
        yield partial(source.contributions, NORTH_STAR, period, versus, where)


def _judged(source: Source, where: Where, end_ts_ms: int) -> None:
    """Objectives, and the past of each."""
    for evaluation in source.evaluations(where, end_ts_ms):
        incidents_spent(source, where, evaluation)
        backtested(source, where, evaluation)


def _incident_first(source: Source, filters: Filters) -> None:
    """The incident that its page opens with. Of all of it a season by the hour, slice by slice, is the longest."""
    told = told_of(source, filters)
    if key := first_of(told.incidents):
        incident_detail.ask(told.looked(key))


def _trend_drawn() -> None:
    """The library of charts, loaded by its first figure."""
    line = pl.DataFrame({"ts_ms": [0, 1], "value": [0.0, 1.0]})
    trend(line, LIGHT, axis=axis_of("{:.0f}"), name="").to_json()


def _search_ready() -> None:
    """The index of the catalogue, and compiled code that searches it."""
    from dashboards.search import found_titles

    found_titles("anything")
