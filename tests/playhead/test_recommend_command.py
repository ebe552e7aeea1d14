"""``playhead recommend evaluate`` from file to figures, and its mistakes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from playhead.cli import main
from tests.metrics.recommendation_logs import sequences


def _status(*argv: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(part) for part in argv])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("ratings")
    log = sequences(users=80, items=60)
    rows = zip(log.user.tolist(), log.item.tolist(), log.time.tolist(), strict=True)
    ratings, titles = folder / "ratings.csv", folder / "titles.csv"
    ratings.write_text(
        "userId,movieId,rating,timestamp\n"
        + "".join(f"u{user},t{item},{5 - (user + item) % 7 // 6},{1e9 + 60 * time:.0f}\n" for user, item, time in rows)
    )  # fmt: skip
    titles.write_text("movieId,title,genres\n" + "".join(f"t{i},T{i},G{i % 3}|G{i % 5}\n" for i in range(60)))
    return ratings, titles


def test_figures_and_lists(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ratings, titles = files
    out = tmp_path / "lists.csv"
    argv = [
        "recommend",
        "evaluate",
        "--ratings",
        ratings,
        "--catalog",
        titles,
        "--out",
        out,
        "-k",
        "5",
        "--json",
    ]
    assert _status(*argv) == 0
    found = json.loads(capsys.readouterr().out)
    models = {row["model"]: row for row in found["models"]}
    assert {"popularity", "item_knn", "ease", "als", "fused", "calibrated"} <= models.keys()
    assert found["best"] in models
    for row in models.values():
        assert 0 <= row["ndcg_at_5"]["low"] <= row["ndcg_at_5"]["value"] <= row["ndcg_at_5"]["high"] <= 1
        assert 0 < row["coverage"] <= 1
        assert 1 <= row["effective_catalogue_size"] <= 60
    assert found["train_positives"] + found["test_positives"] == found["positives"]
    assert found["calibration"]["divergence_ratio"] <= 0.5
    assert [group["group"] for group in found["cold_start"]] == ["first likings", "onboarding picks"]

    with ratings.open() as file:
        rated = {(row["userId"], row["movieId"]) for row in csv.DictReader(file)}
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["user"] for row in rows} == {user for user, _ in rated}
    assert not rated & {(row["user"], row["item"]) for row in rows}
    assert len({(row["user"], row["item"]) for row in rows}) == len(rows) == 80 * 5
    assert [int(row["rank"]) for row in rows] == [1, 2, 3, 4, 5] * 80


def test_a_table_for_people_without_a_catalogue(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _status("recommend", "evaluate", "--ratings", files[0]) == 0
    shown = capsys.readouterr().out
    assert "90 % interval" in shown
    assert "no catalogue: nothing is known of genres" in shown
    assert "over EASE" in shown


def test_nobody_with_two_likings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ratings, out = tmp_path / "r.csv", tmp_path / "lists.csv"
    ratings.write_text("user,item,rating\na,x,5\nb,y,5\nc,x,5\n")
    assert _status("recommend", "evaluate", "--ratings", ratings) == 2
    assert "no user has two likings" in capsys.readouterr().err
    assert _status("recommend", "evaluate", "--ratings", ratings, "--out", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["models"] == []
    assert out.read_text().startswith("user,item,rank\na,y,1\n")


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ratings = tmp_path / "r.csv"
    ratings.write_text("user,item,rating\na,x,5\nb,y,5\n")
    for argv, what in (
        (["--ratings", tmp_path / "none.csv"], "no such file"),
        (["--ratings", ratings, "--out", tmp_path / "no" / "lists.csv"], "no such folder"),
        (["--ratings", ratings, "--catalog", tmp_path / "none.csv"], "no such file"),
        (["--ratings", ratings, "-k", "0"], "-k"),
        ([], "--ratings"),
    ):
        assert _status("recommend", "evaluate", *argv) == 2
        told = capsys.readouterr().err
        assert what in told
        assert told.count("\n") == 1
