"""From a day's arrays to the telemetry tables of the planes and of the members: names for indices, weights.

Sessions have a file of their own, :mod:`synthetic.sessions`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from metrics.measures import FIRST_WEEK_DAYS
from metrics.telemetry import CDNS
from synthetic.arrays import Bools, Floats, Ints
from synthetic.data_plane.appliances import EDGE, MISS_CLASS_NAMES, THIRD_PARTY, TIER_NAMES
from synthetic.day import DayState, Request
from synthetic.latencies import answer_ms
from synthetic.members import DEVICE_NAMES, PLANS
from synthetic.playing import CODEC_NAMES, Delivered
from synthetic.random import Stream, uniforms
from synthetic.world import World

__all__ = [
    "HOUR_MS",
    "appliances",
    "assignments",
    "control_requests",
    "deliveries",
    "encodes",
    "inclusion",
    "is_sampled",
    "memberships",
    "names",
    "tenure_days",
]

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def names(labels: Sequence[str], index: npt.NDArray[np.integer], present: Bools | None = None) -> pl.Series:
    """The label at each index; null where not ``present``."""
    where = index if present is None else np.where(present, index, len(labels))
    return pl.Series([*labels, None], dtype=pl.String).gather(where)


def is_sampled(world: World, member: Ints, ratio: float | Floats) -> Bools:
    """Whether a member is in the hashed sample of that share; larger samples hold smaller ones."""
    return np.asarray(uniforms(world.scenario.seed, member, 0, Stream.TELEMETRY_SAMPLE) < ratio)


def tenure_days(world: World, member: Ints, step: Ints) -> Ints:
    """Age of the membership at each visit."""
    return np.asarray(np.maximum(step // 16 - world.members.join_day[member], 0))


def inclusion(world: World, member: Ints, step: Ints, ratio: float) -> Floats:
    """Each visit's chance of being kept where ``ratio`` of members are: more in a member's first week.

    Those weeks are few, and what they bring decides who stays.
    """
    first = max(world.scenario.telemetry.first_week_sample_ratio, ratio)
    return np.where(tenure_days(world, member, step) < FIRST_WEEK_DAYS, first, ratio)


def control_requests(world: World, request: Request) -> pl.DataFrame:
    """The table ``control_request``, of the sampled subscribers."""
    ratio = world.scenario.telemetry.request_sample_ratio
    visits, members = request.visits, world.members
    keep = is_sampled(world, visits.member, ratio)
    attempt = keep & (request.browse.chosen >= 0)
    search = keep & (request.browse.asked >= 0)
    after_home = visits.open_ts_ms + request.home_ms.astype(np.int64)
    status = np.where(request.failure == 1, 503, np.where(request.failure == 2, 403, 200))
    ok = np.full(visits.member.size, 200)
    auth_ms = answer_ms(world.scenario, "auth", visits.member, visits.step)
    parts = []
    for service, which, ts, latency, code in (
        ("auth", keep, visits.open_ts_ms - auth_ms.astype(np.int64), auth_ms, ok),
        ("home", keep, visits.open_ts_ms, request.home_ms, ok),
        ("search", search, after_home, request.search_ms, ok),
        ("authorise", attempt, request.play_ts_ms, request.authorise_ms, status),
        ("steer", attempt & (request.failure == 0), request.play_ts_ms, request.steer_ms, ok),
    ):
        rows = np.flatnonzero(which)
        member = visits.member[rows]
        parts.append(
            pl.DataFrame(
                {
                    "ts_ms": ts[rows],
                    "service": pl.repeat(service, rows.size, eager=True),
                    "subscriber_id": members.subscriber_id.gather(member),
                    "latency_ms": latency[rows].astype(np.int64),
                    "status": code[rows].astype(np.int64),
                    "is_degraded": request.is_degraded[rows] & (service == "home"),
                    "region": names(world.places.regions, request.region[rows]),
                    "device": names(DEVICE_NAMES, visits.device[rows]),
                    "is_synthetic": pl.repeat(value=True, n=rows.size, eager=True),
                    "weight": np.round(members.weight[member] / ratio).astype(np.int64),
                    "replicate": members.replicate[member],
                }
            )
        )
    return pl.concat(parts).sort("ts_ms", "subscriber_id", "service")


def deliveries(world: World, request: Request, delivered: Delivered, sessions: pl.DataFrame) -> pl.DataFrame:
    """The table ``delivery``: bytes of sessions by the hour they started in."""
    places, tier = world.places, delivered.tier.astype(np.int64)
    site = world.members.site[request.visits.member[delivered.rows]]
    total = sum(
        (sessions[f"{name}_bytes"].to_numpy() for name in TIER_NAMES), np.zeros(sessions.height, np.int64)
    )
    keys = ("ts_ms", "site_index", "tier_index", "appliance", "miss_index", "codec_index")
    summed = (
        pl.DataFrame(
            {
                "ts_ms": sessions["start_ts_ms"].to_numpy() // HOUR_MS * HOUR_MS,
                "site_index": site,
                "tier_index": tier,
                "appliance": delivered.appliance.astype(np.int64),
                "miss_index": delivered.miss.astype(np.int64),
                "codec_index": delivered.codec.astype(np.int64),
                "panel_bytes": total,
                "delivered_bytes": total * sessions["weight"].to_numpy(),
            }
        )
        .filter(pl.col("panel_bytes") > 0)
        .group_by(keys)
        .sum()
        .sort(keys)
    )
    site, tier = summed["site_index"].to_numpy(), summed["tier_index"].to_numpy()
    own = tier != THIRD_PARTY
    return pl.DataFrame(
        {
            "ts_ms": summed["ts_ms"],
            "interval_ms": pl.repeat(HOUR_MS, summed.height, dtype=pl.Int64, eager=True),
            "region": names(places.regions, places.site_region[site]),
            "country": names(places.countries, places.site_country[site]),
            "isp": names(places.isps, places.site_isp[site]),
            "site": names(places.sites, site, own),
            "appliance": appliances(world, tier, site, summed["appliance"].to_numpy()),
            "cdn": names(CDNS, np.where(own, 0, 1)),
            "tier": names(TIER_NAMES, tier),
            "miss_class": names(MISS_CLASS_NAMES, summed["miss_index"].to_numpy(), own),
            "codec": names(CODEC_NAMES, summed["codec_index"].to_numpy()),
            "delivered_bytes": summed["delivered_bytes"],
            "panel_bytes": summed["panel_bytes"],
            "is_synthetic": pl.repeat(value=True, n=summed.height, eager=True),
        }
    )


def appliances(world: World, tier: Ints, site: Ints, number: Ints) -> pl.Series:
    """Names of the appliances that serve, by tier, site and number within the cluster; null for a third party."""
    places, footprint = world.places, world.footprint
    counts = np.concatenate([footprint.edge_appliances, footprint.storage_appliances])
    clusters = [*(f"{name}-edge" for name in places.sites), *(f"{name}-storage" for name in places.exchanges)]
    labels = [f"{name}-{i + 1}" for name, count in zip(clusters, counts, strict=True) for i in range(count)]
    cluster = np.where(tier == EDGE, site, len(places.sites) + places.site_exchange[site])
    return names(labels, (np.cumsum(counts) - counts)[cluster] + number, tier != THIRD_PARTY)


def memberships(world: World, state: DayState) -> pl.DataFrame:
    """The table ``membership`` of one day; the day a member leaves still has a row, with status lapsed."""
    members, places, day, standing = world.members, world.places, state.day, state.member_state.standing
    rows = np.flatnonzero((members.join_day <= day) & (standing.leave_day >= day))
    leaves = standing.leave_day[rows] == day
    status = np.where(leaves, 2, np.where(standing.paying_day[rows] <= day, 1, 0))
    site = members.site[rows]
    return pl.DataFrame(
        {
            "ts_ms": pl.repeat(
                world.scenario.start_ts_ms + day * 86_400_000, rows.size, dtype=pl.Int64, eager=True
            ),
            "subscriber_id": members.subscriber_id.gather(rows),
            "region": names(places.regions, members.region[rows]),
            "country": names(places.countries, places.site_country[site]),
            "isp": names(places.isps, places.site_isp[site]),
            "plan": names(PLANS, members.plan[rows]),
            "tenure_days": day - members.join_day[rows],
            "status": names(("trial", "paying", "lapsed"), status),
            "is_churned": leaves & standing.is_churn[rows],
            "is_synthetic": pl.repeat(value=True, n=rows.size, eager=True),
            "weight": members.weight[rows],
            "replicate": members.replicate[rows],
        }
    )


def assignments(world: World, arms: pl.DataFrame) -> pl.DataFrame:
    """The table ``assignment`` of ``arms`` as :func:`synthetic.experiments.assignments` gives them."""
    members, member = world.members, arms["member"].to_numpy()
    start = world.scenario.start_ts_ms
    specs = pl.DataFrame(
        {
            "experiment": [spec.name for spec in world.scenario.experiment],
            "goes_without": [spec.switch == "popularity" for spec in world.scenario.experiment],
            "until_ts_ms": [start + spec.to_day * DAY_MS for spec in world.scenario.experiment],
        },
        schema={"experiment": pl.String, "goes_without": pl.Boolean, "until_ts_ms": pl.Int64},
    )
    told = arms.with_columns(
        subscriber_id=members.subscriber_id.gather(member),
        is_synthetic=pl.lit(value=True),
        weight=pl.Series(members.weight[member]),
        replicate=pl.Series(members.replicate[member]),
    ).join(specs, on="experiment", maintain_order="left")
    return told.with_columns(is_holdout=pl.col("goes_without") & ~pl.col("is_control")).drop(
        "member", "goes_without"
    )


def encodes(world: World) -> pl.DataFrame:
    """The table ``encode``: every title in H.264, the chosen ones in AV1, those with grain synthesis apart."""
    scenario, titles, ladders = world.scenario, world.titles, world.ladders
    runtime = titles.runtime_ms * titles.episode_count
    parts = []
    for number, codec in enumerate(CODEC_NAMES):
        rows = np.flatnonzero(ladders.is_encoded[:, number])
        released = np.minimum(titles.release_day[rows], 0) - 7
        parts.append(
            pl.DataFrame(
                {
                    "content_id": names([str(i) for i in titles.id], rows),
                    "codec": pl.repeat(codec, rows.size, eager=True),
                    "encoded_ts_ms": scenario.start_ts_ms + released * 86_400_000,
                    "runtime_ms": runtime[rows],
                    "rendition_count": ladders.rendition_count[rows],
                    "output_bytes": ladders.output_bytes[rows, number],
                    "is_synthetic": pl.repeat(value=True, n=rows.size, eager=True),
                }
            )
        )
    return pl.concat(parts)
