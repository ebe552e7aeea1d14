"""The Prometheus adapter against a small server on loopback that speaks the API and its limits."""

import datetime as dt
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import polars as pl
import pytest

from metrics.errors import InputError
from metrics.ingest import prometheus
from metrics.ingest.prometheus import append, fetch, ingest, load_config
from metrics.lake import Lake

START = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
START_S = int(START.timestamp())
MINUTE = 60
Series = Callable[[str, int], list[tuple[dict[str, str], str]]]


class _Server(ThreadingHTTPServer):
    """Answers /api/v1/query_range from a function of (query, instant); remembers what it was asked."""

    series: Series
    failures: int = 0
    broken_off: int = 0
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()

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
        if "histogram" in asked["query"]:
            data["result"] = [{"metric": {}, "histograms": []}]
        beside = {"warnings": list(self.server.warnings), "infos": list(self.server.infos)}
        self._answer(200, {"status": "success", "data": data, **beside})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if status == 200 and self.server.broken_off:
            self.server.broken_off -= 1
            content = content[: len(content) // 2]
            self.close_connection = True
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
    # Asked for so that a gauge that is gone is not shown for five minutes more.
    assert {asked["lookback_delta"] for asked in server.asked} == {"59.999"}
    rows = lake.scan("minute_count").sort("ts_ms").collect()
    mena = rows.filter(pl.col("region") == "mena")
    # The sample at the end of a minute counts that minute, which is named by its start.
    assert mena["ts_ms"].to_list() == [(START_S + MINUTE * n) * 1000 for n in range(60)]
    assert mena["starts"].to_list() == list(range(1, 61))
    assert mena["starts_late"].sum() == 1
    assert mena["attempts"].equals(mena["starts"].alias("attempts"))
    assert mena["attempts_weight_squared"].sum() == sum(range(1, 61))
    assert not rows["is_synthetic"].any()


def test_long_ranges_are_split_and_no_step_is_asked_twice(
    server: _Server, lake: Lake, tmp_path: Path
) -> None:
    """Two days of steps of 5 s: 17,280 points a day, where a server gives 11,000 a query."""
    server.series = lambda query, instant: [({}, "1")]
    done = ingest(lake, _url(server), _config(tmp_path, "2026-04-03T00:00:00Z", step_s=5))
    assert done.rows == 2 * 17_280
    points = [(int(asked["end"]) - int(asked["start"])) // 5 + 1 for asked in server.asked]
    assert points == [10_000, 7_280, 10_000, 7_280]
    found = lake.scan("minute_count").select(pl.col("starts").sum(), pl.col("ts_ms").n_unique()).collect()
    assert found.row(0) == (2 * 17_280, 2 * 17_280)


def test_hours_are_taken_once_as_time_goes_on(server: _Server, lake: Lake, tmp_path: Path) -> None:
    server.series = lambda query, instant: [({}, "1")]
    assert ingest(lake, _url(server), _config(tmp_path, "2026-04-01T02:30:00Z")).rows == 120
    assert ingest(lake, _url(server), _config(tmp_path, "2026-04-01T02:59:00Z")).already
    assert ingest(lake, _url(server), _config(tmp_path, "2026-04-01T04:00:00Z")).rows == 120
    minutes = lake.scan("minute_count").collect()["ts_ms"]
    assert minutes.n_unique() == len(minutes) == 240


def test_an_hour_is_taken_once_it_has_settled_and_none_that_is_to_come(
    server: _Server, lake: Lake, tmp_path: Path
) -> None:
    """Taken too early, an hour would be in without its last samples, for good."""
    server.series = lambda query, instant: [({}, "1")]
    config = _config(tmp_path, "2027-01-01T00:00:00Z")
    for minute, rows in ((4, 60), (5, 60), (64, 0), (66, 60)):
        done = ingest(lake, _url(server), config, now=START + dt.timedelta(hours=2, minutes=minute))
        assert (done.rows, done.already) == (rows, rows == 0)


def test_an_outage_half_way_leaves_whole_days_and_no_gap(
    server: _Server, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two queries of the third day is not answered: two days are in, and the rest comes later."""
    monkeypatch.setattr(prometheus, "BACKOFF_S", 0.0)
    server.series = lambda query, instant: [({}, "3" if query == "starts" else "1")]
    config = _config(tmp_path, "2026-04-05T00:00:00Z", 'starts = "starts"\nstarts_late = "late"')
    batches = fetch(lake, _url(server), config)
    for _ in range(2):
        append(lake, next(batches))

    def unanswered(query: str, instant: int) -> list[tuple[dict[str, str], str]]:
        server.failures = prometheus.RETRIES + 1  # of what is asked next
        return [({}, "3")]

    server.series = unanswered
    with pytest.raises(InputError, match=r"cannot be asked .*what is in stays"):
        append(lake, next(batches))
    assert lake.scan("minute_count").collect().height == 2 * 1440
    server.series, server.failures = (lambda query, instant: [({}, "3" if query == "starts" else "1")]), 0
    assert ingest(lake, _url(server), config).rows == 2 * 1440
    rows = lake.scan("minute_count").sort("ts_ms").collect()
    assert rows["ts_ms"].to_list() == [(START_S + MINUTE * n) * 1000 for n in range(4 * 1440)]
    assert (rows["starts"].sum(), rows["starts_late"].sum()) == (3 * 4 * 1440, 4 * 1440)


def test_a_server_that_stumbles_is_asked_again(
    server: _Server, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused for a moment, then an answer that breaks off."""
    monkeypatch.setattr(prometheus, "BACKOFF_S", 0.0)
    server.series = lambda query, instant: [({}, "2")]
    server.failures, server.broken_off = 2, 1
    assert ingest(lake, _url(server), _config(tmp_path, "2026-04-01T01:00:00Z")).rows == 60
    server.broken_off = prometheus.RETRIES + 1
    with pytest.raises(InputError, match=r"cannot be asked .ChunkedEncodingError"):
        ingest(lake, _url(server), _config(tmp_path, "2026-04-01T02:00:00Z"))


def test_a_server_that_never_answers_is_left(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client waits for ever unless it is told otherwise."""
    monkeypatch.setattr(prometheus, "TIMEOUT_S", 0.05)
    monkeypatch.setattr(prometheus, "RETRIES", 0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputError, match="cannot be asked"):
            ingest(lake, address, _config(tmp_path, "2026-04-01T01:00:00Z"))
    assert lake.tables() == []


def test_series_that_meet_are_added_before_they_are_rounded(
    server: _Server, lake: Lake, tmp_path: Path
) -> None:
    """Four instances of a market, each of 0.4 starts by extrapolation: 1.6 starts, and not none."""
    server.series = lambda query, instant: [({"market": "mena", "instance": f"{n}"}, "0.4") for n in range(4)]
    ingest(lake, _url(server), _config(tmp_path, "2026-04-01T01:00:00Z"))
    assert lake.scan("minute_count").collect()["starts"].unique().to_list() == [2]


def test_what_is_no_count_is_noted_and_left_out(server: _Server, lake: Lake, tmp_path: Path) -> None:
    values = ["NaN", "+Inf", "-Inf", "-1", "1e3"]
    server.series = lambda query, instant: (
        [] if query == "late" else [({}, values[instant // MINUTE % len(values)])]
    )
    server.infos = ("metric might not be a counter",)
    counts = 'starts = "starts"\nstarts_late = "late"'
    done = ingest(lake, _url(server), _config(tmp_path, "2026-04-01T01:00:00Z", counts))
    assert done.rows == 12
    assert done.reasons == {
        "starts: not a number": 36,
        "starts: negative": 12,
        "starts_late: hours without any sample": 1,
        "warning: metric might not be a counter": 2,
    }


def test_what_cannot_be_asked(server: _Server, lake: Lake, tmp_path: Path) -> None:
    server.series = lambda query, instant: []
    config = _config(tmp_path, "2026-04-01T01:00:00Z", 'starts = "bad("')
    with pytest.raises(InputError, match=r"refused 'bad\('.*parse error"):
        ingest(lake, _url(server), config)
    config = _config(tmp_path, "2026-04-01T01:00:00Z", 'starts = "histogram"')
    with pytest.raises(InputError, match="gives histograms, not numbers; wrap it"):
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
        ("start = 2026-04-01T00:00:00Z\nstep_s = 7\n[counts]\nstarts = 'x'", "step_s: .*must divide an hour"),
        ("start = ", "not TOML"),
    ],
)
def test_a_configuration_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_config(tmp_path / "config.toml")
