"""The Prometheus adapter against a small server on loopback that speaks the API and its limits."""

import datetime as dt
import json
import math
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import polars as pl
import pytest

from metrics.errors import InputError
from metrics.ingest.prometheus import MAX_POINTS, ingest, load_config
from metrics.lake import Lake

START = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
START_S = int(START.timestamp())
MINUTE = 60
Series = Callable[[str, int], list[tuple[dict[str, str], str]]]


class _Server(ThreadingHTTPServer):
    """Answers /api/v1/query_range from a function of (query, instant); remembers what it was asked."""

    series: Series
    failures: int = 0
    warnings: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, str]] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlparse(self.path).query).items()}
        self.server.asked.append(asked)
        if self.server.failures:
            self.server.failures -= 1
            self._answer(503, {"status": "error"})
            return
        start, end, step = int(asked["start"]), int(asked["end"]), int(asked["step"].removesuffix("s"))
        if (end - start) / step + 1 > 11_000:
            self._answer(400, {"status": "error", "error": "exceeded maximum resolution of 11,000 points"})
            return
        if "bad" in asked["query"]:
            self._answer(400, {"status": "error", "error": "parse error: bad"})
            return
        found: dict[str, dict[str, Any]] = {}
        for instant in range(start, end + 1, step):
            for labels, value in self.server.series(asked["query"], instant):
                one = found.setdefault(json.dumps(labels), {"metric": labels, "values": []})
                one["values"].append([instant, value])
        data = {"resultType": "matrix", "result": list(found.values())}
        self._answer(200, {"status": "success", "data": data, "warnings": list(self.server.warnings)})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create(tmp_path / "lake")


def _url(server: _Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/"


def _config(tmp_path: Path, end: str, counts: str = 'starts = "starts"', step_s: int = 60) -> Any:
    path = tmp_path / "config.toml"
    path.write_text(
        f"start = 2026-04-01T00:00:00Z\nend = {end}\nstep_s = {step_s}\n"
        f"[labels]\nregion = 'market'\n[counts]\n{counts}\n"
    )
    return load_config(path)


def test_counts_by_minute_and_label(server: _Server, lake: Lake, tmp_path: Path) -> None:
    def series(query: str, instant: int) -> list[tuple[dict[str, str], str]]:
        minute = (instant - START_S) // MINUTE
        if query == "late":
            return [({"market": "mena"}, "1")] if minute == 2 else []
        return [({"market": "mena"}, f"{minute}.2"), ({"market": "europe"}, "NaN" if minute == 3 else "10")]

    server.series = series
    server.warnings = ("a scrape was missed",)
    config = _config(tmp_path, "2026-04-01T01:00:00Z", 'starts = "starts"\nstarts_late = "late"')
    done = ingest(lake, _url(server), config)
    assert done.rows == 60 + 59
    assert done.reasons == {"starts: not a number": 1, "warning: a scrape was missed": 2}
    rows = lake.scan("minute_count").sort("ts_ms").collect()
    mena = rows.filter(pl.col("region") == "mena")
    # The sample at the end of a minute counts that minute, which is named by its start.
    assert mena["ts_ms"].to_list() == [(START_S + MINUTE * n) * 1000 for n in range(60)]
    assert mena["starts"].to_list() == list(range(1, 61))
    assert mena["starts_late"].sum() == 1
    assert mena["attempts"].equals(mena["starts"].alias("attempts"))
    assert mena["attempts_weight_squared"].sum() == sum(range(1, 61))
    assert not rows["is_synthetic"].any()


def test_long_ranges_are_split_and_no_minute_is_asked_twice(
    server: _Server, lake: Lake, tmp_path: Path
) -> None:
    server.series = lambda query, instant: [({}, "1")]
    hours = math.ceil(MAX_POINTS / 60) + 3
    end = (START + dt.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    done = ingest(lake, _url(server), _config(tmp_path, end))
    assert done.rows == hours * 60
    assert len(server.asked) == 2
    assert lake.scan("minute_count").select(pl.col("starts").sum()).collect().item() == hours * 60


def test_hours_are_taken_once_as_time_goes_on(server: _Server, lake: Lake, tmp_path: Path) -> None:
    server.series = lambda query, instant: [({}, "1")]
    assert ingest(lake, _url(server), _config(tmp_path, "2026-04-01T02:30:00Z")).rows == 120
    assert ingest(lake, _url(server), _config(tmp_path, "2026-04-01T02:59:00Z")).already
    assert ingest(lake, _url(server), _config(tmp_path, "2026-04-01T04:00:00Z")).rows == 120
    minutes = lake.scan("minute_count").collect()["ts_ms"]
    assert minutes.n_unique() == len(minutes) == 240


def test_a_server_that_stumbles_is_asked_again(server: _Server, lake: Lake, tmp_path: Path) -> None:
    server.series = lambda query, instant: [({}, "2")]
    server.failures = 2
    assert ingest(lake, _url(server), _config(tmp_path, "2026-04-01T01:00:00Z")).rows == 60


def test_what_cannot_be_asked(server: _Server, lake: Lake, tmp_path: Path) -> None:
    server.series = lambda query, instant: []
    config = _config(tmp_path, "2026-04-01T01:00:00Z", 'starts = "bad("')
    with pytest.raises(InputError, match=r"refused 'bad\('.*parse error"):
        ingest(lake, _url(server), config)
    config = _config(tmp_path, "2026-04-01T01:00:00Z")
    with pytest.raises(InputError, match="not an http"):
        ingest(lake, "file:///etc", config)
    address = _url(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="cannot be asked"):
        ingest(lake, address, config)
    assert lake.tables() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("start = 2026-04-01T00:00:00Z\n[counts]\nstart = 'x'", "no column 'start'.*starts"),
        ("start = 2026-04-01T00:00:00Z\n[labels]\nisp = 'x'\n[counts]\nstarts = 'x'", "no column 'isp'"),
        ("start = 2026-04-01T00:00:00Z\n[counts]", "counts"),
        ("[counts]\nstarts = 'x'", "start: Field required"),
        ("start = ", "not TOML"),
    ],
)
def test_a_configuration_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_config(tmp_path / "config.toml")
