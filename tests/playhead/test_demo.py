"""The demo as a user runs it, small: the answer in words, and the same answer again."""

from __future__ import annotations

from pathlib import Path

import pytest

from playhead.cli import main


def test_a_small_demo_ends_with_its_answer_and_says_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = tmp_path / "lake"

    def demo(*more: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["demo", "--no-serve", "--subscribers", "120", "--days", "7", "--lake", str(lake), *more])
        return stop.value.code, *capsys.readouterr()

    code, first, _ = demo()
    assert code == 0
    for said in (
        "The promise is ",
        "Objectives are judged over their own window, here 2026-04-01 to 2026-04-07 UTC.",
        "Watch hours per subscriber: ",
        "residual 0",
    ):
        assert said in first
    assert (lake / "artefacts" / "report.html").stat().st_size > 10_000
    assert demo()[:2] == (0, first)
    code, said, why = demo("--seed", "7")
    assert (code, said) == (2, "")
    assert "another emulated service" in why
