"""What commands keep beside a lake is read whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dashboards.artefacts import read

QUALITY = {"lake_version": "a", "expectations": 3, "failed": 0, "rows_checked": 10, "tables": []}


def test_a_whole_document_is_read(tmp_path: Path) -> None:
    file = tmp_path / "quality.json"
    file.write_text(json.dumps(QUALITY | {"more": 1}))
    assert read(file) == QUALITY | {"more": 1}
    other = tmp_path / "own.json"
    other.write_text("{}")
    assert read(other) == {}


@pytest.mark.parametrize(
    "text",
    ["", "{", json.dumps(QUALITY)[:40], "[]", "null", "3", '"quality"', json.dumps(QUALITY | {"tables": 3}),
     json.dumps({k: v for k, v in QUALITY.items() if k != "failed"})],
)  # fmt: skip
def test_a_damaged_one_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "quality.json"
    file.write_text(text)
    assert read(file) is None
    assert read(tmp_path / "scorecard.json") is None


def test_bytes_that_are_no_text_are_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "decision.json").write_bytes(b"\xff\xfe\x00")
    assert read(tmp_path / "decision.json") is None
