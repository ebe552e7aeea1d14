"""Delivery: where bytes come from, what missed and why, the nightly fill, how full appliances are."""

from __future__ import annotations

import polars as pl
import streamlit as st

from cost_model.report.numbers import unit_usd, usd
from dashboards.bands import page_bands
from dashboards.charts import sparkline
from dashboards.charts.delivery import fill_nights, layers, misses, utilisation_heatmap
from dashboards.components import card, chart, colours, footer, missing, table, taken, tile, view
from dashboards.context import Period, Where
from dashboards.delivery import LEVELS, fullest, sentence
from dashboards.delivery_queries import hours_of_day, nights, recent, steered_every, steering, worst_fills
from dashboards.formats import moment, named, share, signed, span, titled
from dashboards.window import Window

TILES = ("edge_offload_ratio", "content_miss_ratio", "fill_ratio", "delivery_cost_per_gigabyte_usd")
MISSES = {
    "content_miss_ratio": "title not there",
    "health_miss_ratio": "full or down",
    "other_miss_ratio": "other",
}
TIERS = {"edge": "edge", "storage": "storage", "third_party": "third party", "unattributed": "tier not told"}
MOST_PLACES = 24

source, filters = view()
period, versus = filters.period, filters.versus
palette = colours()
shown = tuple(name for name in (*TILES, *MISSES) if filters.tells(name))
volume = "delivered_gigabytes"


def of(frame: pl.DataFrame | None, name: str) -> float | None:
    """A metric's value in a measured frame."""
    rows = frame.filter(pl.col("metric") == name) if frame is not None and frame.height else None
    value = rows["value"][0] if rows is not None and rows.height else None
    return None if value is None else float(value)


def scaled(bytes_most: float) -> tuple[float, str]:
    """The unit that a largest number of bytes is written in, and how many bytes make one."""
    return next(
        ((size, unit) for size, unit in ((1e18, "EB"), (1e15, "PB"), (1e12, "TB")) if bytes_most >= size),
        (1e9, "GB"),
    )


def shifted(frame: pl.DataFrame, back: Period) -> pl.DataFrame:
    """Days of the period before, on this one's."""
    return frame.with_columns(ts_ms=pl.col("ts_ms") + period.start_ts_ms - back.start_ts_ms)


def wide(names: tuple[str, ...], of_period: Period, where: Where) -> pl.DataFrame:
    """Metrics by day, a column each."""
    rows = source.measure(names, of_period, where=where, grain="1d")
    return (
        rows.pivot("metric", index="bucket_ts_ms", values="value")
        .rename({"bucket_ts_ms": "ts_ms"})
        .sort("ts_ms")
    )


def _fullest(places: pl.DataFrame, known: int, lately: Window) -> str:
    top = places.sort("utilisation", descending=True).row(0, named=True)
    some = f"; the {MOST_PLACES} fullest of {known:,}" if known > MOST_PLACES else ""
    return (
        f"Fullest: {named(top['place'])}, {share(top['utilisation'])} at {top['hour']:02d}:00 UTC. Mean over "
        f"{span(lately.start_ts_ms, lately.end_ts_ms)}{some}. Of a small site the panel has few sessions of large "
        "weight: read it beside its ISP."
    )


# --- the verdict, and tiles -------------------------------------------------------------------------------

if not filters.tells(volume):
    st.header("Delivery cannot be narrowed to this slice", anchor=False)
    missing("Delivery is told by place, codec and CDN.", "Clear the filter by device.")
    footer(source, filters, st.session_state["_span"])
    st.stop()

now = source.measure((*shown, volume), period, where=filters.where)
total = of(now, volume)
if not total:
    st.header("No delivery is told here", anchor=False)
    missing(
        "The lake has no bytes by tier in this period.",
        "Logs of a CDN carry them: `playhead ingest log`; sessions alone tell the tiers on the page Explore.",
    )
    footer(source, filters, st.session_state["_span"])
    st.stop()

before = source.measure((*shown, volume), versus, where=filters.where) if versus else None
by_tier = source.measure((volume,), period, where=filters.where, by=("tier",))
tier_total = {tier: float(value or 0) for tier, value in by_tier.select("tier", "value").rows()}
third_party = tier_total.get("third_party", 0.0) / total
st.header(sentence({name: of(now, name) for name in shown}, third_party), anchor=False)
size, unit = scaled(total * 1e9)
money = of(now, "delivery_cost_per_gigabyte_usd")
st.caption(
    f"{total * 1e9 / size:,.1f} {unit} delivered"
    + (f", at {unit_usd(money)} a GB: {usd(money * total)}" if money is not None else "")
    + "; bytes of a panel are scaled to the census"
)

daily = wide(shown, period, filters.where)
earlier = wide(shown, versus, filters.where) if versus else pl.DataFrame()
with st.container(key="tiles"), st.grid(len(TILES), min_column_width=240):
    for name in TILES:
        if name not in shown:
            with card(name):
                missing("Not told of this slice.", "Clear a filter.")
            continue
        days, days_before = (
            frame[name].to_list() if name in frame.columns else [] for frame in (daily, earlier)
        )
        tile(name, of(now, name), of(before, name), days, daily_before=days_before)
taken(
    "Lines: the days of the period, UTC" + (", dashed those before." if versus else "."),
    daily.select("ts_ms", *(name for name in TILES if name in daily.columns)), key="delivery-tiles", of=".st-key-tiles",
)  # fmt: skip

# --- tiers, what they cost, and the third party -----------------------------------------------------------

bands = page_bands(source, filters.period, filters.where)
told = "; shaded: pages of objectives" if bands else ""
halves = st.grid(2, min_column_width=400)
rows = source.measure((volume,), period, where=filters.where, by=("tier",), grain="1d")
tiers = (
    rows.pivot("tier", index="bucket_ts_ms", values="value").rename({"bucket_ts_ms": "ts_ms"}).sort("ts_ms")
)
present = {name: title for name, title in TIERS.items() if name in tiers.columns}
day_size, day_unit = scaled(float(tiers.select(pl.sum_horizontal(list(present)).median()).item() or 0) * 1e9)
tiers = tiers.select("ts_ms", *(pl.col(name).fill_null(0) * 1e9 / day_size for name in present))
with halves, card("Bytes by tier", f"{day_unit} a day", of=(volume,)):
    past = None
    if versus is not None:
        past = source.measure((volume,), versus, where=filters.where, grain="1d")
        past = shifted(past.select(ts_ms="bucket_ts_ms", value=pl.col("value") * 1e9 / day_size), versus)
    chart(
        layers(tiers, palette, present, unit=day_unit, previous=past, bands=bands),
        f"Bytes delivered a day by tier, {day_unit}", tiers, key="tiers",
        caption=f"{day_unit} delivered a day by tier, UTC" + ("; dashed: the period before" if versus else "") + told,
    )  # fmt: skip
with (
    halves,
    card("What each tier costs", "of delivery", of=("delivery_cost_per_gigabyte_usd", "effective_cost")),
):
    names = (volume, "delivery_cost_per_gigabyte_usd")
    costs = source.measure(names, period, where=filters.where, by=("tier",))
    old = source.measure((volume,), versus, where=filters.where, by=("tier",)) if versus else None
    old_total = of(before, volume)
    by_tier_told = []
    for name, title in TIERS.items():
        cell = costs.filter(pl.col("tier") == name)
        gigabytes, price = (of(cell, metric) for metric in names)
        if not gigabytes:
            continue
        then = of(old.filter(pl.col("tier") == name), volume) if old is not None else None
        moved = gigabytes / total - (then or 0.0) / old_total if old_total else None
        by_tier_told.append(
            {
                "tier": title,
                "share": share(gigabytes / total, 2),
                "change": signed(moved, 2, "pt"),
                "$ a GB": unit_usd(price) if price is not None else "–",
                "cost": usd(price * gigabytes) if price is not None else "–",
            }
        )
    table(by_tier_told, alt="Share, price and cost of each tier")
    st.caption(
        "Effective cost of delivery, spread evenly over its charge period. What would break even stands on Economics."
        if money is not None
        else "No charges are known of this period: `playhead cost report` computes them, "
        "`playhead ingest charges` takes a bill."
    )
    st.markdown("**Third party** :gray[· share of bytes by region]")
    regions = source.measure((volume,), period, where=filters.where, by=("region", "tier"))
    parts = regions.with_columns(whole=pl.col("value").sum().over("region")).filter(
        pl.col("tier") == "third_party", pl.col("value") > 0
    )
    if parts.is_empty():
        st.caption("No byte came from a third party in this period.")
    else:
        worst = (
            parts.with_columns(share=pl.col("value") / pl.col("whole")).sort("share", descending=True).head(8)
        )
        table(
            [
                {"region": named(region), "share of bytes": share(part, 2), "GB": f"{gigabytes:,.0f}"}
                for region, part, gigabytes in worst.select("region", "share", "value").rows()
            ],
            alt="Share of bytes from a third party by region",
        )
        when = source.measure(
            (volume,), period, where=(*filters.where, ("tier", ("third_party",))), grain="1d"
        )
        most = when.sort("value", descending=True).row(0, named=True)
        st.caption(f"Most on {moment(most['bucket_ts_ms'])[:-6]}.")
    st.page_link("views/economics.py", label="Economics", icon=":material/payments:")

# --- misses, and the fill that should have spared them ----------------------------------------------------

halves = st.grid(2, min_column_width=400)
with halves, card("Misses by class", "share of bytes", of=tuple(MISSES)):
    lines = {name: title for name, title in MISSES.items() if name in daily.columns}
    if not lines or daily.select(pl.all_horizontal(pl.col(list(lines)).is_null().all())).item():
        missing("No miss class is told.", "A third-party CDN's log does not carry one; an own CDN's does.")
    else:
        back = shifted(wide(tuple(lines), versus, filters.where), versus) if versus is not None else None
        chart(
            misses(daily, palette, lines, previous=back, bands=bands), "Share of bytes that missed, by class",
            daily.select("ts_ms", *lines), key="misses",
            caption="By day, UTC" + ("; dashed: the period before" if versus else "") + told,
        )  # fmt: skip
with halves, card("Nightly fill", "planned, and what arrived", of=("fill_ratio",)):
    window = Window(period.start_ts_ms, period.end_ts_ms)
    pushed = nights(source, window, filters.where)
    if pushed.is_empty():
        missing("No fill is told.", "The table `fill` holds one row a cluster and night.")
    else:
        fill_size, fill_unit = scaled(float(pushed["planned_bytes"].max() or 0))  # type: ignore[arg-type]
        failed, over, complete = (int(pushed[name].sum()) for name in ("failed", "over_budget", "complete"))
        chart(
            fill_nights(pushed, palette, unit=fill_unit, scale=fill_size, bands=bands),
            "Bytes planned and pushed each night",
            pushed, key="fill", caption=f"{fill_unit} a night. {failed:,} pushes failed, {over:,} ran over their "
            f"budget, of {complete + over + failed:,}{told}.",
        )  # fmt: skip
        short = worst_fills(source, window, filters.where)
        if short.height:
            gone = [f"{site} ({nights} nights)" for site, nights in short.select("site", "nights").rows()]
            st.caption(f"Furthest behind its plan: {', '.join(gone)}.")

# --- how full ---------------------------------------------------------------------------------------------

with card(
    "Utilisation by hour of the day",
    "delivered over capacity",
    help="Bytes delivered in an hour of the day over what the appliances reported they could give, over the last days "
    "of the period. An exchange, which serves several ISPs, stands beside them.",
    of=("appliance_utilisation",),
):
    narrowed = dict(filters.where)
    default = "site" if "isp" in narrowed else "isp" if "region" in narrowed else "region"
    level = st.segmented_control(
        "Level", LEVELS, default=default, required=True, format_func=titled, key="level", bind="query-params",
        label_visibility="collapsed",
    ) or default  # fmt: skip
    lately = recent(window)
    full = hours_of_day(source, lately, filters.where, level)
    if full.is_empty():
        missing(
            "No appliance reports what it could give.",
            "The table `appliance_health` holds capacity by day and appliance.",
        )
    else:
        places = fullest(full, MOST_PLACES)
        chart(
            utilisation_heatmap(places, palette, {p: named(p) for p in places["place"].unique()}),
            f"Utilisation by {titled(level)} and hour of the day", full, key=f"utilisation-{level}",
            caption=_fullest(places, full["place"].n_unique(), lately),
        )  # fmt: skip

# --- steering ------------------------------------------------------------------------

with card("Steering", "answers of the control plane", of=("steering_ms",)):
    answers = steering(source, window, filters.where)
    if answers.is_empty():
        missing("No steering request is told.", "The table `control_request` holds a sample of them.")
    else:
        asked, bad = int(answers["requests"].sum()), int(answers["failed"].sum())
        slowest = f"{float(answers['p99_ms'].median() or 0):,.0f} ms"  # type: ignore[arg-type]
        for place, title, told_of, name in zip(
            st.container(key="steering").columns(3), ("Requests sampled", "p99, median of days", "Failed"),
            (f"{asked:,}", slowest, share(bad / asked, 3)), ("requests", "p99_ms", "failed"), strict=True,
        ):  # fmt: skip
            place.metric(title, told_of)
            place.html(sparkline(answers[name].to_list(), palette, alt=f"{title} by day"))
        p50 = float(answers["p50_ms"].median() or 0)  # type: ignore[arg-type]
        taken(f"p50 {p50:,.0f} ms; by day, UTC.", answers, key="steering", of=".st-key-steering")
        if (every := steered_every(source, filters.where)) > 1:
            st.caption(f"Those of a slice are too many for a page: answers to every {every}th request.")
footer(source, filters, st.session_state["_span"], (*TILES, "health_miss_ratio"))
