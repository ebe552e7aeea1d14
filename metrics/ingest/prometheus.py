"""Counts a minute from a Prometheus server to the table ``minute_count``.

::

    start = 2026-04-01T00:00:00Z
    end = 2026-04-08T00:00:00Z      # by default now; whole hours are taken
    step_s = 60
    settle_s = 300                  # an hour is taken once it ended this long ago: scrapes and rules come late
    [labels]                        # dimension = label
    region = "region"
    [counts]                        # column = PromQL that gives the count of the step ending then
    starts = 'sum by (region) (increase(playback_starts_total[1m]))'

A gauge of counts a minute is asked for as ``sum_over_time(starts[1m])``: by its bare name, many a server
shows its last value for five minutes after it is gone, and each minute would count it again.

Hours are taken once, a day of them at a time, and each day is in the lake before the next is asked for: after an
outage, running again goes on behind the last one, and with a later ``end`` it adds the hours since.

``prometheus-api-client`` is reached through :class:`_Server` alone, which mends what 0.7.2 leaves open: it has no
timeout of its own; a POST is not retried and carries its query in the URL; ranges over 11,000 points are refused
by the server, and its own splitting leaves chunks unmerged and its default times are those of the import; values
are strings, and its ``Metric`` breaks on "NaN"; the server's warnings are thrown away.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator

from metrics.errors import InputError, did_you_mean
from metrics.ingest.config_file import read_config
from metrics.lake import Appended, Lake
from metrics.telemetry import TABLES

__all__ = ["Config", "Fetched", "append", "fetch", "ingest", "load_config", "total"]

_TABLE = TABLES["minute_count"]
_DIMENSIONS = ("region", "device", "cdn")
_COUNTS = tuple(c.name for c in _TABLE.columns if c.dtype == pl.Int64 and c.name != "ts_ms")
_HOUR_MS = 3_600_000
MAX_POINTS = 10_000  # the server refuses more than 11,000 a series
# Of hours, not of points: a batch is what an outage can undo, and what is held in memory.
BATCH_HOURS = 24
TIMEOUT_S = 30
RETRIES, BACKOFF_S = 3, 0.2
_SAMPLES = {"ts_ms": pl.Int64, **dict.fromkeys(_DIMENSIONS, pl.String), "value": pl.Float64}


class Config(BaseModel):
    """What to ask a server for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: dt.datetime
    end: dt.datetime | None = None
    step_s: int = Field(default=60, gt=0, le=3600)
    settle_s: int = Field(default=300, ge=0, le=86_400)
    labels: dict[str, str] = Field(default_factory=dict)
    counts: dict[str, str] = Field(min_length=1)

    @field_validator("step_s")
    @classmethod
    def _steps_fill_an_hour(cls, step_s: int) -> int:
        if 3600 % step_s:
            raise ValueError("must divide an hour, 3600 s")
        return step_s


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
    return total([append(lake, fetched) for fetched in fetch(lake, url, config, now=now)])


def fetch(
    lake: Lake | None, url: str, config: Config, *, now: dt.datetime | None = None
) -> Iterator[Fetched]:
    """Ask for the whole hours between ``start`` and ``end`` that are not in the lake, a day of hours at a time.

    ``now`` is the clock's where absent; no hour is taken that has not settled by then. Raises
    :class:`~metrics.errors.InputError` where the server does not answer, after the days it did answer for.
    """
    asked = f"{url}\0{config.model_dump_json(include={'step_s', 'labels', 'counts'})}"
    application = f"ingest/prometheus/{hashlib.sha256(asked.encode()).hexdigest()[:32]}"
    settled = (now or dt.datetime.now(dt.UTC)) - dt.timedelta(seconds=config.settle_s)
    # An hour that is still to come would be taken as empty, and never again.
    finish = min(_epoch_ms(config.end or settled), _epoch_ms(settled)) // _HOUR_MS
    first = math.ceil(_epoch_ms(config.start) / _HOUR_MS)
    last = lake.appended_version(_TABLE.name, application) if lake else None
    for begin in range(first if last is None else max(first, last + 1), finish, BATCH_HOURS):
        end = min(begin + BATCH_HOURS, finish)
        server = _Server(url)
        frame, reasons = _minutes(server, config, begin * _HOUR_MS, end * _HOUR_MS)
        noted = reasons | {f"warning: {text}": count for text, count in server.warnings.items()}
        yield Fetched(application, end - 1, frame, noted)


def append(lake: Lake, fetched: Fetched) -> Appended:
    """Append what was fetched, once."""
    done = lake.append(_TABLE.name, fetched.frame, application=fetched.application, version=fetched.version)
    return Appended(done.rows, done.quarantined, done.already, done.reasons | fetched.noted)


def total(parts: Sequence[Appended]) -> Appended:
    """What several appends did, as one; ``already`` where there was nothing left to do."""
    reasons: Counter[str] = Counter()
    for part in parts:
        reasons.update(part.reasons)
    return Appended(
        sum(part.rows for part in parts),
        sum(part.quarantined for part in parts),
        all(part.already for part in parts),
        dict(reasons.most_common()),
    )


def _minutes(
    server: _Server, config: Config, begin_ms: int, finish_ms: int
) -> tuple[pl.DataFrame, dict[str, int]]:
    """One row a step and combination of labels; a count nobody reported there is 0."""
    step_ms = config.step_s * 1000
    parts: list[pl.DataFrame] = []
    reasons: dict[str, int] = {}
    for column, query in config.counts.items():
        # The sample at the end of a step counts that step, and a row is named by its start.
        found = server.samples(query, begin_ms + step_ms, finish_ms, step_ms, config.labels)
        value = pl.col("value")
        for reason, is_bad in {
            "not a number": ~value.is_finite(),
            "negative": value.is_finite() & (value < 0),
        }.items():
            count = int(found.select(is_bad.sum()).item())
            if count:
                reasons[f"{column}: {reason}"] = count
        if found.is_empty():
            reasons[f"{column}: hours without any sample"] = (finish_ms - begin_ms) // _HOUR_MS
        good = found.filter(value.is_finite() & (value >= 0))
        named = good.with_columns(pl.col("ts_ms") - step_ms, column=pl.lit(column))
        parts.append(named)
    samples = pl.concat(parts)
    # Series that meet in a row are added before they are rounded: extrapolated counts are no integers. They
    # are sorted first, so that the sum does not hang on the order in which the server names them.
    table = (
        samples.sort("ts_ms", *_DIMENSIONS, "column", "value")
        .group_by("ts_ms", *_DIMENSIONS, maintain_order=True)
        .agg(pl.col("value").filter(pl.col("column") == name).sum().alias(name) for name in _COUNTS)
        .with_columns(pl.col(_COUNTS).round(mode="half_away_from_zero").cast(pl.Int64))
    )
    if "attempts" not in config.counts:
        parts_of = ("starts", "exits_before_start", "start_failures")
        table = table.with_columns(attempts=pl.sum_horizontal(*parts_of))
    each = pl.col("attempts")
    # A server counts everything once: every attempt weighs 1.
    unweighted = {"attempts_n": each, "attempts_weight_squared": each, "is_synthetic": pl.lit(value=False)}
    return table.with_columns(**unweighted), reasons


@dataclass
class _Server:
    """The one place that talks to ``prometheus-api-client``."""

    url: str
    warnings: dict[str, int] = field(default_factory=dict)

    def samples(
        self, query: str, start_ms: int, end_ms: int, step_ms: int, labels: Mapping[str, str]
    ) -> pl.DataFrame:
        """Every sample from ``start_ms`` to ``end_ms``, both included: ``ts_ms``, a column a dimension, ``value``.

        ``labels`` names the label of each dimension; a dimension without one is null.
        """
        if not self.url.startswith(("http://", "https://")):
            raise InputError("not an http(s) address", where=self.url, mend="write http://host:9090")
        found = [pl.DataFrame(schema=_SAMPLES)]
        for first in range(start_ms, end_ms + 1, step_ms * MAX_POINTS):
            last = min(first + step_ms * (MAX_POINTS - 1), end_ms)
            for series in self._answer(query, first, last, step_ms):
                dimensions = {name: series["metric"].get(labels.get(name, "")) for name in _DIMENSIONS}
                ts_s, values = zip(*series["values"], strict=True)
                frame = pl.DataFrame(
                    {"ts_s": ts_s, "value": values}, schema={"ts_s": pl.Float64, "value": str}
                )
                found.append(
                    frame.select(
                        (pl.col("ts_s") * 1000).round().cast(pl.Int64).alias("ts_ms"),
                        *(pl.lit(value, pl.String).alias(name) for name, value in dimensions.items()),
                        # "+Inf" and "NaN" are numbers to the server and stay numbers here; they are judged later.
                        pl.col("value").str.strip_prefix("+").cast(pl.Float64).alias("value"),
                    )
                )
        return pl.concat(found)

    def _answer(self, query: str, first_ms: int, last_ms: int, step_ms: int) -> list[dict[str, Any]]:
        """One range query of at most :data:`MAX_POINTS` points: its series, each with values."""
        import requests
        from prometheus_api_client.exceptions import PrometheusApiClientException
        from prometheus_api_client.prometheus_connect import PrometheusConnect
        from urllib3.util.retry import Retry

        retry = Retry(total=RETRIES, backoff_factor=BACKOFF_S, status_forcelist=(429, 502, 503, 504))
        # A sample may stand in one step only, not in all of five minutes; older servers pass the parameter over.
        params = {"lookback_delta": f"{(step_ms - 1) / 1000}"}
        with requests.Session() as session:
            session.hooks["response"].append(self._keep_warnings)
            connection = PrometheusConnect(
                self.url.rstrip("/"), session=session, retry=retry, timeout=TIMEOUT_S, method="GET"
            )
            for attempt in range(RETRIES + 1):
                try:
                    series = connection.custom_query_range(
                        query, _moment(first_ms), _moment(last_ms), step=f"{step_ms // 1000}s", params=params
                    )
                    if any("values" not in one for one in series):
                        what = f"{query!r} gives histograms, not numbers"
                        raise InputError(what, where=self.url, mend="wrap it in histogram_count(…)")
                    return list(series)
                except PrometheusApiClientException as error:
                    what = f"refused {query!r}: {str(error)[:300]}"
                    raise InputError(what, where=self.url, mend="try it there") from error
                except requests.exceptions.ChunkedEncodingError as error:
                    # An answer that breaks off is not retried below, where only the request is.
                    if attempt == RETRIES:
                        raise self._silent(error) from error
                except (requests.RequestException, ValueError, KeyError, TypeError) as error:
                    raise self._silent(error) from error
        raise AssertionError("every attempt returns or raises")

    def _silent(self, error: Exception) -> InputError:
        mend = "check that the server is up and speaks the Prometheus API, then run again: what is in stays"
        return InputError(f"cannot be asked ({type(error).__name__})", where=self.url, mend=mend)

    def _keep_warnings(self, response: Any, *_: Any, **__: Any) -> None:
        try:
            answer = response.json()
            found = [*answer.get("warnings", []), *answer.get("infos", [])]
        except (ValueError, AttributeError, TypeError):
            return
        for text in found:
            self.warnings[str(text)] = self.warnings.get(str(text), 0) + 1


def _moment(epoch_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(epoch_ms / 1000, dt.UTC)


def _epoch_ms(moment: dt.datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return int(aware.timestamp() * 1000)
