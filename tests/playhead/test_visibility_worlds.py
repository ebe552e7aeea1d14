"""Worlds with half of the members on a third-party CDN: what is drawn, what is looked at, and the command over them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from playhead import visibility
from synthetic.incidents import resolve_incidents
from synthetic.places import make_places
from synthetic.scenario import Scenario
from tests.playhead.test_metrics_commands import as_json, run

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return visibility.incident_world(5, panel=1_000, days=3)


def test_an_incident_every_evening_but_the_first(scenario: Scenario) -> None:
    assert scenario == visibility.incident_world(5, panel=1_000, days=3)
    assert scenario != visibility.incident_world(6, panel=1_000, days=3)
    places = make_places(scenario)
    incidents = resolve_incidents(scenario, places)
    assert len(incidents) == 2
    for day, incident in enumerate(incidents, 1):
        ((level, _),) = incident.spec.scope.items()
        assert level in {"site", "isp"}
        assert 0.8 <= incident.spec.severity <= 0.97
        assert (incident.start_ts_ms - scenario.start_ts_ms) // DAY_MS == day
        site = next(
            i
            for i in range(len(places.sites))
            if places.attributes(np.array([i]))[level][0] == incident.where[level]
        )
        local = (incident.start_ts_ms + int(places.utc_offset_ms[site])) % DAY_MS
        assert local + MINUTE_MS >= 17 * HOUR_MS
        assert local <= 21 * HOUR_MS


def watching(scenario: Scenario, count: int = 6_000) -> pl.DataFrame:
    """Viewers at every site in the hours around the incidents, half of them with a third party that tells no place."""
    places, draw = make_places(scenario), np.random.default_rng(1)
    site = draw.integers(0, len(places.sites), count)
    starts = [incident.start_ts_ms for incident in resolve_incidents(scenario, places)]
    begins = draw.choice(starts, count) + draw.integers(-18 * 60, 6 * 60, count) * MINUTE_MS
    own = draw.random(count) < 0.5
    name = np.array(places.sites)[site]
    return pl.DataFrame(
        {
            "session_id": [f"v{i}" for i in range(count)],
            "from_ms": begins,
            "to_ms": begins + 40 * MINUTE_MS,
            "tier": np.where(own, "edge", "third_party"),
            "region": np.array(places.regions)[places.site_region[site]],
            "country": np.array(places.countries)[places.site_country[site]],
            "isp": np.array(places.isps)[places.site_isp[site]],
            "cdn": np.where(own, "own", "third_party"),
            "device": "tv",
            "site": [one if is_own else None for one, is_own in zip(name, own, strict=True)],
            "appliance": [f"{one}-edge-1" if is_own else None for one, is_own in zip(name, own, strict=True)],
            "true_site": site,
        }
    )


def test_lived_calm_and_laid_over(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visibility, "_LAID_A_DAY", 1)
    frame = watching(scenario)
    stalls = frame.filter(pl.int_range(pl.len()) % 50 == 0).select("session_id", "from_ms", "to_ms")
    found = pl.concat(visibility.looked_at(scenario, frame, stalls))
    counted = found.group_by("kind").agg(pl.col("incident_id").n_unique(), pl.col("view").unique().sort())
    by_kind = {kind: (incidents, views) for kind, incidents, views in counted.iter_rows()}
    assert by_kind["lived"] == by_kind["calm"] == (2, ["opaque", "own", "third_party"])
    assert by_kind["laid over"] == (2, ["opaque", "own"])
    last = found.filter(pl.col("minutes") == 120)
    # Nothing was done to those who lived it; faults that were laid over stall viewers.
    laid = last.filter(pl.col("kind") == "laid over", pl.col("view") == "own")
    assert (laid["recall"].is_not_null()).all()
    assert last.filter(pl.col("kind") == "calm")["recall"].null_count() == 6


def test_the_command_tells_rows_of_the_score(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int, int]] = []

    def trials(seed: int, *, panel: int, days: int) -> pl.DataFrame:
        asked.append((seed, panel, days))
        return pl.DataFrame(
            {
                "seed": seed, "incident_id": "a", "kind": "lived", "level": "site", "view": ["own", "opaque"],
                "minutes": 30, "slices": ["site=x", None], "precision": [1.0, None], "recall": [1.0, 0.0],
            }
        )  # fmt: skip

    monkeypatch.setattr(visibility, "trials", trials)
    command = ["scenario", "localise", "--worlds", "2", "--seed", "3", "--subscribers", "2000", "--days", "5"]
    rows = {(row["estimator"], row["measure"]): row["value"] for row in as_json(capsys, *command)}
    assert asked == [(3, 2000, 5), (4, 2000, 5)]
    assert rows["visibility", "located_30_minutes"] == 1.0
    assert rows["visibility/opaque", "located_30_minutes"] == 0.0
    assert "located_30_minutes" in run(capsys, *command)[1]
    status, _, err = run(capsys, "scenario", "localise", "--days", "1")
    assert status == 2
    assert "2<=x<=60" in err
