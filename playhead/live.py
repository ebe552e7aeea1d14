"""The emulated service as it happens, or faster: minute after minute exported for Prometheus to scrape."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from prometheus_client import start_http_server

from alerts.compile import compile_rules
from alerts.exporter import Minute, MinuteExporter, minutes_in_order
from alerts.pace import at_speed, shortened
from alerts.policy import MINUTE_MS, load_policies
from alerts.rule_file import render
from alerts.slo import load
from metrics.errors import InputError
from metrics.lake import Lake
from playhead.progress import say
from playhead.serving import HOST
from synthetic import emulator
from synthetic.scenario import Scenario

__all__ = ["Shown", "configuration", "emulated", "export", "recorded", "write_configuration"]


@dataclass(frozen=True)
class Shown:
    """Minutes exported, when the first began by the wall's clock, and those that Prometheus could not see."""

    minutes: int
    begun_ms: int
    late: int
    unscraped: int


def emulated(scenario: Scenario, *, skip_minutes: int = 0) -> Iterator[Minute]:
    """The scenario's minutes from its start on, less the first ``skip_minutes``; a week is simulated at a time."""
    frames = (batch.tables["minute_count"] for batch in emulator.run(scenario))
    return islice(minutes_in_order(frames), skip_minutes, None)


def recorded(lake: Lake, *, skip_minutes: int = 0) -> Iterator[Minute]:
    """The minutes that a lake has counted, less the first ``skip_minutes``; a day is read at a time.

    Raises :class:`~metrics.errors.InputError` where it has none.
    """
    table = lake.scan("minute_count")
    days = table.select(pl.col("day").unique().sort()).collect()["day"]
    if days.is_empty():
        raise InputError(
            "no minute counts", where=str(lake.path), mend="leave --lake out to emulate a service"
        )
    frames = (table.filter(pl.col("day") == day).drop("day").collect() for day in days)
    return islice(minutes_in_order(frames), skip_minutes, None)


def export(minutes: Iterator[Minute], *, port: int, speed: float = 1.0, count: int | None = None) -> Shown:
    """Export ``minutes`` on loopback, one each ``60 / speed`` seconds, ``count`` of them or all.

    A minute is shown when it is over, stamped in the middle of the span it took. At a speed of 1 its time is the
    wall's: what is emulated for one day happens on another.
    """
    exporter = MinuteExporter()
    first = next(minutes, None)
    if first is None:
        raise InputError("no minute to show", mend="skip fewer of them")
    span_s = MINUTE_MS / 1000 / speed
    with _served(exporter, port):
        say(f"minute counts are at http://{HOST}:{port}/metrics (Ctrl-C stops it)")
        # On the clock's own grid, so that minutes of the service are whole ones of the server.
        begin_s = (time.time() // span_s + 1) * span_s
        shown = 0
        for minute in _first_then(first, minutes, count):
            end_s = begin_s + (shown + 1) * span_s
            time.sleep(max(end_s - time.time(), 0))
            exporter.put(minute, stamp_ms=round((end_s - span_s / 2) * 1000))
            shown += 1
        # The last minute is there for as long as one lasts.
        time.sleep(span_s)
    return Shown(shown, round(begin_s * 1000), exporter.late_count, exporter.unscraped_count)


def write_configuration(folder: Path, *, port: int, speed: float, alertmanager: str | None = None) -> Path:
    """``rules.yaml`` of the shipped objectives and ``prometheus.yml`` in ``folder``; the path of the latter."""
    policies = load_policies()
    folder.mkdir(parents=True, exist_ok=True)
    rules = at_speed(compile_rules(load((), policies), policies), speed)
    (folder / "rules.yaml").write_text(render(rules), encoding="utf-8")
    path = folder / "prometheus.yml"
    path.write_text(
        yaml.safe_dump(configuration(port, speed, alertmanager), sort_keys=False), encoding="utf-8"
    )
    return path


def configuration(port: int, speed: float, alertmanager: str | None = None) -> dict[str, Any]:
    """Prometheus's configuration: it scrapes four times a minute of the service, so that none is missed."""
    found: dict[str, Any] = {
        "global": {
            "scrape_interval": shortened("15s", speed),
            "scrape_timeout": shortened("15s", speed),
            "evaluation_interval": shortened("1m", speed),
        },
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "playhead", "static_configs": [{"targets": [f"{HOST}:{port}"]}]}],
    }
    if alertmanager is not None:
        found["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    return found


def _first_then(first: Minute, rest: Iterator[Minute], count: int | None) -> Iterator[Minute]:
    if count is None or count > 0:
        yield first
    yield from islice(rest, None if count is None else max(count - 1, 0))


@contextmanager
def _served(exporter: MinuteExporter, port: int) -> Iterator[None]:
    server, thread = start_http_server(port, addr=HOST, registry=exporter.registry())
    assert isinstance(thread, threading.Thread)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
