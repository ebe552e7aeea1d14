"""Measured usage of a quarter, aggregated and checked: what the bill is computed from."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import polars as pl

from cost_model.cdn import Fleet
from cost_model.rates import GLOBAL, Rates
from metrics.errors import InputError
from metrics.measures import DAYS_PER_MONTH

__all__ = ["USAGE_SCHEMAS", "Quarter", "Usage", "fleet", "months_of"]

_WHOLE = pl.Decimal(38, 0)
_COLUMNS: Mapping[str, Sequence[str]] = {
    "delivery": ("month", "region", "isp", "tier", "cdn", "codec", "delivered_bytes"),
    "appliances": ("month", "region", "isp", "tier", "cdn", "codec", "appliance", "delivered_bytes"),
    "days": ("month", "days"),
    "fleet": (
        "month", "region", "sites", "edge_servers", "exchange_sites", "storage_servers", "exchange_ports",
        "transit_mbps",
    ),
    "encode": ("month", "codec", "runtime_ms"),
    "control": ("month", "service", "region", "requests"),
    "hours": (
        "month", "region", "isp", "device", "codec", "cdn", "streams", "playing_ms", "delivered_bytes",
    ),
    "members": ("month", "region", "member_days"),
}  # fmt: skip
_TEXT = ("region", "isp", "device", "tier", "cdn", "codec", "appliance", "service")
_BEYOND_64_BITS = ("delivered_bytes", "playing_ms", "streams", "member_days")


def _dtype(column: str) -> pl.DataType:
    if column == "month":
        return pl.Date()
    if column in _TEXT:
        return pl.String()
    return _WHOLE if column in _BEYOND_64_BITS else pl.Int64()


USAGE_SCHEMAS: Mapping[str, pl.Schema] = {
    name: pl.Schema([(column, _dtype(column)) for column in columns]) for name, columns in _COLUMNS.items()
}


@dataclass(frozen=True)
class Quarter:
    """A calendar quarter in UTC, written ``2026Q2``."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Quarter:
        """Read ``2026Q2``.

        >>> Quarter.parse("2026Q2").months[0]
        datetime.date(2026, 4, 1)
        """
        match = re.fullmatch(r"(20\d\d)-?[Qq]([1-4])", text.strip())
        if not match:
            raise InputError(f"{text!r} is not a quarter", mend="write it as 2026Q2")
        return cls(int(match[1]), int(match[2]))

    @property
    def months(self) -> tuple[date, date, date]:
        """First days of its three months."""
        first = 3 * self.number - 2
        return date(self.year, first, 1), date(self.year, first + 1, 1), date(self.year, first + 2, 1)

    @property
    def end(self) -> date:
        """First day after it."""
        return date(self.year + self.number // 4, self.number % 4 * 3 + 1, 1)

    def ts_ms(self) -> tuple[int, int]:
        """Start and exclusive end, UTC epoch ms."""
        start, end = (datetime(d.year, d.month, d.day, tzinfo=UTC) for d in (self.months[0], self.end))
        return int(start.timestamp()) * 1000, int(end.timestamp()) * 1000

    def __str__(self) -> str:
        return f"{self.year}Q{self.number}"


def _empty(name: str) -> pl.DataFrame:
    return pl.DataFrame(schema=USAGE_SCHEMAS[name])


@dataclass(frozen=True)
class Usage:
    """Frames of a quarter's usage, weights applied, in the columns of :data:`USAGE_SCHEMAS`.

    ``days`` counts the days of each month with usage: monthly costs are charged for those days, so a
    part of a quarter is comparable with a whole one. ``appliances`` is what the own CDN delivered, by appliance:
    it bears the hardware where it is told. ``hours`` and ``members`` are denominators and bear no charge;
    ``hours`` holds streams (plays that started), time and bytes of sessions, by their first CDN.
    Negative usage is refused with :class:`~metrics.errors.InputError`.
    """

    quarter: Quarter
    delivery: pl.DataFrame
    days: pl.DataFrame
    appliances: pl.DataFrame = field(default_factory=lambda: _empty("appliances"))
    fleet: pl.DataFrame = field(default_factory=lambda: _empty("fleet"))
    encode: pl.DataFrame = field(default_factory=lambda: _empty("encode"))
    control: pl.DataFrame = field(default_factory=lambda: _empty("control"))
    hours: pl.DataFrame = field(default_factory=lambda: _empty("hours"))
    members: pl.DataFrame = field(default_factory=lambda: _empty("members"))

    def __post_init__(self) -> None:
        for name, schema in USAGE_SCHEMAS.items():
            frame = getattr(self, name)
            absent = [column for column in schema if column not in frame.columns]
            if absent:
                raise InputError(f"usage {name}: columns missing: {', '.join(absent)}")
            for column, dtype in schema.items():
                if dtype.is_numeric() and (frame[column] < 0).any():
                    raise InputError(
                        f"usage {name}: {column} is negative ({frame[column].min()})",
                        mend="correct the source; credits belong in charges, not in usage",
                    )

    @cached_property
    def months(self) -> tuple[date, ...]:
        """Months with usage, in order."""
        return tuple(sorted(self.days["month"].to_list()))

    def coverage(self, month: date) -> tuple[int, int]:
        """Days with usage and days of the month."""
        return self._days[month], calendar.monthrange(month.year, month.month)[1]

    @cached_property
    def _days(self) -> dict[date, int]:
        return dict(self.days.select("month", "days").iter_rows())

    def fleets(self) -> Iterator[tuple[date, str | None, Fleet[Any]]]:
        """(month, region, the fleet in service)."""
        pieces = [column for column in USAGE_SCHEMAS["fleet"] if column not in ("month", "region")]
        for row in self.fleet.sort("month", "region").iter_rows(named=True):
            yield row["month"], row["region"], Fleet(**{piece: int(row[piece]) for piece in pieces})

    def third_party(self) -> pl.DataFrame:
        """Bytes delivered by the third party by ``month, region``."""
        return (
            self.delivery.filter(pl.col("cdn") == "third_party")
            .group_by("month", "region")
            .agg(pl.col("delivered_bytes").sum())
            .filter(pl.col("delivered_bytes") > 0)
            .sort("month", "region")
        )

    def total_bytes(self) -> int:
        """All bytes delivered."""
        return int(self.delivery["delivered_bytes"].sum())

    def total_streams(self) -> int:
        """All plays that started."""
        return int(self.hours["streams"].sum())

    def total_hours(self) -> Decimal:
        """All hours played."""
        return Decimal(int(self.hours["playing_ms"].sum())) / 3_600_000

    def member_days(self) -> int:
        """All paying member-days."""
        return int(self.members["member_days"].sum())

    def member_months(self) -> Decimal:
        """Paying member-days ÷ 30.4375, the metrics catalogue's month."""
        return months_of(self.member_days())


def months_of(days: int) -> Decimal:
    """Days in months of 30.4375 days (365.25 / 12).

    >>> months_of(487)
    Decimal('16')
    """
    return Decimal(days) * DAYS_PER_MONTH.denominator / DAYS_PER_MONTH.numerator


def fleet(appliances: pl.DataFrame, peaks: pl.DataFrame, rates: Rates) -> pl.DataFrame:
    """Pieces of the own CDN by month and region, from the capacity its appliances reported.

    ``appliances``: ``month, region, site, tier, capacity_kbps``, the largest capacity of each site;
    ``peaks``: ``month, region, tier, peak_kbps, p95_kbps, isps``: the busiest hour of the tier, the 95th
    percentile of the region's hours, the ISPs served.
    Servers are the site's capacity ÷ an appliance's throughput, rounded up. A month and region with delivery
    but no report is planned: a site an ISP, ``servers_per_site`` each, and capacity for the peak at
    ``peak_utilisation_ratio``. Ports as in :func:`cost_model.cdn.plan_fleet`; transit on the measured 95th
    percentile, or on the fill where that is larger.
    """
    rows = []
    for month, region in (
        peaks.select("month", "region").unique().sort("month", "region", nulls_last=True).iter_rows()
    ):

        def rate(name: str, month: date = month, region: str | None = region) -> Decimal:
            return rates.usd(name, month, region or GLOBAL)

        here = (pl.col("month") == month) & pl.col("region").eq_missing(pl.lit(region, pl.String))
        reported, peak = appliances.filter(here), peaks.filter(here)
        count: dict[str, tuple[int, int]] = {}
        gbps = {
            t: Decimal(int(p)) / 10**6 for t, p in peak.group_by("tier").agg(pl.sum("peak_kbps")).iter_rows()
        }
        for tier in ("edge", "storage"):
            throughput = rate(f"{tier}_throughput")
            capacities = [
                Decimal(c) / 10**6 for c in reported.filter(pl.col("tier") == tier)["capacity_kbps"].to_list()
            ]
            if capacities:
                count[tier] = len(capacities), sum(_ceil(c / throughput) for c in capacities)
                continue
            isps = int(peak.filter(pl.col("tier") == tier)["isps"].sum()) if tier == "edge" else 1
            needed = _ceil(gbps.get(tier, Decimal(0)) / (throughput * rate("peak_utilisation_ratio")))
            fewest = _ceil(rate("servers_per_site" if tier == "edge" else "storage_servers_per_exchange"))
            count[tier] = (isps, max(isps * fewest, needed)) if tier in gbps else (0, 0)
        (sites, edge_servers), (exchanges, storage_servers) = count["edge"], count["storage"]
        port_gbps = rate("exchange_port_gbps") * rate("peak_utilisation_ratio")
        p95_gbps = Decimal(max(peak["p95_kbps"].to_list())) / 10**6
        transit_gbps = rate("transit_ratio") * max(p95_gbps, sites * rate("fill_gbps"))
        rows.append(
            (month, region, sites, edge_servers, exchanges, storage_servers,
             max(exchanges, _ceil(gbps.get("storage", Decimal(0)) / port_gbps)), _ceil(1000 * transit_gbps))
        )  # fmt: skip
    return pl.DataFrame(rows, schema=USAGE_SCHEMAS["fleet"], orient="row")


def _ceil(number: Decimal) -> int:
    return int(number.to_integral_value(rounding="ROUND_CEILING"))
