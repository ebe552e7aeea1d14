"""Scenarios: what is wrong is said in one line with its place."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from metrics.errors import InputError
from synthetic.incidents import resolve_incidents, sites_in, truth_incident
from synthetic.places import make_places
from synthetic.scenario import load_scenario

DOCS = Path(__file__).parents[2] / "docs" / "scenarios.md"
SHIPPED = files("synthetic").joinpath("scenarios/quarter.toml").read_text("utf-8")


def test_the_shipped_quarter_is_a_quarter() -> None:
    scenario = load_scenario()
    assert (scenario.start.isoformat(), scenario.days) == ("2026-04-01", 91)
    assert scenario.panel >= 20_000
    assert scenario.titles >= 5_000
    assert len(scenario.region) == 8
    assert sum(r.sites for r in scenario.region.values()) >= 1_000
    assert sum(scenario.demand.diurnal) == pytest.approx(1.0)
    assert sum(scenario.demand.weekly) / 7 == pytest.approx(1.0)


def test_options_are_laid_over_the_file() -> None:
    assert load_scenario(None, panel=500, days=None).panel == 500


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("panel = 20_000", "panel = 3", "panel: Input should be greater than or equal to 64"),
        ("panel = 20_000", "pannel = 20_000", "panel: Field required"),
        ("[player]", "[player]\nspeed = 2", "player.speed: unknown key"),
        ("days = 91", "days = 'many'", "days: "),
        ("member_share = 0.27", "member_share = 0.37", "sums to 1.1000, not 1"),
        ('region = "south-asia"', 'region = "south-asai"', "did you mean south-asia?"),
        ("isps = 40", "isps = 4000", "needs at least as many sites"),
        ("[235, 375,", "[375, 235,", "codecs: ladder_kbps must rise from rung to rung"),
        ("panel = 20_000", "panel = = 3", "not TOML"),
        (
            'scope = { region = "latin-america" }',
            'scope = { regoin = "latin-america" }',
            "did you mean region?",
        ),
        ('scope = { region = "latin-america" }', 'scope = { isp = "@1" }', "auth_outage cannot name 'isp'"),
        ('kind = "auth_outage"', 'kind = "auth_outtage"', "did you mean auth_outage?"),
        ('id = "authentication-latin-america"', 'id = "recommendation-outage"', "stands twice"),
        ('scope = { region = "latin-america" }', 'scope = { country = "CN" }', "no country 'CN'; "),
        (
            'scope = { region = "latin-america" }',
            'scope = { region = "latin-america", country = "IN" }',
            "no country 'IN' with latin-america; known: AR, BR, CO, MX",
        ),
        ('scope = { region = "latin-america" }', 'scope = { os = "andriod" }', "did you mean android"),
        (
            'scope = { region = "latin-america" }',
            'scope = { os = "ios", device = "web" }',
            "no os 'ios' with web; did you mean",
        ),
        ('region = "north-america", isp = "@2"', 'region = "north-america", isp = "@41"', "@1 to @40"),
        ('region = "north-america", isp = "@2"', 'region = "north-america", isp = "la-isp-1"', "no isp"),
        (
            'device = "mobile", player_version = "8.4"',
            'device = "mobile"',
            "player_bug needs its player_version in the scope",
        ),
        ("ramp_minutes = 5\n", "ramp_minutes = 50\n", "is longer than minutes = 40"),
        ("minutes = 95", "minutes = 0", "greater than 0"),
        ("severity = 0.55", "severity = 55", "less than or equal to 1"),
        ("exchanges = 6", "exchanges = 0", "exchanges: Input should be greater than 0"),
        ("sites = 220", "sites = 0", "sites: Input should be greater than 0"),
        ("edge_gbps = 100 ", "edge_gbps = 0 ", "delivery.edge_gbps: Input should be greater than 0"),
        ("edge_gbps = 100 ", "edge_gbps = inf ", "delivery.edge_gbps: Input should be a finite number"),
        ("edge_fill_gbps = 0.4 ", "edge_fill_gbps = nan ", "delivery.edge_fill_gbps: "),
        ("CA = [0.11, -5]", "MX = [0.11, -5]", "'MX' stands twice"),
    ],
)
def test_a_malformed_scenario_gets_one_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = tmp_path / "scenario.toml"
    assert old in SHIPPED
    path.write_text(SHIPPED.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        load_scenario(path)
    message = str(refused.value)
    assert says in message
    assert "scenario.toml" in message
    assert "\n" not in message


def test_an_incidents_names_are_of_the_places_that_the_wider_scope_leaves() -> None:
    scenario = load_scenario()
    places = make_places(scenario)
    scope = {"exchange": "na-ix-2", "isp": "@2", "region": "@1", "site": "@1"}
    spec = scenario.incident[0].model_copy(update={"kind": "config_push", "scope": scope})
    (incident,) = resolve_incidents(scenario.model_copy(update={"incident": (spec,)}), places)
    assert incident.scope["region"] == "north-america"  # 27 % of members
    assert incident.scope["isp"] == "na-isp-2"
    inside = sites_in({key: incident.where[key] for key in ("region", "isp", "exchange")}, places)
    largest = max(places.site_share[inside])
    site = places.sites.index(incident.scope["site"])
    assert places.site_share[site] == largest
    assert places.exchanges[places.site_exchange[site]] == "na-ix-2"
    assert sites_in(incident.where, places).sum() == 1
    truth = truth_incident([incident])
    assert json.loads(truth["scope"][0]) == dict(incident.scope)


def test_regions_with_the_same_initials_have_places_of_their_own() -> None:
    scenario = load_scenario()
    names = {"north-america": "sub-asia", "south-asia": "south-asia"}
    regions = {names.get(name, name): region for name, region in scenario.region.items()}
    places = make_places(scenario.model_copy(update={"region": regions}))
    assert len(set(places.isps)) == len(places.isps)
    assert len(set(places.sites)) == len(places.sites)


def test_a_missing_scenario_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_scenario(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        load_scenario(tmp_path / "binary.toml")


def test_every_key_is_documented() -> None:
    text = DOCS.read_text("utf-8")

    def keys(table: dict[str, Any]) -> Iterator[str]:
        for key, value in table.items():
            yield key
            if isinstance(value, dict) and key not in ("device", "region", "versions", "auth"):
                yield from keys(value)
        for group in ("device", "region"):
            if group in table:
                yield from next(iter(table[group].values()))

    latencies = {"median_ms", "log_sd"}
    told = {key for key in keys(tomllib.loads(SHIPPED)) if f"`{key}`" not in text and f"[{key}" not in text}
    assert told - latencies == set()
