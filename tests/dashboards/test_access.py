"""Who may see what: addresses and roles, and that money is in nothing that others are sent."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from dashboards.access import roles_of
from dashboards.context import Period
from dashboards.money import blanked, is_finance, without_money
from dashboards.queries import Source
from metrics.catalog import METRICS
from metrics.errors import InputError
from metrics.lake import Lake

PERIOD = Period(date(2026, 4, 1), date(2026, 4, 2))
ROLES = {"viewer": ["*@example.org"], "finance": ["CFO@example.org", "*@money.example.org"]}


@pytest.mark.parametrize(
    ("email", "verified", "roles"),
    [
        ("Someone@Example.org", True, {"viewer"}),
        ("cfo@example.org", True, {"viewer", "finance"}),
        ("anyone@money.example.org", True, {"viewer", "finance"}),
        ("cfo@example.org", False, set()),
        ("cfo@example.org.evil.example", True, set()),
        ("someone@elsewhere.example", True, set()),
        (None, True, set()),
        ("", True, set()),
    ],
)
def test_an_address_has_the_roles_that_its_patterns_give(
    email: str | None, verified: bool, roles: set[str]
) -> None:
    assert roles_of(email, verified, ROLES) == roles


@pytest.mark.parametrize("mapping", [{"admin": ["a@b.example"]}, {"finance": "a@b.example"}])
def test_roles_that_do_not_exist_let_nobody_in(mapping: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"role|list"):
        roles_of("a@b.example", True, mapping)


def test_nobody_has_a_role_where_none_is_given() -> None:
    assert roles_of("a@b.example", True, {}) == frozenset()


def source(path: Path, *, sees_finance: bool) -> Source:
    lake = Lake.create(path)
    return Source(str(lake.path), lake.version(), sees_finance)


def test_money_is_refused_by_the_door_and_not_by_the_page(tmp_path: Path) -> None:
    viewer = source(tmp_path / "lake", sees_finance=False)
    (tmp_path / "lake" / "artefacts").mkdir(exist_ok=True)
    viewer_files = ("economics.json", "report.html", "report.pdf", "report.xlsx")
    costs: dict[str, object] = {"quarter": "2026Q2", "pools": [], "by_region": []}
    costs |= {name: {} for name in ("given", "given_encoding", "figures", "unit_cost_tree")}
    for name in viewer_files:
        (tmp_path / "lake" / "artefacts" / name).write_text(json.dumps(costs))
    money = [name for name, metric in METRICS.items() if is_finance(metric)]
    assert {"cost_per_stream_hour_usd", "cost_per_subscriber_month_usd"} <= set(money)
    assert not any(viewer.may_see(name) for name in money)
    assert viewer.contributions("cost_per_stream_hour_usd", PERIOD, PERIOD, ()).is_empty()
    assert viewer.artefact("economics.json") is None
    for name in viewer_files[1:]:
        with pytest.raises(InputError, match="role finance"):
            viewer.file(name)
    assert source(tmp_path / "lake", sees_finance=True).artefact("economics.json") == costs


def test_a_figure_in_money_is_null_to_a_viewer_and_others_are_not(tmp_path: Path) -> None:
    figures = {"value": 1.0, "low": 0.5, "high": 1.5, "numerator": 2.0, "denominator": 2.0, "n": 3}
    rows = pl.DataFrame([{"metric": name, **figures} for name in ("watch_hours", "cost_per_stream_hour_usd")])
    kept, blank = blanked(rows, ["cost_per_stream_hour_usd"]).iter_rows(named=True)
    assert kept == {"metric": "watch_hours", **figures}
    assert {name for name, value in blank.items() if value is None} == {"value", "low", "high", "numerator"}
    viewer = source(tmp_path / "lake", sees_finance=False)
    names = ("cost_per_stream_hour_usd",)
    assert viewer.measure(names, PERIOD)["value"].to_list() == [None]


def test_a_decision_is_told_without_what_it_costs(tmp_path: Path) -> None:
    viewer = source(tmp_path / "lake", sees_finance=False)
    (tmp_path / "lake" / "artefacts").mkdir(exist_ok=True)
    decision = {
        "decisions": [
            {"effects": [{"unit": "USD/h", "effect": 1.0}, {"unit": "ms", "effect": 2.0}], "cost_usd": 3}
        ]
    }
    (tmp_path / "lake" / "artefacts" / "decision.json").write_text(json.dumps(decision))
    assert viewer.artefact("decision.json") == {"decisions": [{"effects": [{"unit": "ms", "effect": 2.0}]}]}
    assert without_money([{"unit": "USD"}, 1]) == [1]
