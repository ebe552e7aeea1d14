"""Incidents: which alerts belong together, what happened beside them, whether an explanation is right."""

from __future__ import annotations

import polars as pl
import pytest

from alerts.baseline import ALERTS
from alerts.slo import CountRatio, load
from dashboards.incidents import METRIC_OF, agreement, alert_rows, incidents_of, slice_text, standing
from dashboards.runbooks import runbook
from dashboards.window import Window
from metrics.catalog import METRICS
from synthetic.incident_kinds import KINDS

HOUR_MS = 3_600_000
TRUTH = {
    "incident_id": pl.String, "kind": pl.String, "start_ts_ms": pl.Int64, "end_ts_ms": pl.Int64, "metric": pl.String,
}  # fmt: skip


def episodes(*rows: tuple[str, str, int, int | None]) -> pl.DataFrame:
    """Rows of (objective, severity, start, end in hours), as merged."""
    return pl.DataFrame(
        [
            {"objective": name.title(), "name": name, "severity": severity, "start_ts_ms": start * HOUR_MS,
             "end_ts_ms": None if end is None else end * HOUR_MS, "peak_burn": 20.0}
            for name, severity, start, end in rows
        ],
        schema={"objective": pl.String, "name": pl.String, "severity": pl.String, "start_ts_ms": pl.Int64,
                "end_ts_ms": pl.Int64, "peak_burn": pl.Float64},
    )  # fmt: skip


def truth(*rows: tuple[str, str, int, int]) -> pl.DataFrame:
    """Rows of (name and kind, metric, start, end in hours)."""
    return pl.DataFrame(
        [(kind, kind, start * HOUR_MS, end * HOUR_MS, metric) for kind, metric, start, end in rows],
        schema=TRUTH, orient="row",
    )  # fmt: skip


def test_alerts_of_one_thing_are_one_incident() -> None:
    alerts = alert_rows(
        episodes(
            ("rebuffering-sessions", "page", 1, 3), ("stalled-viewing", "ticket", 30, 31),
            ("start-failures", "page", 2, 4),
        )
    )  # fmt: skip
    found = incidents_of(alerts, truth(), {}, 99 * HOUR_MS)
    assert found["start_ts_ms"].to_list() == [30 * HOUR_MS, 2 * HOUR_MS, HOUR_MS]
    again = alert_rows(
        episodes(("rebuffering-sessions", "ticket", 1, 3), ("rebuffering-sessions", "page", 2, 5))
    )
    (one,) = incidents_of(again, truth(), {"rebuffering-sessions": "Rebuffers"}, 99 * HOUR_MS).to_dicts()
    assert (one["title"], one["severity"], one["alerts_count"], one["end_ts_ms"]) == (
        "Rebuffers",
        "page",
        2,
        5 * HOUR_MS,
    )


def test_what_happened_is_laid_beside_the_alert_that_shows_it() -> None:
    alerts = alert_rows(episodes(("start-failures", "page", 5, 6)))
    facts = truth(
        ("auth_outage", "start_failure_technical_ratio", 4, 6), ("fill_failure", "fill_ratio", 4, 6),
        ("config_push", "start_failure_technical_ratio", 50, 51),
    )  # fmt: skip
    found = incidents_of(alerts, facts, {}, 99 * HOUR_MS)
    assert found.select("key", "severity", "truth").rows() == [
        ("config_push", "none", ["config_push"]),
        (f"start-failures-{5 * 60}", "page", ["auth_outage"]),
        ("fill_failure", "none", ["fill_failure"]),
    ]


def test_an_alert_of_one_slice_says_whose_it_is() -> None:
    of_isps = alert_rows(episodes(("edge-offload-isp", "ticket", 5, 6))).with_columns(
        metric=pl.lit("edge_offload_ratio"), dimension=pl.lit("isp"), slice=pl.lit("sa-isp-1")
    )
    (one,) = incidents_of(of_isps, truth(), {"edge-offload-isp": "Edge offload"}, 99 * HOUR_MS).to_dicts()
    assert (one["title"], one["dimension"], one["slice"]) == ("Edge offload · sa-isp-1", "isp", "sa-isp-1")
    others = [
        of_isps.with_columns(slice=pl.lit(f"isp-{i}"), start_ts_ms=pl.lit(5 * HOUR_MS + i, pl.Int64))
        for i in (2, 3)
    ]
    (many,) = incidents_of(pl.concat([of_isps, *others]), truth(), {}, 99 * HOUR_MS).to_dicts()
    assert many["title"] == "edge-offload-isp · sa-isp-1, isp-2 and 1 more"
    assert (many["dimension"], many["slice"], many["alerts_count"]) == (None, None, 3)


def test_no_alert_and_no_truth_is_no_incident() -> None:
    assert incidents_of(ALERTS.to_frame(), truth(), {}, 0).is_empty()


def test_what_fires_for_most_of_a_period_is_standing() -> None:
    merged = episodes(("a", "page", -100, None), ("b", "page", 1, 2), ("c", "ticket", 0, 7))
    assert standing(merged, Window(0, 10 * HOUR_MS))["name"].to_list() == ["a", "c"]


@pytest.mark.parametrize(
    ("elements", "scope", "verdict"),
    [
        ([{"isp": "x"}], {"region": "r", "isp": "x"}, "right"),
        ([{"region": "r", "isp": "x"}], {"region": "r", "isp": "x"}, "right"),
        ([{"device": "tv", "codec": "av1"}], {"codec": "av1", "device": "tv"}, "right"),
        ([{"codec": "av1"}], {"codec": "av1", "device": "tv"}, "partly"),
        ([{"region": "r"}], {"region": "r", "isp": "x"}, "partly"),
        ([{"isp": "x"}, {"isp": "y"}], {"isp": "x"}, "partly"),
        ([{"isp": "y"}], {"isp": "x"}, "wrong"),
        ([], {"isp": "x"}, "wrong"),
        ([], {}, "right"),
        ([{"isp": "x"}], {}, "wrong"),
        ([{"region": "r"}], {"region": "r", "exchange": "e"}, "right"),  # what is not told cannot be found
    ],
)
def test_an_explanation_meets_the_truth(
    elements: list[dict[str, str | None]], scope: dict[str, str], verdict: str
) -> None:
    told = ("region", "isp", "device", "codec")
    before = [dict(element) for element in elements]
    assert agreement(elements, scope, told) == verdict
    assert elements == before


def test_every_objective_that_counts_has_its_metric() -> None:
    counted = {objective.name for objective in load() if isinstance(objective.indicator, CountRatio)}
    assert counted == set(METRIC_OF)
    assert set(METRIC_OF.values()) <= set(METRICS)


def test_every_kind_of_incident_moves_a_metric_of_the_catalogue() -> None:
    assert {kind.moves for kind in KINDS.values()} <= set(METRICS)


def test_every_objective_has_a_runbook() -> None:
    for objective in load():
        text = runbook(objective.name)
        assert text
        assert "## " not in text
    assert runbook("no-such-alert") is None


def test_a_slice_in_words() -> None:
    assert slice_text({}) == ""
    assert slice_text({"device": "smart_tv", "isp": None}) == "device Smart TV, ISP unknown"
