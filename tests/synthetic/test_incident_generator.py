"""Random incidents: valid by construction, the same for a seed, apart in scope and time, as distributed as said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import InputError
from playhead.cli import main
from synthetic.incident_generator import SEVERITIES, random_incidents
from synthetic.incident_kinds import KINDS, PLACE_SCOPES
from synthetic.incidents import resolve_incidents, sites_in
from synthetic.places import make_places
from synthetic.scenario import Scenario, load_scenario

QUARTER = load_scenario()
PLACES = make_places(QUARTER)


def software(scope: Mapping[str, str]) -> set[tuple[str, str]]:
    """Devices with their operating systems that a scope leaves."""
    return {
        (name, os)
        for name, device in QUARTER.device.items()
        for os in device.os
        if scope.get("device", name) == name and scope.get("os", os) == os
    }


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**62 - 1), count=st.integers(1, 40), days=st.integers(7, 400))
def test_any_seed_and_count_gives_a_scenario_that_loads(seed: int, count: int, days: int) -> None:
    base = QUARTER.model_copy(update={"days": days})
    specs = random_incidents(base, count, seed)
    assert specs == random_incidents(base, count, seed)
    loaded = Scenario.model_validate_json(base.model_copy(update={"incident": specs}).model_dump_json())
    assert loaded.incident == specs
    assert len(specs) == count
    incidents = resolve_incidents(loaded, PLACES)
    end_ts_ms = base.start_ts_ms + days * 86_400_000
    for at, incident in enumerate(incidents):
        assert base.start_ts_ms <= incident.start_ts_ms < incident.end_ts_ms <= end_ts_ms
        low, high = SEVERITIES[incident.spec.kind]
        assert low <= incident.spec.severity <= high
        assert len(incident.scope) <= 3
        for other in incidents[:at]:
            if other.spec.kind != incident.spec.kind:
                continue
            one, two = incident.scope, other.scope
            apart = (
                other.end_ts_ms <= incident.start_ts_ms
                or incident.end_ts_ms <= other.start_ts_ms
                or not (sites_in(incident.where, PLACES) & sites_in(other.where, PLACES)).any()
                or any(
                    one[key] != two[key] for key in ("player_version", "codec") if key in one and key in two
                )
                or not software(one) & software(two)
            )
            assert apart, (incident.spec, other.spec)


def test_incidents_are_distributed_as_said() -> None:
    long = QUARTER.model_copy(update={"days": 3650})
    specs = random_incidents(long, 1_000, 5)
    assert [spec.start for spec in specs] == sorted(spec.start for spec in specs)
    counts = {kind: sum(spec.kind == kind for spec in specs) for kind in KINDS}
    assert min(counts.values()) > 50  # 83 each on average
    minutes = np.array([spec.minutes for spec in specs if spec.kind != "fill_failure"])
    assert np.median(minutes) == pytest.approx(75, rel=0.1)
    assert np.log(minutes).std() == pytest.approx(0.8, rel=0.1)
    assert {spec.minutes for spec in specs if spec.kind == "fill_failure"} == {1440, 2880, 4320}
    sizes = np.bincount([len(spec.scope) for spec in specs if spec.kind == "auth_outage"])
    assert sizes[0] == 0
    assert (sizes[1:] > 0).all()
    regions = [spec.scope["region"] for spec in specs if "region" in spec.scope]
    assert regions.count("north-america") > 2 * regions.count("sub-saharan-africa")


def test_no_attribute_of_a_scope_is_implied_by_the_others() -> None:
    for spec in random_incidents(QUARTER.model_copy(update={"days": 3650}), 300, 11):
        (incident,) = resolve_incidents(QUARTER.model_copy(update={"incident": (spec,)}), PLACES)
        places = [key for key in spec.scope if key in PLACE_SCOPES]
        for key in places:
            rest = {name: index for name, index in incident.where.items() if name != key}
            assert sites_in(rest, PLACES).sum() > sites_in(incident.where, PLACES).sum(), spec
        if {"device", "os"} <= set(spec.scope):
            assert len(QUARTER.device[spec.scope["device"]].os) > 1
            assert sum(spec.scope["os"] in device.os for device in QUARTER.device.values()) > 1


def test_more_than_fit_are_refused() -> None:
    region = QUARTER.region["mena"].model_copy(
        update={"member_share": 1.0, "sites": 1, "isps": 1, "exchanges": 1, "countries": {"SA": (1.0, 3.0)}}
    )
    tiny = QUARTER.model_copy(update={"days": 1, "region": {"mena": region}})
    for spec in random_incidents(tiny, 8, 1):
        assert not set(spec.scope) & set(PLACE_SCOPES)  # one site: naming it says nothing
    with pytest.raises(InputError, match="no room for 1000 incidents in 1 days"):
        random_incidents(tiny, 1_000, 1)


def test_a_scenario_with_random_incidents_is_written_and_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def status(*args: str) -> object:
        with pytest.raises(SystemExit) as stop:
            main(list(args))
        return stop.value.code

    path = tmp_path / "drawn.toml"
    assert status("scenario", "incidents", "--count", "15", "--seed", "4", "-o", str(path)) == 0
    drawn = load_scenario(path)
    assert drawn.incident == random_incidents(QUARTER, 15, 4)
    assert drawn.model_copy(update={"incident": QUARTER.incident}) == QUARTER
    assert "# C: memberships" in path.read_text("utf-8")  # sources stay with their figures
    capsys.readouterr()
    again = ("--count", "3", "--seed", "5", "--scenario", str(path))
    assert status("scenario", "incidents", *again) == 0
    other = tmp_path / "other.toml"
    other.write_text(capsys.readouterr().out, encoding="utf-8")
    assert load_scenario(other).incident == random_incidents(QUARTER, 3, 5)
    assert status("scenario", "check", str(path)) == 0
    assert "15 incidents" in capsys.readouterr().out
    path.write_text(path.read_text("utf-8").replace('kind = "', 'kind = "x', 1), encoding="utf-8")
    assert status("scenario", "check", str(path)) == 2
    assert "did you mean" in capsys.readouterr().err
    assert (
        status("scenario", "incidents", "--count", "1", "--seed", "1", "-o", str(tmp_path / "no" / "x")) == 2
    )
