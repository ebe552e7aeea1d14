"""Answers that pages share: each metric of a cut is asked for once, and what is kept is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest

from dashboards import queries
from dashboards.answers import Answers
from dashboards.context import Period, Where, span_of
from dashboards.queries import Source
from metrics.catalog import METRICS
from metrics.errors import InputError
from metrics.lake import Lake
from metrics.query import check_cut, measure
from playhead.synthesis import synthesise
from synthetic.scenario import load_scenario


class Asked:
    """Answers two rows a metric, and remembers what it was asked."""

    def __init__(self) -> None:
        self.names: list[tuple[str, ...]] = []

    def __call__(self, names: Sequence[str]) -> pl.DataFrame:
        self.names.append(tuple(names))
        return pl.DataFrame({"metric": [n for n in names for _ in (1, 2)], "value": [1.0, 2.0] * len(names)})


def test_what_is_known_is_not_asked_again_and_stands_in_the_order_of_the_question() -> None:
    answers, ask = Answers(10_000), Asked()
    answers.of("cut", ["a", "b"], ask)
    found = answers.of("cut", ["c", "b", "c"], ask)
    assert ask.names == [("a", "b"), ("c",)]
    assert found.equals(Asked()(["c", "b"]))
    answers.of("another", ["b"], ask)
    assert ask.names[-1] == ("b",)


def test_those_who_ask_alike_at_once_ask_once() -> None:
    answers, ask = Answers(10_000), Asked()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: answers.of("cut", ["a", "b"], ask), range(40)))
    assert ask.names == [("a", "b")]
    assert all(frame.equals(found[0]) for frame in found)
    assert not answers._turns


def test_the_least_lately_asked_is_given_up() -> None:
    answers, ask = Answers(100), Asked()
    for name in "abcdefgh":
        answers.of("cut", [name], ask)
        assert answers._bytes == sum(frame.estimated_size() for frame in answers._frames.values()) <= 100
    asked = len(ask.names)
    answers.of("cut", ["h"], ask)
    assert len(ask.names) == asked
    answers.of("cut", ["a"], ask)
    assert len(ask.names) == asked + 1


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake.create(tmp_path_factory.mktemp("answers") / "lake")
    synthesise(load_scenario(None, panel=150, days=4), lake)
    return lake


@pytest.mark.parametrize(
    ("by", "where"),
    [
        (("region", "isp"), (("region", ("mena", "south-asia")),)),
        (("region", "device"), (("device", ("mobile",)), ("region", ("western-europe", "nowhere")))),
        (("cdn",), (("cdn", (None, "own")),)),
    ],
)
def test_rows_of_a_table_that_is_known_are_those_of_its_slice(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, by: tuple[str, ...], where: Where
) -> None:
    """The figures of the command line, whether or not the whole was answered before; and then they are not asked."""
    source, span = Source(str(lake.path), lake.version()), span_of(lake)
    assert span is not None
    window = Period(span.first, span.last)
    names = tuple(name for name in METRICS if can_cut(name, by) and name != "first_week_genres")
    told = measure(
        lake, names, by=by, where=dict(where), start_ts_ms=window.start_ts_ms, end_ts_ms=window.end_ts_ms
    )
    monkeypatch.setattr(queries, "_ANSWERS", Answers(2**24))
    assert source.measure(names, window, by=by, where=where).equals(told)
    monkeypatch.setattr(queries, "_ANSWERS", Answers(2**24))
    source.measure(names, window, by=by)
    asked: list[str] = []

    def noted(rows: Any, names: Sequence[str], **cut: Any) -> pl.DataFrame:
        asked.extend(names)
        return measure(rows, names, **cut)

    monkeypatch.setattr(queries, "measure", noted)
    assert source.measure(names, window, by=by, where=where).equals(told)
    assert not {"time_to_play_p99_ms", "time_to_play_bad_ratio"} & set(asked)
    assert "time_to_play_p99_ms" in names


def can_cut(name: str, by: Sequence[str]) -> bool:
    try:
        check_cut([name], by)
    except InputError:
        return False
    return True
