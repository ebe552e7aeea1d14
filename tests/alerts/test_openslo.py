"""OpenSLO beyond one ratio over a rolling window: what it is read as, and what comes of it on known counts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from alerts.calendar import CalendarPeriod
from alerts.compile import compile_rules
from alerts.evaluate import evaluate, kept_by
from alerts.indicator import Composite, CountRatio, Slices, Threshold
from alerts.policy import load_policies
from alerts.slo import Objective, ObjectiveRefused, load, read
from metrics.errors import InputError
from tests.alerts.frames import DAY, T0, minute_counts

POLICIES = load_policies()
HOUR_MS = 3_600_000


def gauge(query: str, **source: Any) -> dict[str, Any]:
    return {"metricSource": {"type": "Prometheus", **source, "spec": {"query": query}}}


LATE: dict[str, Any] = {
    "ratioMetric": {"bad": gauge("playhead_starts_late"), "total": gauge("playhead_starts")}
}
HOME: dict[str, Any] = {
    "ratioMetric": {"bad": gauge("playhead_home_pages_late"), "total": gauge("playhead_home_pages")}
}


def threshold(query: str) -> dict[str, Any]:
    return {"thresholdMetric": gauge(query)}


def percentile(metric: str) -> dict[str, Any]:
    return {"thresholdMetric": {"metricSource": {"type": "playhead", "spec": {"metric": metric}}}}


def thing(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "openslo/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def slo(*objectives: dict[str, Any], indicator: dict[str, Any] | None = LATE, **spec: Any) -> dict[str, Any]:
    own: dict[str, Any] = (
        {} if indicator is None else {"indicator": {"metadata": {"name": "i"}, "spec": indicator}}
    )
    return thing(
        "SLO",
        "one",
        {
            "service": "web",
            **own,
            "timeWindow": [{"duration": "30d", "isRolling": True}],
            "budgetingMethod": "Occurrences",
            "objectives": list(objectives) or [{"target": 0.99}],
            "alertPolicies": ["google-30d"],
            **spec,
        },
    )


def write(folder: Path, *documents: Any, name: str = "slo.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def one(folder: Path, *documents: Any) -> Objective:
    (objective,) = load([write(folder, *documents)])
    return objective


# --- objects that refer to each other ---------------------------------------------------------------------

CONDITION = {
    "severity": "page",
    "condition": {"kind": "burnrate", "threshold": 10, "lookbackWindow": "1h", "alertAfter": "5m"},
}
POLICY = {
    "alertWhenBreaching": True,
    "conditions": [{"conditionRef": "fast-burn"}],
    "notificationTargets": [{"targetRef": "on-call"}],
}


def test_objects_of_several_files_find_each_other(tmp_path: Path) -> None:
    source = thing(
        "DataSource", "ours", {"type": "Prometheus", "connectionDetails": {"url": "http://localhost"}}
    )
    by_source = {
        "ratioMetric": {k: gauge(f"playhead_{v}") for k, v in (("bad", "starts_late"), ("total", "starts"))}
    }
    for part in by_source["ratioMetric"].values():
        part["metricSource"] = {"metricSourceRef": "ours", "spec": part["metricSource"]["spec"]}
    files = [
        write(
            tmp_path, [thing("SLI", "late", by_source), thing("Service", "web", {})], source, name="a.yaml"
        ),
        write(tmp_path, thing("AlertCondition", "fast-burn", CONDITION), name="b.yaml"),
        write(tmp_path, thing("AlertPolicy", "fast", POLICY), name="c.yaml"),
        write(tmp_path, thing("AlertNotificationTarget", "on-call", {"target": "email"}), name="d.yaml"),
        write(tmp_path, slo(indicator=None, indicatorRef="late", alertPolicies=[{"alertPolicyRef": "fast"}])),
    ]
    (objective,) = load(files)
    assert objective.indicator == CountRatio(bad=("starts_late",), total=("starts",))
    assert objective.labels["notify"] == "on-call"
    rules = [rule for group in compile_rules([objective], POLICIES)["groups"] for rule in group["rules"]]
    (alert,) = [rule for rule in rules if rule.get("alert") == "OneBudgetBurn"]
    assert (alert["for"], alert["labels"]["severity"]) == ("5m", "page")
    assert "(10 * 0.01)" in alert["expr"]


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([slo(indicator=None, indicatorRef="lat"), thing("SLI", "late", LATE)], "no SLI 'lat'.*did you mean late"),
        ([slo(indicator=None, indicatorRef="late")], "give the file that holds the SLI"),
        ([slo(alertPolicies=["fats"]), thing("AlertPolicy", "fast", POLICY)], "no alert policy 'fats'"),
        ([slo(alertPolicies=["fast"]), thing("AlertPolicy", "fast", POLICY)], "no AlertCondition 'fast-burn'"),
        ([slo(alertPolicies=["google-30d", "google-28d"])], "google-30d stands alone"),
        (
            [slo(indicator={"ratioMetric": {"bad": gauge("x", metricSourceRef="y", type=None), "total": gauge("x")}})],
            "no DataSource 'y'",
        ),
        ([slo(
            {"target": 0.9, "op": "lt", "value": 1}, indicator={"thresholdMetric": gauge("a", type="Datadog")}
        )], "metrics of 'Datadog' are not read"),
    ],
)  # fmt: skip
def test_what_refers_to_nothing_is_refused(tmp_path: Path, documents: list[Any], said: str) -> None:
    path = write(tmp_path, *documents)
    with pytest.raises(ObjectiveRefused, match=said) as raised:
        load([path])
    assert raised.value.where.startswith(f"{path}:")


def test_a_second_object_of_one_name_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, thing("SLI", "late", LATE), slo(), thing("SLI", "late", HOME))
    with pytest.raises(InputError, match=r"SLI 'late' stands at .*slo\.yaml:4 already"):
        load([path])


def test_without_policies_it_is_measured_and_alerts_nobody(tmp_path: Path) -> None:
    objective = one(tmp_path, slo(alertPolicies=[]))
    assert objective.policy == "none"
    found = evaluate(objective, minute_counts([0], starts=100, starts_late=100))
    assert (found.attained, found.episodes.height) == (0.0, 0)
    rules = [rule for group in compile_rules([objective], POLICIES)["groups"] for rule in group["rules"]]
    assert "OneBudgetBurn" not in {rule.get("alert") for rule in rules}


def test_a_condition_that_can_never_fire_is_refused(tmp_path: Path) -> None:
    condition = {"severity": "page", "condition": {"threshold": 100, "lookbackWindow": "1h"}}
    policy = {**POLICY, "conditions": [{**thing("AlertCondition", "c", condition)}]}
    with pytest.raises(ObjectiveRefused, match=r"page 1h asks for 100 × 0\.01 = 1 of all events"):
        one(tmp_path, slo(alertPolicies=[{"kind": "AlertPolicy", "metadata": {"name": "p"}, "spec": policy}]))


# --- thresholds -------------------------------------------------------------------------------------------


def test_a_threshold_judges_each_minute_with_traffic(tmp_path: Path) -> None:
    objective = one(
        tmp_path,
        slo(
            {"op": "lte", "value": 0.1, "target": 0.5},
            indicator=threshold("playhead_stalled_viewer_minutes / playhead_watched_viewer_minutes"),
            alertPolicies=[],
        ),
    )
    assert isinstance(objective.indicator, Threshold)
    # Good, good on the edge, bad, without traffic.
    frame = minute_counts(
        range(4), stalled_viewer_minutes=[0, 10, 11, 0], watched_viewer_minutes=[50, 100, 100, 0]
    )
    found = evaluate(objective, frame)
    assert (found.bad, found.total, found.kept) == (1, 3, True)


@pytest.mark.parametrize(("op", "bad"), [("lt", 2), ("lte", 1), ("gt", 2), ("gte", 1)])
def test_each_operator_has_its_edge(tmp_path: Path, op: str, bad: int) -> None:
    objective = one(
        tmp_path,
        slo({"op": op, "value": 5, "target": 0.5}, indicator=threshold("playhead_starts"), alertPolicies=[]),
    )
    assert evaluate(objective, minute_counts(range(3), starts=[4, 5, 6])).bad == bad


def test_a_percentile_is_the_count_of_events_beyond_its_value(tmp_path: Path) -> None:
    objective = one(
        tmp_path,
        slo({"op": "lt", "value": 2000, "target": 0.99}, indicator=percentile("time_to_play_p99_ms")),
    )
    assert objective.indicator == CountRatio(
        bad=("starts_late", "exits_late"), total=("starts", "exits_before_start")
    )


@pytest.mark.parametrize(
    ("metric", "objective", "said"),
    [
        (
            "browse_to_play_p50_ms",
            {"op": "lt", "value": 90_000, "target": 0.5},
            "a percentile without counts",
        ),
        ("time_to_play_p99_ms", {"op": "lt", "value": 3_000, "target": 0.99}, "`value: 2000`"),
        ("time_to_play_p99_ms", {"op": "lte", "value": 2_000, "target": 0.99}, "write `op: lt`"),
        (
            "time_to_play_p99_ms",
            {"op": "lt", "value": 2_000, "target": 0.95},
            "a share of 0.99 of all events",
        ),
        (
            "time_to_play_p9_ms",
            {"op": "lt", "value": 2_000, "target": 0.99},
            "did you mean time_to_play_p99_ms",
        ),
        ("rebuffer_ratio", {"op": "lt", "value": 1, "target": 0.99}, "a ratio without counts"),
        ("home_late_ratio", {"target": 0.99}, "without `op` and `value`"),
    ],
)
def test_a_percentile_without_its_count_is_refused(
    tmp_path: Path, metric: str, objective: dict[str, Any], said: str
) -> None:
    with pytest.raises(ObjectiveRefused, match=said):
        one(tmp_path, slo(objective, indicator=percentile(metric)))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("playhead_start", "did you mean playhead_starts"),
        ('sum(rate(http_requests_total{code=~"5.."}[5m]))', "unknown metric 'http_requests_total'"),
        ("playhead_starts / playhead_starts / playhead_starts", "divides twice"),
        ("sum(playhead_starts", "is not the name of a gauge"),
        ("", "is not the name of a gauge"),
    ],
)
def test_unknown_metrics_are_refused(tmp_path: Path, query: str, said: str) -> None:
    with pytest.raises(ObjectiveRefused, match=said):
        one(tmp_path, slo({"op": "lt", "value": 1, "target": 0.9}, indicator=threshold(query)))


def test_a_gauge_may_stand_in_the_sums_that_it_means(tmp_path: Path) -> None:
    wrapped = {
        "ratioMetric": {
            "bad": gauge(
                "sum(sum_over_time(playhead_starts_late[{{.window}}])) + sum( playhead_exits_late )"
            ),
            "total": gauge("playhead_attempts"),
        }
    }
    assert one(tmp_path, slo(indicator=wrapped)).indicator == CountRatio(
        bad=("starts_late", "exits_late"), total=("attempts",)
    )


# --- slices of time ---------------------------------------------------------------------------------------


def test_a_slice_counts_once_however_much_happens_in_it(tmp_path: Path) -> None:
    sliced = {"target": 0.5, "timeSliceTarget": 0.9, "timeSliceWindow": "5m"}
    objective = one(tmp_path, slo(sliced, budgetingMethod="Timeslices", alertPolicies=[]))
    assert objective.indicator == Slices(
        of=CountRatio(bad=("starts_late",), total=("starts",)), slice_ms=300_000, good_ratio=Decimal("0.9")
    )
    # A busy slice that is good on its edge, a slice of one bad start, one without traffic, one not over yet.
    frame = minute_counts([0, 4, 7, 15], starts=[900_000, 100_000, 1, 5], starts_late=[0, 100_000, 1, 5])
    found = evaluate(objective, frame)
    assert (found.bad, found.total) == (1, 2)
    whole = kept_by([objective], frame, "region")
    assert whole.select("bad", "total").rows() == [(1, 2)]


def test_minutes_of_a_bare_number_and_slices_that_do_not_fit(tmp_path: Path) -> None:
    def sliced(window: object, policy: str = "google-30d", **more: Any) -> Objective:
        objective = {"target": 0.99, "timeSliceTarget": 0.9, "timeSliceWindow": window, **more}
        return one(tmp_path, slo(objective, budgetingMethod="Timeslices", alertPolicies=[policy]))

    assert isinstance(sliced(5).indicator, Slices)
    with pytest.raises(ObjectiveRefused, match="slices of 7m do not fill a day"):
        sliced("7m")
    with pytest.raises(ObjectiveRefused, match="window 5m of google-30d is shorter than a slice of 10m"):
        sliced("10m")
    with pytest.raises(ObjectiveRefused, match="would call a slice good for its bad events"):
        sliced("5m", op="lt")


def test_slices_page_as_events_do(tmp_path: Path) -> None:
    sliced = {"target": 0.99, "timeSliceTarget": 0.95, "timeSliceWindow": "1m"}
    objective = one(tmp_path, slo(sliced, budgetingMethod="Timeslices"))
    late = np.where(np.arange(DAY) // 60 == 20, 100, 0)
    pages = evaluate(objective, minute_counts(range(DAY), starts=1000, starts_late=late)).episodes
    assert pages["severity"].to_list()[0] == "page"
    # 14.4 % of an hour's slices are nine.
    assert (pages["start_ts_ms"][0] - T0) // 60_000 == 20 * 60 + 9


# --- calendar periods -------------------------------------------------------------------------------------


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("unit", "count", "start", "zone", "at", "begin"),
    [
        ("M", 1, "2026-01-01T00:00", "America/New_York", "2026-06-30T12:00", "2026-06-01T04:00"),
        ("M", 1, "2026-01-01T00:00", "America/New_York", "2026-06-01T03:59", "2026-05-01T04:00"),
        ("M", 1, "2026-01-01T00:00", "America/New_York", "2026-01-10T00:00", "2026-01-01T05:00"),
        ("M", 1, "2026-01-31T00:00", "UTC", "2026-03-01T00:00", "2026-02-28T00:00"),
        ("Q", 1, "2026-01-01T00:00", "Europe/Paris", "2026-05-01T00:00", "2026-03-31T22:00"),
        ("Y", 1, "2020-01-21T12:30", "UTC", "2026-01-21T12:29", "2025-01-21T12:30"),
        ("w", 1, "2022-01-01T12:00", "America/New_York", "2026-03-10T00:00", "2026-03-07T17:00"),
        ("d", 1, "2026-01-01T00:00", "Europe/Paris", "2026-03-29T12:00", "2026-03-28T23:00"),
        ("d", 1, "2026-01-01T00:00", "Europe/Paris", "2026-03-30T12:00", "2026-03-29T22:00"),
        ("h", 12, "2026-01-01T00:00", "Asia/Kolkata", "2026-01-01T07:00", "2026-01-01T06:30"),
        ("M", 1, "2026-01-01T00:00", "UTC", "2020-02-15T00:00", "2020-02-01T00:00"),
    ],
)  # fmt: skip
def test_periods_begin_by_the_wall_clock_of_their_zone(
    unit: str, count: int, start: str, zone: str, at: str, begin: str
) -> None:
    period = CalendarPeriod(start=datetime.fromisoformat(start), zone=zone, count=count, unit=unit)
    assert period.begin_ms(instant(at)) == instant(begin)


def calendar(duration: str, zone: str = "UTC", start: str = "2026-01-01 00:00:00") -> list[dict[str, Any]]:
    return [{"duration": duration, "calendar": {"startTime": start, "timeZone": zone}}]


def test_a_month_is_judged_from_its_first_day_on(tmp_path: Path) -> None:
    objective = one(tmp_path, slo(timeWindow=calendar("1M", "America/New_York")))
    # Six hours of April in New York's March (T0 is 1 April, 0:00 UTC), all bad, and a good day.
    late = np.where(np.arange(DAY) < 240, 100, 0)
    found = evaluate(objective, minute_counts(range(DAY), starts=100, starts_late=late))
    assert found.start_ts_ms == T0 + 4 * HOUR_MS
    assert (found.bad, found.attained) == (0, 1.0)
    left = found.burn["budget_left"].to_list()
    assert left[3] == pytest.approx(-99.0)
    assert left[4] == left[-1] == 1.0


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (calendar("1M", "Mars/Olympus"), "no time zone 'Mars/Olympus'"),
        (calendar("1M", "../../etc/passwd"), "no time zone"),
        (calendar("1M", start="yesterday"), "startTime"),
        (calendar("1M", start="2026-01-01T00:00:00Z"), "without a zone"),
        (calendar("1M", "Asia/Tokyo", start="0001-01-01 00:00:00"), "from 1970 to 2100"),
        (calendar("999Y"), "more than ten years"),
        (calendar("999999d"), "more than ten years"),
        ([{"duration": "999999w", "isRolling": True}], "more than ten years"),
        ([{"duration": "1M", "isRolling": True}], "months, quarters and years need `calendar`"),
        ([{**calendar("1M")[0], "isRolling": True}], "does not roll"),
        ([{"duration": "30d"}], "isRolling: true"),
    ],
)
def test_a_window_that_is_neither_is_refused(tmp_path: Path, window: list[Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        one(tmp_path, slo(timeWindow=window))


def test_a_calendar_period_is_written_out_for_prometheus(tmp_path: Path) -> None:
    objective = one(tmp_path, slo(timeWindow=calendar("1M", "America/New_York")))
    rules = compile_rules([objective], POLICIES, now_ms=T0)["groups"][0]["rules"]
    exprs = {rule["record"]: rule["expr"] for rule in rules if "record" in rule}
    # It is still March in New York.
    march, april = instant("2026-03-01T05:00") // 1000, instant("2026-04-01T04:00") // 1000
    start = exprs["playhead:slo_period:start_seconds"]
    assert start.startswith(f"vector({march})\n+ {april - march} * (vector(time()) > bool {april})")
    assert start.count("bool") == 39
    assert "[31d" not in exprs["slo:sli_error:ratio_rate30d"]
    assert "30d23h59m59s" in exprs["slo:sli_error:ratio_rate30d"]


def test_a_calendar_day_and_a_window_of_a_day_have_two_names(tmp_path: Path) -> None:
    day = {"severity": "page", "condition": {"threshold": 2, "lookbackWindow": "1d"}}
    policy = {**POLICY, "conditions": [thing("AlertCondition", "c", day)]}
    inline = {"kind": "AlertPolicy", "metadata": {"name": "p"}, "spec": policy}
    objective = one(tmp_path, slo(timeWindow=calendar("1d"), alertPolicies=[inline]))
    rules = compile_rules([objective], POLICIES)["groups"][0]["rules"]
    records = [rule["record"] for rule in rules if "record" in rule]
    assert len(records) == len(set(records))
    exprs = {rule["record"]: rule["expr"] for rule in rules if "record" in rule}
    assert exprs["slo:period_burn_rate:ratio"].startswith("slo:sli_error:ratio_rate_period{")
    with pytest.raises(ObjectiveRefused, match="google-30d is made for a period of 30d, not 90d"):
        one(tmp_path, slo(timeWindow=calendar("1Q")))


def test_without_a_window_the_period_is_30_days_and_an_indicator_needs_no_name(tmp_path: Path) -> None:
    document = slo()
    del document["spec"]["timeWindow"], document["spec"]["indicator"]["metadata"]
    assert one(tmp_path, document).period_ms == 30 * 24 * HOUR_MS


# --- composites and several objectives --------------------------------------------------------------------


def composite(*weights: object) -> dict[str, Any]:
    objectives = [
        {"displayName": name, "target": target, "indicator": {"metadata": {"name": name}, "spec": spec}}
        | ({} if weight is None else {"compositeWeight": weight})
        for name, target, spec, weight in zip(
            ("late", "home"), (0.99, 0.95), (LATE, HOME), weights, strict=True
        )
    ]
    return slo(*objectives, indicator=None, alertPolicies=[])


def test_a_composite_is_the_weighted_mean_of_its_shares(tmp_path: Path) -> None:
    objective = one(tmp_path, composite(3, None))
    assert isinstance(objective.indicator, Composite)
    assert objective.target == Decimal("0.98")
    # 2 % of many starts and 6 % of few pages: (3 × 2 + 6) / 4 = 3 %.
    frame = minute_counts([0], starts=10_000, starts_late=200, home_pages=50, home_pages_late=3)
    found = evaluate(objective, frame)
    assert found.attained == pytest.approx(0.97)
    assert found.budget_left == pytest.approx(-0.5)
    # What has no traffic has no weight.
    alone = evaluate(objective, minute_counts([0], starts=10_000, starts_late=200))
    assert alone.attained == pytest.approx(0.98)
    assert alone.kept is True


def test_several_objectives_of_one_indicator_are_several_promises(tmp_path: Path) -> None:
    first, second = load(
        [write(tmp_path, slo({"target": 0.99}, {"displayName": "strict", "targetPercent": 99.5}))]
    )
    assert [first.name, second.name, second.title] == ["one-0", "one-1", "one: strict"]
    assert (first.target, second.target) == (Decimal("0.99"), Decimal("0.995"))


# --- what strangers write ---------------------------------------------------------------------------------


def test_unicode_is_read_where_it_is_text_and_refused_where_it_is_a_name(tmp_path: Path) -> None:
    document = slo(description="Zeit bis zum ersten Bild – 2 s ✓")
    document["metadata"]["displayName"] = "Zeit ⏱ 起動"
    objective = one(tmp_path, document)
    assert objective.title == "Zeit ⏱ 起動"
    document["metadata"]["name"] = "zeit-⏱"
    with pytest.raises(InputError, match=r"metadata\.name"):
        one(tmp_path, document)


def test_keys_that_prometheus_cannot_spell_are_spelt_for_it(tmp_path: Path) -> None:
    document = slo()
    document["metadata"] |= {
        "labels": {"cost-centre": "a", "app.kubernetes.io/name": ["b", "c"]},
        "annotations": {"openslo.com/folder": "d", "1st": "{{ $value }}"},
    }
    objective = one(tmp_path, document)
    assert objective.labels == {"cost_centre": "a", "app_kubernetes_io_name": "b,c"}
    rules = [rule for group in compile_rules([objective], POLICIES)["groups"] for rule in group["rules"]]
    (page, _) = [rule["annotations"] for rule in rules if rule.get("alert") == "OneBudgetBurn"]
    assert page["openslo_com_folder"] == "d"
    assert page["_1st"] == '{{"{"}}{{"{"}} $value }}'


def test_a_notification_target_is_no_template(tmp_path: Path) -> None:
    policy = {
        **POLICY,
        "conditions": [thing("AlertCondition", "c", CONDITION)],
        "notificationTargets": ["{{ $value }}"],
    }
    with pytest.raises(ObjectiveRefused, match="is no name"):
        one(tmp_path, slo(alertPolicies=[{"kind": "AlertPolicy", "metadata": {"name": "p"}, "spec": policy}]))


def test_a_clock_that_jumped_does_not_fill_the_memory(tmp_path: Path) -> None:
    objective = one(tmp_path, slo())
    century = 60 * 24 * 36_525
    back = minute_counts([-century // 60 * 10, *range(10)], starts=1)
    assert evaluate(objective, back).total == 10
    ahead = minute_counts([*range(10), century * 60], starts=1)
    with pytest.raises(InputError, match="most minute counts lie ten years and more before the last"):
        evaluate(objective, ahead)
    assert evaluate(objective, ahead, end_ts_ms=T0 + 10 * 60_000).total == 10


def test_a_counter_that_goes_backwards_is_no_count(tmp_path: Path) -> None:
    frame = minute_counts(range(2), starts=[5, 5], starts_late=[3, -2])
    with pytest.raises(InputError, match="starts_late is below 0"):
        evaluate(one(tmp_path, slo()), frame)


def test_days_without_a_row_count_nothing_and_end_what_fires(tmp_path: Path) -> None:
    minutes = [*range(180), *range(5 * DAY, 5 * DAY + 60)]
    frame = minute_counts(minutes, starts=1000, starts_late=[500] * 180 + [0] * 60)
    found = evaluate(one(tmp_path, slo()), frame)
    assert found.total == 240_000
    pages = found.episodes.filter(pl.col("severity") == "page")
    assert pages["end_ts_ms"].max() < T0 + DAY * 60_000  # type: ignore[operator]
    assert found.burn.height == 5 * 24 + 1


def test_files_of_other_objects_alone_hold_no_objective(tmp_path: Path) -> None:
    assert read([write(tmp_path, thing("SLI", "late", LATE))]) == []
    with pytest.raises(InputError, match="this is a Sloth specification"):
        read([write(tmp_path, {"version": "prometheus/v1", "service": "a"})])
