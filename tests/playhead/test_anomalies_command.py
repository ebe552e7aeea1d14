"""``playhead anomalies`` from the outside."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from playhead.cli import main


def _run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["anomalies", *arguments])
    return int(stop.value.code or 0)


def _series(path: Path, rows: int = 200, jump_at: int = 150) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{1_775_000_000 + row * 300},{1.0 if row < jump_at else 9.0}" for row in range(rows)]
    path.write_text("timestamp,value\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_row_a_row_as_csv_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _series(tmp_path / "a.csv")
    assert _run([str(path)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(rows[0]) == ["timestamp", "value", "anomaly_score", "is_anomaly"]
    assert [row["is_anomaly"] for row in rows].index("true") == 150
    assert rows[150]["timestamp"] == str(1_775_000_000 + 150 * 300)
    assert _run([str(path), "--json"]) == 0
    assert [row["is_anomaly"] for row in json.loads(capsys.readouterr().out)].index(True) == 150


def test_a_folder_keeps_its_folders(tmp_path: Path) -> None:
    _series(tmp_path / "in" / "one" / "a.csv")
    _series(tmp_path / "in" / "two" / "a.csv", rows=1)
    assert _run([str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "one" / "a.csv").read_text().count("\n") == 201
    assert (tmp_path / "out" / "two" / "a.csv").read_text().splitlines()[1] == "1775000000,1.0,0.0,false"


def test_what_cannot_be_written_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = _series(tmp_path / "one" / "a.csv"), _series(tmp_path / "two" / "a.csv")
    for arguments, message in (
        ([str(tmp_path)], "2 files, one output"),
        ([str(one), str(two), "--out", str(tmp_path / "out")], "given twice"),
        ([str(tmp_path / "one"), "--out", str(tmp_path / "one")], "would be overwritten"),
        ([str(tmp_path / "none.csv")], "does not exist"),
    ):
        assert _run(arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
