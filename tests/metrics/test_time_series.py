"""Reading one series: the timestamps that are understood, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics.errors import InputError
from metrics.time_series import read_series

NOON_MS = 1_775_044_800_000  # 2026-04-01 12:00 UTC


def _read(tmp_path: Path, text: str) -> list[tuple[int, float | None]]:
    path = tmp_path / "series.csv"
    path.write_text(text, encoding="utf-8")
    return read_series(path).select("ts_ms", "number").rows()


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-04-01 12:00:00",
        "2026-04-01 12:00:00.000000",
        "2026-04-01T12:00:00Z",
        "2026-04-01T14:00:00+02:00",
        "2026-04-01 12:00",
        "2026/04/01 12:00:00",
        "1775044800",
        "1775044800000",
        "1775044800000000",
        "1775044800000000000",
        "1775044800.0",
    ],
)
def test_a_timestamp_as_people_write_it(tmp_path: Path, timestamp: str) -> None:
    assert _read(tmp_path, f"timestamp,value\n{timestamp},1.5\n") == [(NOON_MS, 1.5)]


def test_a_date_is_its_midnight_and_columns_are_found_by_name(tmp_path: Path) -> None:
    text = "host, Value ,TIMESTAMP\na,1e3,2026-04-01\nb,,2026-04-02\nc,NaN,2026-04-03\n"
    day = 86_400_000
    midnight = NOON_MS - day // 2
    assert _read(tmp_path, text) == [(midnight, 1000.0), (midnight + day, None), (midnight + 2 * day, None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("timestamp,value\n", "no rows"),
        ("time,value\n1,2\n", "no column timestamp; its columns are time, value"),
        ("timestamp,value\n2026-04-01,1\nyesterday,2\n", "line 3: timestamp 'yesterday'"),
        ("timestamp,value\n01/04/2026,1\n", "line 2: timestamp '01/04/2026'"),
        ("timestamp,value\n,1\n", "line 2: timestamp ''"),
        ("timestamp,value\n1e300,1\n", "line 2: timestamp '1e300'"),
        ("timestamp,value\n2026-04-01,inf\n", "line 2: value 'inf'"),
        ("timestamp,value\n2026-04-01,much\n", "line 2: value 'much'"),
        ("timestamp,value\n2026-04-01,\n2026-04-02,\n", "no value in any row"),
        ("timestamp,value\n2026-04-01,1,2,3\n", "no CSV"),
    ],
)
def test_what_is_no_series_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _read(tmp_path, text)
