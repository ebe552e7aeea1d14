"""``playhead localise`` as a user calls it: its answers, and one line for what cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from playhead.cli import main

HISTORY = ("--value", "stalling", "--count", "viewers", "--time", "min", "--at", "9")


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    status, out, err = run(capsys, *arguments, "--json")
    assert status == 0, err
    return json.loads(out)


def write(path: Path, broken: str = "", everywhere: bool = False) -> Path:
    lines = ["min,stalling,viewers,cdn,isp,due"]
    for minute in range(10):
        for cdn in "abc":
            for isp in "uvwx":
                hit = minute == 9 and (everywhere or cdn == broken)
                lines.append(f"{minute},{80 if hit else 20 + minute % 3},1000,{cdn},{isp},21")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_one_file_gives_its_causes_best_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "one.csv", "b")
    best = as_json(capsys, "localise", file, *HISTORY)[0]
    assert best["elements"] == [{"cdn": "b"}]
    assert best["external"] is False
    assert best["explained_ratio"] > 0.9
    said = run(capsys, "localise", file, *HISTORY)[1]
    assert said.startswith(f"{file}: cdn=b  (explains ")
    assert said.count("cdn=b") == 1, "a part of the answer is no other answer"


def test_several_files_give_a_list_by_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [write(tmp_path / "slice.csv", "c"), write(tmp_path / "all.csv", everywhere=True)]
    found = as_json(capsys, "localise", *files, *HISTORY)
    assert [one["file"] for one in found] == list(map(str, files))
    assert [one["external"] for one in found] == [False, True]
    assert found[0]["causes"][0]["elements"] == [{"cdn": "c"}]
    assert found[1]["causes"][0]["elements"] == []
    assert "no slice explains it" in run(capsys, "localise", files[1], *HISTORY)[1]


@pytest.mark.parametrize("method", ["scan", "adtributor", "hotspot"])
def test_a_forecast_column_and_every_method(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "one.csv", "b")
    options = ("--value", "stalling", "--count", "viewers", "--time", "min", "--at", "9", "--baseline", "due")
    found = as_json(capsys, "localise", file, *options, "--method", method)
    assert found[0]["elements"] == [{"cdn": "b"}]


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (b"", HISTORY, "not a CSV in UTF-8"),
        (b"min,stalling,viewers,cdn\n9,1,2,\xe9\xff\n", HISTORY, "UTF-8"),
        (b"min,stalling,viewers,cdn\n", HISTORY, "no rows"),
        (b"min,stalling,viewers,cdn\n9,1,2,a\n", HISTORY, "no row before 9"),
        (b"min,stalling,viewers,cdn\n1,1,2,a\n2,1,2,a\n", HISTORY, "no row at 9"),
        (b"min,stalling,viewers,cdn\n8,1,2,a\n10,1,2,a\n", HISTORY, "instants go from 8 to 10"),
        (b"min,stalling,viewers,cdn\n8,,,a\n9,,,a\n", HISTORY, "nothing is no number"),
        (b"min,stalling,viewers,cdn\n8,-1,2,a\n9,1,2,a\n", HISTORY, "'-1' is no number of at least 0"),
        (b"min,stalling,viewers,cdn\n8,inf,2,a\n9,1,2,a\n", HISTORY, "'inf' is no number"),
        (b"min,stalling,viewers\n8,1,2\n9,1,2\n", HISTORY, "no dimension column"),
        (b"min,stalled,viewers,cdn\n8,1,2,a\n", HISTORY, "did you mean stalled?"),
        (b"min,stalling,viewers,cdn\n8,1,2,a\n", ("--value", "stalling"), "nothing to compare with"),
        (b"min,stalling,viewers,cdn\n8,1,2,a\n", ("--value", "stalling", "--at", "9"), "go together"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line(
    content: bytes, options: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(content)
    status, out, err = run(capsys, "localise", file, *options)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert said in err


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        status, out, err = run(capsys, "localise", path, *HISTORY)
        assert (status, out) == (2, "")
        assert err.count("\n") == 1
