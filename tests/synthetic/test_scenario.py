"""Scenarios: what is wrong is said in one line with its place."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from metrics.errors import InputError
from synthetic.scenario import load_scenario

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
        ("panel = 20_000", "panel = = 3", "not TOML"),
        (
            'scope = { region = "latin-america" }',
            'scope = { regoin = "latin-america" }',
            "did you mean region?",
        ),
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


def test_a_missing_scenario_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_scenario(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        load_scenario(tmp_path / "binary.toml")
