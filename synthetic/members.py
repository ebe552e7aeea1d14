"""The panel: simulated subscribers, each standing for many, with a place, a network, devices and a tenure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from metrics.privacy import keyed_hash, replicate_of
from metrics.telemetry import DEVICES
from synthetic.arrays import Floats, Ints
from synthetic.places import Places
from synthetic.player.network import NETWORKS, load_networks
from synthetic.random import Stream, exponentials, normals, uniforms
from synthetic.scenario import Scenario
from synthetic.staying import DAYS_A_MONTH

__all__ = ["DEVICE_NAMES", "Members", "make_members", "pick"]


DEVICE_NAMES = DEVICES
PLANS = ("standard", "with_ads", "premium")
PLAN_SHARES = np.array([0.5, 0.3, 0.2])  # assumption


@dataclass(frozen=True)
class Members:
    """Arrays over members, region by region. Days count from the scenario's first day and may be negative.

    ``weight``: real memberships each stands for. ``log_base``: natural log of the member's median kbit/s.
    ``activity``: viewing relative to the mean, mean 1. Who pays and who leaves is lived
    (:mod:`synthetic.staying`), not drawn here.
    """

    subscriber_id: pl.Series
    replicate: Ints
    region: Ints
    site: Ints
    weight: Ints
    access: Ints
    log_base: Floats
    activity: Floats
    main_device: Ints
    plan: Ints
    join_day: Ints

    @property
    def count(self) -> int:
        """Panel members, including those who join later."""
        return self.region.size


def pick(u: Floats, shares: Floats) -> Ints:
    """Index by inverse distribution: shape of ``u``; shares sum to 1."""
    return np.minimum(np.searchsorted(np.cumsum(shares), u, side="right"), shares.size - 1).astype(np.int64)


def make_members(scenario: Scenario, places: Places) -> Members:
    """The panel of a scenario: a pure function of it and its seed.

    Identities look like those of real members, keyed hashes; the key here is the seed, since nobody real is
    behind them and the same scenario must give the same rows in any lake.

    Half of the panel is spread over regions by size and half evenly, so that small regions can be seen;
    weights undo it. Those who join during the scenario come on top of ``scenario.panel``.
    """
    seed = scenario.seed
    shares = np.array([r.member_share for r in scenario.region.values()])
    panel = _largest_remainder(scenario.panel * (0.5 * shares + 0.5 / shares.size))
    joining = np.round(panel * scenario.membership.monthly_join_ratio * scenario.days / DAYS_A_MONTH).astype(
        np.int64
    )
    weight_of_region = np.maximum(np.round(scenario.members * shares / panel), 1).astype(np.int64)

    region = np.repeat(np.arange(shares.size), panel + joining)
    count = region.size
    member = np.arange(count)
    within = member - np.repeat(np.cumsum(panel + joining) - panel - joining, panel + joining)
    joins = within >= panel[region]

    site = np.empty(count, np.int64)
    access = np.empty(count, np.int64)
    main_device = np.empty(count, np.int64)
    log_base = np.empty(count)
    networks = load_networks()
    device_share = np.array([scenario.device[name].share for name in DEVICE_NAMES])
    u_site, u_access, u_device = (
        uniforms(seed, member, 0, stream)
        for stream in (Stream.MEMBER_SITE, Stream.MEMBER_ACCESS, Stream.MEMBER_DEVICE)
    )
    spread = normals(seed, member, 0, Stream.MEMBER_THROUGHPUT)
    for r, spec in enumerate(scenario.region.values()):
        rows = np.flatnonzero(region == r)
        of_region = np.flatnonzero(places.site_region == r)
        # Spread evenly over sites: the panel's share of a site is off by one member at most.
        even = (np.argsort(np.argsort(u_site[rows], kind="stable")) + 0.5) / rows.size
        site[rows] = of_region[pick(even, places.site_share[of_region])]
        access[rows] = pick(u_access[rows], np.array([spec.access.get(name, 0.0) for name in NETWORKS]))
        tilt = device_share * np.where(
            [n in ("mobile", "tablet") for n in DEVICE_NAMES], spec.mobile_tilt, 1.0
        )
        main_device[rows] = pick(u_device[rows], tilt / tilt.sum())
        for a, name in enumerate(NETWORKS):
            here = rows[access[rows] == a]
            shift = spec.fixed_log_shift if name == "fixed" else 0.0
            log_base[here] = networks[name].log_mean + shift + networks[name].log_sd_across * spread[here]

    membership = scenario.membership
    tenure = exponentials(seed, member, 0, Stream.MEMBER_JOIN) * membership.mean_tenure_days
    later = uniforms(seed, member, 1, Stream.MEMBER_JOIN) * scenario.days
    join_day = np.where(joins, later, -1 - tenure).astype(np.int64)
    activity_sd = scenario.demand.activity_log_sd
    ids = keyed_hash(pl.Series([f"subscriber-{scenario.seed}-{i}" for i in range(count)]), b"synthetic")
    return Members(
        subscriber_id=ids,
        replicate=np.asarray(replicate_of(ids).to_numpy(), np.int64),
        region=region,
        site=site,
        weight=weight_of_region[region],
        access=access,
        log_base=log_base,
        activity=np.exp(activity_sd * normals(seed, member, 0, Stream.MEMBER_ACTIVITY) - activity_sd**2 / 2),
        main_device=main_device,
        plan=pick(uniforms(seed, member, 0, Stream.MEMBER_PLAN), PLAN_SHARES),
        join_day=join_day,
    )


def _largest_remainder(parts: Floats) -> Ints:
    """Whole numbers nearest to ``parts`` with the same (rounded) sum."""
    whole = np.floor(parts).astype(np.int64)
    short = round(float(parts.sum())) - int(whole.sum())
    whole[np.argsort(-(parts - whole), kind="stable")[:short]] += 1
    return whole
