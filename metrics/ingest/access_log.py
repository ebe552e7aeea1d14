"""Lines of a web server's or CDN's access log: combined, W3C extended (CloudFront) and JSON.

Each form becomes the same :class:`Request`. Addresses and user agents are as the log has them: whoever
stores anything of them hashes or truncates first.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from metrics.contract import EARLIEST_TS_MS, LATEST_TS_MS

__all__ = ["CLOUDFRONT_FIELDS", "Request", "instant_ms", "parse_combined", "parse_json", "parse_w3c"]


@dataclass(slots=True)
class Request:
    """One request as a log has it. ``target`` is the URL or path with its query, not decoded.

    ``unread_time`` names the place of a time that is written there and cannot be read.
    """

    target: str
    ts_ms: int | None = None
    address: str | None = None
    user_agent: str | None = None
    status: int | None = None
    sent_bytes: int | None = None
    unread_time: str | None = None


# The order in which CloudFront writes standard logs; a `#Fields:` line overrides it.
CLOUDFRONT_FIELDS: tuple[str, ...] = (
    "date", "time", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "cs(Host)", "cs-uri-stem",
    "sc-status", "cs(Referer)", "cs(User-Agent)", "cs-uri-query",
)  # fmt: skip

# Possessive, so that a hostile line costs no more than its length.
_QUOTED = r'[^"\\]*+(?:\\.[^"\\]*+)*+'
_COMBINED = re.compile(
    r"^(?:[A-Za-z0-9.-]++:\d+ )?(?P<address>\S+) \S+ \S+ \[(?P<time>[^\]]*)\] "
    rf'"(?:[A-Z]{{3,10}} (?P<target>\S++) [^"]*+|(?P<request>{_QUOTED}))" '
    rf'(?P<status>\d{{3}}) (?P<bytes>\d+|-)(?: "{_QUOTED}" "(?P<agent>{_QUOTED})")?'
)
# Many times faster than `strptime`, and in English wherever it runs.
_LOG_TIME = re.compile(r"([0-9]{1,2})/([A-Z][a-z]{2})/([0-9]{4}):([0-9]{2}:[0-9]{2}:[0-9]{2}) ([+-][0-9]{4})")
_MONTHS = {
    "Jan": "01", "Feb": "02", "Mar": "03", "Apr": "04", "May": "05", "Jun": "06",
    "Jul": "07", "Aug": "08", "Sep": "09", "Oct": "10", "Nov": "11", "Dec": "12",
}  # fmt: skip
_JSON_NAMES: Mapping[str, tuple[str, ...]] = {
    "time": (
        "timestamp", "time", "@timestamp", "datetime", "date_time", "start_time", "time_iso8601",
        "time_local", "reqTimeSec", "EdgeStartTimestamp", "msec", "ts",
    ),
    "target": ("url", "request_url", "uri", "request_uri", "cs-uri", "ClientRequestURI", "path", "reqPath"),
    "query": ("query", "query_string", "queryStr", "cs-uri-query", "args"),
    "address": ("client_ip", "clientIp", "c-ip", "ip", "remote_addr", "ClientIP", "cliIP", "client"),
    "agent": ("user_agent", "userAgent", "http_user_agent", "ClientRequestUserAgent", "UA", "cs(User-Agent)"),
    "status": ("status", "statusCode", "sc-status", "EdgeResponseStatus", "status_code"),
    "bytes": ("bytes", "bytes_sent", "body_bytes_sent", "sc-bytes", "EdgeResponseBytes", "totalBytes"),
}  # fmt: skip


def parse_combined(line: str) -> Request | None:
    """A line of the common or combined log format, or None; a virtual host may stand before it.

    >>> parse_combined('203.0.113.7 - - [01/Apr/2026:12:00:01 +0000] "GET /a?x=1 HTTP/1.1" 200 17').ts_ms
    1775044801000
    """
    match = _COMBINED.match(line)
    if match is None:
        return None
    ts_ms = instant_ms(match["time"])
    return Request(
        # What a client sent that speaks no HTTP is no URL, but the line is one of this format.
        target=match["target"] or match["request"],
        ts_ms=ts_ms,
        address=match["address"],
        user_agent=_given(match["agent"]),
        status=int(match["status"]),
        sent_bytes=_integer(match["bytes"]),
        unread_time="[day/month/year:time zone]" if ts_ms is None else None,
    )


def parse_w3c(line: str, fields: tuple[str, ...] = CLOUDFRONT_FIELDS) -> Request | None:
    """A tab-separated line with the given fields, or None; CloudFront encodes some of them twice."""
    values = line.split("\t")
    if len(values) < len(fields):
        return None
    row = dict(zip(fields, values, strict=False))
    ts_ms = instant_ms(f"{row.get('date', '')}T{row.get('time', '')}Z")
    stem = row.get("cs-uri-stem")
    if stem is None:
        return None
    query = _given(row.get("cs-uri-query"))
    agent = _given(row.get("cs(User-Agent)"))
    return Request(
        target=f"{stem}?{query}" if query else stem,
        ts_ms=ts_ms,
        address=_given(row.get("c-ip")),
        user_agent=unquote(agent) if agent else None,
        status=_integer(row.get("sc-status")),
        sent_bytes=_integer(row.get("sc-bytes")),
        unread_time="date and time" if ts_ms is None else None,
    )


def parse_json(row: Mapping[str, Any]) -> Request:
    """A JSON object under any of the names that common servers and CDNs write; absent things are None."""
    found = {
        what: next((row[name] for name in names if row.get(name) not in (None, "")), None)
        for what, names in _JSON_NAMES.items()
    }
    target = str(found["target"] or "")
    if found["query"] and "?" not in target:
        target = f"{target}?{str(found['query']).removeprefix('?')}"
    times = [name for name in _JSON_NAMES["time"] if row.get(name) not in (None, "")]
    ts_ms = next((ms for ms in (instant_ms(row[name]) for name in times) if ms is not None), None)
    return Request(
        target=target,
        ts_ms=ts_ms,
        address=_given(found["address"]),
        user_agent=_given(found["agent"]),
        status=_integer(found["status"]),
        sent_bytes=_integer(found["bytes"]),
        unread_time=times[0] if times and ts_ms is None else None,
    )


def instant_ms(value: Any) -> int | None:
    """UTC epoch milliseconds of a time in any common notation, or None.

    Numbers are seconds, milliseconds, microseconds or nanoseconds, told apart by their size: only one of
    them falls between the years 2000 and 2100. A time without an offset is UTC.

    >>> instant_ms(1775044801), instant_ms("2026-04-01T12:00:01Z"), instant_ms("soon")
    (1775044801000, 1775044801000, None)
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return _number_ms(float(value))
    return _text_ms(str(value))


@lru_cache(maxsize=4096)
def _text_ms(text: str) -> int | None:
    text = text.strip()
    if (match := _LOG_TIME.fullmatch(text)) and match[2] in _MONTHS:
        day, month, year, clock, offset = match.groups()
        text = f"{year}-{_MONTHS[month]}-{day:0>2}T{clock}{offset}"
    try:
        return _number_ms(float(text))
    except ValueError:
        pass
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return _number_ms(moment.timestamp())


def _number_ms(value: float) -> int | None:
    for factor in (1000.0, 1.0, 1e-3, 1e-6):
        if EARLIEST_TS_MS <= value * factor <= LATEST_TS_MS:
            return round(value * factor)
    return None


def _integer(value: Any) -> int | None:
    text = "" if value is None else str(value)
    return int(text) if text.isdecimal() and len(text) <= 18 else None


def _given(value: Any) -> str | None:
    return None if value in (None, "", "-") else str(value)
