"""``playhead search`` from the outside: what it prints, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from playhead import cli
from tests.synthetic.test_catalogue_search import written


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("catalogue") / "titles.csv")


def run(*argv: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(["search", *argv])
    return int(stop.value.code or 0)


def test_titles_are_ranked_with_id_score_and_why(catalogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--catalog", str(catalogue), "--query", "haunted house from korea", "-k", "2", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["rank"] for row in rows] == [1, 2]
    assert (rows[0]["id"], rows[0]["title"]) == ("t06", "The House Below")
    assert rows[0]["score"] > rows[1]["score"] > 0
    assert rows[0]["why"]["words"] == ["haunted", "house"]
    assert "horror" in rows[0]["why"]["themes"]
    assert rows[0]["why"]["graph"] == ["country: South Korea"]


def test_every_title_shown_to_people_has_its_line_of_reasons(
    catalogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--catalog", str(catalogue), "--query", "slow burn nordic crime", "-k", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("  1  Harbour of Ash (2018)")
    assert "country: Sweden" in lines[1]
    assert lines[2].startswith("  2  The Salt Lantern (2014)")


def test_a_cell_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "odd.csv", (("Red\x1b[31m\nLantern",),), ("title",))
    assert run("--catalog", str(path), "--query", "lantern") == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("  1  Red[31m Lantern")


def test_nothing_found_is_an_answer(catalogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--catalog", str(catalogue), "--query", "qqqq", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run("--catalog", str(catalogue), "--query", "scary", "--keyword") == 0
    assert capsys.readouterr().out == "no title matches\n"


@pytest.mark.parametrize("query", ["", "   ", "?!", "\x00", "x" * 10_000])
def test_a_query_that_cannot_be_used_is_one_line(
    catalogue: Path, query: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--catalog", str(catalogue), "--query", query) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("playhead: ")
    assert told.err.count("\n") == 1


def test_a_catalogue_that_cannot_be_used_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junk = tmp_path / "junk.csv"
    junk.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    for path in (junk, tmp_path / "absent.csv", tmp_path):
        assert run("--catalog", str(path), "--query", "crime") == 2
        told = capsys.readouterr().err
        assert told.startswith(f"playhead: {path}")
        assert told.count("\n") == 1


def test_a_query_is_only_ever_text(
    catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for query in (
        "$(touch pwned)",
        "`touch pwned`; touch pwned",
        "@titles.csv ../../etc/passwd",
        "file:///etc/hosts",
    ):
        assert run("--catalog", str(catalogue), "--query", query, "--json") == 0
        json.loads(capsys.readouterr().out)
    assert list(tmp_path.iterdir()) == []
