"""Counts a minute from a Prometheus server to the table ``minute_count``.

::

    start = 2026-04-01T00:00:00Z
    end = 2026-04-08T00:00:00Z      # by default now; whole hours are taken
    step_s = 60
    [labels]                        # dimension = label
    region = "region"
    [counts]                        # column = PromQL that gives the count of the step ending then
    starts = 'sum by (region) (increase(playback_starts_total[1m]))'

Hours are taken once: running again with a later ``end`` adds the hours since. ``prometheus-api-client`` is
reached through :class:`_Server` alone, which mends what 0.7.2 leaves open: it has no timeout of its own, a
POST is not retried and carries its query in the URL, ranges over 11,000 points are refused by the server,
"NaN" is a string, and the server's warnings are thrown away.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from metrics.errors import InputError, did_you_mean
from metrics.ingest.config_file import read_config
from metrics.lake import Appended, Lake
from metrics.telemetry import TABLES

__all__ = ["Config", "Fetched", "append", "fetch", "ingest", "load_config"]

_TABLE = TABLES["minute_count"]
_DIMENSIONS = ("region", "device", "cdn")
_COUNTS = tuple(c.name for c in _TABLE.columns if c.dtype == pl.Int64 and c.name != "ts_ms")
_HOUR_MS = 3_600_000
MAX_POINTS = 10_000  # the server refuses more than 11,000 a series
_TIMEOUT_S = 30


class Config(BaseModel):
    """What to ask a server for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: dt.datetime
    end: dt.datetime | None = None
    step_s: int = Field(default=60, gt=0, le=3600)
    labels: dict[str, str] = Field(default_factory=dict)
    counts: dict[str, str] = Field(min_length=1)


def load_config(path: Path) -> Config:
    """Read and check a configuration.

    Raises :class:`~metrics.errors.InputError` naming the entry that is wrong.
    """
    config = read_config(path, Config, what="configuration", option="--config")
    for name, known in [*((n, _DIMENSIONS) for n in config.labels), *((n, _COUNTS) for n in config.counts)]:
        if name not in known:
            raise InputError(f"no column {name!r} to fill", where=str(path), mend=did_you_mean(name, known))
    return config


@dataclass(frozen=True)
class Fetched:
    """Minutes a server told of whole hours, up to ``version``; ``noted`` are reasons and warnings beside them."""

    application: str
    version: int
    frame: pl.DataFrame
    noted: dict[str, int]


def ingest(lake: Lake, url: str, config: Config, *, now: dt.datetime | None = None) -> Appended:
    """Append the whole hours between ``start`` and ``end`` that are not in yet."""
    return append(lake, fetch(lake, url, config, now=now))


def fetch(lake: Lake | None, url: str, config: Config, *, now: dt.datetime | None = None) -> Fetched | None:
    """Ask for the whole hours between ``start`` and ``end`` that are not in the lake; None where all are."""
    asked = f"{url}\0{config.model_dump_json(include={'step_s', 'labels', 'counts'})}"
    application = f"ingest/prometheus/{hashlib.sha256(asked.encode()).hexdigest()[:32]}"
    end = config.end or now or dt.datetime.now(dt.UTC)
    first = math.ceil(_epoch_ms(config.start) / _HOUR_MS)
    last = lake.appended_version(_TABLE.name, application) if lake else None
    begin = first if last is None else max(first, last + 1)
    finish = _epoch_ms(end) // _HOUR_MS
    if begin >= finish:
        return None
    server = _Server(url)
    frame, reasons = _minutes(server, config, begin * _HOUR_MS, finish * _HOUR_MS)
    noted = reasons | {f"warning: {text}": count for text, count in server.warnings.items()}
    return Fetched(application, finish - 1, frame, noted)


def append(lake: Lake, fetched: Fetched | None) -> Appended:
    """Append what was fetched, once."""
    if fetched is None:
        return Appended(0, 0, already=True, reasons={})
    done = lake.append(_TABLE.name, fetched.frame, application=fetched.application, version=fetched.version)
    return Appended(done.rows, done.quarantined, done.already, done.reasons | fetched.noted)


def _minutes(
    server: _Server, config: Config, begin_ms: int, finish_ms: int
) -> tuple[pl.DataFrame, dict[str, int]]:
    """One row a step and combination of labels; a count nobody reported there is 0."""
    step_ms = config.step_s * 1000
    rows: dict[tuple[Any, ...], dict[str, int]] = {}
    reasons: dict[str, int] = {}
    for column, query in config.counts.items():
        # The sample at the end of a step counts that step, and a row is named by its start.
        for labels, ts_ms, value in server.samples(query, begin_ms + step_ms, finish_ms, step_ms):
            if not math.isfinite(value) or value < 0:
                reason = f"{column}: {'negative' if value < 0 else 'not a number'}"
                reasons[reason] = reasons.get(reason, 0) + 1
                continue
            key = (ts_ms - step_ms, *(labels.get(config.labels.get(name, "")) for name in _DIMENSIONS))
            row = rows.setdefault(key, {})
            row[column] = row.get(column, 0) + round(value)
    schema = {"ts_ms": pl.Int64, **dict.fromkeys(_DIMENSIONS, pl.String), **dict.fromkeys(_COUNTS, pl.Int64)}
    names = ("ts_ms", *_DIMENSIONS)
    table = [dict(zip(names, key, strict=True)) | rows[key] for key in sorted(rows, key=str)]
    frame = pl.DataFrame(table, schema=schema)
    if "attempts" not in config.counts:
        parts = ("starts", "exits_before_start", "start_failures")
        frame = frame.with_columns(attempts=pl.sum_horizontal(*parts))
    each = pl.col("attempts")
    # A server counts everything once: every attempt weighs 1.
    unweighted = {"attempts_n": each, "attempts_weight_squared": each, "is_synthetic": pl.lit(value=False)}
    return frame.with_columns(pl.col(_COUNTS).fill_null(0)).with_columns(**unweighted), reasons


@dataclass
class _Server:
    """The one place that talks to ``prometheus-api-client``."""

    url: str
    warnings: dict[str, int] = field(default_factory=dict)

    def samples(
        self, query: str, start_ms: int, end_ms: int, step_ms: int
    ) -> Iterator[tuple[dict[str, str], int, float]]:
        """Labels, instant and value of every sample from ``start_ms`` to ``end_ms``, both included."""
        import requests
        from prometheus_api_client.exceptions import PrometheusApiClientException
        from prometheus_api_client.prometheus_connect import PrometheusConnect
        from urllib3.util.retry import Retry

        if not self.url.startswith(("http://", "https://")):
            raise InputError("not an http(s) address", where=self.url, mend="write http://host:9090")
        retry = Retry(total=3, backoff_factor=0.2, status_forcelist=(429, 502, 503, 504))
        with requests.Session() as session:
            session.hooks["response"].append(self._keep_warnings)
            connection = PrometheusConnect(
                self.url.rstrip("/"), session=session, retry=retry, timeout=_TIMEOUT_S, method="GET"
            )
            for first in range(start_ms, end_ms + 1, step_ms * MAX_POINTS):
                last = min(first + step_ms * (MAX_POINTS - 1), end_ms)
                try:
                    series = connection.custom_query_range(
                        query, _moment(first), _moment(last), step=f"{step_ms // 1000}s"
                    )
                except PrometheusApiClientException as error:
                    what = str(error)[:300]
                    raise InputError(
                        f"refused {query!r}: {what}", where=self.url, mend="try it there"
                    ) from error
                except (requests.RequestException, ValueError, KeyError) as error:
                    what = type(error).__name__
                    mend = "check that the server is up and speaks the Prometheus API"
                    raise InputError(f"cannot be asked ({what})", where=self.url, mend=mend) from error
                for one in series:
                    for ts_s, value in one["values"]:
                        yield one["metric"], round(float(ts_s) * 1000), float(value)

    def _keep_warnings(self, response: Any, *_: Any, **__: Any) -> None:
        try:
            found = response.json().get("warnings", [])
        except (ValueError, AttributeError):
            return
        for text in found:
            self.warnings[str(text)] = self.warnings.get(str(text), 0) + 1


def _moment(epoch_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(epoch_ms / 1000, dt.UTC)


def _epoch_ms(moment: dt.datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return int(aware.timestamp() * 1000)
