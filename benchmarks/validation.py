"""``python -m benchmarks.validation --lake LAKE [--traces DIR …]``: the emulated service beside the field.

Writes ``docs/validation.md``: what the demo's lake shows, next to published figures, and what does not match. No
figure here steers the emulator; the ones that were fitted say so. ``--traces`` names folders of recorded networks
(the JSON that ``playhead replay`` takes); every other file is fitted to, the rest is held out.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl

from metrics.lake import Lake
from metrics.quantiles import quantile_of_buckets
from metrics.truth import counterfactuals
from synthetic.arrays import Floats
from synthetic.data_plane.appliances import HIT
from synthetic.data_plane.cache import characteristic_time, misses, numbered
from synthetic.emulator import days
from synthetic.player.fitting import ks_report, per_chunk, sample
from synthetic.player.manifest import Manifest
from synthetic.player.network import CHUNK_S, Network, load_networks
from synthetic.player.replay import replay
from synthetic.player.trace import read_traces
from synthetic.playing import deliver
from synthetic.scenario import load_scenario
from synthetic.titles import TOP_SHARES, make_titles
from synthetic.world import Switches, make_world

PAGE = Path(__file__).parent.parent / "docs" / "validation.md"
LADDER = (235.0, 375.0, 560.0, 750.0, 1050.0, 1750.0, 2350.0, 3000.0, 4300.0, 5800.0)

# Published by or measured on a public research service (Yan et al. 2020, Puffer), whose buffer holds 15 s.
FIELD_STARTUP_S = {0.5: 0.29, 0.9: 0.78, 0.95: 1.22, 0.99: 3.40}
FIELD_STALLS = {  # share of time stalled, all paths and paths under 6 Mbit/s, percent
    "buffer-based (BBA)": (0.185, 1.03),
    "learned in place (Fugu)": (0.123, 0.71),
    "model-predictive (RobustMPC)": (0.100, 0.54),
    "reinforcement learning (Pensieve)": (0.167, 0.80),
}
FAMILIES = {
    "throughput": "rate-based",
    "bola": "buffer-based",
    "bolae": "buffer-based, with a placeholder",
    "dynamic": "rate below 10 s of buffer, BOLA above",
    "dynamicdash": "as dynamic, of the DASH reference player",
}
SLOW_KBPS = 6_000.0
EARLY_MS = 15_000
SESSIONS, CHUNKS, SEED = 2_000, 450, 11


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, required=True, help="lake of a demo")
    parser.add_argument(
        "--traces", action="append", default=[], metavar="NAME=DIR", help="folder of recorded networks"
    )
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args()
    lake = Lake.open(given.lake)
    parts = [ABOUT]
    for section in (
        _popularity(lake),
        _startup(lake),
        _stalls(lake),
        _worlds(lake),
        _fits(given.traces),
        _caches(),
    ):
        parts.extend(section)
    given.out.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")
    print(f"written to {given.out}")


ABOUT = """# Where the emulated service meets the field, and where it does not

Written by `make validation`, from a lake of `make demo`. A figure of the emulated service comes out of the run; where
one was fitted to the field, that is said. Figures of the field are published or measured on public data.
Published results on recommendation have a table of their own: [discovery.md](discovery.md).
"""


def _prose(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 110) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    align = ["---", *("---:" for _ in header[1:])]
    return ["", *("| " + " | ".join(row) + " |" for row in (header, align, *rows)), ""]


def _played(lake: Lake) -> pl.LazyFrame:
    return lake.scan("playback_session").filter(
        pl.col("is_synthetic"), pl.col("excluded_reason").is_null(), pl.col("startup_ms").is_not_null()
    )


def _popularity(lake: Lake) -> Iterator[str]:
    yield "## Popularity"
    hours = (
        _played(lake)
        .group_by("content_id")
        .agg(hours=(pl.col("playing_ms") * pl.col("weight")).sum().cast(pl.Float64))
        .sort("hours", descending=True)
        .collect(engine="streaming")["hours"]
        .to_numpy()
    )
    wanted = np.sort(make_titles(load_scenario().titles, load_scenario().seed).share)[::-1]
    rows = [
        [
            f"top {top:,} titles",
            f"{share:.1%}",
            f"{wanted[:top].sum():.1%}",
            f"{hours[:top].sum() / hours.sum():.1%}",
        ]
        for top, share in TOP_SHARES
    ]
    yield from _table(
        ("share of hours", "field (18,214 titles, H1 2023)", "demand (fitted)", "watched"), rows
    )
    yield _prose(
        """Demand is fitted to the three shares. What is watched passes through pages and searches, which bring
        titles up and leave others unseen; that is not set, and lies off at the very top. Of starts, the hundred most
        wanted titles have about their share. But a page's most popular titles are good enough with less taste for
        them, so they give less joy, are left sooner and gone on with less than what only a few would take."""
    )


def _startup(lake: Lake) -> Iterator[str]:
    yield "## Time to play"
    frame = _played(lake).select("startup_ms", "weight", "surface").collect(engine="streaming")
    groups = {
        "all plays": frame,
        "titles gone on with": frame.filter(pl.col("surface") == "continue"),
        "titles found anew": frame.filter(pl.col("surface") != "continue"),
    }
    rows = [["field", *(f"{s:.2f} s" for s in FIELD_STARTUP_S.values())]]
    for name, part in groups.items():
        values = np.quantile(
            part["startup_ms"],
            list(FIELD_STARTUP_S),
            weights=part["weight"].to_numpy(),
            method="inverted_cdf",
        )
        rows.append([name, *(f"{v / 1000:.2f} s" for v in values)])
    yield from _table(("", *(f"p{q * 100:g}" for q in FIELD_STARTUP_S)), rows)
    yield _prose(
        """The field is a research service of live channels without sign-in or licence, whose viewers change channel;
        here a start asks the cloud for authorisation and licence first, and a title gone on with is on the device
        already. Neither was fitted to the other."""
    )


def _stalls(lake: Lake) -> Iterator[str]:
    yield "## Stalls by family of adaptation"
    yield "\n" + _prose(
        f"""Trace replay over {SESSIONS:,} sessions of half an hour drawn from the network `fixed`, a ladder of ten
        rungs and a buffer of 16 s (the field's holds 15 s). The network's impairments have one scale, set so that the
        fleet's player stalls about as the field does; the differences between rules are their own."""
    )
    network = load_networks()["fixed"]
    drawn = _drawn(network)
    manifest = Manifest(CHUNK_S * 1000, LADDER, np.tile(np.array(LADDER) * CHUNK_S * 1000, (CHUNKS, 1)))
    slow = [name for name, trace in drawn.items() if trace[:, 1].mean() < SLOW_KBPS]
    rows = []
    for abr, family in FAMILIES.items():
        found = replay(manifest, drawn, abr, buffer_s=16.0, as_published=True)
        of_slow = found.filter(pl.col("trace").is_in(slow))
        rows.append([f"`{abr}`", family, *(_percent(part) for part in (found, of_slow))])
    for name, (whole, part) in FIELD_STALLS.items():
        rows.append(["field", name, f"{whole:.2f} %", f"{part:.2f} %"])
    yield from _table(("rule", "family", "time stalled", "paths under 6 Mbit/s"), rows)
    fleet = _played(lake).select(
        stalled=(pl.col("stall_ms") * pl.col("weight")).sum().cast(pl.Float64)
        / (pl.col("watched_ms") * pl.col("weight")).sum().cast(pl.Float64),
        sessions=(pl.col("weight") * (pl.col("stall_count") > 0)).sum() / pl.col("weight").sum(),
        median_ms=(pl.col("stall_ms") / pl.col("stall_count")).filter(pl.col("stall_count") > 0).median(),
    )
    row = fleet.collect(engine="streaming").row(0, named=True)
    begun = _played(lake).select("session_id", first_frame_ts_ms=pl.col("start_ts_ms") + pl.col("waited_ms"))
    after_ms = pl.col("ts_ms") - pl.col("first_frame_ts_ms")
    early = (
        lake.scan("playback_event")
        .filter(pl.col("event") == "stall")
        .join(begun, on="session_id")
        .select((after_ms < EARLY_MS).mean())
        .collect(engine="streaming")
        .item()
    )
    yield _prose(
        f"""The fleet of the demo, on all networks and with a buffer of 60 s, stalls {row["stalled"]:.3%} of the time
        watched, in {row["sessions"]:.1%} of sessions, {row["median_ms"] / 1000:.1f} s each in the median. Of its stalls
        {early:.0%} come within {EARLY_MS // 1000} s of the first frame, before the buffer has grown; the others are
        the network's bad spells."""
    )


def _drawn(network: Network) -> dict[str, Floats]:
    kbps = sample(network, CHUNKS * 3, SESSIONS, np.random.default_rng(SEED))
    period = np.full(kbps.shape[1], CHUNK_S * 1000.0)
    latency = np.full(kbps.shape[1], 20.0)
    return {f"{i}": np.column_stack([period, row, latency]) for i, row in enumerate(kbps)}


def _percent(found: pl.DataFrame) -> str:
    stalled, whole = float(found["rebuffer_ms"].sum()), float(found["total_play_ms"].sum())
    return f"{stalled / whole:.2%}".replace("%", " %")


def _worlds(lake: Lake) -> Iterator[str]:
    yield "## Delivery: the worlds beside the one that runs"
    truth = counterfactuals(lake).collect()
    order = ("factual", "pull_on_miss", "no_edge_tier", "third_party_cdn", "h264_only")
    sums = {
        row["world"]: row
        for row in truth.group_by("world")
        .agg(
            pl.exclude("experiment", "region", "replicate", "startup_bucket", "startup_weight", "day")
            .sum()
            .cast(pl.Float64)
        )
        .iter_rows(named=True)
    }
    rows = []
    for world in (w for w in order if w in sums):
        s = sums[world]
        size = s["edge_bytes"] + s["storage_bytes"] + s["third_party_bytes"]
        rows.append(
            [
                f"`{world}`",
                f"{s['edge_bytes'] / size:.1%}",
                f"{size / 1e9 / (s['playing_ms'] / 3.6e6):.3f}",
                f"{s['starts_late'] / s['starts']:.2%}",
                f"{_p99(truth.filter(pl.col('world') == world)):,.0f} ms",
                f"{s['stalled_sessions'] / s['starts']:.2%}",
            ]
        )
    header = (
        "world",
        "bytes from the edge",
        "GB an hour",
        "starts over 2 s",
        "time to play p99",
        "sessions that stalled",
    )
    yield from _table(header, rows)
    yield _prose(
        """A public comparison of 2014 gives transparent caches that pull about 30 % offload; those were small boxes
        that fetched under a tenth of the catalogue. Here caches that pull have the disks of appliances that are
        filled, so the two differ by what first viewers wait for, and by when the upstream is used."""
    )
    yield from _first_viewers()
    yield "### AV1 by market"
    ours, h264 = (truth.filter(pl.col("world") == w) for w in ("factual", "h264_only"))
    rows = []
    for region in sorted(truth["region"].unique()):
        one, two = (_figures(part.filter(pl.col("region") == region)) for part in (ours, h264))
        rows.append(_change(region, one, two))
    rows.append(_change("**all**", _figures(ours), _figures(h264)))
    markets = (
        "AV1, with and without film grain, against H.264",
        "GB an hour",
        "starts over 2 s",
        "sessions that stalled",
    )
    yield from _table(markets, rows)
    yield _prose(
        """The field: one third fewer bytes at the same quality, on devices that decode it; -20 to -30 % of traffic."""
    )


def _first_viewers() -> Iterator[str]:
    """What a cache that pulls makes those wait who come first, against the same plays of titles that were pushed."""
    scenario = load_scenario(None, panel=6_000, days=3).model_copy(update={"incident": ()})
    world = make_world(scenario)
    waits: list[Floats] = []
    plays = 0
    for served in days(world):
        pushed = served.delivered
        pulled = deliver(world, served.state, served.request, Switches(pull=True), pushed)
        first = (pulled.miss != HIT) & (pushed.miss == HIT) & ~pushed.plays.prefetched
        first &= pushed.played.started & pulled.played.started
        waits.append((pulled.played.startup_ms - pushed.played.startup_ms)[first].astype(np.float64))
        plays += pushed.rows.size
    wait = np.concatenate(waits)
    p50, p90, p99 = np.quantile(wait, [0.5, 0.9, 0.99])
    yield _prose(
        f"""Who comes first: of {plays:,} plays of three days, {wait.size / plays:.2%} find a title at the edge that was
        pushed there, would not find it in a cache that pulls, and have nothing of it on the device. They start
        {p50:.0f} ms later in the median, {p90:.0f} ms at p90, {p99:.0f} ms at p99 where no exchange had it either."""
    )


def _figures(rows: pl.DataFrame) -> tuple[float, float, float]:
    s = {
        name: float(rows[name].cast(pl.Float64).sum())
        for name in rows.columns
        if rows[name].dtype.is_numeric()
    }
    size = s["edge_bytes"] + s["storage_bytes"] + s["third_party_bytes"]
    return size / s["playing_ms"], s["starts_late"] / s["starts"], s["stalled_sessions"] / s["starts"]


def _change(name: str, ours: Sequence[float], other: Sequence[float]) -> list[str]:
    (size, late, stalled), (size_was, late_was, stalled_was) = ours, other
    return [
        name,
        f"{size / size_was - 1:+.1%}",
        f"{late:.2%}, was {late_was:.2%}",
        f"{stalled:.2%}, was {stalled_was:.2%}",
    ]


def _p99(rows: pl.DataFrame) -> float:
    sketch = (
        rows.select("startup_bucket", "startup_weight")
        .explode("startup_bucket", "startup_weight")
        .drop_nulls()
        .group_by(bucket="startup_bucket")
        .agg(weight=pl.col("startup_weight").sum())
    )
    return float(quantile_of_buckets(sketch, Fraction(99, 100), bucket="bucket", weight="weight")["value"][0])


def _fits(folders: Sequence[str]) -> Iterator[str]:
    yield "## Networks: fits against recordings they have not seen"
    if not folders:
        yield "\nNo recordings were given to this run; name folders with `--traces`.\n"
        return
    rows = []
    for folder in folders:
        name, _, path = folder.rpartition("=")
        recordings = [per_chunk(trace) for trace in read_traces(Path(path)).values()]
        rows += [
            [
                f"{name or path}: {row['sessions']} sessions, {row['chunks']:,} chunks",
                row["model"],
                f"{row['ks_chunks']:.3f}",
                f"{row['ks_sessions']:.3f}",
                f"{1.36 / row['sessions'] ** 0.5:.2f}",
                f"{row['lag_1']:.2f} ({row['held_out_lag_1']:.2f})",
            ]
            for row in ks_report(recordings[::2], recordings[1::2]).iter_rows(named=True)
        ]
    header = (
        "recordings held out",
        "model",
        "KS by chunk",
        "KS of session means",
        "critical at 5 %",
        "lag-1 (recorded)",
    )
    yield from _table(header, rows)
    yield "What the distances mean, and which network uses which fit: [player.md](player.md).\n"


def _caches() -> Iterator[str]:
    yield "## Caches: Che's approximation against a simulated one"
    rng = np.random.default_rng(SEED)
    rates = 1.0 / np.arange(1, 20_001) ** 0.8
    trace = numbered(rng.choice(rates.size, 2_000_000, p=rates / rates.sum()))
    rows = []
    for capacity in (200, 1_000, 5_000):
        time = characteristic_time(rates, np.ones(rates.size), capacity)
        expected = 1 - float((rates * -np.expm1(-rates * time)).sum() / rates.sum())
        simulated = misses(trace, "lru", capacity) / 2_000_000
        rows.append([f"{capacity:,}", f"{expected:.4f}", f"{simulated:.4f}"])
    yield from _table(("objects held, of 20,000", "miss ratio by the approximation", "simulated"), rows)
    yield _prose(
        """The pull-on-miss world uses the approximation; `playhead cache` simulates, and equals its peer to the last
        miss."""
    )


if __name__ == "__main__":
    main()
