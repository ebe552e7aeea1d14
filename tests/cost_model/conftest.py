"""A small service whose bill can be worked out by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from cost_model.usage import USAGE_SCHEMAS, Quarter, Usage

APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)


def frame(name: str, *rows: tuple[Any, ...]) -> pl.DataFrame:
    """A usage frame of that name."""
    return pl.DataFrame(list(rows), schema=USAGE_SCHEMAS[name], orient="row")


def _hours(month: date, region: str, isp: str, device: str, cdn: str, billions: int) -> tuple[Any, ...]:
    """H.264 viewing: two streams and 2 GB an hour."""
    size = billions * 10**9
    played = Decimal(3_600_000 * size)
    return (month, region, isp, device, "h264", cdn, Decimal(2 * size), played, Decimal(2 * size * 10**9))


def usage(**frames: pl.DataFrame) -> Usage:
    """Two months of a service in two regions; any frame replaced."""
    given: dict[str, pl.DataFrame] = {
        "delivery": frame(
            "delivery",
            (APRIL, "north-america", "isp-a", "edge", "own", "h264", Decimal(7 * 10**18)),
            (APRIL, "north-america", "isp-b", "edge", "own", "av1_fgs", Decimal(3 * 10**18)),
            (APRIL, "north-america", "isp-b", "storage", "own", "h264", Decimal(10**18)),
            (APRIL, "south-asia", "isp-c", "third_party", "third_party", "h264", Decimal(2 * 10**17)),
            (MAY, "north-america", "isp-a", "edge", "own", "h264", Decimal(8 * 10**18)),
            (MAY, "south-asia", "isp-c", "third_party", "third_party", "h264", Decimal(3 * 10**17)),
        ),
        "days": frame("days", (APRIL, 30), (MAY, 31)),
        "fleet": frame(
            "fleet",
            (APRIL, "north-america", 10, 40, 2, 12, 4, 1_000),
            (MAY, "north-america", 10, 45, 2, 12, 4, 1_000),
        ),
        "encode": frame("encode", (APRIL, "h264", 60_000_000), (APRIL, "av1_fgs", 60_000_000)),
        "control": frame("control", (APRIL, "home", "north-america", 5_000_000)),
        "hours": frame(
            "hours",
            _hours(APRIL, "north-america", "isp-a", "smart_tv", "own", 4),
            _hours(APRIL, "south-asia", "isp-c", "mobile", "third_party", 1),
            _hours(MAY, "north-america", "isp-a", "smart_tv", "own", 3),
            _hours(MAY, "north-america", "isp-a", "mobile", "own", 1),
        ),
        "members": frame(
            "members",
            (APRIL, "north-america", Decimal(30 * 10**8)),
            (APRIL, "south-asia", Decimal(30 * 10**7)),
            (MAY, "north-america", Decimal(31 * 10**8)),
        ),
    }
    return Usage(Quarter.parse("2026Q2"), **(given | frames))


@pytest.fixture
def small() -> Usage:
    return usage()
