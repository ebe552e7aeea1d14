"""Access logs as servers and CDNs write them."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.ingest.access_log import Request, instant_ms, parse_combined, parse_json, parse_w3c
from metrics.ingest.user_agent import device_of, os_of

NOON_MS = 1_775_044_801_000  # 2026-04-01T12:00:01Z


def test_combined() -> None:
    line = (
        '203.0.113.7 - bob [01/Apr/2026:14:00:01 +0200] "GET /v/1.m4s?CMCD=br%3D1 HTTP/2.0" 206 4711 '
        '"https://x/" "Agent \\"quoted\\" 1.0"'
    )
    assert parse_combined(line) == Request(
        "/v/1.m4s?CMCD=br%3D1", NOON_MS, "203.0.113.7", 'Agent \\"quoted\\" 1.0', 206, 4711
    )


@pytest.mark.parametrize(
    "line", ["", "hello", '- - - [] "" 0', '203.0.113.7 - - [01/Apr/2026:14:00:01 +0200] "GET /" two 3']
)
def test_combined_refuses(line: str) -> None:
    assert parse_combined(line) is None


def test_combined_with_a_dash_for_bytes_and_no_agent() -> None:
    request = parse_combined('2001:db8::1 - - [01/Apr/2026:12:00:01 +0000] "GET /a HTTP/1.1" 304 -')
    assert request == Request("/a", NOON_MS, "2001:db8::1", None, 304, None)


def test_w3c_in_cloudfront_s_order_and_in_a_log_s_own() -> None:
    cells = ["2026-04-01", "12:00:01", "FRA2", "99", "203.0.113.7", "GET", "d.example", "/s.m4s", "200"]
    line = "\t".join([*cells, "-", "Mozilla/5.0%20(X11)", "CMCD=br%253D1", "-"])
    assert parse_w3c(line) == Request(
        "/s.m4s?CMCD=br%253D1", NOON_MS, "203.0.113.7", "Mozilla/5.0 (X11)", 200, 99
    )
    own = ("time", "date", "cs-uri-stem")
    assert parse_w3c("12:00:01\t2026-04-01\t/x", own) == Request("/x", NOON_MS)
    assert parse_w3c("soon\tnever\t/x", own) == Request("/x", unread_time="date and time")
    assert parse_w3c("a\tb", own) is None


def test_json_under_common_names() -> None:
    row = {
        "@timestamp": "2026-04-01T12:00:01Z",
        "request_uri": "/s",
        "args": "?CMCD=su",
        "remote_addr": "203.0.113.7",
    }
    assert parse_json(row | {"status": "200", "body_bytes_sent": 5, "http_user_agent": "-"}) == Request(
        "/s?CMCD=su", NOON_MS, "203.0.113.7", None, 200, 5
    )
    assert parse_json({}) == Request("")


def test_a_time_that_cannot_be_read_is_not_a_time_that_is_not_there() -> None:
    line = '203.0.113.7 - - [99/Foo/2026:18:06:00 +0000] "GET /a HTTP/1.1" 200 1'
    assert parse_combined(line) == Request(
        "/a", None, "203.0.113.7", None, 200, 1, "[day/month/year:time zone]"
    )
    assert parse_json({"url": "/a", "time": "soon"}).unread_time == "time"
    # A duration beside it is no time of day.
    assert parse_json({"url": "/a", "time": 0.03, "ts": 1_775_044_801}) == Request("/a", NOON_MS)


@pytest.mark.parametrize("request_line", ["-", "\\x16\\x03\\x01", "get /a"])
def test_what_is_no_request_is_still_a_line_of_the_log(request_line: str) -> None:
    line = f'cdn.example:443 203.0.113.7 - - [01/Apr/2026:12:00:01 +0000] "{request_line}" 408 -'
    assert parse_combined(line) == Request(request_line, NOON_MS, "203.0.113.7", None, 408, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_775_044_801, NOON_MS),
        ("1775044801.0", NOON_MS),
        (NOON_MS, NOON_MS),
        (NOON_MS * 1000, NOON_MS),
        (NOON_MS * 1_000_000, NOON_MS),
        ("2026-04-01 12:00:01", NOON_MS),
        ("2026-04-01T14:00:01+02:00", NOON_MS),
        (0, None),
        (-5, None),
        (True, None),
        (None, None),
        ("nan", None),
        ("9" * 400, None),
        ("2026-13-01", None),
    ],
)
def test_instants(value: Any, expected: int | None) -> None:
    assert instant_ms(value) == expected


@given(st.integers(min_value=946_684_800, max_value=4_102_444_800))
def test_every_notation_of_an_instant_agrees(epoch_s: int) -> None:
    moment, ms = dt.datetime.fromtimestamp(epoch_s, dt.UTC), epoch_s * 1000
    assert instant_ms(moment.isoformat()) == instant_ms(moment.strftime("%d/%b/%Y:%H:%M:%S %z")) == ms


@pytest.mark.parametrize(
    ("agent", "device", "system"),
    [
        ("Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 SamsungBrowser", "smart_tv", "tizen"),
        ("Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36", "smart_tv", "webos"),
        ("Roku/DVP-12.0 (12.0.0.4182-88)", "connected_tv", "roku"),
        ("AppleCoreMedia/1.0.0.20L563 (Apple TV; U; CPU OS 16_5 like Mac OS X)", "connected_tv", "tvos"),
        ("Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X)", "tablet", "ios"),
        ("Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/120 Mobile Safari/537.36", "mobile", "android"),
        ("Mozilla/5.0 (Linux; Android 13; SM-X700) Chrome/120 Safari/537.36", "tablet", "android"),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/109.0 Safari/537.36", "web", "linux"),
        ("curl/8.5.0", None, None),
    ],
)
def test_user_agents(agent: str, device: str | None, system: str | None) -> None:
    assert (device_of(agent), os_of(agent)) == (device, system)


@pytest.mark.parametrize("end", ["x" * 200_000, 'x" ' * 60_000, "\\" * 200_000])
def test_a_hostile_line_is_refused_at_once(end: str) -> None:
    # Of quadratic cost this would take minutes.
    assert parse_combined(f'203.0.113.7 - - [01/Apr/2026:12:00:01 +0000] "GET {end}') is None


def test_quotes_within_a_url_and_a_request_without_a_version() -> None:
    start, end = '203.0.113.7 - - [01/Apr/2026:12:00:01 +0000] "', '" 200 1'
    quoted = parse_combined(f'{start}GET /v?CMCD=sid="s" HTTP/1.1{end}')
    assert quoted is not None
    assert quoted.target == '/v?CMCD=sid="s"'
    short = parse_combined(f"{start}GET /v?CMCD=su{end}")
    assert short is not None
    assert short.target.endswith("/v?CMCD=su")
