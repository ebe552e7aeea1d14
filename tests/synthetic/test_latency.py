"""The ranking path of one request, its measurement, and the latencies that are drawn from it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from metrics.errors import InputError
from playhead.commands.scenario import command
from synthetic.control_plane.latency import (
    Measured,
    Measurement,
    fit,
    from_toml,
    load_latency,
    to_toml,
    write_latency,
)
from synthetic.control_plane.page_request import STAGES, serve_home
from synthetic.latencies import answer_ms, degraded_home_ms
from synthetic.ranking_latency import Bench, measure, prepare, times
from synthetic.scenario import Control, Latency, load_scenario

WHO = np.arange(40_000)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return prepare(titles=1_500, members=200)


def test_a_page_is_served_stage_by_stage_and_is_the_members_own(bench: Bench) -> None:
    passed: list[str] = []
    page = serve_home(bench.service, 7, 3, tell=passed.append)
    assert tuple(passed) == STAGES
    assert page is not None
    shown = page.title[page.title >= 0]
    assert shown.size == np.unique(shown).size == page.title.size
    assert bench.service.ranking.is_out[shown].all()
    assert page.artwork.shape == page.title.shape
    again, other = serve_home(bench.service, 7, 3), serve_home(bench.service, 8, 3)
    assert again is not None
    assert other is not None
    assert (again.title == page.title).all()
    assert (other.title != page.title).any()


def test_a_refused_account_is_shown_no_page(bench: Bench) -> None:
    from dataclasses import replace

    passed: list[str] = []
    assert serve_home(replace(bench.service, technical_ratio=1.0), 7, 3, tell=passed.append) is None
    assert passed == ["auth"]


def ticking(step: int) -> Iterator[int]:
    return count(0, step)


def test_times_are_between_the_clocks_looks(bench: Bench) -> None:
    """A clock that moves on 2 ms a look: every stage takes 2 ms, and a request as many as it has stages."""
    clock = ticking(2_000_000)
    taken = times(bench, 30, clock=lambda: next(clock))
    assert taken.stage.shape[1] == len(STAGES)
    assert 25 <= taken.stage.shape[0] <= 30  # some accounts may be refused
    assert (taken.stage == 2.0).all()
    assert (taken.home == 2.0 * len(STAGES)).all()
    assert (taken.search == 2.0).all()


def test_a_fit_goes_through_the_median_and_the_99th_percentile() -> None:
    drawn = np.exp(np.random.default_rng(1).normal(np.log(3.0), 0.4, 200_000))
    found = fit(drawn)
    assert found.median_ms == pytest.approx(3.0, rel=0.01)
    assert found.log_sd == pytest.approx(0.4, rel=0.02)
    assert fit([1.0]).log_sd > 0


def test_a_measurement_is_the_same_after_a_file(bench: Bench, tmp_path: Path) -> None:
    found = measure(bench, 200, today=date(2026, 11, 26))
    again = from_toml(to_toml(found))
    assert (again.date, again.titles, again.members, again.requests) == (
        found.date,
        1_500,
        bench.members,
        200,
    )
    assert again.home.median_ms == pytest.approx(found.home.median_ms, abs=1e-4)
    assert list(again.stage) == list(STAGES)
    with pytest.raises(InputError, match="cannot be written"):
        write_latency(found, tmp_path / "no" / "such.toml")


def test_the_shipped_measurement_is_of_ten_thousand_titles() -> None:
    found = load_latency()
    assert (found.titles, list(found.stage)) == (10_000, list(STAGES))
    assert found.requests >= 1_000
    # A whole request is no quicker than its slowest stage.
    assert found.home.median_ms >= max(stage.median_ms for stage in found.stage.values())


def test_the_command_writes_what_the_service_reads(tmp_path: Path) -> None:
    file = tmp_path / "latency.toml"
    done = CliRunner().invoke(
        command, ["measure-ranking", "--requests", "200", "--titles", "1000", "-o", str(file)]
    )
    assert done.exit_code == 0, done.output
    assert "home, all of it" in done.output
    held = tomllib.loads(file.read_text("utf-8"))
    assert (held["titles"], held["requests"]) == (1_000, 200)
    assert from_toml(file.read_text("utf-8")).search.median_ms > 0


def test_latencies_are_what_was_measured_plus_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the sum of two independent log-normals, mean and variance are sums."""
    one = Measured(median_ms=8.0, p99_ms=20.0)
    planted = Measurement(
        date(2026, 1, 1), "", 10_000, 1, 1, {"auth": Measured(0.5, 0.5)}, one, Measured(30.0, 90.0)
    )
    monkeypatch.setattr("synthetic.latencies.load_latency", lambda: planted)
    scenario = load_scenario(None)
    network = scenario.control.network
    assert network is not None

    def moments(*parts: tuple[float, float]) -> tuple[float, float]:
        means = [median * np.exp(sd**2 / 2) for median, sd in parts]
        return sum(means), sum(m**2 * (np.exp(sd**2) - 1) for m, (_, sd) in zip(means, parts, strict=True))

    hops = (network.median_ms, network.log_sd)
    for service, own in (("home", planted.home), ("search", planted.search)):
        drawn = answer_ms(scenario, service, WHO, np.zeros_like(WHO))  # type: ignore[arg-type]
        mean, variance = moments((own.median_ms, own.log_sd), hops)
        assert drawn.mean() == pytest.approx(mean, rel=0.02)
        assert drawn.var() == pytest.approx(variance, rel=0.1)
    auth = answer_ms(scenario, "auth", WHO, np.zeros_like(WHO))
    assert np.median(auth) == pytest.approx(0.5 + network.median_ms, rel=0.02)
    assert auth.min() > 0.5
    fallback = degraded_home_ms(scenario, WHO, np.zeros_like(WHO))
    assert np.median(fallback) == pytest.approx(scenario.control.degraded_home_median_ms, rel=0.02)


def test_a_scenario_may_say_a_latency_itself() -> None:
    base = load_scenario(None)
    given = base.control.model_copy(update={"home": Latency(median_ms=500, log_sd=0.1)})
    drawn = answer_ms(base.model_copy(update={"control": given}), "home", WHO, np.zeros_like(WHO))
    assert np.median(drawn) == pytest.approx(500, rel=0.01)
    with pytest.raises(ValueError, match="give network, or auth, home and search"):
        Control.model_validate(base.control.model_dump() | {"network": None})
