"""`playhead slo` as a user runs it: output, exit status, one line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from numpy.typing import NDArray

import alerts.slo
from metrics.lake import Lake
from metrics.telemetry import TABLES
from playhead.cli import main
from tests.alerts.frames import T0, minute_counts

NEVER = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: share}
spec:
  service: discovery
  indicator:
    metadata: {name: share}
    spec:
      ratioMetric:
        good: {metricSource: {type: Prometheus, spec: {query: playhead_starts}}}
        total: {metricSource: {type: Prometheus, spec: {query: playhead_attempts}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.8}]
  alertPolicies: [{alertPolicyRef: google-30d}]
"""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A day in two regions: one keeps the rebuffering promise, one breaks it."""
    lake = Lake.create(tmp_path / "lake")
    frame = pl.concat(
        minute_counts(
            range(1440),
            starts=1000,
            first_stalls=stalls,
            home_pages=500,
            watched_viewer_minutes=9000,
            attempts=1000,
            attempts_n=1000,
            attempts_weight_squared=1000,
        ).with_columns(region=pl.lit(region))
        for region, stalls in (("western-europe", 0), ("mena", 50))
    )
    assert lake.append("minute_count", frame, application="test", version=0).quarantined == 0
    return lake


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["slo", *map(str, arguments)])
    written = capsys.readouterr()
    return int(stop.value.code or 0), written.out, written.err


def test_the_shipped_objectives_pass_their_check(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "check", "--json")
    assert code == 0
    assert len(checked := json.loads(out)) == 7
    assert all(objective["ok"] for objective in checked)


def test_a_check_that_does_not_hold_exits_with_1_and_says_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "never.yaml"
    path.write_text(NEVER, encoding="utf-8")
    code, out, _ = run(capsys, "check", path)
    assert code == 1
    assert f"{path}:16: an alert of google-30d can never fire" in out
    code, out, _ = run(capsys, "check", path, "--json")
    assert code == 1
    assert [item["ok"] for item in json.loads(out)] == [False]
    # What asks for rules gets none of them, and the same line.
    code, out, err = run(capsys, "compile", path)
    assert (code, out) == (2, "")
    assert f"{path}:16: an alert of google-30d can never fire" in err


def test_compile_writes_rules_and_says_what_has_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rules.yaml"
    code, out, err = run(capsys, "compile", "-o", path, "--runbooks", "https://runbooks.example/r")
    assert (code, out) == (0, "")
    assert "rec-driven-share: no Prometheus rule" in err
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    assert all(
        rule["annotations"]["runbook_url"].startswith("https://runbooks.example/r#") for rule in alerts
    )
    code, out, _ = run(capsys, "compile", "--json", "--by", "region")
    assert code == 0
    assert {group["name"] for group in json.loads(out)["groups"]} == {group["name"] for group in groups}


SLOTH = """
version: prometheus/v1
service: web
slos:
  - name: latency
    objective: 99
    sli: {events: {error_query: "sum(rate(slow[{{.window}}]))", total_query: "sum(rate(all[{{.window}}]))"}}
    alerting: {name: Slow}
"""


def test_compile_reads_sloths_specifications(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sloth.yml"
    path.write_text(SLOTH, encoding="utf-8")
    code, out, _ = run(
        capsys, "compile", path, "--format", "sloth", "--label", "cmd=x", "--period", "28d", "--json"
    )
    assert code == 0
    records = [rule for group in json.loads(out)["groups"] for rule in group["rules"] if "record" in rule]
    assert records[7]["record"] == "slo:sli_error:ratio_rate4w"
    assert all(rule["labels"]["cmd"] == "x" for rule in records)
    code, _, err = run(capsys, "check", path)
    assert (code, err.count("\n")) == (2, 1)
    assert "compile it with `playhead slo compile --format sloth`" in err


def test_compile_writes_tests_beside_the_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tests").mkdir()
    rules, tests = tmp_path / "rules.yaml", tmp_path / "tests" / "tests.yaml"
    assert run(capsys, "compile", "-o", rules, "--tests", tests)[0] == 0
    written = yaml.safe_load(tests.read_text(encoding="utf-8"))
    assert written["rule_files"] == ["../rules.yaml"]
    assert written["tests"][0]["promql_expr_test"]


def test_evaluate_says_what_is_kept_and_where(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "evaluate", "--lake", lake.path, "--by", "region", "--json")
    assert code == 0
    said = json.loads(out)
    objectives = {objective["name"]: objective for objective in said["objectives"]}
    rebuffering = objectives["rebuffering-sessions"]
    assert (rebuffering["bad"], rebuffering["total"]) == (72_000, 2_880_000)
    assert rebuffering["kept"] is False
    assert rebuffering["episodes"][0]["severity"] == "page"
    assert objectives["home-page-latency"]["attained"] == 1
    kept = {row["region"]: row["kept"] for row in said["by"] if row["objective"] == "rebuffering-sessions"}
    assert kept == {"western-europe": True, "mena": False}
    code, out, _ = run(capsys, "evaluate", "--lake", lake.path, "--by", "region")
    assert code == 0
    assert "The promise is kept in 1 of 2 regions." in out


def test_counts_in_the_middle_of_a_minute_fire_the_same_by_either_closure(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [
        run(capsys, "evaluate", "--lake", lake.path, "--json", "--closure", c)[1]
        for c in ("left-open", "closed")
    ]
    assert found[0] == found[1]


def test_a_breach_fails_only_when_asked(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "evaluate", "--lake", lake.path)[0] == 0
    assert run(capsys, "evaluate", "--lake", lake.path, "--fail-on-breach")[0] == 1


def test_a_span_of_ones_own(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys, "evaluate", "--lake", lake.path, "--json",
        "--from", "2026-04-01T06:00", "--to", "2026-04-01T12:00",
    )  # fmt: skip
    assert code == 0
    first = json.loads(out)["objectives"][0]
    assert (first["start_ts_ms"], first["end_ts_ms"]) == (T0 + 6 * 3_600_000, T0 + 12 * 3_600_000)


def test_a_share_is_watched_by_its_season(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """Five weeks at 80 %, and half a day at 30 % near the end of them."""
    hours = np.arange(35 * 24)
    share = np.where((hours >= 800) & (hours < 812), 30, 80)
    sessions = pl.concat(
        _session(T0 + hours * 3_600_000, driven, count)
        for driven, count in ((True, share), (False, 100 - share))
    )
    assert lake.append("playback_session", sessions, application="test", version=0).reasons == {}
    code, out, _ = run(capsys, "evaluate", "--lake", lake.path, "--json")
    assert code == 0
    said = {objective["name"]: objective for objective in json.loads(out)["objectives"]}
    (episode,) = said["rec-driven-share"]["episodes"]
    assert episode["severity"] == "ticket"
    assert episode["start_ts_ms"] == T0 + 803 * 3_600_000
    assert episode["end_ts_ms"] == T0 + 813 * 3_600_000
    assert said["rec-driven-share"]["attained"] == pytest.approx(share[-720:].mean() / 100)
    only = Path(alerts.slo.__file__).parent / "objectives" / "rec-driven-share.yaml"
    code, out, _ = run(capsys, "evaluate", only, "--lake", lake.path, "--by", "region")
    assert code == 0
    assert "rec-driven-share" in out


def _session(start_ts_ms: NDArray[np.int64], driven: bool, count: NDArray[np.int64]) -> pl.DataFrame:
    """Three times ``count`` equal sessions of ten minutes in each hour, last attributed to a recommendation or not."""
    contract = TABLES["playback_session"]
    zero = {c.name: pl.lit(0) for c in contract.columns if not c.nullable and c.dtype == pl.Int64}
    text = {
        "session_id": "s", "end_reason": "completed", "outcome": "played", "flags": "", "subscriber_id": "m",
        "surface": "home" if driven else "search",
    }  # fmt: skip
    times = {"startup_ms": 500, "playing_ms": 600_000, "watched_ms": 600_500, "weight": 1}
    frame = pl.DataFrame({"start_ts_ms": np.repeat(start_ts_ms, 3 * count)})
    return frame.with_columns(
        **{name: value for name, value in zero.items() if name != "start_ts_ms"},
    ).with_columns(
        **{name: pl.lit(value) for name, value in (text | times).items()},
        end_ts_ms=pl.col("start_ts_ms") + 600_500,
        is_rec_driven=pl.lit(driven),
        is_synthetic=pl.lit(value=True),
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("check", "absent.yaml"), "absent.yaml: No such file"),
        (("compile", "--by", "planet"), "no label 'planet'"),
        (("compile", "--tests", "tests.yaml"), "--tests needs -o"),
        (("compile", "--format", "sloth"), "no Sloth specification given"),
        (("compile", "--format", "sloth", "absent.yml", "--by", "region"), "are for OpenSLO"),
        (("compile", "--format", "sloth", "absent.yml"), "absent.yml: No such file"),
        (("compile", "--format", "sloth", "absent.yml", "--label", "x"), "is no NAME=VALUE"),
        (("compile", "--label", "a=b"), "are for --format sloth"),
        (("evaluate", "--closure", "ajar"), "'ajar' is not one of"),
        (("compile", "-o", "absent/rules.yaml"), "absent/rules.yaml: No such file"),
        (("compile", "--windows", "absent.yaml"), "absent.yaml: No such file"),
        (("evaluate", "--lake", "absent"), "absent: no lake here"),
        (("evaluate", "--from", "yesterday"), "yesterday"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    last = err.splitlines()[-1]
    assert says in last
    assert "Traceback" not in err


def test_a_lake_without_minute_counts_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Lake.create(tmp_path / "lake")
    code, _, err = run(capsys, "evaluate", "--lake", tmp_path / "lake")
    assert code == 2
    assert "no minute counts" in err
