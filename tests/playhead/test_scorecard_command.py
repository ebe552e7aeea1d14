"""A lake's truth marks every estimator; a lake without one says so."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from metrics.lake import Lake
from metrics.scorecard import score
from playhead.cli import main
from playhead.scoring import card_of, has_truth, on_lake
from tests.metrics.rows import APRIL_MS, DAY_MS, rows, session

HOUR_MS = 3_600_000
INCIDENT_MS = APRIL_MS + 7 * DAY_MS + 12 * HOUR_MS


def plays() -> list[dict[str, Any]]:
    """Eight days of twelve o'clock at four ISPs; on the last, every play of the first one fails."""
    found = []
    for day in range(8):
        for n in range(160):
            fails = day == 7 and n % 4 == 0
            given = {
                "start_ts_ms": APRIL_MS + day * DAY_MS + 12 * HOUR_MS + n, "region": "rq"[n % 4 // 2],
                "isp": f"i{n % 4}", "device": "web", "codec": "h264", "player_version": "1", "subscriber_id": f"m{n}",
                "replicate": n % 32, "session_id": f"s{day}-{n}",
            }  # fmt: skip
            found.append(session(outcome="playback_failure" if fails else "played", **given))
    return found


def incident(**given: Any) -> dict[str, Any]:
    return {
        "incident_id": "a", "kind": "bad_encode", "start_ts_ms": INCIDENT_MS, "end_ts_ms": INCIDENT_MS + HOUR_MS,
        "scope": json.dumps({"isp": "i0", "region": "r"}), "metric": "playback_failure_ratio",
    } | given  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake.create(tmp_path / "lake")
    sessions = rows("playback_session", *plays())
    paying = [
        {"ts_ms": APRIL_MS + day * DAY_MS, "status": "paying", "tenure_days": 9, "subscriber_id": f"m{n}",
         "region": "rq"[n % 4 // 2], "replicate": n % 32}
        for day in range(8) for n in range(160)
    ]  # fmt: skip
    schema = rows("truth_counterfactual").schema
    known = {name: Decimal(0) if t == pl.Decimal(38, 0) else 0 for name, t in schema.items()}
    factual: dict[str, object] = known | {
        "experiment": None, "world": "factual", "region": "r", "attempts": 1_280, "starts": 1_280, "startup_bucket": [],
        "startup_weight": [],
        "playing_ms": Decimal(1_280 * 600_000),
    }  # fmt: skip
    for name, frame in {
        "playback_session": sessions,
        "membership": rows("membership", *paying),
        "truth_incident": rows("truth_incident", incident(), incident(incident_id="b", metric="fill_ratio")),
        "truth_counterfactual": pl.DataFrame([factual], schema=schema, orient="row"),
        "score": score("cost intervals", "mine", "coverage_90", [True, False]),
    }.items():
        lake.append(name, frame, application="test", version=0)
    return lake


def values(card: pl.DataFrame) -> dict[tuple[str, str], float]:
    return {(row["estimator"], row["measure"]): row["value"] for row in card.iter_rows(named=True)}


def test_estimators_are_marked_by_the_truth(lake: Lake) -> None:
    said: list[str] = []
    found = values(on_lake(lake, said.append))
    assert found["ledger", "residual"] == 0
    assert found["explain", "largest_residual"] == 0
    assert found["quantile sketch", "largest_relative_error"] < 0.01
    # Of the two incidents one shows in sessions, and every play of it failed at one ISP.
    assert found["localise", "f1"] == 1
    assert found["localise", "exact"] == 1
    # No bytes were delivered in either, so there is nothing to be off by.
    assert found["metrics", "largest_relative_error"] == pytest.approx(0)
    # No minutes were counted, so no page can be tried: said, and not scored.
    assert ("burn-rate alerts", "recall") not in found
    assert any(line.startswith("burn-rate alerts: not scored") for line in said)


def test_a_wrong_truth_is_a_wrong_answer(tmp_path: Path) -> None:
    """The score marks the answer, whatever it is: an incident elsewhere is not found."""
    lake = Lake.create(tmp_path / "lake")
    lake.append("playback_session", rows("playback_session", *plays()), application="test", version=0)
    elsewhere = incident(scope=json.dumps({"isp": "i3", "region": "q"}))
    lake.append("truth_incident", rows("truth_incident", elsewhere), application="test", version=0)
    assert values(on_lake(lake))["localise", "f1"] == 0


def test_the_command_prints_the_card(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["scorecard", "--lake", str(lake.path), "--json"])
    assert stopped.value.code == 0
    said = json.loads(capsys.readouterr().out)
    assert said["has_truth"] is True
    mine = [row for row in said["scores"] if row["case_set"] == "mine"]
    assert mine[0]["value"] == 0.5
    assert "burn-rate alerts" in said["not_scored"] or any(
        r["estimator"] == "burn-rate alerts" for r in said["scores"]
    )
    kept = json.loads(lake.artefact("scorecard.json").read_text(encoding="utf-8"))
    assert kept["scores"] == said["scores"]
    with pytest.raises(SystemExit):
        main(["scorecard", "--lake", str(lake.path), "--csv", "--no-made"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("estimator,case_set,measure,value,low,high")
    with pytest.raises(SystemExit) as stopped:
        main(["scorecard", "--lake", str(lake.path), "--csv", "--json"])
    assert stopped.value.code == 2


def test_a_lake_without_truth_says_what_it_cannot_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = Lake.create(tmp_path / "lake")
    lake.append("playback_session", rows("playback_session", session()), application="test", version=0)
    assert not has_truth(lake)
    card = card_of(lake, made=False)
    assert card.card.is_empty()
    assert "This lake has no truth" in card.said
    assert "Not scored here: ledger, quantile sketch" in card.said
    with pytest.raises(SystemExit) as stopped:
        main(["scorecard", "--lake", str(lake.path)])
    assert stopped.value.code == 0
    assert "no truth" in capsys.readouterr().out
