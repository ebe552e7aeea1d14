"""Discovery: do members find something, how soon, what brings it, and how is it searched for?"""

from __future__ import annotations

import polars as pl
import streamlit as st

from dashboards.charts import bars, still_looking
from dashboards.charts.style import Axis
from dashboards.components import card, chart, colours, footer, missing, part, table, taken, tile, view
from dashboards.formats import NOTHING, escaped, named, share, signed, written
from dashboards.questions import DISCOVERY, FIND
from metrics.catalog import METRICS, get_metric
from metrics.errors import InputError

PERCENT = Axis("", ".1%", "")


@part
def figures(title: str, names: tuple[str, ...]) -> None:
    """A row of tiles."""
    source, filters = view()
    told = tuple(name for name in names if filters.tells(name))
    told = source.within_reach(told, filters.period, filters.where)
    if not told:
        return
    now = source.measure(told, filters.period, where=filters.where)
    found = {row["metric"]: row for row in now.iter_rows(named=True)}
    if all(row["value"] is None for row in found.values()):
        return
    bounds = source.bounds(told, filters.period, filters.where)
    before = source.measure(told, filters.versus, where=filters.where) if filters.versus else None
    old = dict(before.select("metric", "value").iter_rows()) if before is not None else {}
    # What is spread over titles takes as long a day as the whole.
    by_day = tuple(name for name in told if METRICS[name].kind in ("ratio", "quantile"))
    daily = source.measure(by_day, filters.period, where=filters.where, grain="1d") if by_day else None
    earlier = None
    if by_day and filters.versus:
        earlier = source.measure(by_day, filters.versus, where=filters.where, grain="1d")
    key = f"tiles-{names[0]}"
    if daily is None:
        st.caption(title)
    else:
        said = f"{title}. Lines: the days of the period, UTC" + (
            ", dashed those before" if filters.versus else ""
        )
        taken(said, daily.select("metric", "bucket_ts_ms", "value"), key=key, of=f".st-key-{key}")
    with st.container(key=key), st.grid(4, min_column_width=240):
        for name in names:
            if name not in found:
                with card(get_metric(name).title):
                    if filters.tells(name):
                        missing(
                            "Rows alone tell it of this slice, too many for a page.",
                            "`playhead metrics` reads them.",
                        )
                    else:
                        missing("Not known of this slice.", "Take filters off that its rows do not tell.")
                continue
            days, old_days = (
                [] if frame is None else frame.filter(pl.col("metric") == name)["value"].to_list()
                for frame in (daily, earlier)
            )  # fmt: skip
            tile(
                name,
                found[name]["value"],
                old.get(name),
                days,
                daily_before=old_days,
                interval=bounds.get(name, (None, None)),
                note="no holdout ran in this period"
                if found[name]["value"] is None and METRICS[name].kind == "incremental"
                else "",
            )


@part
def time_to_find() -> None:
    """How long visits look before something plays."""
    source, filters = view()
    with card("Time to find", "share of visits still looking", of=(FIND,)):
        is_told = filters.tells(FIND) and source.within_reach((FIND,), filters.period, filters.where)
        curve = source.survival(FIND, filters.period, filters.where) if is_told else None
        is_sure = curve is not None and curve["low"].is_not_null().any()
        if curve is None or curve.is_empty():
            missing("No visit is told, with or without a play.", "An emulated lake has the table `visit`.")
            return
        half = curve.filter(pl.col("value") <= 0.5)
        median = written(METRICS[FIND], half["time_ms"][0] if half.height else None)
        before = source.survival(FIND, filters.versus, filters.where) if filters.versus else None
        chart(
            still_looking(curve, colours(), before=before),
            f"Share of visits still looking by seconds since the service was opened; median {median}",
            curve,
            key="time-to-find",
            caption="Who leaves without a play was still looking then (Kaplan–Meier)"
            + ("; shaded: 90 %" if is_sure else "")
            + ("; dashed: the period before" if before is not None and before.height else "")
            + ". Visits that go on with a title are not in it.",
        )


@part
def surfaces() -> None:
    """Where plays come from, and how much of what is looked at there is taken."""
    source, filters = view()
    with card(
        "What brings a play",
        "hours by surface, and what is taken of what is looked at",
        of=("watch_hours", "take_rate"),
    ):
        if not source.within_reach(("watch_hours",), filters.period, filters.where, ("surface",)):
            missing("Rows alone tell it of this slice.", "So many are read by `playhead metrics` alone.")
            return
        hours = source.measure(("watch_hours",), filters.period, where=filters.where, by=("surface",))
        hours = hours.drop_nulls("surface")
        if hours.is_empty():
            missing("No play says which surface brought it.", "Map `surface` and `is_rec_driven` on ingest.")
            return
        told = hours.select("surface", hours="value").sort("hours", descending=True)
        before: list[float | None] = []
        if filters.versus:
            past = source.measure(("watch_hours",), filters.versus, where=filters.where, by=("surface",))
            past = past.drop_nulls("surface").select("surface", before="value")
            told = told.join(past, on="surface", how="left", maintain_order="left")
            before = (told["before"] / told["before"].sum()).to_list() if told["before"].sum() else []
        if filters.tells("take_rate", "surface"):
            rated = source.measure(("take_rate",), filters.period, where=filters.where, by=("surface",))
            told = told.join(rated.select("surface", take_rate="value"), on="surface", how="left")
        else:
            told = told.with_columns(take_rate=pl.lit(None, pl.Float64))
        rates = [
            f"{named(surface)} {written(METRICS['take_rate'], rate)}"
            for surface, rate in told.select("surface", "take_rate").iter_rows()
            if rate is not None
        ]
        chart(
            bars(
                [escaped(named(s)) for s in told["surface"]],
                (told["hours"] / told["hours"].sum()).to_list(),
                colours(),
                axis=PERCENT,
                before=before,
            ),
            "Share of hours by the surface that brought the play",
            told,
            key="surfaces",
            caption=f"Take rate on examined impressions: {', '.join(rates) or 'not told'}"
            + ("; stroke: the period before" if before else ""),
        )


@part
def switches() -> None:
    """What switches of discovery truly do: unified against siloed, and whatever else an experiment has turned."""
    source, _ = view()
    with card(
        "What a switch of discovery does",
        "the same members lived through both worlds, 90 % intervals",
        of=("lift",),
    ):
        lifts = (source.artefact("experiments.json") or {}).get("lifts", [])
        if not lifts:
            missing(
                "No experiment on discovery ran here.",
                'An `[[experiment]]` with `switch = "siloed"` in the scenario lives through one model a surface.',
            )
            return
        lines: dict[str, dict[str, str]] = {}
        for lift in lifts:
            line = lines.setdefault(lift["experiment"], {"experiment": escaped(named(lift["experiment"]))})
            line[METRICS[lift["metric"]].title] = _between(lift)
        table(list(lines.values()), alt="True lifts of discovery's switches")
        st.page_link(
            "views/experiments.py", label="Beside what the arms tell", icon=":material/arrow_forward:"
        )


def _between(lift: dict[str, float | None]) -> str:
    if lift["lift"] is None:
        return NOTHING
    text = signed(lift["lift"])
    if lift["low"] is not None and lift["high"] is not None:
        text += f"\u00a0:gray[±\u00a0{100 * (lift['high'] - lift['low']) / 2:.1f}]"
    return text


@part
def searching() -> None:
    """Search as members have it, with the reasons."""
    with card("Search", "titles by what they are about, and why each was found"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            query = st.text_input(
                "What are you looking for?", key="q", bind="query-params",
                placeholder="a slow burn crime story in the north, something warm with food …", width=480,
            )  # fmt: skip
            keyword = st.toggle(
                "Words alone",
                key="words",
                bind="query-params",
                help="No themes and no graph: as a keyword search.",
            )
        if not query:
            st.caption(
                "The emulated service's catalogue, titles of made-up names. `playhead search` asks yours."
            )
            return
        from dashboards.search import found_titles  # numba: only where somebody asks

        try:
            hits = found_titles(query, keyword=keyword)
        except InputError as error:
            missing(f"{error.what}.", error.mend)
            return
        if not hits:
            st.caption("No title matches.")
            return
        best = hits[0].score
        table(
            [
                {
                    "title": f"**{escaped(hit.title)}**", "genres": escaped(hit.genres), "why": escaped(hit.why),
                    "match": share(hit.score / best, 0),
                }
                for hit in hits
            ],
            alt=f"Titles found for {query}",
        )  # fmt: skip


source, filters = view()
names = tuple(name for row in DISCOVERY.values() for name in row if filters.tells(name))
headline = ("rec_driven_hours_ratio", FIND)
said = [name for name in headline if filters.tells(name)]
now = source.measure(tuple(said), filters.period, where=filters.where) if said else None
values = dict(now.select("metric", "value").iter_rows()) if now is not None else {}
brought, found_ms = (values.get(name) for name in headline)
if brought is None and found_ms is None:
    st.header("Nothing tells how members find what they watch", anchor=False)
    missing(
        "The lake has no visits, searches or impressions, and no play says what brought it.",
        "Session tables can say so: `playhead ingest sessions --columns`; an emulated lake has them.",
    )
else:
    parts = [f"{share(brought)} of hours come from recommendations"] if brought is not None else []
    parts += (
        [f"half of the visits find something within {found_ms / 1000:.0f} s"] if found_ms is not None else []
    )
    st.header("; ".join(parts) + ".", anchor=False)
for title, row in DISCOVERY.items():
    figures(title, row)
with st.grid(2, min_column_width=430):
    time_to_find()
    surfaces()
searching()
switches()
footer(source, filters, st.session_state["_span"], names)
