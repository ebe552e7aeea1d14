"""The filter row: declared once, bound to the address, so that a pasted link shows the same view."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import streamlit as st

from dashboards.context import FILTERS, PRESETS, Filters, Span, period_of
from dashboards.formats import day, escaped, named

__all__ = ["filter_row", "renewed"]

_SHOWN = {"isp": "ISP", "cdn": "CDN"}


def filter_row(span: Span, options: dict[str, list[str]], page: str) -> Filters:
    """Draw the chips above ``page`` and return what they say.

    Period, comparison and slice live in the query parameters ``period``, ``dates``, ``compare`` and one a
    dimension; a value the lake does not have is ignored.
    """
    _keep_address(page)
    where: dict[str, list[str]] = {}
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        preset = _chosen("period") or ["30d"]
        dates = tuple(sorted(_dates(_chosen("dates"))))
        period = period_of(preset[0], dates, span)
        shown = f"{day(period.first)} → {day(period.last)}" if period.days > 1 else day(period.first)
        with st.popover(f"{shown} :gray[UTC]", icon=":material/calendar_today:"):
            picked = st.segmented_control(
                "Period",
                PRESETS,
                default="30d",
                required=True,
                key="period",
                bind="query-params",
            )
            given: tuple[date, ...] = ()
            if picked == "dates":
                given = _as_dates(
                    st.date_input(
                        "First and last day, UTC",
                        value=(span.first, span.last),
                        min_value=span.first,
                        max_value=span.last,
                        key="dates",
                        bind="query-params",
                    )
                )
            compare = st.toggle(
                "Compare with the period before", value=True, key="compare", bind="query-params"
            )
        period = period_of(picked or "30d", given, span)
        before = Filters.of(period, {}, span, compare=compare).versus
        for name in FILTERS:
            values = options.get(name, [])
            if len(values) > 1:
                where[name] = _dimension(name, values)
        st.toggle(
            "Live",
            key="live",
            bind="query-params",
            help="Look at the lake again every 5 s and renew the tiles.",
        )
    filters = Filters.of(period, where, span, compare=compare)
    if compare and before is None:
        st.caption(f"Nothing to compare with: the lake begins on {day(span.first)}.")
    return filters


def renewed(filters: Filters, span: Span) -> Filters:
    """The same wish on a lake that has grown: a preset moves on with it, dates stay."""
    state = st.session_state
    period = period_of(state.get("period") or "30d", _as_dates(state.get("dates")), span)
    where = {name: list(values) for name, values in filters.where}
    return Filters.of(period, where, span, compare=state.get("compare", True))


def _keep_address(page: str) -> None:
    """Say the filters again on another page: the first step away from a pasted link drops them otherwise."""
    if st.session_state.get("_page") == page:
        return
    st.session_state["_page"] = page
    for key in ("period", "dates", "compare", "live", *FILTERS):
        if key in st.session_state:
            st.session_state[key] = st.session_state[key]


def _dimension(name: str, values: Sequence[str]) -> list[str]:
    # In the address a value stands as it is shown.
    asked = set(_chosen(name))
    chosen = [value for value in values if asked & {value, named(value)}]
    what = "all" if not chosen else f"{len(chosen)} of {len(values)}"
    if len(chosen) == 1:
        what = escaped(named(chosen[0]))
    label = _SHOWN.get(name, name)
    with st.popover(f":gray[{label}] {what}", type="secondary"):
        return st.multiselect(
            label.capitalize() if label.islower() else label,
            values,
            format_func=named,
            key=name,
            bind="query-params",
            placeholder="all",
        )


def _chosen(key: str) -> list[str]:
    """What a widget is about to say: chips are labelled before their widgets are drawn."""
    if key in st.session_state:
        value = st.session_state[key]
        if value is None:
            return []
        return [str(v) for v in value] if isinstance(value, (list, tuple)) else [str(value)]
    return st.query_params.get_all(key)


def _dates(texts: Sequence[str]) -> list[date]:
    found = []
    for text in texts:
        for part in text.split(","):
            try:
                found.append(date.fromisoformat(part.strip()))
            except ValueError:
                continue
    return found


def _as_dates(value: object) -> tuple[date, ...]:
    if isinstance(value, date):
        return (value,)
    return tuple(v for v in value if isinstance(v, date)) if isinstance(value, (tuple, list)) else ()
