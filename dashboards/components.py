"""Pieces every page is made of: cards, tiles, charts with their data, the footer, what to do when empty."""

from __future__ import annotations

import html
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cache, wraps
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pandas  # noqa: F401  (Plotly looks for it half-imported where parts that are drawn at once both import it)
import polars as pl
import streamlit as st

from cost_model.report.numbers import count
from dashboards.charts import Palette, marked, palette, sparkline
from dashboards.charts import table as table_of
from dashboards.charts.figure import Figure
from dashboards.charts.style import faded
from dashboards.context import Filters, Span, lake_path
from dashboards.downloads import offered
from dashboards.figures import place
from dashboards.filters import renewed
from dashboards.formats import change, day, escaped, instant, written
from dashboards.queries import Source
from metrics.catalog import get_metric
from metrics.errors import LakeError, PlayheadError
from metrics.lake import Lake
from metrics.metric import Metric
from metrics.terms import TERMS

DeltaColor = Literal["green", "red", "off"]

__all__ = [
    "card", "chart", "colours", "defined", "drawn", "footer", "guarded", "live", "manners", "missing", "part", "table",
    "taken", "tile", "view", "wordmark",
]  # fmt: skip

_LIVE = "5s"
_ICON = "font:1.25em/1 'Material Symbols Rounded';vertical-align:-0.2em;margin-right:0.5rem"
_PICTURES = Path(__file__).with_name("pictures.js")
# A part that is drawn by itself stands in a container that does not stretch: cards side by side would end unevenly.
_EVEN = '[data-testid="stGridCell"] [data-testid="stLayoutWrapper"]:only-child { flex-grow: 1; }'
# Links of the library show where the keyboard is by a shade alone.
_FOCUS = "a:focus-visible { outline: 2px solid currentColor !important; outline-offset: -2px !important; }"
_UNSEEN = ".st-key-manners { display: none; }"
# What a live view renews by itself does not fade while it is asked for: nobody has asked.
_STEADY = '.st-key-renewed [data-stale="true"] { opacity: 1 !important; transition: none !important; }'


def view() -> tuple[Source, Filters]:
    """The lake and the filters that the frame of the application has put before its page."""
    source, filters = st.session_state["_view"]
    return source, filters


def colours() -> Palette:
    """The palette of the theme the reader has chosen."""
    return palette(st.context.theme.type)


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """What goes wrong within is one line to the reader: what, and the mend. No trace, and no path of the machine."""
    try:
        yield
    except PlayheadError as error:
        said = " ".join(f"{error.what}. {error.mend}".split()).strip()
        for path in {str(lake_path()), str(lake_path().absolute())}:
            said = said.replace(path, "LAKE") if "/" in path else said
        is_lake = isinstance(error, LakeError)
        title = "This lake cannot be read" if is_lake else f"{what} could not be drawn"
        st.error(said, title=title, icon=":material/error:")
    except Exception as error:
        # The reader gets one line, whoever runs the server gets the trace.
        logging.getLogger("playhead").exception("%s failed", what)
        if isinstance(error, OSError) or (
            isinstance(error, pl.exceptions.ComputeError) and "parquet" in str(error)
        ):
            st.error(
                "A file of its tables is missing or cut short. Restore the lake's folder from a backup, or write a new "
                "lake.",
                title="This lake cannot be read",
                icon=":material/error:",
            )
            return
        st.error(  # a fault of ours
            "The terminal that serves the dashboard has the details.",
            title=f"{what} could not be drawn",
            icon=":material/error:",
        )


def part(draw: Callable[..., None]) -> Callable[..., None]:
    """A part of a page that is drawn beside the others, and again by itself when a widget in it is moved."""

    @st.fragment(parallel=True)
    @wraps(draw)
    def drawn_apart(*args: Any) -> None:
        with guarded(draw.__name__.replace("_", " ").capitalize()):
            draw(*args)

    return drawn_apart


def live(draw: Callable[[], None]) -> Callable[[], None]:
    """A part of a page that, while the reader wants it live, looks at the lake again every few seconds.

    Only what has changed is drawn anew, so nothing flickers; a lake that has not moved on costs a look at its log.
    """

    @st.fragment(run_every=_LIVE if st.session_state.get("live") else None)
    @wraps(draw)
    def drawn_again() -> None:
        with guarded(draw.__name__.capitalize()):
            source, filters = view()
            version = Lake.open(source.path).version()
            if version != source.version:
                source = replace(source, version=version)
                span = source.span() or st.session_state["_span"]
                st.session_state["_span"] = span
                st.session_state["_view"] = (source, renewed(filters, span))
            with st.container(key="renewed") if st.session_state.get("live") else nullcontext():
                draw()

    return drawn_again


@contextmanager
def card(
    title: str,
    note: str = "",
    *,
    help: str | None = None,  # noqa: A002
    of: Sequence[str] = (),
) -> Iterator[None]:
    """A bordered section under a quiet title; ``of`` names the metrics and terms it shows: definitions hang on it."""
    help = "\n\n".join(filter(None, (help, *map(defined, of)))) or None  # noqa: A001
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{title}**" + (f" :gray[· {note}]" if note else ""), help=help)
        yield


def tile(
    name: str,
    now: float | None,
    before: float | None,
    daily: Sequence[float | None],
    *,
    daily_before: Sequence[float | None] = (),
    interval: tuple[float | None, float | None] = (None, None),
    note: str = "",
) -> None:
    """A metric: value, change against the period before, whether it keeps its limit, its days beside those before."""
    metric = get_metric(name)
    low, high = interval
    # Ends that coincide are a panel too small to differ from itself, not certainty.
    half = None if low is None or high is None or low == high else (high - low) / 2
    spread = change(metric, half, 0.0).lstrip("+")
    spread = f"± {spread}" if spread.strip("0–") else ""
    delta = change(metric, now, before)
    is_down = delta.startswith("−")
    colour: DeltaColor = "red" if is_down == (metric.better == "higher") else "green"
    if now is not None and before is not None and half is not None and abs(now - before) <= half:
        colour = "off"  # no further than the panel's own uncertainty: nothing to be alarmed at
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.metric(
            metric.title,
            written(metric, now),
            None if delta == "–" else 0 if delta == "0" else delta,
            delta_color="off" if delta == "0" else colour,
            delta_arrow="off" if delta == "0" else "down" if is_down else "up",
            delta_description=spread or None,
            help=defined(name),
        )
        if now is None:
            note = note or "nothing in this period tells it"
        words = " · ".join(part for part in (_promise(metric, now), note and f":gray[{note}]") if part)
        unit = "share" if metric.unit == "ratio" else metric.unit
        palette = colours()
        days = f"{metric.title} by day, {written(metric, now)} over the period"
        line = sparkline(daily, palette, before=daily_before, limit=metric.limit, alt=days)
        said = marked(words or f":gray[{unit}]", palette)
        st.html(f'<div style="font-size:0.875rem;padding-bottom:8px">{said}</div>{line}')


def defined(name: str) -> str:
    """What a metric or term is, in a line, and the way to its definition."""
    of = TERMS.get(name) or get_metric(name)
    clock = f"; by the {of.clock} clock" if isinstance(of, Metric) else ""
    source = f" Source: {of.source}." if of.source else ""
    return (
        f"{of.title}: {escaped(of.about)} Unit: {of.unit}{clock}.{escaped(source)} "
        f"[Definition](trust?find={name}#definitions)"
    )


def _promise(metric: Metric, value: float | None) -> str:
    if metric.limit is None:
        return ""
    side = "under" if metric.better == "lower" else "at least"
    limit = f"{side} {written(metric, metric.limit)}"
    kept = metric.keeps(value)
    if kept is None:
        return f":gray[promised {limit}]"
    return f":green[✓ {limit}]" if kept else f":red[✕ promised {limit}]"


def chart(
    figure: Figure,
    alt: str,
    data: pl.DataFrame,
    *,
    key: str,
    caption: str = "",
    on_select: Callable[[], None] | None = None,
    selects: Literal["box", "points"] = "box",
) -> None:
    """A figure with its alternative text, what it shows in a line, and its data to take away.

    ``on_select`` is called when a reader drags over it or clicks; what was selected is in the session state.
    """
    place(figure, alt, key=key, on_select=on_select, selects=selects)
    taken(caption or alt, data, key=key)


def taken(words: str, data: pl.DataFrame, *, key: str, of: str = "") -> None:
    """What a figure shows in a line, and the figure to take away: its data as CSV, itself as PNG.

    The picture is of the figure drawn just before, or of the element that the CSS selector ``of`` names.
    """
    palette, name = colours(), f"{key}.csv"
    address = offered(name, lambda: data.write_csv().encode())
    style = (
        "all:unset;cursor:pointer;padding:4px 6px;border-radius:8px;font-size:0.875rem;outline:revert;"
        f"white-space:nowrap;color:{palette.text}"
    )
    # One element, where Streamlit's own would be five. The words give way in a narrow card, not the buttons.
    st.html(
        '<div style="display:flex;align-items:center;gap:0.5rem;min-height:2.5rem">'
        f'<span style="flex:1;font-size:0.875rem;color:{faded(palette.text, 0.6)}">{marked(words, palette)}</span>'
        f'<a href="{html.escape(quote(address))}" download="{html.escape(name)}" style="{style}">'
        f'<span aria-hidden="true" style="{_ICON}">download</span>CSV</a>'
        f'<button type="button" data-png="{html.escape(key)}" data-of="{html.escape(of)}" '
        f'title="Save this figure as a picture" style="{style}">PNG</button></div>'
    )


def manners() -> None:
    """What every page needs of a browser beyond what it is sent: first of all, so that no other page sends it anew."""
    with st.container(key="manners"):
        st.html(_manners(), unsafe_allow_javascript=True)


@cache
def _manners() -> str:
    script = _PICTURES.read_text(encoding="utf-8")
    return f"<style>{_EVEN} {_STEADY} {_FOCUS} {_UNSEEN}</style><script>{script}</script>"


def drawn(markup: str, alt: str, data: pl.DataFrame, *, key: str, caption: str = "") -> None:
    """A drawing that needs no library of charts: its text alternative is in it, its data can be taken away."""
    st.html(markup)
    taken(caption or alt, data, key=key)


def table(rows: Sequence[Mapping[str, str]], *, alt: str) -> None:
    """A small table that is only looked at: one element of the page, where each cell would be one."""
    st.html(table_of(rows, colours(), alt=alt))


def wordmark(palette: Palette) -> str:
    """The name, as a drawing in the theme's own colours."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="150" height="32" viewBox="0 0 150 32" role="img">'
        f'<title>Playhead</title><path d="M6 7 L24 16 L6 25 Z" fill="{palette.series[0]}"/>'
        f'<rect x="26" y="7" width="3" height="18" rx="1" fill="{palette.good}"/>'
        f'<text x="40" y="22.5" font-family="Source Sans, Segoe UI, sans-serif" font-size="20" '
        f'font-weight="600" fill="{palette.text}">Playhead</text></svg>'
    )


def missing(what: str, mend: str) -> None:
    """A section without data says what is missing and how to have it."""
    st.caption(f":material/info: {what} {mend}")


def footer(source: Source, filters: Filters, span: Span, names: Sequence[str] = ()) -> None:
    """What the page stands on: freshness, sessions, completeness, and where its figures are defined."""
    sessions, weighted = source.sessions(filters.period, filters.where)
    through = min(filters.period.end_ts_ms - 1, span.last_ts_ms)
    verdict = source.artefact("quality.json")
    parts = [
        day(filters.period.first) + (f" to {day(filters.period.last)}" if filters.period.days > 1 else ""),
        f"{sessions:,} sessions"
        + (f" in the panel, {count(weighted)} weighted" if weighted != sessions else ""),
        f"complete to {instant(through)} UTC",
    ]
    if isinstance(verdict, Mapping) and "expectations" in verdict:
        good = verdict["expectations"] - verdict["failed"]
        parts.append(f"quality checks {good} of {verdict['expectations']}")
    cut = [name for name in names if filters.tells(name)]
    if (every := source.sampled(cut, filters.period, filters.where)) > 1:
        parts.append(f"what no sum tells of the slice is of every {every}th session")
    titles = (get_metric(name).title for name in names)
    known = list(
        dict.fromkeys(title if title[1:2].isupper() else title[:1].lower() + title[1:] for title in titles)
    )
    named = ", ".join(known[:5]) + (" …" if len(known) > 5 else "")
    st.caption(" · ".join(parts))
    st.page_link(
        "views/trust.py",
        label="Definitions" + (f": {named}" if named else ""),
        icon=":material/menu_book:",
    )
