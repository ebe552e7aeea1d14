"""Thirty days from a real Prometheus server, killed half way: every planted minute is in, once."""

import datetime as dt
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from metrics.errors import InputError
from metrics.ingest.prometheus import append, fetch, ingest, load_config
from metrics.lake import Lake

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not (shutil.which("prometheus") and shutil.which("promtool")), reason="prometheus is not installed"
    ),
]

START = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
DAYS, MINUTES = 30, 30 * 1440
# The target of mena was away for these minutes, and for those it told no number.
AWAY, NOT_A_NUMBER = range(20_000, 20_400), range(30_000, 30_005)
CONFIG = """
start = 2026-04-01T00:00:00Z
end = 2026-05-01T00:00:00Z
[labels]
region = "market"
[counts]
starts = "sum by (market) (sum_over_time(starts[1m]))"
starts_late = "sum_over_time(starts_late[1m])"
attempts = "sum by (market) (increase(attempts_total[1m]))"
"""


def _starts(minute: int, market: str) -> int:
    return (7 * minute + len(market)) % 50 + 1


def _openmetrics(path: Path) -> pl.DataFrame:
    """Counts as gauges stamped in the middle of their minute, and a counter; the rows that should come of them."""
    first = int(START.timestamp())
    wanted: list[tuple[int, str, int, int]] = []
    with path.open("w") as file:
        for kind, name in (("gauge", "starts"), ("gauge", "starts_late"), ("counter", "attempts")):
            file.write(f"# TYPE {name} {kind}\n")
            for market in ("mena", "europe"):
                attempts = 0
                for minute in range(MINUTES):
                    if market == "mena" and minute in AWAY:
                        continue
                    starts, stamp = _starts(minute, market), first + 60 * minute + 30
                    odd = market == "mena" and minute in NOT_A_NUMBER
                    late = 0 if odd else minute % 2
                    if name == "starts":
                        file.write(f'starts{{market="{market}"}} {"NaN" if odd else starts} {stamp}\n')
                        wanted.append(((first + 60 * minute) * 1000, market, 0 if odd else starts, late))
                    elif name == "starts_late":
                        file.write(f'starts_late{{market="{market}"}} {late} {stamp}\n')
                    else:
                        # The counter starts anew every tenth day, as of a process that was restarted.
                        attempts = 0 if minute % 14_400 == 0 else attempts + 60
                        for second in (0, 15, 30, 45):
                            at = first + 60 * minute + second
                            file.write(f'attempts_total{{market="{market}"}} {attempts + second} {at}\n')
        file.write("# EOF\n")
    return pl.DataFrame(wanted, schema=["ts_ms", "region", "starts", "starts_late"], orient="row")


@contextmanager
def _prometheus(data: Path, port: int) -> Iterator[int]:
    """A server over ``data`` on loopback; its process id. It may be dead at the end."""
    config = data.parent / "prometheus.yml"
    config.write_text("global: {}\n")
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            assert any("ready to receive web requests" in line for line in server.stderr)
            yield server.pid
        finally:
            server.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def test_thirty_days_with_an_outage(tmp_path: Path) -> None:
    wanted = _openmetrics(tmp_path / "counts.txt")
    blocks = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=744h"]
    made = subprocess.run(
        [*blocks, tmp_path / "counts.txt", tmp_path / "data"], check=False, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr[-500:]
    (tmp_path / "config.toml").write_text(CONFIG)
    config, port = load_config(tmp_path / "config.toml"), _free_port()
    url, lake = f"http://127.0.0.1:{port}", Lake.create(tmp_path / "lake")
    with _prometheus(tmp_path / "data", port) as pid:
        batches = fetch(lake, url, config)
        for _ in range(10):
            append(lake, next(batches))
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(InputError, match="cannot be asked"):
            next(batches)
    assert (
        lake.scan("minute_count").collect()["ts_ms"].max() == (int(START.timestamp()) + 864_000 - 60) * 1000
    )
    with _prometheus(tmp_path / "data", port):
        done = ingest(lake, url, config)
        assert ingest(lake, url, config).already
    assert done.reasons == {"starts: not a number": len(NOT_A_NUMBER)}
    assert done.quarantined == 0
    rows = lake.scan("minute_count").sort("ts_ms", "region").collect()
    assert rows.select("ts_ms", "region").is_unique().all()
    # Every minute as planted, and none of those that the target was away.
    assert rows.select(wanted.columns).equals(wanted.sort("ts_ms", "region"))
    # One attempt a second; the first scrape after a restart of the counter is what extrapolation may miss.
    usual = rows.filter(pl.col("attempts") == 60).height
    assert usual >= rows.height - 2 * DAYS
