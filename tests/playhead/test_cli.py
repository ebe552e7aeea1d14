"""The command line's edges: what is said, and the exit status, when nothing or the impossible is asked."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import Any

import click
import pytest

from playhead import cli


def status(*argv: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(list(argv))
    return int(stop.value.code or 0)


@pytest.mark.parametrize("argv", [(), ("ingest",), ("lake",), ("slo",)])
def test_a_bare_group_shows_its_help_as_it_is(
    argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(*argv) == 2
    told = capsys.readouterr().err
    assert told.startswith("Usage: playhead")
    assert "Commands:\n" in told


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    "argv",
    [
        ("cost", "capacity", "--concurrent"),
        ("cost", "breakeven", "cdn", "--price"),
        ("experiment", "--level"),
        ("replay", "--buffer"),
        ("serve", "--speed"),
    ],
)
def test_a_number_that_is_none_is_refused(
    argv: tuple[str, ...], number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(*argv, number) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"playhead: Invalid value for '{argv[-1]}': {number} is not ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("raised", "expected", "says"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 2, "playhead: No space left on device; "),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 2, "playhead: /x: Permission denied; "),
        (BrokenPipeError(), 0, ""),
        (SystemExit(1), 0, ""),
        (KeyboardInterrupt(), 130, "playhead: interrupted"),
    ],
)
def test_what_the_machine_refuses_is_one_line(
    raised: BaseException, expected: int, says: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def fail(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr(click.Group, "main", fail)
    assert status("glossary") == expected
    told = capsys.readouterr().err
    assert told.startswith(says)
    assert told.count("\n") == (1 if says else 0)


def test_a_reader_that_leaves_is_no_failure() -> None:
    command = [sys.executable, "-m", "playhead", "glossary"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        run.stdout.close()
        _, told = run.communicate(timeout=60)
    assert run.returncode == 0, told


def test_a_master_without_spark_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("synthesize", "--master", "spark://127.0.0.1:7077") == 2
    assert capsys.readouterr().err == "playhead: --master: only Spark has a master; add --engine spark\n"
